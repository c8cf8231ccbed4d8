//! Checks `Host` and `Origin`, as a protection against DNS rebinding (2026-07-28, Transports,
//! "Security & Endpoint").

use std::net::{Ipv4Addr, Ipv6Addr};

use http::header;
use http::request::Parts;

use super::HttpFault;
use super::fields::{Field, Fields};

/// The hosts and origins that are served.
#[derive(Clone, Debug, Default)]
pub(crate) struct OriginPolicy {
    pub(crate) hosts: Hosts,
    pub(crate) origins: Origins,
}

#[derive(Clone, Debug, Default)]
pub(crate) enum Hosts {
    #[default]
    Loopback,
    Only(Vec<AllowedHost>),
    Any,
}

impl Hosts {
    /// Returns whether a `Host` header names a host that is served, if that can be told by comparing
    /// bytes. A header for which this returns `false` has to be parsed.
    fn are_plainly_named(&self, header: Field<'_>) -> bool {
        let Field::Once(value) = header else { return false };
        let value = value.as_bytes();
        match self {
            Self::Loopback => LOOPBACK.iter().any(|&name| value.strip_prefix(name).is_some_and(is_any_port)),
            Self::Only(allowed) => {
                allowed.iter().any(|host| host.port.is_none() && host.name.as_bytes() == value)
            }
            Self::Any => true,
        }
    }
}

/// The usual names of this machine.
const LOOPBACK: [&[u8]; 3] = [b"127.0.0.1", b"localhost", b"[::1]"];

/// Returns whether the bytes after a host are empty, or a port. It accepts at most four digits, because
/// any such number is a port.
fn is_any_port(rest: &[u8]) -> bool {
    match rest {
        [] => true,
        [b':', digits @ ..] => matches!(digits.len(), 1..=4) && digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

/// The origins that are served in addition to those of the same host. While only loopback hosts
/// are served, all loopback origins are served too.
#[derive(Clone, Debug)]
pub(crate) enum Origins {
    Only(Vec<AllowedOrigin>),
    Any,
}

impl Default for Origins {
    fn default() -> Self {
        Self::Only(Vec::new())
    }
}

/// An origin that is served.
#[derive(Clone, Debug)]
pub(crate) enum AllowedOrigin {
    /// The origin of a web page. The default port is filled in.
    Web { scheme: String, host: String, port: u16 },
    /// Any other origin, such as a browser extension's. Compared verbatim.
    Other(String),
}

impl AllowedOrigin {
    /// Parses `https://host`, `https://host:port` or `scheme://opaque`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        if let Some(web) = WebOrigin::parse(text) {
            let (scheme, host) = (web.scheme.to_owned(), web.authority.host.to_owned());
            return Some(Self::Web { scheme, host, port: web.port() });
        }
        let (scheme, rest) = text.split_once("://")?;
        let is_opaque =
            !matches!(scheme, "" | "http" | "https") && !rest.is_empty() && !rest.contains(['/', '*']);
        is_opaque.then(|| Self::Other(text.to_owned()))
    }

    fn admits(&self, origin: &str, web: Option<WebOrigin<'_>>) -> bool {
        match self {
            Self::Web { scheme, host, port } => web.is_some_and(|web| {
                web.scheme.eq_ignore_ascii_case(scheme)
                    && web.authority.host.eq_ignore_ascii_case(host)
                    && web.port() == *port
            }),
            Self::Other(allowed) => allowed.eq_ignore_ascii_case(origin),
        }
    }
}

/// A host that is served, on one port or on all, with web pages of one scheme or of both.
#[derive(Clone, Debug)]
pub(crate) struct AllowedHost {
    name: String,
    port: Option<u16>,
    /// `http` or `https`, or `None` for both.
    scheme: Option<String>,
}

impl AllowedHost {
    /// Parses `host` or `host:port`, with or without `https://` or `http://` in front.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = match WebOrigin::parse(text) {
            Some(web) => (Some(web.scheme.to_ascii_lowercase()), web.authority),
            None => (None, Authority::parse(text)?),
        };
        Some(Self { name: authority.host.to_owned(), port: authority.port, scheme })
    }

    /// Returns whether pages of this host that were loaded with `scheme` may call.
    fn admits_page(&self, scheme: &str) -> bool {
        self.scheme.as_deref().is_none_or(|allowed| allowed.eq_ignore_ascii_case(scheme))
    }

    /// Returns whether a request with this authority is for this host. Clients omit the default
    /// port (RFC 9110, section 4.2). If the entry names no scheme, that is the port of either.
    fn admits(&self, authority: Authority<'_>) -> bool {
        let is_default = |port| match self.scheme.as_deref() {
            Some(scheme) => default_port(scheme) == Some(port),
            None => DEFAULT_PORTS.iter().any(|(_, default)| *default == port),
        };
        let admits_port = |port| authority.port.map_or_else(|| is_default(port), |named| named == port);
        self.name.eq_ignore_ascii_case(authority.host) && self.port.is_none_or(admits_port)
    }
}

