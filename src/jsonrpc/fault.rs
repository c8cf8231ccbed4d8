//! The faults of JSON text.

/// The maximum depth of nesting. That of `serde_json` is one less.
pub(crate) const MAX_DEPTH: usize = 128;

/// Why a text cannot be scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanFault {
    /// Not valid JSON.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Not the type that the caller expects, although it may be valid JSON.
    Unwanted,
}
