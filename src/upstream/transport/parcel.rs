//! What transports send and take.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The largest message that an upstream may send.
pub(super) const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A request as a transport gets it.
pub(in crate::upstream) struct Parcel {
    pub(in crate::upstream) id: i64,
    pub(in crate::upstream) text: Vec<u8>,
    /// The headers of the caller that are passed on; `None` when no caller made the request.
    pub(in crate::upstream) caller: Option<HeaderMap>,
    /// Headers of the protocol.
    pub(in crate::upstream) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether its answer may name a session.
    pub(in crate::upstream) is_initialize: bool,
    /// Whether its stream may be resumed.
    pub(in crate::upstream) is_resumable: bool,
}
