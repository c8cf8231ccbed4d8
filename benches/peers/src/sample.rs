//! The text that the `echo` workloads send: prose and source code, as tools return them. One byte in
//! 27 must be escaped in JSON (3.7 %: newlines, quotes, backslashes), and one in 58 belongs to a
//! character outside ASCII (1.7 %). The Rust, Python and TypeScript sources of the SDKs and the
//! prose of the specification have 3.5 to 3.9 % of bytes to escape, and JSON files nearly 8 %. A
//! test checks both figures.

const BLOCK: &str = r#"The loader reads "settings.toml" and falls back to the defaults when it is missing.
Paths on Windows are written with two backslashes, as in "C:\\Users\\Zoë", because
the file is parsed twice — once for the includes and once for the values.

fn load(path: &Path) -> Result<Settings, LoadError> {
    let text = std::fs::read_to_string(path)?;
    for (number, line) in text.lines().enumerate() {
        let Some((key, value)) = line.split_once('=') else {
            return Err(LoadError::Line(number + 1));
        };
        settings.insert(key.trim(), value.trim());
    }
    Ok(settings)
}

A line without an "=" ends the load with its number: the naïve alternative,
to skip it, hid typing errors for months. See the notes of the 東京 release.

"#;

/// Returns exactly `length` bytes of the sample text.
pub(crate) fn text(length: usize) -> String {
    let mut text = BLOCK.repeat(length.div_ceil(BLOCK.len()));
    let end = (0..=length).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    text.truncate(end);
    // If the cut is inside a character, up to three bytes are missing.
    text.extend(std::iter::repeat_n('.', length - end));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[expect(clippy::cast_precision_loss)]
    fn percent(part: usize) -> f64 {
        (part as f64 / BLOCK.len() as f64 * 1000.0).round() / 10.0
    }

    #[test]
    fn the_text_is_as_dense_as_documented() {
        let escaped = BLOCK.bytes().filter(|&byte| byte < 0x20 || byte == b'"' || byte == b'\\').count();
        let outside_ascii = BLOCK.bytes().filter(|byte| !byte.is_ascii()).count();
        assert_eq!((percent(escaped), percent(outside_ascii)), (3.7, 1.7));
    }

    #[test]
    fn the_text_has_the_length_asked_for() {
        for length in [0, 1, 150, 1024, 64 * 1024] {
            assert_eq!(text(length).len(), length);
        }
    }
}
