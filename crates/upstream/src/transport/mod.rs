//! The ways to an upstream: each sends texts, and hands what comes to its
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
use super::connection::Connection;
use super::failure::{Cause, Failure};
use super::message::Message;
use super::settings::{Endpoint, Program, Streams};

/// What a transport does in the background until its session has ended.
pub(super) type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The way to an upstream.
pub(super) enum Transport {
    Lines(Requests),
    Http(Arc<Http>),
}

impl Transport {
    /// Starts a child.
    ///
    /// # Errors
    /// When the system does not start it.
    pub(super) fn child(
        program: &Program,
        others: mpsc::Receiver<Message>,
        connection: &Arc<Connection>,
    ) -> Result<(Self, Work), Cause> {
        let (child, streams) = child::start(program).map_err(|error| {
            Cause::new(format!("it cannot be started: {}", error.kind())).detail(error.to_string())
        })?;
        let (requests, to_write) = Requests::new(others);
        let work = stdio::attend_child(child, streams, to_write, Arc::clone(connection));
        Ok((Self::Lines(requests), Box::pin(work)))
    }

    /// Speaks over a pair of streams.
    pub(super) fn streams(
        (input, output): Streams,
        others: mpsc::Receiver<Message>,
        connection: &Arc<Connection>,
    ) -> (Self, Work) {
        let (requests, to_write) = Requests::new(others);
        let work = stdio::attend_streams(input, output, to_write, Arc::clone(connection));
        (Self::Lines(requests), Box::pin(work))
    }

    /// Speaks over HTTP, in the name of the caller with these headers.
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

    /// Sends a request, or gives what sends it when it is polled. Its outcome, and failures of its
    /// own stream, come to the connection.
    ///
    /// # Errors
    /// When it cannot even be sent.
    pub(super) async fn send(&self, parcel: Parcel) -> Result<Option<Exchange>, Failure> {
        match self {
            Self::Lines(requests) => requests.send(parcel.id, parcel.text).await.map(|()| None),
            Self::Http(http) => Ok(Some(exchange::begin(Arc::clone(http), parcel))),
        }
    }

    /// Sends a message that has no answer, before all requests that come later.
    ///
    /// # Errors
    /// When the upstream does not take it.
    pub(super) async fn notify(&self, message: Message, connection: &Connection) -> Result<(), Failure> {
        match self {
            Self::Http(http) => http.notify(message).await,
            Self::Lines(_) => {
                connection.outgoing.post(message);
                Ok(())
            }
        }
    }

    /// Settles what is spoken from now on.
    pub(super) fn adopt(&self, era: Era, revision: &str) {
        if let Self::Http(http) = self {
            http.adopt(era, revision);
        }
    }

    /// Whether an `initialize` that was answered has begun no session of which requests tell.
    pub(super) fn is_sessionless(&self) -> bool {
        match self {
            Self::Http(http) => !http.has_offer(),
            Self::Lines(_) => false,
        }
    }

    /// What an upstream that refuses both eras may be.
    pub(super) async fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Http(http) => http.hint().await,
            Self::Lines(_) => None,
        }
    }
}
