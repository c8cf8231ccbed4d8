//! Reads strings that have escapes.

use super::escape;
use super::fault::ScanFault;
use super::special::{BLOCK, Window, marks, window};
use super::utf8::utf8;

/// The bytes that are decoded before they are appended to the string. Unlike a string, this buffer
/// can be overwritten by copies of a fixed size, and checking UTF-8 is cheap for many bytes at once.
const STAGE: usize = 1024;

/// The maximum that one block adds: the block, or less and the character of an escape that ends in the
/// next block.
const ROOM: usize = BLOCK + 4;

/// Skips the rest of a string from its first special byte on. Returns the offset after its closing
/// quote.
pub(super) fn skip(bytes: &[u8], first: usize) -> Result<usize, ScanFault> {
    let mut room = [b' '; 2 * BLOCK];
    let mut at = first;
    // The length of an escape's end in the next block. Blocks do not start after it: their
    // offsets are known in advance, and the processor works on several at once.
    let mut over = 0;
    while at < bytes.len() {
        let window = window(bytes, at, &mut room);
        let mut marks = marks(&window[..BLOCK]) & (u64::MAX << over);
        let mut end = 0;
        while marks != 0 {
            let found = marks.trailing_zeros() as usize;
            match window[found] {
                b'"' => return Ok(at + found + 1),
                b'\\' if escape::short(window[found + 1]).is_some() => {
                    marks &= (marks - 1) & !(2 << found);
                    end = found + 2;
                }
                b'\\' => {
                    escape::unit(&window[found..])?;
                    marks &= u64::MAX << found << 6;
                    end = found + 6;
                }
                _ => return Err(ScanFault::Syntax),
            }
        }
        over = end.saturating_sub(BLOCK);
        at += BLOCK;
    }
    Err(ScanFault::Syntax)
}

/// Decodes the string whose content starts at `start` and has its first escape at `first`. Returns
/// it with the offset after its closing quote. A lone surrogate is a fault, since a Rust string
/// cannot hold one.
pub(super) fn unescape(text: &str, start: usize, first: usize) -> Result<(String, usize), ScanFault> {
    let bytes = text.as_bytes();
    let mut string = text[start..first].to_owned();
    let (mut stage, mut filled) = ([0; STAGE + BLOCK], 0);
    let mut room = [b' '; 2 * BLOCK];
    let mut at = first;
    let mut over = 0;
    while at < bytes.len() {
        let window = window(bytes, at, &mut room);
        let mut marks = marks(&window[..BLOCK]) & (u64::MAX << over);
        // The stage holds the window up to here.
        let mut from = over;
        copy_block(window, from, &mut stage, filled);
        while marks != 0 {
            let found = marks.trailing_zeros() as usize;
            filled += found - from;
            match window[found] {
                b'"' => {
                    append(&mut string, &stage[..filled], 0)?;
                    return Ok((shrunk(string), at + found + 1));
                }
                b'\\' => {
                    if let Some(byte) = escape::short(window[found + 1]) {
                        marks &= (marks - 1) & !(2 << found);
                        stage[filled % STAGE] = byte;
                        filled += 1;
                        from = found + 2;
                    } else {
                        let (char, length) = escape::decode_units(&window[found..])?;
                        marks &= u64::MAX << found << length;
                        filled += char.encode_utf8(&mut stage[filled..]).len();
                        from = found + length;
                    }
                }
                _ => return Err(ScanFault::Syntax),
            }
            copy_block(window, from, &mut stage, filled);
        }
        filled += BLOCK.saturating_sub(from);
        over = from.saturating_sub(BLOCK);
        at += BLOCK;
        if filled > STAGE - ROOM {
            // Back to the start of a character; its bytes are the last ones in the stage.
            while at < text.len() && !text.is_char_boundary(at) {
                (at, filled) = (at - 1, filled - 1);
            }
            append(&mut string, &stage[..filled], text.len().saturating_sub(at))?;
            filled = 0;
        }
    }
    Err(ScanFault::Syntax)
}

