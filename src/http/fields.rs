//! The header fields that decide how a request is served.

use http::{HeaderMap, HeaderValue, header};

use crate::protocol::Revision;

/// One header field of a request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) enum Field<'h> {
    #[default]
    Missing,
    Once(&'h HeaderValue),
    Repeated,
}

impl<'h> Field<'h> {
    fn add(&mut self, value: &'h HeaderValue) {
        *self = match self {
            Self::Missing => Self::Once(value),
            Self::Once(_) | Self::Repeated => Self::Repeated,
        };
    }

    /// Returns whether the field is present once, and equals `text`.
    pub(crate) fn is(self, text: &str) -> bool {
        matches!(self, Self::Once(value) if value.as_bytes() == text.as_bytes())
    }

    /// Returns the text of a field that is present once.
    pub(crate) fn text(self) -> Option<&'h str> {
        match self {
            Self::Once(value) => value.to_str().ok(),
            Self::Missing | Self::Repeated => None,
        }
    }
}

/// The fields that decide how a request is served, found in one pass: looking up one of them costs
/// as much as iterating over all.
#[derive(Debug, Default)]
pub(crate) struct Fields<'h> {
    pub(crate) host: Field<'h>,
    pub(crate) origin: Field<'h>,
    pub(crate) accept: Field<'h>,
    pub(crate) content_type: Field<'h>,
    pub(crate) content_length: Field<'h>,
    pub(crate) protocol_version: Field<'h>,
}

/// The fields in which a modern request repeats its body, found in one pass.
#[derive(Debug, Default)]
pub(crate) struct RepeatingFields<'h> {
    pub(crate) method: Field<'h>,
    pub(crate) name: Field<'h>,
}

impl<'h> RepeatingFields<'h> {
    pub(crate) fn read(headers: &'h HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            match name.as_str() {
                "mcp-method" => fields.method.add(value),
                "mcp-name" => fields.name.add(value),
                _ => {}
            }
        }
        fields
    }
}

/// The header `MCP-Protocol-Version`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionHeader {
    Missing,
    Known(Revision),
    /// Repeated, malformed, or not the name of a known revision.
    Unknown,
}

impl<'h> Fields<'h> {
    pub(crate) fn read(headers: &'h HeaderMap) -> Self {
        let mut fields = Self::default();
        for (name, value) in headers {
            // Standard names are numbers to compare, and the first three are in every request.
            let field = if *name == header::HOST {
                &mut fields.host
            } else if *name == header::CONTENT_TYPE {
                &mut fields.content_type
            } else if *name == header::CONTENT_LENGTH {
                &mut fields.content_length
            } else if *name == header::ACCEPT {
                &mut fields.accept
            } else if *name == header::ORIGIN {
                &mut fields.origin
            } else if name.as_str() == "mcp-protocol-version" {
                &mut fields.protocol_version
            } else {
                continue;
            };
            field.add(value);
        }
        fields
    }

    pub(crate) fn version(&self) -> VersionHeader {
        match self.protocol_version {
            Field::Missing => VersionHeader::Missing,
            Field::Repeated => VersionHeader::Unknown,
            Field::Once(value) => {
                let name = value.as_bytes().trim_ascii();
                let mut all = Revision::ALL.into_iter();
                let named = all.find(|revision| revision.as_str().as_bytes() == name);
                named.map_or(VersionHeader::Unknown, VersionHeader::Known)
            }
        }
    }
}
