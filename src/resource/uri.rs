//! The canonical form of URIs, which filters, lookups, templates and subscriptions compare.

use std::borrow::Cow;

/// The schemes whose authority is a host name, which is case-insensitive (the special schemes of
/// the WHATWG URL standard).
const SCHEMES_WITH_HOST: [&str; 6] = ["file", "ftp", "http", "https", "ws", "wss"];

/// The maximum number of bytes of a URI or a template that can be registered.
const MAX_LENGTH: usize = 8 * 1024;

/// Returns the canonical form of a URI, which all equivalent spellings share (RFC 3986, section
/// 6.2.2).
///
/// The scheme is in lower case. Percent-encoded characters that need no encoding are decoded, the
/// others are encoded in upper case, and a stray `%` becomes `%25`. The path has no dot segments. A
/// host is in lower case if the scheme has one; in other schemes the authority is server-defined
/// text, which may be case-sensitive.
///
/// The function is idempotent, and accepts URI templates. It takes one pass, and allocates only for
/// a URI that may not be canonical.
pub(crate) fn canonical(uri: &str) -> Cow<'_, str> {
    let (scheme, rest) = split_scheme(uri);
    // Text without a scheme is not a URI, and stays as it is.
    let is_canonical = scheme.is_empty()
        || (!scheme.bytes().any(|byte| byte.is_ascii_uppercase())
            && !has_host(scheme)
            && !rest.contains('%')
            && !may_have_dot_segments(rest));
    if is_canonical {
        Cow::Borrowed(uri)
    } else {
        Cow::Owned(compose(scheme, &normal_triplets(rest), Slashes::Kept))
    }
}

/// Returns the URI as read by a server that decodes everything, repeatedly, and treats a backslash
/// or several slashes as one slash, as file systems do. Returns `None` if it reads the same.
///
/// Takes one pass, however deep the encoding is nested.
pub(crate) fn fully_decoded(uri: &str) -> Option<String> {
    if !uri.contains(['%', '\\']) && !uri.contains("//") {
        return None;
    }
    let decoded = decoded_throughout(uri);
    let (scheme, rest) = split_scheme(&decoded);
    let decoded = compose(scheme, rest, Slashes::Merged);
    (decoded != uri).then_some(decoded)
}

/// Decodes a text repeatedly, and replaces backslashes with slashes.
fn decoded_throughout(uri: &str) -> String {
    let mut decoded: Vec<u8> = Vec::with_capacity(uri.len());
    for byte in uri.bytes() {
        decoded.push(byte);
        // A decoded character may complete another triplet.
        while let [.., b'%', high, low] = decoded[..]
            && let Some(byte) = byte_of(high, low)
        {
            decoded.truncate(decoded.len() - 3);
            decoded.push(byte);
        }
    }
    String::from_utf8_lossy(&decoded).replace('\\', "/")
}

/// Returns the URI as read by a server that treats everything after the scheme as a path, including
/// authority, query and fragment, and decodes it. Returns `None` if that has no dot segments,
/// because it then reads like [`fully_decoded`].
pub(crate) fn as_path(uri: &str) -> Option<String> {
    let decoded = decoded_throughout(uri);
    let (scheme, rest) = split_scheme(&decoded);
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    if !rest.split('/').any(|segment| matches!(segment, "." | "..")) {
        return None;
    }
    let mut path = format!("{scheme}://");
    push_without_dot_segments(&mut path, &merged(rest), true);
    Some(path)
}

/// Returns the text with its triplets decoded once; `None` if the result is not UTF-8.
#[cfg(feature = "templates")]
pub(super) fn decoded(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, following @ ..] = rest {
        let triplet = match rest {
            [b'%', high, low, following @ ..] => byte_of(*high, *low).map(|byte| (byte, following)),
            _ => None,
        };
        let (byte, following) = triplet.unwrap_or((*first, following));
        decoded.push(byte);
        rest = following;
    }
    String::from_utf8(decoded).ok()
}

/// Whether the text has a percent-encoded character.
#[cfg(feature = "templates")]
pub(super) fn has_triplet(text: &str) -> bool {
    text.as_bytes().windows(3).any(|bytes| bytes[0] == b'%' && byte_of(bytes[1], bytes[2]).is_some())
}

