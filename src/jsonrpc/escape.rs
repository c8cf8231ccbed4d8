//! Reads and writes the escapes of JSON strings.

use super::fault::ScanFault;

/// Returns the length of the escape at the start of `bytes`.
pub(super) fn length(bytes: &[u8]) -> Result<usize, ScanFault> {
    match letter(bytes)? {
        b'u' => unit(bytes).map(|_| 6),
        letter => short(letter).map(|_| 2),
    }
}

/// Returns the escaped character at the start of `bytes`, and the length of its escape, or of both
/// escapes of a surrogate pair.
pub(super) fn decode(bytes: &[u8]) -> Result<(char, usize), ScanFault> {
    match letter(bytes)? {
        b'u' => {}
        letter => return Ok((char::from(short(letter)?), 2)),
    }
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

/// Writes the escape of a byte.
pub(super) fn write(buffer: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match LETTERS[usize::from(byte)] {
        0 => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            buffer.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
        letter => buffer.extend_from_slice(&[b'\\', letter]),
    }
}

fn letter(bytes: &[u8]) -> Result<u8, ScanFault> {
    bytes.get(1).copied().ok_or(ScanFault::Syntax)
}

/// Returns the byte that an escape of two bytes stands for.
fn short(letter: u8) -> Result<u8, ScanFault> {
    match BYTES[usize::from(letter)] {
        0 => Err(ScanFault::Syntax),
        byte => Ok(byte),
    }
}

/// Returns the UTF-16 code unit that an escape of six bytes stands for.
fn unit(bytes: &[u8]) -> Result<u32, ScanFault> {
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

/// Maps a byte to the letter of its escape of two bytes; 0 if there is none.
static LETTERS: [u8; 256] = {
    let mut letters = [0; 256];
    let mut at = 0;
    while at < SHORT.len() {
        letters[SHORT[at].0 as usize] = SHORT[at].1;
        at += 1;
    }
    letters
};
