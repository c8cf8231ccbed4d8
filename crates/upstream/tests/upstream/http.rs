//! Upstreams over HTTP that redirect, break, refuse, or use TLS.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use mcp_stateless::{StatelessSessionManager, ToolRegistry};
use mcp_stateless_upstream::{Upstream, UpstreamBuilder, UpstreamError};
use serde_json::{Value, json};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use super::gateway::{Era, Gateway, Params, error};

/// A request as the server sees it.
#[derive(Clone, Debug)]
struct Asked {
    method: Method,
    path: String,
    headers: HeaderMap,
    message: Value,
}

impl Asked {
    fn reply(&self, result: &Value) -> Response {
        let reply = json!({"jsonrpc": "2.0", "id": self.message["id"], "result": result});
        ([("content-type", "application/json")], reply.to_string()).into_response()
    }

    fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// The usual response of a server of the legacy era.
    fn usual(&self) -> Response {
        match (self.method(), &self.method) {
            (_, &Method::GET) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
            ("initialize", _) => self.reply(&json!({
                "protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "a", "version": "1"},
            })),
            ("server/discover", _) => StatusCode::BAD_REQUEST.into_response(),
            ("tools/call", _) => self.reply(&json!({"content": [{"type": "text", "text": "ok"}]})),
            _ => StatusCode::ACCEPTED.into_response(),
        }
    }
}

fn stream(events: &str) -> Response {
    ([("content-type", "text/event-stream")], events.to_owned()).into_response()
}

/// A server whose responses come from a function, and which records its requests.
#[derive(Clone)]
struct Server {
    authority: String,
    asked: Arc<Mutex<Vec<Asked>>>,
    answer: Arc<dyn Fn(&Asked) -> Response + Send + Sync>,
}

