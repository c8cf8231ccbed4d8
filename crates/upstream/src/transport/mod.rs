//! Transports. They send messages, and pass received texts to a
//! [`Connection`](super::connection::Connection).

mod child;
mod connector;
mod exchange;
mod http;
mod lines;
mod link;
mod parcel;
mod sse;
mod stdio;
mod words;

use std::pin::Pin;
use std::sync::Arc;

use ::http::HeaderMap;
use mcp_stateless::protocol::Era;
use tokio::sync::mpsc;

pub(super) use self::connector::{Connections, connections};
pub(super) use self::exchange::Exchange;
use self::http::Http;
use self::lines::Requests;
pub(super) use self::parcel::Parcel;
pub(super) use self::words::LastWords;
use super::connection::Connection;
use super::failure::{Cause, Failure};
use super::message::Message;
use super::settings::{Endpoint, Program, Streams};

/// The background work of a transport, until its session has ended.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// A transport.
pub(super) enum Transport {
    Lines(Requests),
    Http(Arc<Http>),
}

impl Transport {
    /// Starts a child process, which leaves its other texts in `words`.
    ///
    /// # Errors
    /// Returns an error if the process cannot be started.
    pub(super) fn child(
        program: &Program,
        others: mpsc::Receiver<Message>,
        connection: &Arc<Connection>,
        words: &Arc<LastWords>,
    ) -> Result<(Self, Work), Cause> {
        let (child, streams) = child::start(program)?;
        let (requests, to_write) = Requests::new(others);
        let work = stdio::attend_child(child, streams, to_write, Arc::clone(connection), Arc::clone(words));
        Ok((Self::Lines(requests), Box::pin(work)))
    }

    /// Uses a pair of streams.
    pub(super) fn streams(
        (input, output): Streams,
        others: mpsc::Receiver<Message>,
        connection: &Arc<Connection>,
    ) -> (Self, Work) {
        let (requests, to_write) = Requests::new(others);
        let work = stdio::attend_streams(input, output, to_write, Arc::clone(connection));
        (Self::Lines(requests), Box::pin(work))
    }

    /// Uses Streamable HTTP, with the forwarded headers of a caller.
    pub(super) fn http(
        endpoint: &Endpoint,
        connections: Connections,
        forwarded: HeaderMap,
        others: mpsc::Receiver<Message>,
        connection: &Arc<Connection>,
    ) -> (Self, Work) {
        let http = Http::new(endpoint, connections, forwarded, Arc::clone(connection));
        let work = exchange::attend(Arc::clone(&http), others);
        (Self::Http(http), Box::pin(work))
    }

    pub(super) fn is_http(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Sends a request, or returns the future that sends it. The connection receives the outcome,
    /// including failures of the request's stream.
    ///
    /// # Errors
    /// Returns an error if the request cannot be sent.
    pub(super) async fn send(&self, parcel: Parcel) -> Result<Option<Exchange>, Failure> {
        match self {
            Self::Lines(requests) => requests.send(parcel.id, parcel.text).await.map(|()| None),
            Self::Http(http) => Ok(Some(exchange::begin(Arc::clone(http), parcel))),
        }
    }

    /// Sends a notification, before any later request.
    ///
    /// # Errors
    /// Returns an error if the upstream does not accept it.
    pub(super) async fn notify(&self, message: Message, connection: &Connection) -> Result<(), Failure> {
        match self {
            Self::Http(http) => http.notify(message).await,
            Self::Lines(_) => {
                connection.outgoing.post(message);
                Ok(())
            }
        }
    }

    /// Sets the era and the revision of all later requests.
    pub(super) fn adopt(&self, era: Era, revision: &str) {
        if let Self::Http(http) = self {
            http.adopt(era, revision);
        }
    }

    /// Whether `initialize` succeeded without a session id.
    pub(super) fn is_sessionless(&self) -> bool {
        match self {
            Self::Http(http) => !http.has_offer(),
            Self::Lines(_) => false,
        }
    }

    /// Returns an explanation for an upstream that refuses both eras, if there is one.
    pub(super) async fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Http(http) => http.hint().await,
            Self::Lines(_) => None,
        }
    }
}
