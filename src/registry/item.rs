//! What a registry has, and whether it has it.

/// Something that a registry has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Item<'a> {
    /// The tool of this name.
    Tool(&'a str),
    /// The prompt of this name.
    Prompt(&'a str),
    /// The resource of this URI.
    Resource(&'a str),
    /// The resource template that is written so.
    ResourceTemplate(&'a str),
}

/// Whether a registry has an [`Item`], as far as it knows without asking anybody else.
///
/// A [`Catalog`](crate::Catalog) hands a call to the first part that answers
/// [`Yes`](Self::Yes), else to the first that answers [`Maybe`](Self::Maybe).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Has {
    /// It does not have the item.
    No,
    /// It does not know, for example because it has not been able to ask yet.
    Maybe,
    /// It has the item.
    Yes,
}

impl From<bool> for Has {
    /// The answer of a registry that knows.
    fn from(has: bool) -> Self {
        if has { Self::Yes } else { Self::No }
    }
}
