//! One text for each JSON value, so that a client may write its arguments in another order
//! or with other white space when it calls again.

use std::borrow::Cow;

use crate::rpc::scan::{ScanFault, Scanner};
use crate::rpc::write;

/// Appends the canonical text of a JSON text; a text that is no JSON stands for itself.
///
/// What a handler could tell apart stays apart: numbers keep their digits, and members that
/// are there twice their order.
pub(super) fn canonical(buffer: &mut Vec<u8>, text: &str) {
    match Node::read(&mut Scanner::new(text)) {
        Ok(node) => node.write(buffer),
        Err(_) => buffer.extend_from_slice(text.as_bytes()),
    }
}

enum Node<'a> {
    /// Sorted by names.
    Object(Vec<(Cow<'a, str>, Self)>),
    Array(Vec<Self>),
    String(Cow<'a, str>),
    /// A number or a literal.
    Other(&'a str),
}

impl<'a> Node<'a> {
    fn read(scanner: &mut Scanner<'a>) -> Result<Self, ScanFault> {
        Ok(match scanner.peek() {
            Some(b'{') => {
                let mut members = Vec::new();
                scanner.members(|scanner, key| {
                    members.push((key.string().ok_or(ScanFault::Unwanted)?, Self::read(scanner)?));
                    Ok(())
                })?;
                members.sort_by(|(one, _), (other, _)| one.cmp(other));
                Self::Object(members)
            }
            Some(b'[') => {
                let mut elements = Vec::new();
                scanner.elements(|scanner| {
                    elements.push(Self::read(scanner)?);
                    Ok(())
                })?;
                Self::Array(elements)
            }
            Some(b'"') => Self::String(scanner.value()?.string().ok_or(ScanFault::Unwanted)?),
            _ => Self::Other(scanner.value()?.text()),
        })
    }

    fn write(&self, buffer: &mut Vec<u8>) {
        match self {
            Self::Object(members) => {
                buffer.push(b'{');
                for (name, value) in members {
                    write::string(buffer, name);
                    buffer.push(b':');
                    value.write(buffer);
                    buffer.push(b',');
                }
                buffer.push(b'}');
            }
            Self::Array(elements) => {
                buffer.push(b'[');
                for element in elements {
                    element.write(buffer);
                    buffer.push(b',');
                }
                buffer.push(b']');
            }
            Self::String(text) => write::string(buffer, text),
            Self::Other(text) => buffer.extend_from_slice(text.as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::canonical;

    fn written(text: &str) -> Vec<u8> {
        let mut buffer = Vec::new();
        canonical(&mut buffer, text);
        buffer
    }

    #[test]
    fn equal_values_have_equal_texts_and_others_do_not() {
        assert_eq!(written(r#"{"b": [1, 2], "a": "\u0061"}"#), written(r#"{"a":"a","b":[1,2]}"#));
        for (one, other) in [
            ("[1,2]", "[2,1]"),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            ("[[1],2]", "[[1,2]]"),
            ("100000000000000000000001", "100000000000000000000002"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ] {
            assert_ne!(written(one), written(other));
        }
    }
}
