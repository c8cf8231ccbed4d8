//! The ways in: `handle`, services for tower and hyper, a registry for each request, and custom
//! registries. Over real sockets where they matter.

use std::collections::HashMap;
use std::future::ready;
use std::sync::Arc;

use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::request::Parts;
use http::{Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use mcp_stateless::call::{Call, CallFuture};
use mcp_stateless::manager::Refusal;
use mcp_stateless::protocol::{RpcError, ServerCapabilities};
use mcp_stateless::registry::{Answer as Later, ListRequest, Page};
use mcp_stateless::{Registry, ToolOutput, ToolRegistry};
use serde_json::json;
use tokio::net::{TcpListener, TcpStream};

use crate::support::{Answer, Era, Post, Server};

type Client = hyper::client::conn::http1::SendRequest<Full<Bytes>>;

/// Serves on a socket with plain hyper. Returns a client that is connected to it.
async fn connected(server: &Server) -> Client {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let service = server.manager.service(server.tools.clone());
    tokio::spawn(async move {
        let (socket, _) = listener.accept().await.expect("a client");
        // A client that leaves is an error only of its own connection.
        let _ =
            hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service).await;
    });
    let socket = TcpStream::connect(address).await.expect("a server");
    let (client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
    tokio::spawn(async move {
        let _ = connection.await;
    });
    client
}

#[tokio::test]
async fn hyper_serves_it_over_a_socket() {
    let server = Server::new();
    let mut client = connected(&server).await;
    for era in Era::BOTH {
        let request = Post::call(era, "add", json!({"a": 10, "b": 20})).into_request();
        let answer = Answer::read(client.send_request(request).await.expect("a response")).await;
        assert_eq!(answer.tool_text(), "30");
        assert_eq!(answer.headers["content-length"], answer.body.len().to_string());
        let meta = json!({"progressToken": 1});
        let request = Post::call_with_meta(era, "progress", json!({"steps": 100}), meta).into_request();
        let answer = Answer::read(client.send_request(request).await.expect("a response")).await;
        assert_eq!(answer.events().len(), 101);
    }
    // The connection stays open after a panic and a refusal.
    let request = Post::call(Era::Legacy, "panic", json!({})).into_request();
    Answer::read(client.send_request(request).await.expect("a response")).await;
    let request = Post::raw("nonsense").into_request();
    Answer::read(client.send_request(request).await.expect("a response")).await;
    let request = Post::call(Era::Legacy, "add", json!({"a": 1, "b": 2})).into_request();
    assert_eq!(Answer::read(client.send_request(request).await.expect("a response")).await.tool_text(), "3");
}

#[tokio::test]
async fn a_client_that_hangs_up_ends_its_tool() {
    let server = Server::new();
    // Before the answer has started.
    let mut client = connected(&server).await;
    let request = Post::call(Era::Legacy, "wait", json!({})).into_request();
    let sending = tokio::spawn(async move { client.send_request(request).await.map(drop) });
    server.probe.until(|probe| probe.running() == 1).await;
    sending.abort();
    server.probe.until(|probe| probe.running() == 0).await;

    // In the middle of a stream.
    let mut client = connected(&server).await;
    let meta = json!({"progressToken": 1});
    let request =
        Post::call_with_meta(Era::Modern, "progress", json!({"steps": 1_000_000_000}), meta).into_request();
    let mut response = client.send_request(request).await.expect("a response");
    response.body_mut().frame().await.expect("a frame").expect("no error");
    assert_eq!(server.probe.running(), 1);
    drop((response, client));
    server.probe.until(|probe| probe.running() == 0).await;
}

#[tokio::test]
async fn axum_mounts_it_beside_other_routes() {
    let server = Server::new();
    let service = || server.manager.service(server.tools.clone());
    let app = axum::Router::new()
        .route("/health", axum::routing::get(async || "ok"))
        .route_service("/mcp", service())
        .nest_service("/nested/mcp", service())
        .layer(server.manager.cors());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    for path in ["/mcp", "/nested/mcp"] {
        let socket = TcpStream::connect(address).await.expect("a server");
        let (mut client, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("HTTP");
        tokio::spawn(connection);
        let mut request = Post::call(Era::Modern, "add", json!({"a": 10, "b": 20})).into_request();
        *request.uri_mut() = path.parse().expect("a path");
        let answer = Answer::read(client.send_request(request).await.expect("a response")).await;
        assert_eq!(answer.tool_text(), "30");
        assert_eq!(answer.headers["vary"], "origin");
    }
}

#[tokio::test]
async fn the_registry_may_be_chosen_by_the_head_of_each_request() {
    let only = |name: &'static str| {
        ToolRegistry::builder().tool(name, "", move || ready(name)).build().expect("valid")
    };
    let tenants = Arc::new(HashMap::from([("a", only("alpha")), ("b", only("beta"))]));
    let service = Server::new().manager.service_with(move |head: &Parts| {
        let tenant = head.headers.get("x-tenant").and_then(|name| tenants.get(name.to_str().ok()?)).cloned();
        async move {
            tenant.ok_or_else(|| {
                let challenge = http::HeaderValue::from_static("Bearer");
                Refusal::new(StatusCode::UNAUTHORIZED, "no such tenant").header(WWW_AUTHENTICATE, challenge)
            })
        }
    });
    let send = async |post: Post| {
        let response =
            hyper::service::Service::call(&service, post.into_request()).await.expect("infallible");
        Answer::read(response).await
    };
    let call = |tool: &str, tenant: &str| Post::call(Era::Modern, tool, json!({})).header("x-tenant", tenant);
    assert_eq!(send(call("alpha", "a")).await.tool_text(), "alpha");
    assert_eq!(send(call("beta", "b")).await.tool_text(), "beta");
    assert_eq!(send(call("beta", "a")).await.error(), (200, -32602));
    let refused = send(call("alpha", "c")).await;
    assert_eq!((refused.error(), refused.error_message().as_str()), ((401, -32600), "no such tenant"));
    assert_eq!(refused.headers["www-authenticate"], "Bearer");
    // The head is checked first.
    assert_eq!(send(call("alpha", "c").method(http::Method::GET)).await.error(), (405, -32600));
}

#[tokio::test]
async fn the_choice_comes_before_the_body_is_read() {
    let server = Server::new();
    let request =
        Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
    let request =
        request.header("content-length", "100").body(Full::new(Bytes::from_static(b"{"))).expect("a request");
    let refuse =
        |_: &Parts| ready(Err::<ToolRegistry, _>(Refusal::new(StatusCode::UNAUTHORIZED, "who are you?")));
    let answer = Answer::read(server.manager.handle_with(request, refuse).await).await;
    assert_eq!(answer.error(), (401, -32600));
}

/// A registry with remote tools, which does not answer at once.
struct Elsewhere;

impl Registry for Elsewhere {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Later<'_, Page> {
        let cursor = request.cursor.map(str::to_owned);
        Later::later(async move {
            tokio::task::yield_now().await;
            match cursor.as_deref() {
                None => {
                    let page = Page::new([
                        json!({"name": "far", "inputSchema": {"type": "object"}, "x-unknown": 1}),
                    ]);
                    page.map(|page| page.next_cursor("more")).map_err(|_| RpcError::internal())
                }
                Some("more") => Page::new(Vec::<()>::new()).map_err(|_| RpcError::internal()),
                Some(_) => Err(RpcError::invalid_params("no such cursor")),
            }
        })
    }

    fn call_tool(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        let said = format!("{} {}", call.target(), call.arguments());
        let context = call.into_context();
        CallFuture::new(async move {
            tokio::task::yield_now().await;
            context.progress(1.0, None, "").await;
            said
        })
    }
}

