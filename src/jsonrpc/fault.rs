//! Why JSON text cannot be read.

/// The deepest nesting that is read; `serde_json` reads one level less.
pub(crate) const MAX_DEPTH: usize = 128;

/// Why a text cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanFault {
    /// Not JSON.
    Syntax,
    /// Nested deeper than [`MAX_DEPTH`].
    TooDeep,
    /// Not what the reader can make use of, though it may be JSON.
    Unwanted,
}
