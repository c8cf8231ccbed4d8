//! Encodes a text of the body for a header.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;

/// Returns the value of a header that repeats a text of the body, such as `Mcp-Name`: the text
/// itself, or `=?base64?…?=` if a header cannot contain it verbatim (2026-07-28, Transports, "Value
/// Encoding").
pub fn header_value(text: &str) -> HeaderValue {
    let is_plain = text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
        && text.trim_matches(' ').len() == text.len()
        && !text.starts_with("=?base64?");
    let plain = if is_plain { HeaderValue::from_str(text).ok() } else { None };
    plain.unwrap_or_else(|| {
        let encoded = format!("=?base64?{}?=", STANDARD.encode(text));
        // Base64 is visible ASCII, so this cannot fail.
        HeaderValue::try_from(encoded).unwrap_or(HeaderValue::from_static(""))
    })
}