/// Copies a block from an offset of the window to an offset of the stage. A copy of a fixed size is
/// cheaper than one of the stretch alone. Wherever the copy matters, the remainders change nothing;
/// they spare the bounds checks.
#[inline]
fn copy_block(window: &Window, from: usize, stage: &mut [u8; STAGE + BLOCK], to: usize) {
    let (from, to) = (from % BLOCK, to % STAGE);
    stage[to..to + BLOCK].copy_from_slice(&window[from..from + BLOCK]);
}

/// Appends decoded bytes. At most `rest` bytes of the text still belong to the string.
fn append(string: &mut String, decoded: &[u8], rest: usize) -> Result<(), ScanFault> {
    // Never fails: the stage holds whole characters.
    let decoded = utf8(decoded).ok_or(ScanFault::Unwanted)?;
    if string.capacity() - string.len() < decoded.len() {
        // Grow quickly, up to the length of the rest, so that large texts are not copied again and
        // again.
        string.reserve(decoded.len() + rest.min(3 * string.len()));
    }
    string.push_str(decoded);
    Ok(())
}

fn shrunk(mut string: String) -> String {
    if string.capacity() > 2 * string.len() {
        string.shrink_to_fit();
    }
    string
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use crate::jsonrpc::scan::{ScanFault, Scanner};

    /// What the scanner reads and passes over.
    fn read(text: &str) -> Result<String, ScanFault> {
        let read = Scanner::new(text).text().map(Cow::into_owned);
        let mut scanner = Scanner::new(text);
        let passed = scanner.value().and_then(|_| scanner.end());
        assert!(passed.is_ok() || read.is_err(), "{text}");
        read
    }

    proptest! {
        #[test]
        fn long_strings_are_read_as_serde_json_reads_them(
            text in r#"([a-z ]{0,90}|[é東😀]{1,20}|\\["\\/bfnrt]|\\u[0-9a-f]{4}|\\ud83d\\ude[0-9a-f]{2}){0,200}"#,
        ) {
            let text = format!("\"{text}\"");
            prop_assert_eq!(read(&text).ok(), serde_json::from_str(&text).ok());
        }

        #[test]
        fn long_strings_are_damaged_when_serde_json_finds_them_damaged(
            text in r#"([a-z ]{0,30}|[é東😀]{1,8}|\\["\\/bfnrt]|\\u00[0-9a-f]{2}|\\ud83d\\ude[0-9a-f]{2}){20}"#,
            place in any::<prop::sample::Index>(),
            with in any::<char>(),
        ) {
            let mut text: Vec<char> = format!("\"{text}\"").chars().collect();
            let place = place.index(text.len());
            text[place] = with;
            let text: String = text.into_iter().collect();
            let theirs = serde_json::from_str::<String>(&text).ok();
            let mut scanner = Scanner::new(&text);
            let ours = scanner.text().ok().filter(|_| scanner.end().is_ok());
            prop_assert_eq!(ours.as_deref(), theirs.as_deref());
        }
    }

    #[test]
    fn escapes_are_read_wherever_they_stand() {
        for escape in [r#"\""#, r"\\", r"\n", r"\u00e9", r"\ud83d\ude00", r"\n\n", r#"\\\""#, "é", "😀"] {
            for before in 0..150 {
                for after in [0, 1, 63, 64, 1100] {
                    let text = format!("\"{}{escape}{}\"", "a".repeat(before), "b".repeat(after));
                    assert_eq!(read(&text).ok(), serde_json::from_str(&text).ok(), "{text}");
                    let cut = &text[..text.len() - 1 - after];
                    assert_eq!(read(cut), Err(ScanFault::Syntax), "{cut}");
                }
            }
        }
    }

    #[test]
    fn texts_of_any_characters_are_read_whole() {
        for char in ["a", "é", "東", "😀"] {
            for before in 0..8 {
                let text = format!("{}\n{}", "b".repeat(before), char.repeat(3_000));
                assert_eq!(read(&serde_json::to_string(&text).expect("JSON")), Ok(text));
            }
        }
    }
}
