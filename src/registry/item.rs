//! What a registry has.

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
