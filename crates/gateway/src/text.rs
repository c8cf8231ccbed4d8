//! Text that others have written.

/// The text in one line, and without characters that terminals take for commands.
pub(crate) fn shown(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, "")
}
