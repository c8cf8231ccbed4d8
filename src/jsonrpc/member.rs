//! Reads strings and members out of values that were scanned before.

use std::borrow::Cow;

use super::raw::Raw;
use super::scan::{ScanFault, Scanner};

impl<'a> Raw<'a> {
    /// The value of a string; `None` when it is something else, or a string that no
    /// Rust string can hold (a lone surrogate). Borrows unless the string has escapes.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        match self.plain() {
            Some(text) => Some(Cow::Borrowed(text)),
            None => Scanner::new(self.text()).text().ok(),
        }
    }

    /// The value of a string with escapes; empty when there is none.
    #[cold]
    pub(super) fn unescaped(self) -> String {
        self.string().map(Cow::into_owned).unwrap_or_default()
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
        let members = Scanner::new(self.text()).members(|scanner, key| {
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
