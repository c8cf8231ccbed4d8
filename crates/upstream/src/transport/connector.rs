//! HTTP connections to an upstream, with and without TLS.

use std::collections::VecDeque;
use std::error::Error;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tower_service::Service;

use super::link::{self, Link};
use crate::failure::{Cause, Failure};
use crate::settings::Endpoint;

const CONNECT_LIMIT: Duration = Duration::from_secs(10);
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
/// The maximum number of idle connections. The number of connections in use is not limited here.
const MOST_IDLE: usize = 64;

type HttpLink = Box<Link<MaybeHttpsStream<TokioIo<TcpStream>>>>;

/// A pool of connections to one origin. Clones share it.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Shared>);

struct Shared {
    connector: HttpsConnector<HttpConnector>,
    /// The idle connections and the times at which they became idle. The last was used most recently.
    idle: Mutex<VecDeque<(Instant, HttpLink)>>,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, VecDeque<(Instant, HttpLink)>> {
        // No critical section panics half-way, so a poisoned value is still consistent.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a connection to the pool if it can be used again.
    fn give_back(&self, mut link: HttpLink) {
        if link.is_ready() {
            let mut idle = self.idle();
            idle.push_back((Instant::now(), link));
            let oldest = if idle.len() > MOST_IDLE { idle.pop_front() } else { None };
            drop(idle);
            drop(oldest);
        }
    }
}

impl Connections {
    /// Sends a request to `origin` over an idle or a new connection, and waits for the head of the
    /// response.
    ///
    /// # Errors
    /// Returns an error if the origin cannot be reached or the connection breaks.
    pub(super) async fn request(
        &self,
        origin: &Uri,
        mut request: Request<link::Outgoing>,
    ) -> Result<Response<ResponseBody>, Failure> {
        loop {
            let waiting = self.waiting();
            let is_new = waiting.is_none();
            let mut link = match waiting {
                Some(link) => link,
                None => self.connect(origin).await?,
            };
            match link.send(request).await {
                Ok(response) => {
                    return Ok(response.map(|incoming| ResponseBody {
                        incoming: Some(incoming),
                        link: Some(link),
                        shared: Arc::clone(&self.0),
                    }));
                }
                Err(mut error) => match error.take_message() {
                    // The idle connection had been closed: try another one.
                    Some(unsent) if !is_new => request = unsent,
                    _ => {
                        let detail = chain(&error.into_error());
                        return Err(Failure::Failed(Cause::new("the connection broke").detail(detail)));
                    }
                },
            }
        }
    }

    fn waiting(&self) -> Option<HttpLink> {
        let mut idle = self.0.idle();
        let (since, link) = idle.pop_back()?;
        if since.elapsed() < IDLE_CONNECTION {
            return Some(link);
        }
        // The others have been idle for even longer.
        let old = std::mem::take(&mut *idle);
        drop(idle);
        drop(old);
        None
    }

    async fn connect(&self, origin: &Uri) -> Result<HttpLink, Failure> {
        let unreachable = |error: &(dyn Error + 'static)| {
            Failure::Unreachable(Cause::new("it cannot be reached").detail(chain(error)))
        };
        let stream =
            self.0.connector.clone().call(origin.clone()).await.map_err(|error| unreachable(&*error))?;
        Ok(Box::new(Link::new(stream).await.map_err(|error| unreachable(&error))?))
    }

    /// Closes the connections that have been idle for too long.
    pub(crate) fn sweep(&self) {
        let mut idle = self.0.idle();
        let old = idle.iter().take_while(|(since, _)| since.elapsed() >= IDLE_CONNECTION).count();
        let old: Vec<_> = idle.drain(..old).collect();
        drop(idle);
        drop(old);
    }
}

/// Formats an error with its sources.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut detail = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        detail = format!("{detail}: {inner}");
        source = inner.source();
    }
    detail
}

/// The body of a response. At its end, the connection returns to the pool.
pub(super) struct ResponseBody {
    /// `None` while the body is being dropped.
    incoming: Option<Incoming>,
    /// `None` after the end of the body.
    link: Option<HttpLink>,
    shared: Arc<Shared>,
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Self { incoming: Some(incoming), link, shared } = &mut *self else { return Poll::Ready(None) };
        let mut incoming = Pin::new(incoming);
        let Some(driven) = link else { return incoming.poll_frame(cx) };
        let polled = driven.poll(cx, |cx| incoming.as_mut().poll_frame(cx));
        if matches!(polled, Poll::Ready(None))
            && let Some(link) = link.take()
        {
            shared.give_back(link);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for ResponseBody {
    fn drop(&mut self) {
        // Dropped first: if the end of the body has already arrived, the connection stays usable.
        self.incoming = None;
        if let Some(link) = self.link.take() {
            self.shared.give_back(link);
        }
    }
}

/// Creates the connection pool of one upstream, which all its sessions share. Does not connect.
///
/// # Errors
/// Returns an error if a certificate cannot be read, or if the URL uses `https` and there is no root
/// certificate.
pub(crate) fn connections(endpoint: &Endpoint) -> io::Result<Connections> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_LIMIT));
    http.set_nodelay(true);
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.with_root_certificates(roots(endpoint)?).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config);
    let connector = connector.https_or_http().enable_http1().wrap_connector(http);
    Ok(Connections(Arc::new(Shared { connector, idle: Mutex::default() })))
}

/// Returns the root certificates of the host and, for `https`, of the system.
fn roots(endpoint: &Endpoint) -> io::Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for pem in &endpoint.roots {
        let before = roots.len();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(io::Error::other)?).map_err(io::Error::other)?;
        }
        if roots.len() == before {
            return Err(io::Error::other("a root certificate is not valid PEM"));
        }
    }
    // Redirects to other origins are refused, so an `http` upstream needs no certificates.
    if endpoint.uri.scheme_str() == Some("https") {
        let system = rustls_native_certs::load_native_certs();
        roots.add_parsable_certificates(system.certs);
        if roots.is_empty() {
            let errors: Vec<_> = system.errors.iter().map(ToString::to_string).collect();
            return Err(io::Error::other(format!("no root certificates were found: {}", errors.join("; "))));
        }
    }
    Ok(roots)
}
