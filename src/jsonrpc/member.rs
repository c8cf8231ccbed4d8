//! Reads strings and members from values that have been scanned.

use std::borrow::Cow;

use super::raw::Raw;
use super::scan::{ScanFault, Scanner};

impl<'a> Raw<'a> {
    /// Returns the value of a string. `None` if it is not a string, or has a lone surrogate, which a
    /// Rust string cannot represent. Borrows unless the string has escapes.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        match self.plain() {
            Some(text) => Some(Cow::Borrowed(text)),
            None => Scanner::new(self.text()).text().ok(),
        }
    }

    /// Returns the value of a string with escapes; empty if no Rust string can hold it.
    #[cold]
    pub(super) fn unescaped(self) -> String {
        self.string().map(Cow::into_owned).unwrap_or_default()
    }

    /// Returns a member of an object. `None` if there is no such member, or no object.
    ///
    /// # Errors
    /// Returns an error if the member is repeated: another parser might pick the other one.
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

    /// Returns a member of an object, if it is a string and not repeated.
    pub(crate) fn string_member(self, name: &str) -> Option<Cow<'a, str>> {
        self.member(name).ok()??.string()
    }

    /// Returns whether the value is the string `name`.
    pub(crate) fn is_key(self, name: &str) -> bool {
        self.string().is_some_and(|key| key == name)
    }
}

/// The error for a repeated member.
#[derive(Debug)]
pub(crate) struct Repeated;
