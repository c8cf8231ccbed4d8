//! Finds the special bytes of JSON strings: those that end a clean stretch when a string is read,
//! and must be escaped when one is written.

/// The bytes that are searched together: as many as a `u64` has bits.
pub(super) const BLOCK: usize = 64;

/// A block, and the bytes after it.
pub(super) type Window = [u8; 2 * BLOCK];

/// The bytes that are searched first, because most strings are short.
const NEAR: usize = 16;

/// Returns the offset of the first quote, backslash or control character from `at` on.
#[inline]
pub(super) fn find(bytes: &[u8], at: usize) -> Option<usize> {
    let marks = match bytes.get(at..)?.first_chunk::<NEAR>() {
        Some(block) => marks(block),
        None => marks(&padded::<NEAR>(bytes, at)),
    };
    if marks == 0 { find_far(bytes, at + NEAR) } else { Some(at + marks.trailing_zeros() as usize) }
}

/// Like [`find`], but only within the first bytes. It calls no function, so its caller need not save
/// registers.
#[inline]
pub(super) fn find_near(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?;
    let length = match bytes.first_chunk::<NEAR>() {
        Some(block) => {
            let marks = marks(block);
            (marks != 0).then(|| marks.trailing_zeros() as usize)
        }
        None => bytes.iter().position(|&byte| is_special(byte)),
    };
    length.map(|length| at + length)
}

fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

fn find_far(bytes: &[u8], mut at: usize) -> Option<usize> {
    while at < bytes.len() {
        let marks = match bytes[at..].first_chunk::<BLOCK>() {
            Some(block) => marks(block),
            None => marks(&padded::<BLOCK>(bytes, at)),
        };
        if marks != 0 {
            return Some(at + marks.trailing_zeros() as usize);
        }
        at += BLOCK;
    }
    None
}

/// Returns the window that starts at `at`. If the text ends earlier, the window is built in `room`
/// and padded with spaces.
#[inline]
pub(super) fn window<'w>(bytes: &'w [u8], at: usize, room: &'w mut Window) -> &'w Window {
    if let Some(window) = bytes[at..].first_chunk() {
        return window;
    }
    *room = padded(bytes, at);
    room
}

/// Copies the bytes from `at` on, padded with spaces.
#[cold]
fn padded<const LENGTH: usize>(bytes: &[u8], at: usize) -> [u8; LENGTH] {
    let mut padded = [b' '; LENGTH];
    let rest = &bytes[at..];
    let length = rest.len().min(LENGTH);
    padded[..length].copy_from_slice(&rest[..length]);
    padded
}

/// Sets the bit of each special byte, of 64 at most.
#[cfg(feature = "simd")]
#[inline]
pub(super) fn marks(bytes: &[u8]) -> u64 {
    use wide::u8x16;

    let (blocks, _) = bytes.as_chunks();
    blocks.iter().rev().fold(0, |marks, block| {
        let block = u8x16::new(*block);
        // Flipping this bit swaps quotes with spaces, and control characters among themselves.
        // Then control characters and quotes are the bytes up to the space, and become zero.
        let control_or_quote = (block ^ u8x16::splat(b'"' ^ b' ')).saturating_sub(u8x16::splat(b' '));
        let backslash = block ^ u8x16::splat(b'\\');
        let special = control_or_quote.min(backslash).simd_eq(u8x16::splat(0));
        marks << 16 | u64::from(special.to_bitmask())
    })
}

/// The same without SIMD.
#[cfg(not(feature = "simd"))]
pub(super) use self::marks_of_words as marks;

#[cfg(any(test, not(feature = "simd")))]
pub(super) fn marks_of_words(bytes: &[u8]) -> u64 {
    let (words, _) = bytes.as_chunks();
    words.iter().rev().fold(0, |marks, word| marks << 8 | marks_of_word(u64::from_le_bytes(*word)))
}

#[cfg(any(test, not(feature = "simd")))]
fn marks_of_word(word: u64) -> u64 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // The low 7 bits of each byte, so that the sums do not overflow into the next byte. The high
    // bit of a sum is set if the byte is not special in this respect.
    let low = word & (ONES * 0x7f);
    let graphic = low + ONES * (0x80 - 0x20);
    let no_quote = (low ^ (ONES * u64::from(b'"'))) + ONES * 0x7f;
    let no_backslash = (low ^ (ONES * u64::from(b'\\'))) + ONES * 0x7f;
    // Bytes beyond ASCII are never special.
    let special = !((graphic & no_quote & no_backslash) | word) & (ONES << 7);
    // Gathers the high bits in the highest byte.
    (special >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, NEAR, find, find_near, is_special, marks, marks_of_words};

    proptest! {
        #[test]
        fn the_first_special_byte_is_found(
            bytes in prop::collection::vec(any::<u8>().prop_filter("not special", |&byte| !is_special(byte)), 0..300),
            special in prop_oneof![0_u8..0x20, Just(b'"'), Just(b'\\')],
            place in any::<prop::sample::Index>(),
            at in 0_usize..310,
        ) {
            prop_assert_eq!((find(&bytes, at), find_near(&bytes, at)), (None, None));
            let mut bytes = bytes;
            let place = place.index(bytes.len() + 1);
            bytes.insert(place, special);
            prop_assert_eq!(find(&bytes, at), (at <= place).then_some(place));
            let is_near = (at..at + NEAR).contains(&place);
            prop_assert_eq!(find_near(&bytes, at), is_near.then_some(place));
        }

        #[test]
        fn blocks_are_marked_alike_however_it_is_done(block in prop::collection::vec(any::<u8>(), BLOCK)) {
            let slowly = (0..BLOCK).filter(|&index| is_special(block[index])).map(|index| 1 << index).sum::<u64>();
            prop_assert_eq!(marks(&block), slowly);
            prop_assert_eq!(marks_of_words(&block), slowly);
        }
    }

    #[test]
    fn each_byte_is_marked_if_it_is_special() {
        for byte in 0..=u8::MAX {
            let expected = if is_special(byte) { u64::MAX } else { 0 };
            assert_eq!(
                (marks(&[byte; BLOCK]), marks_of_words(&[byte; BLOCK])),
                (expected, expected),
                "{byte}"
            );
        }
    }
}
