//! The output of a child besides its messages.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use tokio::io::{AsyncRead, BufReader};

use super::lines::{Excess, Line, read_line};
use crate::failure::{SHOWN, shown};

/// The number of bytes of a line that are kept, and the number of lines.
const MOST_OF_LINE: usize = 1024;
const LAST_LINES: usize = 16;

/// The latest lines of a child: of its standard error, and of its standard output if they are not
/// messages.
#[derive(Debug, Default)]
pub(crate) struct LastWords(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<String>,
    /// The latest line that mentions an error, even if many lines have followed.
    error: Option<String>,
}

impl LastWords {
    /// Logs a child's standard error line by line to its end, and keeps the latest lines. A child
    /// whose standard error is not read blocks when the pipe is full.
    pub(super) async fn read(&self, errors: impl AsyncRead + Unpin, upstream: &str) {
        let mut errors = BufReader::new(errors);
        let mut line = Vec::new();
        while let Ok(Line::Whole) = read_line(&mut errors, &mut line, MOST_OF_LINE, Excess::Drop).await {
            let text = String::from_utf8_lossy(&line);
            tracing::debug!(upstream, line = shown(&text), "a child wrote to its standard error");
            self.keep(&text);
        }
    }

    /// Keeps a line of the standard output that is not a message.
    pub(super) fn stray(&self, line: &[u8], upstream: &str) {
        let text = String::from_utf8_lossy(&line[..line.len().min(MOST_OF_LINE)]);
        tracing::debug!(
            upstream,
            line = shown(&text),
            "a child wrote text that is not a message to its standard output"
        );
        self.keep(&text);
    }

    fn keep(&self, line: &str) {
        if tells_nothing(line) {
            return;
        }
        let line = line.trim_end();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Kept { lines, error } = &mut *kept;
        // A program that is started twice writes the same text twice.
        if lines.iter().any(|other| other == line) {
            return;
        }
        if is_error(line) {
            *error = Some(line.to_owned());
        }
        if lines.len() == LAST_LINES {
            lines.pop_front();
        }
        lines.push_back(line.to_owned());
    }

    /// Returns the last lines, joined. If they do not mention an error, the last line that does comes
    /// first.
    pub(crate) fn text(&self) -> String {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let joined = |before: usize| {
            // Starts at the end, which is the most informative, and keeps what fits.
            let mut text = String::new();
            for line in kept.lines.iter().rev() {
                let line = shown(line);
                let candidate = if text.is_empty() { line } else { format!("{line} | {text}") };
                if before + candidate.len() > SHOWN && !text.is_empty() {
                    break;
                }
                text = candidate;
            }
            text
        };
        let text = joined(0);
        match &kept.error {
            Some(error) if !is_error(&text) => {
                let error = format!("{} | … | ", shown(error));
                let rest = joined(error.len());
                error + &rest
            }
            _ => text,
        }
    }
}

fn is_error(text: &str) -> bool {
    text.contains("Error") || text.contains("error")
}

/// Whether a line only surrounds a message: the frames of a stack, which Node and Java write after
/// the error, or the name of a log file.
fn tells_nothing(line: &str) -> bool {
    let text = line.trim();
    let is_frame = line.starts_with([' ', '\t']) && text.starts_with("at ");
    let is_mark = !text.contains(|it: char| it.is_alphanumeric());
    is_frame
        || is_mark
        || text.starts_with("Node.js v")
        || text.starts_with("npm error A complete log of this run")
}

#[cfg(test)]
mod tests {
    use super::{LAST_LINES, LastWords, SHOWN};

    fn said(text: &str) -> String {
        let words = LastWords::default();
        text.lines().for_each(|line| words.keep(line));
        words.text()
    }

    #[test]
    fn the_error_is_kept_and_not_the_stack_after_it() {
        let text = "/srv/index.js:5\n    throw new Error('no key');\n    ^\n\nError: API_KEY is not set\n    at file:///srv/index.js:5:11\n    at async run (node:internal:117:5)\n\nNode.js v22.19.0\n";
        assert_eq!(said(text), "/srv/index.js:5 | throw new Error('no key'); | Error: API_KEY is not set");
        let text = "Exception in thread \"main\" java.io.IOException: no such file\n\tat com.example.Main.main(Main.java:5)\n";
        assert_eq!(said(text), "Exception in thread \"main\" java.io.IOException: no such file");
    }

    #[test]
    fn an_error_with_a_long_text_after_it_comes_first() {
        let tried: Vec<_> =
            (0..2 * LAST_LINES).map(|number| format!(" '{}/{number}.node',", "x".repeat(60))).collect();
        let text = said(&format!("Server starts\nError: no bindings. Tried:\n{}", tried.join("\n")));
        assert!(
            text.starts_with("Error: no bindings. Tried: | … | '") && text.ends_with("31.node',"),
            "{text}"
        );
        assert!(text.len() <= SHOWN, "{text}");
    }

    #[test]
    fn as_many_lines_are_shown_as_fit_from_the_last_one_on() {
        let lines: Vec<_> = (0..2 * LAST_LINES).map(|number| format!("line {number}")).collect();
        let text = said(&lines.join("\n"));
        assert!(text.starts_with("line 16 |") && text.ends_with("| line 31"), "{text}");
        let text = said(&format!("first\n{}\nlast", "x".repeat(SHOWN)));
        assert_eq!(text, "last");
        assert!(said(&"x".repeat(10 * SHOWN)).len() <= SHOWN + '…'.len_utf8());
    }
}
