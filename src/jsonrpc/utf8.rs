//! Checks that bytes are UTF-8.

/// Returns the text, if it is UTF-8, as JSON must be.
#[cfg(feature = "simd")]
pub(crate) fn utf8(bytes: &[u8]) -> Option<&str> {
    simdutf8::basic::from_utf8(bytes).ok()
}

/// Returns the text, if it is UTF-8, as JSON must be.
#[cfg(not(feature = "simd"))]
pub(crate) fn utf8(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}
