//! How deeply a JSON text nests.

/// The deepest nesting that is read: the limit of `serde_json`, which it does
/// not apply to the parts that it only skips.
pub(crate) const MAX_DEPTH: usize = 128;

/// Whether arrays and objects nest deeper than [`MAX_DEPTH`].
///
/// A text with fewer brackets than that cannot: the count, which the compiler
/// vectorises, spares nearly every request the careful pass. Text that is no
/// JSON gets some answer; the parser refuses it afterwards.
pub(crate) fn is_too_deep(text: &[u8]) -> bool {
    count_opening(text) > MAX_DEPTH && deepest(text) > MAX_DEPTH
}

fn count_opening(text: &[u8]) -> usize {
    // Counted in bytes, as many as a byte can count, for the compiler's vectors.
    let few = |stride: &[u8]| stride.iter().map(|&byte| u8::from(byte | 0x20 == b'{')).sum::<u8>();
    text.chunks(192).map(|stride| usize::from(few(stride))).sum()
}

fn deepest(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(&byte) = text.get(at) {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' => depth = depth.saturating_sub(1),
            b'"' => at = end_of_string(text, at + 1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// The index of the quote that ends the string whose content starts at `at`.
fn end_of_string(text: &[u8], mut at: usize) -> usize {
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
        at += found;
        if text[at] == b'"' {
            return at;
        }
        at += 2;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::{MAX_DEPTH, is_too_deep};

    fn nested(depth: usize) -> String {
        format!("{}{}", "[".repeat(depth), "]".repeat(depth))
    }

    #[test]
    fn nesting_is_counted_exactly_at_the_limit() {
        assert!(!is_too_deep(nested(MAX_DEPTH).as_bytes()));
        assert!(is_too_deep(nested(MAX_DEPTH + 1).as_bytes()));
    }

    #[test]
    fn brackets_side_by_side_or_inside_strings_do_not_nest() {
        let flat = format!("[{}]", vec!["{}"; 1_000].join(","));
        assert!(!is_too_deep(flat.as_bytes()));
        let text = format!(r#"["{}", "\\", "\"{}"]"#, "{".repeat(1_000), "[".repeat(1_000));
        assert!(!is_too_deep(text.as_bytes()));
    }

    #[test]
    fn broken_text_is_survived() {
        for text in ["\"", "\"\\", "]]]]", "[\"\\\""] {
            let padded = format!("{}{text}", "[]".repeat(MAX_DEPTH + 1));
            assert!(!is_too_deep(padded.as_bytes()));
        }
    }
}
