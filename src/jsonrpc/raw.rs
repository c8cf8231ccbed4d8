//! The text of a JSON value that has been passed over.

/// A JSON value as it stands in the body: checked, but not yet read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    text: &'a str,
    /// A string without escapes, whose text can be taken as it is.
    is_plain: bool,
}

impl<'a> Raw<'a> {
    /// Only a scanner knows that a text is JSON.
    pub(super) fn new(text: &'a str, is_plain: bool) -> Self {
        Self { text, is_plain }
    }

    /// The JSON text.
    pub(crate) fn text(self) -> &'a str {
        self.text
    }

    pub(crate) fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    pub(crate) fn is_null(self) -> bool {
        self.text == "null"
    }

    /// The text between the quotes of a string without escapes.
    pub(super) fn plain(self) -> Option<&'a str> {
        if self.is_plain { self.text.get(1..self.text.len() - 1) } else { None }
    }
}
