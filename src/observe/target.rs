//! The target of a call.

use std::borrow::Cow;

/// The target of a call. The text is on one line, truncated at about 256 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Target<'a> {
    /// The name of a tool.
    Tool(&'a str),
    /// The name of a prompt.
    Prompt(&'a str),
    /// The URI of a resource, without user information, query and fragment. Do not use it as a label of a
    /// metric, because there may be many.
    Resource(&'a str),
}

/// Removes the parts of a URI that may be secret: user information, query and fragment.
pub(super) fn public_uri(uri: &str) -> Cow<'_, str> {
    let end = uri.find(['?', '#']).unwrap_or(uri.len());
    let uri = &uri[..end];
    let Some((scheme, rest)) = uri.split_once("://") else { return Cow::Borrowed(uri) };
    let authority = rest.find('/').unwrap_or(rest.len());
    match rest[..authority].rfind('@') {
        Some(at) => Cow::Owned(format!("{scheme}://{}", &rest[at + 1..])),
        None => Cow::Borrowed(uri),
    }
}

#[cfg(test)]
mod tests {
    use super::public_uri;

    #[test]
    fn a_uri_is_shown_without_user_query_and_fragment() {
        for (uri, shown) in [
            ("file:///notes.md", "file:///notes.md"),
            ("db://u:secret@host:1/a@b?key=secret#secret", "db://host:1/a@b"),
            ("db://secret@host", "db://host"),
            ("urn:a:b?secret", "urn:a:b"),
            ("x://a?b@c", "x://a"),
        ] {
            assert_eq!(public_uri(uri), shown);
        }
    }
}
