//! Finds the bytes that JSON strings cannot hold as they are: the same ones end a
//! clean stretch when a string is read and when one is written.

/// Whether the byte is a quote, a backslash or a control character.
pub(crate) fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The index of the next special byte, from `at` on; looked for eight bytes at a time.
pub(crate) fn next_special(bytes: &[u8], mut at: usize) -> Option<usize> {
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        let marks = marks(u64::from_le_bytes(*chunk));
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize / 8);
        }
        at += 8;
    }
    bytes.get(at..)?.iter().position(|&byte| is_special(byte)).map(|found| at + found)
}

/// Sets the high bit of the first special byte; bytes above it may be marked wrongly,
/// for a borrow runs upwards.
fn marks(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let control = word.wrapping_sub(ONES * 0x20);
    let quote = (word ^ (ONES * u64::from(b'"'))).wrapping_sub(ONES);
    let backslash = (word ^ (ONES * u64::from(b'\\'))).wrapping_sub(ONES);
    // A byte beyond ASCII is none of them, and the others have no high bit of their own.
    (control | quote | backslash) & !word & (ONES << 7)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{is_special, marks, next_special};

    proptest! {
        #[test]
        fn the_next_special_byte_is_found(bytes in prop::collection::vec(any::<u8>(), 0..64), at in 0_usize..70) {
            let slowly = (at..bytes.len()).find(|&index| is_special(bytes[index]));
            prop_assert_eq!(next_special(&bytes, at), slowly);
        }

        #[test]
        fn plain_words_mark_the_first_special_byte(bytes in any::<[u8; 8]>()) {
            let slowly = bytes.iter().position(|&byte| is_special(byte));
            let marks = marks(u64::from_le_bytes(bytes));
            prop_assert_eq!((marks != 0).then(|| marks.trailing_zeros() as usize / 8), slowly);
        }
    }
}
