//! Untrusted text in logs and spans.

use std::borrow::Cow;
#[cfg(any(feature = "ask", feature = "auth"))]
use std::fmt;

/// The maximum length of a logged error, in bytes.
#[cfg(any(feature = "ask", feature = "auth"))]
const MAX_ERROR: usize = 512;

/// Returns a text on one line, truncated at about `most` bytes.
///
/// Characters that could start another line, hide text or change its direction are escaped, so that a name
/// or a header cannot forge an event.
pub(crate) fn line(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most && (is_printable_ascii(text) || !text.chars().any(misleads)) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len().min(most) + 16);
    for letter in text.chars() {
        if line.len() >= most {
            line.push('…');
            break;
        }
        if misleads(letter) { line.extend(letter.escape_default()) } else { line.push(letter) }
    }
    Cow::Owned(line)
}

/// Returns the message of an error on one line, truncated at about 512 bytes.
#[cfg(any(feature = "ask", feature = "auth"))]
pub(crate) fn error_line(error: &(impl fmt::Display + ?Sized)) -> String {
    line(&error.to_string(), MAX_ERROR).into_owned()
}

fn is_printable_ascii(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns whether a character is a control character, a line separator, invisible, or changes the
/// direction of text.
fn misleads(letter: char) -> bool {
    letter.is_control()
        || matches!(
            letter,
            '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{e0000}'..='\u{e007f}'
        )
}

#[cfg(test)]
mod tests {
    use super::line;

    #[test]
    fn a_line_is_one_line_of_bounded_length_whatever_it_holds() {
        assert_eq!(line("add", 8), "add");
        assert_eq!(line("größer", 16), "größer");
        assert_eq!(line("a\nb\u{1b}[2Jc\u{202e}d\u{85}", 64), "a\\nb\\u{1b}[2Jc\\u{202e}d\\u{85}");
        for letter in ["a", "é", "\n", "\u{2028}"] {
            let long = line(&letter.repeat(1000), 100).into_owned();
            assert!(long.len() < 116 && long.ends_with('…'), "{long}");
        }
    }
}
