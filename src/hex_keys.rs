//! Secret keys as text, such as the value of an environment variable.

use crate::error::ConfigError;

/// Parses keys of 64 hexadecimal digits each, with commas between them; at least one.
///
/// # Errors
/// Returns an error if one is something else. The error names `kind`, and does not repeat the text.
pub(crate) fn parse(text: &str, kind: &'static str) -> Result<Vec<[u8; 32]>, ConfigError> {
    let keys: Option<_> = text.split(',').map(|key| parse_one(key.trim())).collect();
    keys.ok_or_else(|| ConfigError::keys(kind))
}

fn parse_one(text: &str) -> Option<[u8; 32]> {
    let mut key = [0; 32];
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(key)
}
