//! Types that transports send and receive.

use http::{HeaderMap, HeaderName, HeaderValue};

/// The largest message that an upstream may send.
pub(super) const MAX_MESSAGE: usize = 16 * 1024 * 1024;

/// A request for a transport.
pub(crate) struct Parcel {
    pub(crate) id: i64,
    pub(crate) text: Vec<u8>,
    /// The forwarded headers of the caller; `None` for requests without a caller.
    pub(crate) caller: Option<HeaderMap>,
    /// Headers of the protocol.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether its answer may name a session.
    pub(crate) is_initialize: bool,
    /// Whether its stream may be resumed.
    pub(crate) is_resumable: bool,
}
