//! The text of a JSON value that has been passed over.

use std::borrow::Cow;

use super::scan::{ScanFault, Scanner};

/// A JSON value as it stands in the body: checked, but not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    text: &'a str,
    /// A string without escapes, whose text can be taken as it is.
    is_plain: bool,
}

impl<'a> Raw<'a> {
    /// Only [`Scanner`] knows that a text is JSON.
    pub(super) fn new(text: &'a str, is_plain: bool) -> Self {
        Self { text, is_plain }
    }

    /// The JSON text.
    pub(crate) fn text(self) -> &'a str {
        self.text
    }

    /// The value of a string; `None` when it is something else, or a string that no
    /// Rust string can hold (a lone surrogate). Borrows unless the string has escapes.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        if self.is_plain {
            return self.text.get(1..self.text.len() - 1).map(Cow::Borrowed);
        }
        Scanner::new(self.text).text().ok()
    }

    pub(crate) fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    pub(crate) fn is_null(self) -> bool {
        self.text == "null"
    }

    /// One member of an object; `None` without it, or when the value is no object.
    ///
    /// # Errors
    /// When the member is there twice: another reader might pick the other one.
    pub(crate) fn member(self, name: &str) -> Result<Option<Raw<'a>>, Repeated> {
        if !self.is_object() {
            return Ok(None);
        }
        let mut found = None;
        let members = Scanner::new(self.text).members(|scanner, key| {
            let value = scanner.value()?;
            if key.is_key(name) && found.replace(value).is_some() {
                return Err(ScanFault::Unwanted);
            }
            Ok(())
        });
        members.map(|()| found).map_err(|_| Repeated)
    }

    /// One member of an object, if it is there once, and a string.
    pub(crate) fn string_member(self, name: &str) -> Option<Cow<'a, str>> {
        self.member(name).ok()??.string()
    }

    /// Whether this is the string `name`.
    pub(crate) fn is_key(self, name: &str) -> bool {
        self.string().is_some_and(|key| key == name)
    }
}

/// A member is there twice.
#[derive(Debug)]
pub(crate) struct Repeated;