/// Refuses a text that cannot name a resource: a URI starts with its scheme (RFC 3986, section
/// 3.1), and has neither white space nor control characters.
pub(super) fn check(uri: &str) -> Result<(), String> {
    if split_scheme(uri).0.is_empty() {
        return Err("a URI begins with a scheme, such as `file:`".to_owned());
    }
    if uri.chars().any(|letter| letter.is_control() || letter.is_whitespace()) {
        return Err("a URI has neither white space nor control characters".to_owned());
    }
    if uri.len() > MAX_LENGTH {
        return Err(format!("a URI has at most {MAX_LENGTH} bytes"));
    }
    Ok(())
}

/// Splits a text into its scheme, which may be empty, and the part after its colon.
fn split_scheme(uri: &str) -> (&str, &str) {
    let is_scheme = |text: &[u8]| {
        let further = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        matches!(text, [first, rest @ ..] if first.is_ascii_alphabetic() && rest.iter().all(further))
    };
    match uri.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme.as_bytes()) => (scheme, rest),
        _ => ("", uri),
    }
}

fn has_host(scheme: &str) -> bool {
    SCHEMES_WITH_HOST.iter().any(|name| scheme.eq_ignore_ascii_case(name))
}

fn may_have_dot_segments(rest: &str) -> bool {
    rest.starts_with('.') || rest.contains("/.")
}

/// How several slashes in a row are read in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Slashes {
    /// As empty segments.
    Kept,
    /// As one slash.
    Merged,
}

/// Joins a scheme and the rest, and normalises what RFC 3986 says has no meaning in either.
fn compose(scheme: &str, rest: &str, slashes: Slashes) -> String {
    let mut uri = String::with_capacity(scheme.len() + rest.len() + 1);
    if !scheme.is_empty() {
        uri.push_str(&scheme.to_ascii_lowercase());
        uri.push(':');
    }
    let (authority, rest) = match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
            (Some(authority), rest)
        }
        None => (None, rest),
    };
    let (path, query) = rest.split_at(rest.find(['?', '#']).unwrap_or(rest.len()));
    if let Some(authority) = authority {
        uri.push_str("//");
        // A template's variables occur there, too.
        let is_host = has_host(scheme) && !authority.contains('{');
        if is_host { push_host(&mut uri, authority) } else { uri.push_str(authority) }
    }
    let path = if slashes == Slashes::Merged { merged(path) } else { Cow::Borrowed(path) };
    if may_have_dot_segments(&path) {
        push_without_dot_segments(&mut uri, &path, authority.is_some());
    } else {
        uri.push_str(&path);
    }
    uri.push_str(query);
    uri
}

/// Returns a path with runs of slashes merged.
fn merged(path: &str) -> Cow<'_, str> {
    if !path.contains("//") {
        return Cow::Borrowed(path);
    }
    let mut merged = String::with_capacity(path.len());
    for letter in path.chars() {
        if letter != '/' || !merged.ends_with('/') {
            merged.push(letter);
        }
    }
    Cow::Owned(merged)
}

/// Writes an authority with its host in lower case. Triplets and user information stay as they are.
fn push_host(uri: &mut String, authority: &str) {
    let (user, host) = authority.split_at(authority.rfind('@').map_or(0, |at| at + 1));
    uri.push_str(user);
    let mut since_triplet = 3;
    for letter in host.chars() {
        since_triplet = if letter == '%' { 0 } else { since_triplet + 1 };
        uri.push(if since_triplet < 3 { letter } else { letter.to_ascii_lowercase() });
    }
}

/// Writes a path with dot segments removed (RFC 3986, section 5.2.4).
fn push_without_dot_segments(uri: &mut String, path: &str, has_authority: bool) {
    let inner = path.strip_prefix('/');
    let mut kept = Vec::new();
    let mut segments = inner.unwrap_or(path).split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    kept.pop();
                }
                if segments.peek().is_none() {
                    kept.push("");
                }
            }
            _ => kept.push(segment),
        }
    }
    let kept = kept.join("/");
    if inner.is_some() {
        // Otherwise the path would be read as an authority.
        if !has_authority && kept.starts_with('/') {
            uri.push_str("/.");
        }
        uri.push('/');
    }
    uri.push_str(&kept);
}

