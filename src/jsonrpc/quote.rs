//! Writes strings.

use super::escape;
use super::special::{self, BLOCK, Window, marks, window};

/// Extra capacity after a large text, in bytes. Without it, the end of the message would make the
/// buffer grow again, which copies everything.
const END: usize = 1024;

/// The bytes that are escaped before they are appended. Unlike a vector's spare capacity, this
/// buffer can be overwritten by copies of a fixed size.
const STAGE: usize = 1024;

/// The maximum that one block adds.
const ROOM: usize = BLOCK * escape::LONGEST;

/// Writes a JSON string.
///
/// Large texts are common in results, so special bytes are found with SIMD, and the buffer rarely
/// grows more than once.
pub(crate) fn string(buffer: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    buffer.push(b'"');
    match special::find(bytes, 0) {
        None => append(buffer, bytes, 0),
        Some(first) => {
            append(buffer, &bytes[..first], bytes.len() - first);
            escaped(buffer, &bytes[first..]);
        }
    }
    buffer.push(b'"');
}

fn escaped(buffer: &mut Vec<u8>, bytes: &[u8]) {
    let (mut stage, mut filled) = ([0; STAGE + BLOCK], 0);
    let mut room = [b' '; 2 * BLOCK];
    let mut at = 0;
    while at < bytes.len() {
        let window = window(bytes, at, &mut room);
        let mut marks = marks(&window[..BLOCK]);
        copy_block(window, 0, &mut stage, filled);
        // The stage holds the window up to here.
        let mut from = 0;
        while marks != 0 {
            let found = marks.trailing_zeros() as usize;
            filled += found - from;
            let (escape, length) = escape::of(window[found]);
            let to = filled % STAGE;
            stage[to..to + escape.len()].copy_from_slice(&escape);
            filled += length;
            from = found + 1;
            marks &= marks - 1;
            copy_block(window, from, &mut stage, filled);
        }
        let rest = bytes.len() - at;
        filled += BLOCK.min(rest) - from;
        at += BLOCK;
        if filled > STAGE - ROOM {
            append(buffer, &stage[..filled], rest);
            filled = 0;
        }
    }
    append(buffer, &stage[..filled], 0);
}

/// Appends escaped bytes; `rest` bytes of the text are left.
fn append(buffer: &mut Vec<u8>, bytes: &[u8], rest: usize) {
    if buffer.capacity() - buffer.len() < bytes.len() {
        // Escapes make most texts longer by less than an eighth.
        let more = if bytes.len() + rest > END { rest + rest / 8 + END } else { rest };
        buffer.reserve(bytes.len() + more);
    }
    buffer.extend_from_slice(bytes);
}

/// Copies a block from an offset of the window to an offset of the stage. A copy of a fixed size is
/// cheaper than one of the stretch alone. Wherever the copy matters, the remainders change nothing;
/// they spare the bounds checks.
#[inline]
fn copy_block(window: &Window, from: usize, stage: &mut [u8; STAGE + BLOCK], to: usize) {
    let (from, to) = (from % BLOCK, to % STAGE);
    stage[to..to + BLOCK].copy_from_slice(&window[from..from + BLOCK]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::string;

    fn written(text: &str) -> String {
        let mut buffer = b"[".to_vec();
        string(&mut buffer, text);
        String::from_utf8(buffer.split_off(1)).expect("JSON is UTF-8")
    }

    proptest! {
        #[test]
        fn strings_are_written_as_serde_json_writes_them(
            text in "(?s)(.|[\u{0}-\u{1f}\"\\\\]{1,90}|[a-z ]{0,12}|[a-zé東😀]{0,90}){0,64}",
        ) {
            prop_assert_eq!(written(&text), serde_json::to_string(&text).expect("a string is JSON"));
        }
    }

    #[test]
    fn each_character_is_written_as_serde_json_writes_it() {
        for char in (0..=0x17f).filter_map(char::from_u32) {
            for length in [1, 63, 64, 65, 2_000] {
                let text: String = std::iter::repeat_n(char, length).collect();
                assert_eq!(written(&text), serde_json::to_string(&text).expect("JSON"), "{char:?}");
            }
        }
    }

    #[test]
    fn a_text_takes_little_more_room_than_it_needs() {
        let text = "one in eight: \"\n".repeat(10_000);
        let mut buffer = Vec::new();
        string(&mut buffer, &text);
        assert!(buffer.capacity() < 2 * buffer.len(), "{} of {}", buffer.len(), buffer.capacity());
    }
}
