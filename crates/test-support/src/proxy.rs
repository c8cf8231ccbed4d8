//! A reverse proxy that sends each request to the next replica and records the traffic.

use std::{
    convert::Infallible,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use hyper::{
    Method, Request, Response, StatusCode, Uri, body::Incoming, client, header, header::HeaderValue, server,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
};

/// A request and the head of its reply.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub replica: usize,
    pub method: Method,
    pub path: String,
    pub revision: Option<String>,
    pub status: StatusCode,
    pub has_session_id: bool,
    /// The `WWW-Authenticate` of the reply.
    pub challenge: Option<String>,
}

/// Listens until dropped.
pub struct Proxy {
    url: String,
    seen: Arc<Mutex<Vec<Exchange>>>,
    accepting: AbortHandle,
}

struct Replicas {
    addresses: Vec<SocketAddr>,
    next: AtomicUsize,
    seen: Arc<Mutex<Vec<Exchange>>>,
}

impl Proxy {
    /// Starts a proxy in front of the servers at `urls`.
    pub async fn start<'a>(urls: impl IntoIterator<Item = &'a str>) -> Self {
        Self::start_on(TcpListener::bind("127.0.0.1:0").await.expect("a free port"), urls)
    }

    /// Does the same on a listener, whose address the servers may have to know.
    pub fn start_on<'a>(listener: TcpListener, urls: impl IntoIterator<Item = &'a str>) -> Self {
        let urls: Vec<Uri> = urls.into_iter().map(|url| url.parse().expect("a URL")).collect();
        let seen = Arc::default();
        let replicas = Arc::new(Replicas {
            addresses: urls.iter().map(address).collect(),
            next: AtomicUsize::new(0),
            seen: Arc::clone(&seen),
        });
        let own = listener.local_addr().expect("a bound address");
        let accepting = tokio::spawn(accept(listener, replicas)).abort_handle();
        Self { url: format!("http://{own}{}", urls[0].path()), seen, accepting }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub fn seen(&self) -> Vec<Exchange> {
        self.seen.lock().expect("no holder panics").clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

fn address(url: &Uri) -> SocketAddr {
    let authority = url.authority().expect("a server's URL names its address");
    authority.as_str().parse().expect("a server listens on an address, not a name")
}

fn text(value: Option<&HeaderValue>) -> Option<String> {
    value.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
}

async fn accept(listener: TcpListener, replicas: Arc<Replicas>) -> Infallible {
    // Dropped with this task, together with the connections.
    let mut connections = JoinSet::new();
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let replicas = Arc::clone(&replicas);
        connections.spawn(async move {
            let service = service_fn(|request| replicas.forward(request));
            // A client that hangs up ends its connection with an error, which is expected.
            let _ = server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

impl Replicas {
    /// A separate connection for each request: when the client hangs up, so does the proxy.
    async fn forward(
        &self,
        mut request: Request<Incoming>,
    ) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
        let replica = self.next.fetch_add(1, Ordering::Relaxed) % self.addresses.len();
        let stream = TcpStream::connect(self.addresses[replica]).await?;
        let (mut sender, connection) = client::conn::http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);

        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let revision = text(request.headers().get("mcp-protocol-version"));
        request.headers_mut().remove(header::CONNECTION);
        let mut response = sender.send_request(request).await?;
        response.headers_mut().remove(header::CONNECTION);

        self.seen.lock().expect("no holder panics").push(Exchange {
            replica,
            method,
            path,
            revision,
            status: response.status(),
            has_session_id: response.headers().contains_key("mcp-session-id"),
            challenge: text(response.headers().get(header::WWW_AUTHENTICATE)),
        });
        Ok(response)
    }
}
