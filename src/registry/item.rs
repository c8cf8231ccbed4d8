//! The items of a registry, and whether it has them.

/// An item of a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The tool with this name.
    Tool(&'a str),
    /// The prompt with this name.
    Prompt(&'a str),
    /// The resource with this URI.
    Resource(&'a str),
    /// The resource template with this pattern.
    ResourceTemplate(&'a str),
}

/// Whether a registry has an [`Item`], as far as it knows without waiting.
///
/// A [`Catalog`](crate::Catalog) passes a call to the first part that answers [`Yes`](Self::Yes),
/// otherwise to the first that answers [`Maybe`](Self::Maybe).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Has {
    /// It does not have the item.
    No,
    /// It does not know, for example because it has not connected yet.
    Maybe,
    /// It has the item.
    Yes,
}

impl From<bool> for Has {
    /// The answer of a registry that knows all its items.
    fn from(has: bool) -> Self {
        if has { Self::Yes } else { Self::No }
    }
}
