//! The headers that repeat parts of the body (2026-07-28, Transports,
//! "Request Metadata").

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName};

pub(crate) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(crate) const METHOD: HeaderName = HeaderName::from_static("mcp-method");
pub(crate) const NAME: HeaderName = HeaderName::from_static("mcp-name");
/// The prefix of the headers that repeat a tool's parameters.
pub(crate) const PARAM_PREFIX: &str = "mcp-param-";

/// Why a header has no valid value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderFault {
    Missing,
    Repeated,
    /// Not ASCII, or base64 that does not decode to UTF-8.
    Malformed,
}

impl HeaderFault {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "is missing",
            Self::Repeated => "is repeated",
            Self::Malformed => "is malformed",
        }
    }
}

/// Returns the only value of a header, trimmed.
pub(crate) fn single<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h str, HeaderFault> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().ok_or(HeaderFault::Missing)?;
    if values.next().is_some() {
        return Err(HeaderFault::Repeated);
    }
    let value = value.to_str().map_err(|_| HeaderFault::Malformed)?;
    Ok(value.trim_matches([' ', '\t']))
}

/// Returns the only value of a header, decoded if it is written as `=?base64?…?=`.
pub(crate) fn single_decoded<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> Result<Cow<'h, str>, HeaderFault> {
    let value = single(headers, name)?;
    let encoded = value.strip_prefix("=?base64?").and_then(|rest| rest.strip_suffix("?="));
    let Some(encoded) = encoded else { return Ok(Cow::Borrowed(value)) };
    let bytes = STANDARD.decode(encoded).map_err(|_| HeaderFault::Malformed)?;
    String::from_utf8(bytes).map(Cow::Owned).map_err(|_| HeaderFault::Malformed)
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::{HeaderFault, NAME, single_decoded};

    fn decoded(value: &'static str) -> Result<String, HeaderFault> {
        let headers = HeaderMap::from_iter([(NAME, HeaderValue::from_static(value))]);
        single_decoded(&headers, &NAME).map(String::from)
    }

    #[test]
    fn values_are_decoded_as_the_specification_says() {
        for (value, expected) in [
            ("us-west1", "us-west1"),
            ("  us-west1\t", "us-west1"),
            ("=?base64?SGVsbG8sIOS4lueVjA==?=", "Hello, 世界"),
            ("=?base64?IHBhZGRlZCA=?=", " padded "),
            ("=?base64?bGluZTEKbGluZTI=?=", "line1\nline2"),
            ("=?base64?PT9iYXNlNjQ/bGl0ZXJhbD89?=", "=?base64?literal?="),
            ("=?BASE64?SGVsbG8=?=", "=?BASE64?SGVsbG8=?="),
            ("=?base64?SGVsbG8=", "=?base64?SGVsbG8="),
            ("SGVsbG8=", "SGVsbG8="),
            ("=?base64??=", ""),
        ] {
            assert_eq!(decoded(value).as_deref(), Ok(expected), "{value}");
        }
        for value in ["=?base64?SGVsbG8?=", "=?base64?SGVs!!!bG8=?=", "=?base64?/w==?="] {
            assert_eq!(decoded(value), Err(HeaderFault::Malformed), "{value}");
        }
    }

    #[test]
    fn what_is_encoded_is_decoded_to_the_same() {
        for text in
            ["us-west1", "", " padded ", "a b", "Hello, 世界", "line1\nline2", "=?base64?x?=", "tab\t"]
        {
            let headers = HeaderMap::from_iter([(NAME, crate::protocol::header_value(text))]);
            assert_eq!(single_decoded(&headers, &NAME).as_deref(), Ok(text));
        }
    }
}