impl OriginPolicy {
    /// Checks the head of a request. Returns its origin, if it has one.
    pub(crate) fn check<'h>(
        &self,
        head: &'h Parts,
        fields: &Fields<'h>,
    ) -> Result<Option<&'h str>, HttpFault> {
        if head.uri.authority().is_some() || !self.hosts.are_plainly_named(fields.host) {
            self.check_hosts(&NamedHosts::read(head, fields))?;
        }
        match fields.origin {
            Field::Missing => Ok(None),
            Field::Once(value) => {
                let origin = value.to_str().unwrap_or_default();
                let is_admitted = self.admits_origin(origin, NamedHosts::read(head, fields).first());
                is_admitted.then_some(Some(origin)).ok_or_else(|| refused(head))
            }
            Field::Repeated => Err(refused(head)),
        }
    }

    fn check_hosts(&self, named: &NamedHosts<'_>) -> Result<(), HttpFault> {
        if matches!(self.hosts, Hosts::Any) {
            return Ok(());
        }
        if named.is_ambiguous || named.first().is_none() {
            return Err(HttpFault::HostNotAllowed(None));
        }
        let judge = |name: &str| match Authority::parse(name) {
            Some(host) if self.admits_host(host) => Ok(()),
            _ => Err(HttpFault::HostNotAllowed(Some(name.to_owned()))),
        };
        named.authority.map_or(Ok(()), judge)?;
        named.header.map_or(Ok(()), judge)
    }

    fn admits_host(&self, authority: Authority<'_>) -> bool {
        match &self.hosts {
            Hosts::Loopback => authority.is_loopback(),
            Hosts::Only(allowed) => allowed.iter().any(|host| host.admits(authority)),
            Hosts::Any => true,
        }
    }

    fn admits_origin(&self, origin: &str, host: Option<&str>) -> bool {
        let Origins::Only(allowed) = &self.origins else { return true };
        let web = WebOrigin::parse(origin);
        let is_same_host = |web: WebOrigin<'_>| host.is_some_and(|host| web.is_same_host(host));
        let of_this_server = web.is_some_and(|web| match &self.hosts {
            Hosts::Loopback => web.authority.is_loopback(),
            Hosts::Any => is_same_host(web),
            Hosts::Only(allowed) => {
                let host = host.and_then(Authority::parse);
                let mut entries = allowed.iter().filter(|entry| host.is_some_and(|host| entry.admits(host)));
                is_same_host(web) && entries.any(|entry| entry.admits_page(web.scheme))
            }
        });
        of_this_server || allowed.iter().any(|entry| entry.admits(origin, web))
    }
}

/// Returns the error for a request, which names its first origin.
#[cold]
fn refused(head: &Parts) -> HttpFault {
    let origin = head.headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    HttpFault::OriginNotAllowed(origin.unwrap_or_default().to_owned())
}

/// The hosts that a request names: the `:authority` of HTTP/2 (or the authority of an absolute
/// URI) and the `Host` header. A proxy may have routed by either, so both are checked.
struct NamedHosts<'h> {
    authority: Option<&'h str>,
    header: Option<&'h str>,
    /// The header is repeated, or is not valid text.
    is_ambiguous: bool,
}

impl<'h> NamedHosts<'h> {
    fn read(head: &'h Parts, fields: &Fields<'h>) -> Self {
        let header = fields.host.text();
        Self {
            authority: head.uri.authority().map(http::uri::Authority::as_str),
            is_ambiguous: header.is_none() && !matches!(fields.host, Field::Missing),
            header,
        }
    }

    fn first(&self) -> Option<&'h str> {
        self.authority.or(self.header)
    }
}

/// `host` or `host:port`. An IPv6 address keeps its brackets.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Authority<'a> {
    host: &'a str,
    port: Option<u16>,
}

impl<'a> Authority<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let text = text.trim_ascii();
        let end_of_host = match text.strip_prefix('[') {
            Some(inside) => {
                let length = inside.find(']')?;
                let plain = |byte: u8| byte == b'[' || byte == b':' || is_of_name(byte);
                inside[..length].bytes().all(plain).then_some(length + 2)?
            }
            None => text.bytes().position(|byte| !is_of_name(byte)).unwrap_or(text.len()),
        };
        let (host, rest) = text.split_at(end_of_host);
        let port = match rest.strip_prefix(':') {
            Some(port) => Some(port.parse().ok()?),
            None if rest.is_empty() => None,
            None => return None,
        };
        (!host.is_empty()).then_some(Self { host, port })
    }

    fn is_loopback(self) -> bool {
        let v6 = self.host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        self.host == "127.0.0.1"
            || self.host.eq_ignore_ascii_case("localhost")
            || self.host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || v6.is_some_and(|v6| v6.parse::<Ipv6Addr>().is_ok_and(|address| address.is_loopback()))
    }
}

