//! The id of a request, as it was written.

/// The id of a request: a string or an integer. It keeps the JSON text of the body, so that the
/// reply repeats it byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Id<'a>(&'a str);

impl<'a> Id<'a> {
    /// Creates an id from the JSON text of an `id` member. Returns `None` unless it is a string or
    /// an integer: MCP forbids `null` and fractions.
    pub(crate) fn from_json(text: &'a str) -> Option<Self> {
        let digits = text.strip_prefix('-').unwrap_or(text);
        let integer = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        (integer || text.starts_with('"')).then_some(Self(text))
    }

    /// Returns the JSON text.
    pub(crate) fn as_json(self) -> &'a str {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::Id;

    #[test]
    fn strings_and_integers_are_ids_and_nothing_else_is() {
        for good in ["1", "-7", "0", r#""1""#, r#""""#, "123456789012345678901234567890"] {
            assert_eq!(Id::from_json(good).map(Id::as_json), Some(good));
        }
        for bad in ["null", "1.5", "1e3", "true", "[]", "{}", "-", ""] {
            assert_eq!(Id::from_json(bad), None, "{bad}");
        }
    }
}
