//! Reads and writes the escapes of JSON strings.

use super::fault::ScanFault;

/// Returns the byte that an escape of two bytes stands for, by its letter.
#[inline]
pub(super) fn short(letter: u8) -> Option<u8> {
    match BYTES[usize::from(letter)] {
        0 => None,
        byte => Some(byte),
    }
}

/// Returns the character that is escaped as UTF-16 at the start of `bytes`, and the length of its
/// escape, or of both escapes of a surrogate pair.
pub(super) fn decode_units(bytes: &[u8]) -> Result<(char, usize), ScanFault> {
    let first = unit(bytes)?;
    if let Some(char) = char::from_u32(first) {
        return Ok((char, 6));
    }
    let second = bytes.get(6..).ok_or(ScanFault::Unwanted).and_then(unit)?;
    match (first, second) {
        (0xd800..=0xdbff, 0xdc00..=0xdfff) => char::from_u32(((first - 0xd800) << 10) + second + 0x2400),
        _ => None,
    }
    .map(|char| (char, 12))
    .ok_or(ScanFault::Unwanted)
}

/// The length of the longest escape that is written.
pub(super) const LONGEST: usize = 6;

/// Returns the escape of a byte, padded to eight bytes, and its length.
#[inline]
pub(super) fn of(byte: u8) -> ([u8; 8], usize) {
    let escape = ESCAPES[usize::from(byte)];
    (escape.to_le_bytes(), (escape >> 56) as usize)
}

/// Returns the UTF-16 code unit that an escape of six bytes stands for.
pub(super) fn unit(bytes: &[u8]) -> Result<u32, ScanFault> {
    let [b'\\', b'u', digits @ ..] = bytes else { return Err(ScanFault::Syntax) };
    let digits = digits.first_chunk::<4>().ok_or(ScanFault::Syntax)?;
    digits.iter().try_fold(0, |unit, &digit| match char::from(digit).to_digit(16) {
        Some(digit) => Ok(unit << 4 | digit),
        None => Err(ScanFault::Syntax),
    })
}

/// The bytes with an escape of two bytes, and its letter.
const SHORT: [(u8, u8); 7] =
    [(b'"', b'"'), (b'\\', b'\\'), (0x08, b'b'), (0x0c, b'f'), (b'\n', b'n'), (b'\r', b'r'), (b'\t', b't')];

/// Maps the letter of an escape of two bytes to the byte it stands for; 0 if there is none.
static BYTES: [u8; 256] = {
    let mut bytes = [0; 256];
    let mut at = 0;
    while at < SHORT.len() {
        bytes[SHORT[at].1 as usize] = SHORT[at].0;
        at += 1;
    }
    // A slash may be escaped, but need not be.
    bytes[b'/' as usize] = b'/';
    bytes
};

/// Maps a byte to its escape, in little-endian order. The last byte is the length of the escape.
static ESCAPES: [u64; 256] = {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let mut escapes = [0; 256];
    let mut byte = 0;
    while byte < escapes.len() {
        let (high, low) = (HEX[byte >> 4], HEX[byte & 15]);
        escapes[byte] = u64::from_le_bytes([b'\\', b'u', b'0', b'0', high, low, 0, 6]);
        byte += 1;
    }
    let mut at = 0;
    while at < SHORT.len() {
        let (byte, letter) = SHORT[at];
        escapes[byte as usize] = u64::from_le_bytes([b'\\', letter, 0, 0, 0, 0, 0, 2]);
        at += 1;
    }
    escapes
};