/// Returns whether a host name may contain a byte.
fn is_of_name(byte: u8) -> bool {
    const OF_NAMES: [bool; 256] = {
        let (mut of_names, mut byte) = ([false; 256], 0_u8);
        while byte < 128 {
            of_names[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
            byte += 1;
        }
        of_names
    };
    OF_NAMES[usize::from(byte)]
}

/// Whether a host of a URL, which has no port, is this machine.
#[cfg(feature = "auth")]
pub(crate) fn is_loopback(host: &str) -> bool {
    Authority::parse(host).is_some_and(Authority::is_loopback)
}

/// The default ports of the schemes of web pages.
const DEFAULT_PORTS: [(&str, u16); 2] = [("http", 80), ("https", 443)];

fn default_port(scheme: &str) -> Option<u16> {
    DEFAULT_PORTS.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(scheme)).map(|(_, port)| port)
}

/// The origin of a web page.
#[derive(Clone, Copy)]
struct WebOrigin<'a> {
    scheme: &'a str,
    default_port: u16,
    authority: Authority<'a>,
}

impl<'a> WebOrigin<'a> {
    fn parse(origin: &'a str) -> Option<Self> {
        let (scheme, authority) = origin.split_once("://")?;
        let default_port = default_port(scheme)?;
        Some(Self { scheme, default_port, authority: Authority::parse(authority)? })
    }

    fn port(self) -> u16 {
        self.authority.port.unwrap_or(self.default_port)
    }

    /// Returns whether the page comes from `host`. Behind a proxy that terminates TLS the server
    /// does not know its own scheme, so a host without a port matches the origin's default port.
    fn is_same_host(self, host: &str) -> bool {
        Authority::parse(host).is_some_and(|host| {
            host.host.eq_ignore_ascii_case(self.authority.host)
                && host.port.unwrap_or(self.default_port) == self.port()
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::{AllowedHost, Authority, Field, Hosts, OriginPolicy};

    fn is_plainly_named(hosts: &Hosts, text: &str) -> bool {
        let value = HeaderValue::from_str(text).expect("a header value");
        hosts.are_plainly_named(Field::Once(&value))
    }

    #[test]
    fn the_hosts_that_most_requests_name_are_told_without_parsing() {
        for host in ["localhost", "localhost:8000", "127.0.0.1", "127.0.0.1:80", "[::1]", "[::1]:1"] {
            assert!(is_plainly_named(&Hosts::Loopback, host), "{host}");
        }
        let allowed = ["mcp.example.com", "[2001:db8::1]"].map(|host| AllowedHost::parse(host).expect(host));
        for host in ["mcp.example.com", "[2001:db8::1]"] {
            assert!(is_plainly_named(&Hosts::Only(allowed.to_vec()), host), "{host}");
        }
    }

    proptest! {
        #[test]
        fn a_host_that_is_plainly_named_is_served(
            text in r"[ \[]?(localhost|127\.0\.0\.1|\[::1\]|a\.b)?[]:.@+]{0,2}[0-9a-z+.:]{0,6}[ \]]?",
        ) {
            let allowed = ["a.b", "localhost:80"].map(|host| AllowedHost::parse(host).expect(host));
            for hosts in [Hosts::Loopback, Hosts::Only(allowed.to_vec())] {
                let is_plainly_named = is_plainly_named(&hosts, &text);
                let policy = OriginPolicy { hosts, ..OriginPolicy::default() };
                let is_served = Authority::parse(&text).is_some_and(|host| policy.admits_host(host));
                prop_assert!(is_served || !is_plainly_named, "{}", text);
            }
        }
    }

    #[test]
    fn authorities_are_split_into_host_and_port() {
        for (text, expected) in [
            ("localhost", Some(("localhost", None))),
            ("localhost:8000", Some(("localhost", Some(8000)))),
            ("[::1]:8000", Some(("[::1]", Some(8000)))),
            ("[::1]", Some(("[::1]", None))),
            ("::1", None),
            ("", None),
            (":80", None),
            ("host:port", None),
            ("host:99999", None),
            ("user@host", None),
            ("host/path", None),
            ("[::1]x", None),
        ] {
            let parsed = Authority::parse(text).map(|parsed| (parsed.host, parsed.port));
            assert_eq!(parsed, expected, "{text}");
        }
    }

    #[test]
    fn only_this_machine_is_loopback() {
        for host in ["localhost", "LOCALHOST:1", "127.0.0.1", "127.8.8.8:80", "[::1]:9"] {
            assert!(Authority::parse(host).expect(host).is_loopback(), "{host}");
        }
        for host in ["localhost.evil.com", "evil.com", "128.0.0.1", "[::2]", "127.0.0.1.nip.io", "0.0.0.0"] {
            assert!(!Authority::parse(host).expect(host).is_loopback(), "{host}");
        }
    }
}
