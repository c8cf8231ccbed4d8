//! Versions of HTTP.

/// A version of HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Http {
    /// HTTP/1.1: one request at a time on a connection.
    #[value(name = "1")]
    Http1,
    /// HTTP/2 in clear text with prior knowledge (without an upgrade).
    #[value(name = "2")]
    Http2,
}

impl Http {
    /// Returns the name on the command line of a server.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http1 => "1",
            Self::Http2 => "2",
        }
    }

    /// Returns the number of requests that the load keeps in flight on a connection.
    pub(crate) fn streams(self) -> usize {
        match self {
            Self::Http1 => 1,
            Self::Http2 => 8,
        }
    }
}
