//! The credentials of a request (RFC 6750, section 2.1; RFC 9449, section 7.1).

use http::request::Parts;
use http::{HeaderValue, header};

/// An authentication scheme.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Bearer,
    Dpop,
}

impl Scheme {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Bearer => "Bearer",
            Self::Dpop => "DPoP",
        }
    }
}

/// Why a request has no usable credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CredentialsFault {
    /// There are no credentials, or only credentials of an unsupported scheme.
    Missing,
    Malformed(&'static str),
}

/// The token of a request and its scheme.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Credentials<'h> {
    pub(super) scheme: Scheme,
    pub(super) token: &'h str,
}

/// Whether a byte may be in a token, before the `=` at its end. A table, because tokens are long.
const IN_TOKENS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte: u8 = 0;
    loop {
        table[byte as usize] =
            matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-'..=b'/' | b'_' | b'~' | b'+');
        if byte == u8::MAX {
            break;
        }
        byte += 1;
    }
    table
};

/// Reads the credentials of a request. More than one token is refused.
pub(super) fn read(head: &Parts, max_token_size: usize) -> Result<Credentials<'_>, CredentialsFault> {
    use CredentialsFault::{Malformed, Missing};
    if head.uri.query().is_some_and(has_token) {
        return Err(Malformed("the access token must not be in the query"));
    }
    let mut values = head.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(Missing)?;
    if values.next().is_some() {
        return Err(Malformed("there is more than one Authorization header"));
    }
    let not_text = Malformed("the Authorization header is malformed");
    let value = HeaderValue::to_str(value).map_err(|_| not_text)?.trim_matches([' ', '\t']);
    let (scheme, token) = value.split_once(' ').unwrap_or((value, ""));
    let scheme = match scheme {
        scheme if scheme.eq_ignore_ascii_case("bearer") => Scheme::Bearer,
        scheme if scheme.eq_ignore_ascii_case("dpop") => Scheme::Dpop,
        _ => return Err(Missing),
    };
    let token = token.trim_start_matches(' ');
    if token.len() > max_token_size {
        return Err(Malformed("the access token is too long"));
    }
    let text = token.trim_end_matches('=');
    if text.is_empty() || !text.bytes().all(|byte| IN_TOKENS[usize::from(byte)]) {
        return Err(not_text);
    }
    Ok(Credentials { scheme, token })
}

/// Whether a query has the parameter that carries a token in RFC 6750, section 2.3.
fn has_token(query: &str) -> bool {
    query
        .split('&')
        .any(|pair| pair.split('=').next().is_some_and(|name| name.eq_ignore_ascii_case("access_token")))
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::CredentialsFault::{Malformed, Missing};
    use super::Scheme::{Bearer, Dpop};
    use super::read;

    /// Header values, URI and outcome. `Err(None)` means that there are no credentials.
    type Case<'a> = (&'a [&'a str], &'a str, Result<(super::Scheme, &'a str), Option<()>>);

    #[test]
    fn one_header_with_one_token_of_a_known_scheme_is_read() {
        let long = format!("Bearer {}", "a".repeat(65));
        let cases: &[Case<'_>] = &[
            (&["Bearer abc"], "/mcp", Ok((Bearer, "abc"))),
            (&["bEARER   a.b-c_d~e+f/g=="], "/mcp", Ok((Bearer, "a.b-c_d~e+f/g=="))),
            (&["DPoP abc"], "/mcp?x=1", Ok((Dpop, "abc"))),
            (&[], "/mcp", Err(None)),
            (&["Basic abc"], "/mcp", Err(None)),
            (&[""], "/mcp", Err(None)),
            (&["Bearer"], "/mcp", Err(Some(()))),
            (&["Bearer "], "/mcp", Err(Some(()))),
            (&["Bearer =="], "/mcp", Err(Some(()))),
            (&["Bearer a b"], "/mcp", Err(Some(()))),
            (&["Bearer a, Bearer b"], "/mcp", Err(Some(()))),
            (&["Bearer a,b"], "/mcp", Err(Some(()))),
            (&["Bearer a\tb"], "/mcp", Err(Some(()))),
            (&["Bearer é"], "/mcp", Err(Some(()))),
            (&["Bearer a", "Bearer a"], "/mcp", Err(Some(()))),
            (&["Bearer a", "Basic a"], "/mcp", Err(Some(()))),
            (&[&long], "/mcp", Err(Some(()))),
            (&["Bearer a"], "/mcp?access_token=a", Err(Some(()))),
            (&[], "/mcp?a=b&Access_Token=a", Err(Some(()))),
        ];
        for (lines, uri, expected) in cases {
            let mut request = Request::post(*uri);
            for line in *lines {
                request = request.header("authorization", line.as_bytes());
            }
            let head = request.body(()).expect("a request").into_parts().0;
            let found = read(&head, 64);
            let found = match &found {
                Ok(found) => Ok((found.scheme, found.token)),
                Err(Missing) => Err(None),
                Err(Malformed(_)) => Err(Some(())),
            };
            assert_eq!(found, *expected, "{lines:?} {uri}");
        }
    }
}
