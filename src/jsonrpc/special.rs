//! Finds the special bytes of JSON strings: those that end a clean stretch when a string is read,
//! and must be escaped when one is written.

/// Returns whether the byte is a quote, a backslash or a control character.
pub(crate) fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// The number of bytes that are compared at once.
const BLOCK: usize = 16;

/// An iterator over the positions of the special bytes in a text.
///
/// It finds all special bytes of a block at once, so the processor can work ahead. A new search
/// after each special byte would have to wait for the previous one.
pub(crate) struct Specials<'a> {
    bytes: &'a [u8],
    block: usize,
    /// A bit for each special byte of the block that has not been returned yet.
    marks: u32,
}

impl<'a> Specials<'a> {
    /// Starts at `at`.
    #[inline]
    pub(crate) fn new(bytes: &'a [u8], at: usize) -> Self {
        let mut this = Self { bytes, block: at, marks: 0 };
        this.load();
        this
    }

    /// Skips to `at`, which must not be before the last position returned.
    #[inline]
    pub(crate) fn skip_to(&mut self, at: usize) {
        let past = at - self.block;
        if past < BLOCK {
            self.marks &= u32::MAX << past;
        } else {
            self.block = at;
            self.load();
        }
    }

    #[inline]
    fn load(&mut self) {
        let rest = self.bytes.get(self.block..).unwrap_or_default();
        let block = rest.first_chunk().copied().unwrap_or_else(|| {
            let mut padded = [b' '; BLOCK];
            padded[..rest.len()].copy_from_slice(rest);
            padded
        });
        self.marks = marks(block);
    }
}

impl Iterator for Specials<'_> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.marks == 0 {
            self.block += BLOCK;
            if self.block >= self.bytes.len() {
                return None;
            }
            self.load();
        }
        let found = self.block + self.marks.trailing_zeros() as usize;
        self.marks &= self.marks - 1;
        Some(found)
    }
}

/// Returns a mask with the bit of each special byte set.
#[cfg(feature = "simd")]
fn marks(block: [u8; BLOCK]) -> u32 {
    use wide::u8x16;

    let block = u8x16::new(block);
    let control = block.min(u8x16::splat(0x1f)).simd_eq(block);
    let quote = block.simd_eq(u8x16::splat(b'"'));
    let backslash = block.simd_eq(u8x16::splat(b'\\'));
    (control | quote | backslash).to_bitmask()
}

/// The same without SIMD.
#[cfg(not(feature = "simd"))]
use self::marks_of_words as marks;

#[cfg(any(test, not(feature = "simd")))]
fn marks_of_words(block: [u8; BLOCK]) -> u32 {
    let (words, _) = block.as_chunks();
    words.iter().rev().fold(0, |marks, word| marks << 8 | marks_of_word(u64::from_le_bytes(*word)))
}

#[cfg(any(test, not(feature = "simd")))]
fn marks_of_word(word: u64) -> u32 {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    // The low 7 bits of each byte, so that the sums do not overflow into the next byte. The high
    // bit of a sum is set if the byte is not special in this respect.
    let low = word & (ONES * 0x7f);
    let graphic = low + ONES * (0x80 - 0x20);
    let no_quote = (low ^ (ONES * u64::from(b'"'))) + ONES * 0x7f;
    let no_backslash = (low ^ (ONES * u64::from(b'\\'))) + ONES * 0x7f;
    // Bytes beyond ASCII are never special.
    let special = !((graphic & no_quote & no_backslash) | word) & (ONES << 7);
    // Gather the high bits in the highest byte.
    ((special >> 7).wrapping_mul(0x0102_0408_1020_4080) >> 56) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{BLOCK, Specials, is_special, marks, marks_of_words};

    proptest! {
        #[test]
        fn special_bytes_are_found_one_after_the_other(
            bytes in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'"'), Just(b'a')], 0..80),
            at in 0_usize..85,
            steps in prop::collection::vec(0_usize..40, 0..8),
        ) {
            let mut specials = Specials::new(&bytes, at);
            let mut from = at;
            for step in steps {
                let slowly = (from..bytes.len()).find(|&index| is_special(bytes[index]));
                prop_assert_eq!(specials.next(), slowly);
                let Some(found) = slowly else { break };
                from = found + 1 + step;
                specials.skip_to(from);
            }
        }

        #[test]
        fn blocks_are_marked_alike_however_it_is_done(block in any::<[u8; BLOCK]>()) {
            let slowly = (0..BLOCK).filter(|&index| is_special(block[index])).map(|index| 1 << index).sum::<u32>();
            prop_assert_eq!(marks(block), slowly);
            prop_assert_eq!(marks_of_words(block), slowly);
        }
    }
}
