//! Text from other programs.

/// Returns the text on one line, without characters that terminals interpret as commands.
pub(crate) fn shown(text: &str) -> String {
    let words: Vec<_> = text.split_whitespace().collect();
    words.join(" ").replace(char::is_control, "")
}