#[tokio::test]
async fn anyone_can_write_a_registry() {
    let manager = Server::new().manager;
    let registry: Arc<dyn Registry> = Arc::new(Elsewhere);
    let send = async |post: Post| Answer::read(manager.handle(post.into_request(), &registry).await).await;
    let list = send(Post::modern("tools/list", json!({}))).await.json();
    assert_eq!(
        list["result"]["tools"],
        json!([{"name": "far", "inputSchema": {"type": "object"}, "x-unknown": 1}])
    );
    assert_eq!(list["result"]["nextCursor"], "more");
    let rest = send(Post::modern("tools/list", json!({"cursor": "more"}))).await.json();
    assert_eq!(rest["result"]["tools"], json!([]));
    assert_eq!(send(Post::modern("tools/list", json!({"cursor": "less"}))).await.error(), (200, -32602));
    let meta = json!({"progressToken": 1});
    let events = send(Post::call_with_meta(Era::Legacy, "far", json!({"a": 1}), meta)).await.events();
    assert_eq!(events[1]["result"]["content"][0]["text"], r#"far {"a":1}"#);
    // Also with a plain reference.
    let request = Post::call(Era::Legacy, "far", json!({})).into_request();
    assert_eq!(Answer::read(manager.handle(request, &Elsewhere).await).await.tool_text(), "far {}");
}

#[test]
fn it_works_without_a_runtime() {
    let server = Server::new();
    let mut answer = Box::pin(server.send(Post::call(Era::Legacy, "add", json!({"a": 1, "b": 2}))));
    let polled = answer.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    let std::task::Poll::Ready(answer) = polled else { panic!("it waits for something") };
    assert_eq!(answer.tool_text(), "3");
    // Without a timer there is no time limit, but nothing panics.
    let mut waiting = Box::pin(server.send(Post::call(Era::Legacy, "wait", json!({}))));
    let polled = waiting.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(polled.is_pending());
}
