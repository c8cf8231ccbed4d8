//! Requests to an authorization server, bounded in time and size.

use std::error::Error;
use std::fmt::{self, Write as _};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;

use crate::deadline::within;

/// The time limit of a request to an authorization server, and of waiting for other requests before it.
pub(super) const TIME_LIMIT: Duration = Duration::from_secs(10);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
/// The maximum size of a response, in bytes.
const MAX_BODY: usize = 256 * 1024;
const IDLE_CONNECTION: Duration = Duration::from_secs(30);
const MOST_IDLE: usize = 8;

type AnyError = Box<dyn Error + Send + Sync>;

/// An HTTP client for requests to authorization servers. The default uses HTTP/1.1 and the root
/// certificates of the system. Implement this trait to use a proxy or other certificates.
///
/// ```
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use mcp_stateless::auth::{HttpClient, HttpResponse, JwtVerifier};
///
/// struct Canned;
///
/// impl HttpClient for Canned {
///     fn send(&self, request: Request<Bytes>, _max_body: usize) -> HttpResponse<'_> {
///         Box::pin(async move {
///             println!("{}", request.uri());
///             Ok(Response::new(Bytes::from_static(br#"{"keys":[]}"#)))
///         })
///     }
/// }
///
/// let issuer = JwtVerifier::new("https://login.example.com")?.http_client(Canned);
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
pub trait HttpClient: Send + Sync + 'static {
    /// Sends a request and reads the whole response. Implementations must not follow redirects, and
    /// must not read more than `max_body` bytes. The caller drops the future after its time limit. If a
    /// client hangs up meanwhile, nothing polls the future until another request needs the answer.
    ///
    /// # Errors
    /// Returns an error if the request fails, or if the body is larger than `max_body`.
    fn send(&self, request: Request<Bytes>, max_body: usize) -> HttpResponse<'_>;
}

/// The future of [`HttpClient::send`].
pub type HttpResponse<'a> = Pin<Box<dyn Future<Output = Result<Response<Bytes>, AnyError>> + Send + 'a>>;

/// Sends a request and returns the body of the response.
///
/// # Errors
/// Returns an error if there is no response in time, or if its status is not 200.
pub(super) async fn fetch(client: &dyn HttpClient, mut request: Request<Bytes>) -> Result<Bytes, FetchError> {
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    let sent = within(TIME_LIMIT, client.send(request, MAX_BODY)).await;
    let response = sent.ok_or(FetchError::TimedOut)?.map_err(FetchError::Failed)?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    let body = response.into_body();
    if body.len() > MAX_BODY { Err(FetchError::TooLarge) } else { Ok(body) }
}

/// Why a request to an authorization server failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("the authorization server did not answer within {TIME_LIMIT:?}")]
    TimedOut,
    #[error("the authorization server cannot be reached: {}", chain(&**.0))]
    Failed(AnyError),
    #[error("the authorization server answered {0}")]
    Status(StatusCode),
    #[error("the authorization server answered more than {MAX_BODY} bytes")]
    TooLarge,
    #[error("the authorization server answered what is not understood: {0}")]
    Malformed(&'static str),
}

/// Formats an error with its sources, which contain the reason of a failed connection.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        // Writing to a string cannot fail.
        let _ = write!(text, ": {cause}");
        next = cause.source();
    }
    text
}

/// The default client. Reads the system's certificates when it is first used.
#[derive(Clone, Default)]
pub(super) struct DefaultClient(Arc<OnceLock<Connections>>);

type Connections = Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

impl DefaultClient {
    fn connections(&self) -> io::Result<&Connections> {
        if let Some(connections) = self.0.get() {
            return Ok(connections);
        }
        let connections = connect()?;
        Ok(self.0.get_or_init(|| connections))
    }
}

impl HttpClient for DefaultClient {
    fn send(&self, request: Request<Bytes>, max_body: usize) -> HttpResponse<'_> {
        Box::pin(async move {
            let response = self.connections()?.request(request.map(Full::new)).await?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, max_body).collect().await?.to_bytes();
            Ok(Response::from_parts(head, body))
        })
    }
}

fn connect() -> io::Result<Connections> {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_connect_timeout(Some(CONNECT_LIMIT));
    http.set_nodelay(true);
    let mut roots = RootCertStore::empty();
    let system = rustls_native_certs::load_native_certs();
    roots.add_parsable_certificates(system.certs);
    if roots.is_empty() {
        // An authorization server on this machine needs no certificate.
        tracing::warn!(errors = ?system.errors, "no root certificates were found: TLS connections will fail");
    }
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    let config = config.with_safe_default_protocol_versions().map_err(io::Error::other)?;
    let config = config.with_root_certificates(roots).with_no_client_auth();
    let connector = HttpsConnectorBuilder::new().with_tls_config(config);
    let connector = connector.https_or_http().enable_http1().wrap_connector(http);
    let mut client = Client::builder(TokioExecutor::new());
    client.pool_idle_timeout(IDLE_CONNECTION).pool_timer(TokioTimer::new()).pool_max_idle_per_host(MOST_IDLE);
    Ok(client.build(connector))
}

impl fmt::Debug for DefaultClient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("DefaultClient").finish_non_exhaustive()
    }
}
