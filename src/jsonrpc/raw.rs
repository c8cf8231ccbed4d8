//! The text of a scanned JSON value.

/// The text of a JSON value in the body: checked, but not parsed yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Raw<'a> {
    text: &'a str,
    /// The value is a string without escapes, which can be borrowed.
    is_plain: bool,
}

impl<'a> Raw<'a> {
    /// Private to this module: only a scanner knows that a text is valid JSON.
    pub(super) fn new(text: &'a str, is_plain: bool) -> Self {
        Self { text, is_plain }
    }

    /// Returns the JSON text.
    pub(crate) fn text(self) -> &'a str {
        self.text
    }

    pub(crate) fn is_object(self) -> bool {
        self.text.starts_with('{')
    }

    pub(crate) fn is_null(self) -> bool {
        self.text == "null"
    }

    /// Returns the text between the quotes, if the value is a string without escapes.
    pub(super) fn plain(self) -> Option<&'a str> {
        if self.is_plain { self.text.get(1..self.text.len() - 1) } else { None }
    }
}
