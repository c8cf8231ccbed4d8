//! The public URL of a protected resource.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use http::Uri;

use crate::error::ConfigError;
use crate::http::origin::is_loopback;

/// The public URL of an MCP endpoint, which is its OAuth resource identifier (RFC 8707, section 2).
#[derive(Clone, PartialEq, Eq)]
pub struct ResourceUrl {
    /// The URL in canonical form.
    text: Arc<str>,
    /// The offset of the path.
    path: usize,
}

impl ResourceUrl {
    /// Parses a URL that uses `https`, or `http` on a loopback host, without a query or fragment.
    pub(crate) fn parse(text: &str) -> Result<Self, ConfigError> {
        let canonical = canonical(text).filter(|url| url.is_plain && url.is_safe());
        let url = canonical.ok_or_else(|| {
            ConfigError::new(format!(
                "{text:?} is not the URL of a resource: it must use https (or http on a loopback host), without a \
                 query, a fragment or user information"
            ))
        })?;
        Ok(Self { path: url.path, text: url.text.into() })
    }

    /// Returns the URL in canonical form: scheme and host in lower case, without a default port, and
    /// without the slash of an empty path.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns whether another URL names the same resource.
    pub fn is_same(&self, other: &str) -> bool {
        *self.text == *other || canonical(other).is_some_and(|url| url.is_plain && *self.text == *url.text)
    }

    /// Returns the path, which may be empty.
    pub(super) fn path(&self) -> &str {
        &self.text[self.path..]
    }

    /// Returns the URL of the resource's metadata (RFC 9728, section 3.1).
    pub(super) fn metadata_url(&self) -> String {
        let (origin, path) = self.text.split_at(self.path);
        format!("{origin}{WELL_KNOWN}{path}")
    }
}

/// The well-known prefix of the metadata's path. The path of the resource follows it.
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

impl fmt::Display for ResourceUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl fmt::Debug for ResourceUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, formatter)
    }
}

/// A URL in canonical form.
pub(super) struct CanonicalUrl {
    pub(super) text: String,
    /// The offset of the path.
    path: usize,
    host: String,
    is_https: bool,
    /// Whether it has neither a query nor a fragment.
    pub(super) is_plain: bool,
}

impl CanonicalUrl {
    /// Whether requests to this URL cannot be read on the way.
    pub(super) fn is_safe(&self) -> bool {
        self.is_https || is_loopback(&self.host)
    }
}

/// Returns a URL in canonical form, without its query and fragment. Returns `None` if it is not an
/// absolute `http` or `https` URL, or if it has user information.
pub(super) fn canonical(text: &str) -> Option<CanonicalUrl> {
    let uri: Uri = text.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?.to_ascii_lowercase(), uri.authority()?);
    let is_https = match scheme.as_str() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    if authority.as_str().contains('@') {
        return None;
    }
    let host = authority.host().to_ascii_lowercase();
    let mut url = format!("{scheme}://{host}");
    if let Some(port) = authority.port_u16()
        && port != if is_https { 443 } else { 80 }
    {
        // Writing to a string cannot fail.
        let _ = write!(url, ":{port}");
    }
    let path = url.len();
    if uri.path() != "/" {
        url.push_str(uri.path());
    }
    // `Uri` drops fragments, so look at the text.
    let is_plain = !text.contains(['?', '#']);
    Some(CanonicalUrl { text: url, path, host, is_https, is_plain })
}

#[cfg(test)]
mod tests {
    use super::ResourceUrl;

    #[test]
    fn a_resource_is_a_plain_url_that_nobody_on_the_way_reads() {
        for (text, canonical, metadata) in [
            (
                "https://mcp.example.com/mcp",
                "https://mcp.example.com/mcp",
                "/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "HTTPS://MCP.Example.com:443/",
                "https://mcp.example.com",
                "/.well-known/oauth-protected-resource",
            ),
            (
                "https://a.example:8443/x/Y/",
                "https://a.example:8443/x/Y/",
                "/.well-known/oauth-protected-resource/x/Y/",
            ),
            (
                "http://localhost:8000/mcp",
                "http://localhost:8000/mcp",
                "/.well-known/oauth-protected-resource/mcp",
            ),
            ("http://[::1]:8000", "http://[::1]:8000", "/.well-known/oauth-protected-resource"),
        ] {
            let url = ResourceUrl::parse(text).expect(text);
            assert_eq!(url.as_str(), canonical);
            assert!(url.is_same(text) && url.metadata_url().ends_with(metadata), "{}", url.metadata_url());
        }
        for text in [
            "mcp.example.com",
            "/mcp",
            "ftp://a.example",
            "http://a.example/mcp",
            "https://a.example/mcp?x=1",
            "https://a.example/mcp#f",
            "https://user@a.example/mcp",
            "https://",
            "",
        ] {
            assert!(ResourceUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn resources_are_the_same_up_to_case_of_host_and_default_ports() {
        let url = ResourceUrl::parse("https://mcp.example.com/mcp").expect("valid");
        for same in ["https://mcp.example.com/mcp", "HTTPS://MCP.example.com:443/mcp"] {
            assert!(url.is_same(same), "{same}");
        }
        for other in [
            "https://mcp.example.com/MCP",
            "https://mcp.example.com/mcp/",
            "https://mcp.example.com/mcp?a",
            "http://mcp.example.com/mcp",
            "https://mcp.example.com:8443/mcp",
            "https://mcp.example.com",
            "https://mcp.example.com.evil.example/mcp",
            "mcp",
            "",
        ] {
            assert!(!url.is_same(other), "{other}");
        }
    }
}
