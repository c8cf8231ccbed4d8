//! The settings that a kind of method may have.

/// A setting that there is.
pub(crate) struct Known {
    pub(crate) key: &'static str,
    pub(crate) takes: Takes,
    /// The setting that it contradicts.
    pub(crate) unlike: Option<&'static str>,
}

/// What stands after the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Value,
    /// A value, and the setting may be repeated.
    Values,
    Type,
}

impl Known {
    pub(crate) const fn new(key: &'static str, takes: Takes) -> Self {
        Self { key, takes, unlike: None }
    }

    pub(crate) const fn unlike(self, other: &'static str) -> Self {
        Self { unlike: Some(other), ..self }
    }
}
