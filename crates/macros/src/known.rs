//! The settings that the macros know.

/// A setting.
pub(crate) struct Known {
    pub(crate) key: &'static str,
    pub(crate) takes: Takes,
    /// The setting that it contradicts.
    pub(crate) unlike: Option<&'static str>,
}

/// The part after the key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Takes {
    Nothing,
    Value,
    /// A value; the setting may be repeated.
    Values,
    /// A tuple of two values; the setting may be repeated.
    Pairs,
    Type,
}

impl Takes {
    /// Whether the setting may be repeated.
    pub(crate) fn is_repeatable(self) -> bool {
        matches!(self, Self::Values | Self::Pairs)
    }
}

impl Known {
    pub(crate) const fn new(key: &'static str, takes: Takes) -> Self {
        Self { key, takes, unlike: None }
    }

    pub(crate) const fn unlike(self, other: &'static str) -> Self {
        Self { unlike: Some(other), ..self }
    }
}