/// Decodes what needs no encoding, and writes the other triplets in upper case.
fn normal_triplets(text: &str) -> String {
    let mut normal = String::with_capacity(text.len());
    let mut pieces = text.split('%');
    normal.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let triplet = piece.split_at_checked(2).and_then(|(digits, rest)| match digits.as_bytes() {
            [high, low] => byte_of(*high, *low).map(|byte| (byte, digits, rest)),
            _ => None,
        });
        let Some((byte, digits, rest)) = triplet else {
            normal.push_str("%25");
            normal.push_str(piece);
            continue;
        };
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            normal.push(char::from(byte));
        } else {
            normal.push('%');
            normal.push_str(&digits.to_ascii_uppercase());
        }
        normal.push_str(rest);
    }
    normal
}

/// Returns the byte that two hexadecimal digits encode.
fn byte_of(high: u8, low: u8) -> Option<u8> {
    let digit = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    Some(digit(high)? << 4 | digit(low)?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{as_path, canonical, fully_decoded};

    #[test]
    fn equivalent_spellings_have_one_form() {
        for (uri, form) in [
            ("note://private/1", "note://private/1"),
            ("NOTE://%70rivate/%31", "note://private/1"),
            ("note://Private/A", "note://Private/A"),
            ("note://a%2fb/%c3%a9", "note://a%2Fb/%C3%A9"),
            ("note://a/100%", "note://a/100%25"),
            // A decoded character must not start a triplet.
            ("note://%%370rivate/1", "note://%2570rivate/1"),
            ("note://a/%%2541", "note://a/%25%2541"),
            ("note://a/%é", "note://a/%25é"),
            ("HTTPS://user@Example.COM:1/A", "https://user@example.com:1/A"),
            ("http://%c3%89X/", "http://%C3%89x/"),
            ("file:///a/../private/./x", "file:///private/x"),
            ("file:///a/%2e%2E/private/x", "file:///private/x"),
            ("file:///../../x", "file:///x"),
            ("file:///a/..", "file:///"),
            ("file:///a/b/.", "file:///a/b/"),
            ("file:///.a/..b/c..", "file:///.a/..b/c.."),
            ("a:../b", "a:b"),
            ("a:b/../c", "a:c"),
            ("a:/.//b", "a:/.//b"),
            ("a:///b?c=/../d#/./e", "a:///b?c=/../d#/./e"),
            ("file:///{+path}", "file:///{+path}"),
            ("https://{Host}/x", "https://{Host}/x"),
            ("no uri at all", "no uri at all"),
            ("A%2D:", "A%2D:"),
            ("", ""),
        ] {
            assert_eq!(canonical(uri), form, "{uri}");
        }
    }

    #[test]
    fn everything_is_decoded_however_often_it_is_encoded() {
        for (uri, decoded) in [
            ("note://private/1", None),
            ("note://private%2F/1", Some("note://private/1")),
            ("note://a//b///c", Some("note://a/b/c")),
            ("file:////private/x", Some("file:///private/x")),
            ("file:///a/..//private/x", Some("file:///private/x")),
            ("a://b?c//d", None),
            ("note://%252570rivate/1", Some("note://private/1")),
            ("note://%%370rivate/1", Some("note://private/1")),
            ("note://a/..%5cprivate/1", Some("note://a/private/1")),
            ("note://a/..%2F..%2fprivate/1", Some("note://a/private/1")),
            ("note://a/100%", None),
            ("note://a/%ff", Some("note://a/\u{fffd}")),
        ] {
            assert_eq!(fully_decoded(uri).as_deref(), decoded, "{uri}");
        }
    }

    #[test]
    fn dot_segments_are_resolved_wherever_they_are() {
        for (uri, path) in [
            ("file:///public/a?/../../private/x", Some("file:///private/x")),
            ("file:///public/a%3F%2F..%2F..%2Fprivate/x", Some("file:///private/x")),
            ("file:///public/a#/../../private/x", Some("file:///private/x")),
            ("note://public/../private/1", Some("note://private/1")),
            ("note://public/1", None),
            ("note://public/a?b=..", None),
        ] {
            assert_eq!(as_path(uri).as_deref(), path, "{uri}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_form_is_its_own(uri in "([a-zA-Z]{1,5}:)?(//)?([./%?#:@A-Fa-f0-9\\\\é]|%2[0-9a-fA-F]){0,24}") {
            let once = canonical(&uri).into_owned();
            prop_assert_eq!(canonical(&once), once.as_str());
            let decoded = fully_decoded(&uri);
            if let Some(decoded) = decoded {
                prop_assert_eq!(fully_decoded(&decoded), None);
            }
        }
    }
}