impl Server {
    async fn start(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let authority = listener.local_addr().expect("an address").to_string();
        let server = Self { authority, asked: Arc::default(), answer: Arc::new(answer) };
        let app = Router::new().fallback(any(handle)).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    fn upstream(&self, path: &str) -> UpstreamBuilder {
        Upstream::http(format!("http://{}{path}", self.authority)).name("member")
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

async fn handle(
    State(server): State<Server>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let message = serde_json::from_slice(&body).unwrap_or_default();
    let asked = Asked { method, path: uri.path().to_owned(), headers, message };
    server.asked.lock().expect("not poisoned").push(asked.clone());
    (server.answer)(&asked)
}

#[tokio::test]
async fn a_redirection_within_the_origin_is_followed_once_and_remembered() {
    let server = Server::start(|asked| match &*asked.path {
        "/mcp" => (StatusCode::TEMPORARY_REDIRECT, [("location", "/mcp/")]).into_response(),
        _ => asked.usual(),
    })
    .await;
    let gateway = Gateway::new(server.upstream("/mcp").header("x-api-key", "secret"));
    let client = gateway.client(Era::Legacy, "ada");
    for _ in 0..3 {
        assert_eq!(client.tool("any", json!({})).await, "ok");
    }
    let asked = server.asked();
    let first: Vec<_> = asked.iter().filter(|asked| asked.path == "/mcp").collect();
    assert_eq!(first.len(), 1, "{first:?}");
    assert!(asked.iter().all(|asked| asked.headers["x-api-key"] == "secret"));
}

#[tokio::test]
async fn credentials_never_follow_a_redirection_to_another_origin() {
    let other = Server::start(Asked::usual).await;
    let target = format!("http://{}/mcp?token=1", other.authority);
    let server = Server::start(move |_| {
        (StatusCode::PERMANENT_REDIRECT, [("location", target.clone())]).into_response()
    });
    let gateway = Gateway::new(server.await.upstream("/mcp").header("x-api-key", "secret"));
    let reason = gateway.upstream.probe().await.expect_err("a redirect to another origin").to_string();
    assert!(reason.contains(&other.authority) && reason.contains("another origin"), "{reason}");
    assert!(other.asked().is_empty());
    let moved = Server::start(|_| (StatusCode::FOUND, [("location", "/login")]).into_response()).await;
    let reason = moved
        .upstream("/mcp")
        .build()
        .expect("valid")
        .probe()
        .await
        .expect_err("a redirect to another origin")
        .to_string();
    assert!(reason.contains("/login"), "{reason}");
}

/// Returns what the host and a client see of a server that does not open.
async fn told(answer: impl Fn(&Asked) -> Response + Send + Sync + 'static) -> (String, String) {
    let gateway = Gateway::new(Server::start(answer).await.upstream("/mcp"));
    let reason = match gateway.upstream.probe().await {
        Err(UpstreamError::Open { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let (_, words) = error(&gateway.client(Era::Legacy, "ada").call("any", json!({})).await);
    (reason, words)
}

#[tokio::test]
async fn the_cause_is_told_to_the_host_in_full_and_to_clients_in_kind() {
    let secret = "\u{1b}[1mno such key: s3cret\nmore";
    for status in [401, 403, 404, 405, 500, 503] {
        let status = StatusCode::from_u16(status).expect("a status");
        let (reason, words) = told(move |_| (status, secret).into_response()).await;
        assert!(reason.contains(&format!("HTTP {status}")), "{reason}");
        assert!(reason.contains("no such key: s3cret") && !reason.contains("more"), "{reason}");
        assert!(!reason.contains('\u{1b}'), "{reason}");
        assert!(words.contains(&format!("HTTP {status}")) && !words.contains("s3cret"), "{words}");
    }
    let (reason, words) = told(|asked| match asked.method {
        Method::GET => stream("event: endpoint\ndata: /messages?session=1\n\n"),
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    })
    .await;
    for text in [&reason, &words] {
        assert!(text.contains("HTTP+SSE transport of 2024-11-05"), "{text}");
    }
    let (reason, _) = told(|_| ([("content-type", "text/html")], "<html>").into_response()).await;
    assert!(reason.contains("neither JSON nor an event stream"), "{reason}");
    let closed = Upstream::http("http://127.0.0.1:1/mcp").build().expect("valid");
    let reason = closed.probe().await.expect_err("nothing listens").to_string();
    assert!(reason.contains("cannot be reached") && reason.contains("refused"), "{reason}");
}

#[tokio::test]
async fn a_stream_that_breaks_is_resumed_after_its_last_event() {
    let server = Server::start(|asked| {
        let id = &asked.message["id"];
        if asked.method() == "tools/call" {
            let progress = json!({"progressToken": id, "progress": 1});
            let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": progress});
            return stream(&format!("id: {id}-0\nretry: 50\ndata:\n\nid: {id}-1\ndata: {progress}\n\n"));
        }
        let after = asked.headers.get("last-event-id").and_then(|it| it.to_str().ok()).map(str::to_owned);
        match after.as_deref().and_then(|it| it.split_once('-')) {
            // The first resumption delivers nothing new.
            Some((id, "1")) => stream(&format!("id: {id}-2\ndata:\n\n")),
            Some((id, "2")) => {
                let result = json!({"content": [{"type": "text", "text": "resumed"}]});
                let reply =
                    json!({"jsonrpc": "2.0", "id": id.parse::<i64>().expect("a number"), "result": result});
                stream(&format!("id: {id}-3\ndata: {reply}\n\n"))
            }
            Some(_) => StatusCode::NOT_FOUND.into_response(),
            None => asked.usual(),
        }
    })
    .await;
    let gateway = Gateway::new(server.upstream("/mcp"));
    assert_eq!(gateway.client(Era::Legacy, "ada").tool("any", json!({})).await, "resumed");
    let after: Vec<_> =
        server.asked().iter().filter_map(|it| it.headers.get("last-event-id").cloned()).collect();
    assert_eq!(after.len(), 2, "{after:?}");
}

#[tokio::test]
async fn a_stream_that_ends_without_the_result_fails_its_call_alone() {
    let server = Server::start(|asked| match asked.method() {
        "tools/call" if asked.message["params"]["name"] == "broken" => stream(": nothing\n\n"),
        "tools/call" if asked.message["params"]["name"] == "silent" => StatusCode::ACCEPTED.into_response(),
        _ => asked.usual(),
    })
    .await;
    let gateway = Gateway::new(server.upstream("/mcp"));
    let client = gateway.client(Era::Legacy, "ada");
    for tool in ["broken", "silent"] {
        assert_eq!(error(&client.call(tool, json!({})).await).0, -32_603);
    }
    assert_eq!(client.tool("any", json!({})).await, "ok");
    assert_eq!(gateway.upstream.stats().opened, 1);
}

#[tokio::test]
async fn a_server_that_does_not_answer_server_discover_is_opened_with_initialize() {
    for answer in [": nothing\n\n", "data: {\"jsonrpc\": \"2.0\"}\n\n"] {
        let server = Server::start(move |asked| match asked.method() {
            "server/discover" => stream(answer),
            _ => asked.usual(),
        })
        .await;
        let gateway = Gateway::new(server.upstream("/mcp"));
        assert_eq!(gateway.client(Era::Modern, "ada").tool("any", json!({})).await, "ok", "{answer}");
    }
}

#[tokio::test]
async fn in_the_modern_era_closing_the_stream_is_the_cancellation() {
    let (sender, mut closed) = tokio::sync::mpsc::channel::<()>(1);
    let sender = Mutex::new(Some(sender));
    let server = Server::start(move |asked| match asked.method() {
        "server/discover" => {
            asked.reply(&json!({"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}))
        }
        "tools/list" => asked.reply(&json!({"tools": []})),
        "tools/call" => {
            // The body owns this until the client disconnects.
            let guard = sender.lock().expect("not poisoned").take();
            let pending = futures_util::stream::once(async move {
                let _guard = guard;
                std::future::pending::<Result<Bytes, std::io::Error>>().await
            });
            ([("content-type", "text/event-stream")], Body::from_stream(pending)).into_response()
        }
        _ => StatusCode::BAD_REQUEST.into_response(),
    })
    .await;
    let gateway = Gateway::new(server.upstream("/mcp"));
    let client = gateway.client(Era::Modern, "ada");
    let arrived = super::cast::eventually("the call arrives", async || {
        server.asked().iter().any(|asked| asked.method() == "tools/call")
    });
    tokio::select! {
        answer = client.call("hang", json!({})) => panic!("it answered: {answer}"),
        () = arrived => {}
    }
    assert!(closed.recv().await.is_none(), "the stream was not closed");
    assert!(server.asked().iter().all(|asked| asked.method() != "notifications/cancelled"));
}

#[tokio::test]
async fn what_was_learnt_of_the_era_outlives_a_session() {
    let forgotten = Arc::new(Mutex::new(true));
    let server = Server::start(move |asked| {
        if asked.method() == "tools/call" && std::mem::take(&mut *forgotten.lock().expect("not poisoned")) {
            return StatusCode::NOT_FOUND.into_response();
        }
        ([("mcp-session-id", "s")], asked.usual()).into_response()
    })
    .await;
    // At the limit, the new session takes the place of the old one.
    let gateway = Gateway::new(server.upstream("/mcp").max_sessions(1));
    assert_eq!(gateway.client(Era::Modern, "ada").tool("any", json!({})).await, "ok");
    let times = |method| server.asked().iter().filter(|asked| asked.method() == method).count();
    assert_eq!((times("server/discover"), times("initialize")), (1, 2));
}

#[tokio::test]
async fn a_list_that_could_not_be_fetched_is_told_of_when_it_is_there() {
    let is_down = Arc::new(Mutex::new(true));
    let down = Arc::clone(&is_down);
    let server = Server::start(move |asked| match asked.method() {
        "initialize" => asked.reply(&json!({
            "protocolVersion": "2025-11-25", "capabilities": {"tools": {"listChanged": true}},
        })),
        "tools/list" if *down.lock().expect("not poisoned") => StatusCode::BAD_GATEWAY.into_response(),
        "tools/list" => asked.reply(&json!({"tools": []})),
        _ => asked.usual(),
    })
    .await;
    let gateway = Gateway::new(server.upstream("/mcp"));
    let client = gateway.client(Era::Modern, "ada");
    let (_, message) = error(&client.ask("tools/list", Params(json!({}))).await);
    assert!(message.contains("HTTP 502"), "{message}");
    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut listener = client.open("subscriptions/listen", Params(wanted)).await;
    listener.next().await.expect("an acknowledgement");
    *is_down.lock().expect("not poisoned") = false;
    assert_eq!(listener.next().await.expect("news")["method"], "notifications/tools/list_changed");
    assert_eq!(client.ask("tools/list", Params(json!({}))).await["result"]["tools"], json!([]));
}

/// Serves over TLS with a certificate of a private authority. Returns the authority's certificate.
async fn private() -> (u16, String) {
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let key = rcgen::KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate");
    let issuer = rcgen::Issuer::new(params, key);
    let server_key = rcgen::KeyPair::generate().expect("a key");
    let server = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
    let server = server.signed_by(&server_key, &issuer).expect("a certificate");
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
    let provider = tokio_rustls::rustls::crypto::ring::default_provider();
    let config =
        ServerConfig::builder_with_provider(Arc::new(provider)).with_safe_default_protocol_versions();
    let config =
        config.expect("versions").with_no_client_auth().with_single_cert(vec![server.der().clone()], key);
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a configuration")));

    let tools = ToolRegistry::builder().tool("hello", "Greets", async || "hello").build().expect("valid");
    let manager = StatelessSessionManager::builder("private", "1.0.0").build().expect("valid");
    let service = manager.service(tools);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (acceptor, service) = (acceptor.clone(), service.clone());
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let stream = hyper_util::rt::TokioIo::new(stream);
                let service = hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
                    hyper::service::Service::call(&service, request)
                });
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(stream, service).await;
            });
        }
    });
    (port, authority.pem())
}

#[tokio::test]
async fn an_upstream_behind_tls_is_trusted_by_its_authority_alone() {
    let (port, authority) = private().await;
    let upstream = || Upstream::http(format!("https://localhost:{port}/mcp")).name("private");
    let gateway = Gateway::new(upstream().add_root_certificate(authority));
    for era in Era::BOTH {
        assert_eq!(gateway.client(era, "ada").tool("hello", json!({})).await, "hello");
    }
    let (_, other) = private().await;
    let refused = upstream().add_root_certificate(other).build().expect("valid").probe().await;
    let reason = refused.expect_err("an unknown authority").to_string();
    assert!(reason.contains("certificate"), "{reason}");
    assert!(upstream().add_root_certificate("nonsense").build().is_err());
}
