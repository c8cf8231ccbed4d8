//! The server of the feature `serve`, over real sockets.

use std::io;
use std::net::SocketAddr;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use mcp_stateless::ToolRegistry;
use mcp_stateless::manager::{Fixed, McpAt};
use mcp_stateless::serve::{self, Ended, Serve, serve};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::support::{Answer, Era, Post, Server};

/// A short limit, for connections that must be cut.
const SOON: Duration = Duration::from_millis(200);
/// Bounds how long a test can hang.
const HANG: Duration = Duration::from_secs(30);

type Service = McpAt<Fixed<ToolRegistry>>;

/// A server on a socket.
struct Running {
    server: Server,
    address: SocketAddr,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Ended>,
}

impl Running {
    async fn start(set: impl FnOnce(Serve<TcpListener, Service>) -> Serve<TcpListener, Service>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        Self::start_on(listener.local_addr().expect("an address"), listener, set)
    }

    fn start_on<L: serve::Listener>(
        address: SocketAddr,
        listener: L,
        set: impl FnOnce(Serve<L, Service>) -> Serve<L, Service>,
    ) -> Self {
        let server = Server::new();
        let service = server.manager.service(server.tools.clone()).at("/mcp");
        let (stop, stopped) = oneshot::channel();
        let serving = serve(listener, service).drain(&server.manager).shutdown_on(async {
            let _ = stopped.await;
        });
        let serving = tokio::spawn(set(serving).into_future());
        Self { server, address, stop, serving }
    }

    async fn socket(&self) -> TcpStream {
        TcpStream::connect(self.address).await.expect("a server")
    }

    async fn http1(&self) -> hyper::client::conn::http1::SendRequest<Full<Bytes>> {
        let (client, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(self.socket().await)).await.expect("HTTP/1.1");
        tokio::spawn(connection);
        client
    }

    /// A client with a small window for each stream, which grows as it reads.
    async fn http2(&self) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let mut builder = hyper::client::conn::http2::Builder::new(TokioExecutor::new());
        builder.initial_stream_window_size(16 * 1024);
        let handshake = builder.handshake(TokioIo::new(self.socket().await));
        let (client, connection) = handshake.await.expect("HTTP/2");
        tokio::spawn(connection);
        client
    }

    async fn add(&self) {
        let mut client = self.http1().await;
        let answer = client.send_request(add()).await.expect("a response");
        assert_eq!(Answer::read(answer).await.tool_text(), "3");
    }

    async fn stop(self) -> Ended {
        drop(self.stop);
        tokio::time::timeout(HANG, self.serving).await.expect("it ends").expect("no panic")
    }
}

fn add() -> http::Request<Full<Bytes>> {
    Post::call(Era::Modern, "add", json!({"a": 1, "b": 2})).into_request()
}

fn call(tool: &str, arguments: serde_json::Value) -> http::Request<Full<Bytes>> {
    let meta = json!({"progressToken": 1});
    let mut request = Post::call_with_meta(Era::Modern, tool, arguments, meta).into_request();
    let uri = "http://localhost:8000/mcp";
    *request.uri_mut() = uri.parse().expect("a URI");
    request
}

/// Waits until the server has closed a connection. Returns what it sent.
async fn closed(mut socket: TcpStream) -> Vec<u8> {
    let mut sent = Vec::new();
    // A reset also counts as an end.
    let _ = tokio::time::timeout(HANG, socket.read_to_end(&mut sent)).await.expect("it is closed");
    sent
}

/// A whole request of HTTP/1.1.
fn text(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n{body}"
    )
}

const PING: &str = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;

#[tokio::test]
async fn http_1_and_http_2_are_served_on_one_port() {
    let running = Running::start(|serve| serve).await;
    running.add().await;
    let mut client = running.http2().await;
    for _ in 0..2 {
        let answer = client.send_request(call("echo", json!({"text": "x".repeat(100_000)}))).await;
        let answer = Answer::read(answer.expect("a response")).await;
        assert_eq!(answer.tool_text().len(), 100_000);
        let answer = client.send_request(call("progress", json!({"steps": 3}))).await;
        assert_eq!(Answer::read(answer.expect("a response")).await.events().len(), 4);
    }
    drop(client);
    assert_eq!(running.stop().await, Ended::default());
}

#[tokio::test]
async fn any_service_of_tower_is_served() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let app = axum::Router::new().route("/health", axum::routing::get(async || "fine"));
    let serving = tokio::spawn(serve(listener, app).into_future());
    let mut socket = TcpStream::connect(address).await.expect("a server");
    socket
        .write_all(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await
        .expect("it is read");
    let answer = String::from_utf8(closed(socket).await).expect("UTF-8");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("fine"), "{answer}");
    serving.abort();
}

#[tokio::test]
async fn a_path_with_a_slash_at_its_end_is_the_same_and_others_are_not_found() {
    let server = Server::new();
    let send = async |mounted: &str, path: &str| {
        let service = server.manager.service(server.tools.clone()).at(mounted);
        let mut request = add();
        *request.uri_mut() = path.parse().expect("a URI");
        Answer::read(hyper::service::Service::call(&service, request).await.expect("infallible")).await
    };
    for (mounted, path) in [("/mcp", "/mcp"), ("/mcp", "/mcp/"), ("/mcp/", "/mcp?x=1"), ("/", "/")] {
        assert_eq!(send(mounted, path).await.tool_text(), "3", "{mounted} {path}");
    }
    for (mounted, path) in [("/mcp", "/"), ("/mcp", "/mcp//"), ("/mcp", "/mcpx"), ("/", "/mcp")] {
        let answer = send(mounted, path).await;
        assert_eq!(answer.error(), (404, -32600), "{mounted} {path}");
        assert!(answer.error_message().contains(&format!("at {mounted}")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_cut() {
    let running = Running::start(|serve| serve.header_timeout(SOON)).await;
    for opening in
        ["", "P", "PRI * HTTP/2.0\r\n\r\nSM\r\n", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "POST /mcp HT"]
    {
        let mut socket = running.socket().await;
        socket.write_all(opening.as_bytes()).await.expect("it is read");
        closed(socket).await;
    }
    // Also inside the head of a later request.
    let mut socket = running.socket().await;
    socket.write_all(text(PING).as_bytes()).await.expect("it is read");
    let mut answer = vec![0; 12];
    socket.read_exact(&mut answer).await.expect("an answer");
    assert_eq!(answer, b"HTTP/1.1 200");
    socket.write_all(b"POST /mcp HT").await.expect("it is read");
    closed(socket).await;
    // A call that takes longer is not idle.
    let mut client = running.http1().await;
    let waiting = tokio::spawn(async move { client.send_request(call("wait", json!({}))).await });
    running.server.probe.until(|probe| probe.running() == 1).await;
    tokio::time::sleep(3 * SOON).await;
    assert_eq!(running.server.probe.running(), 1);
    waiting.abort();
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let running = Running::start(|serve| serve.idle_timeout(SOON)).await;
    let mut socket = running.socket().await;
    socket.write_all(text(PING).as_bytes()).await.expect("it is read");
    let sent = closed(socket).await;
    assert!(sent.starts_with(b"HTTP/1.1 200"));
    let mut client = running.http2().await;
    Answer::read(client.send_request(call("add", json!({"a": 1, "b": 2}))).await.expect("a response")).await;
    tokio::time::timeout(HANG, async {
        while !client.is_closed() {
            tokio::time::sleep(SOON / 10).await;
        }
    })
    .await
    .expect("it is closed");
}

#[tokio::test]
async fn a_reader_that_reads_nothing_is_cut_and_its_call_ends() {
    let running = Running::start(|serve| serve.write_timeout(SOON)).await;
    let probe = &running.server.probe;
    // On a socket that accepts nothing.
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "progress",
        "arguments": {"steps": 1_000_000_000}, "_meta": {"progressToken": 1}}});
    let mut socket = running.socket().await;
    socket.write_all(text(&body.to_string()).as_bytes()).await.expect("it is read");
    probe.until(|probe| probe.running() == 1).await;
    tokio::time::timeout(HANG, probe.until(|probe| probe.running() == 0)).await.expect("the call ends");
    // On a stream that accepts nothing, of a connection that does.
    let mut client = running.http2().await;
    let stuck = client.send_request(call("progress", json!({"steps": 1_000_000_000})));
    let mut stuck = stuck.await.expect("a response");
    probe.until(|probe| probe.running() == 1).await;
    let mut answers = 0;
    let ended = async {
        while probe.running() > 0 {
            let answer = client.send_request(call("add", json!({"a": 1, "b": 2}))).await;
            assert_eq!(Answer::read(answer.expect("a response")).await.tool_text(), "3");
            answers += 1;
        }
    };
    tokio::time::timeout(HANG, ended).await.expect("the call ends");
    assert!(answers > 0);
    // Some versions of the client do not distinguish a reset stream from one that has ended.
    let mut received = Vec::new();
    while let Some(Ok(frame)) = stuck.body_mut().frame().await {
        received.extend(frame.into_data().unwrap_or_default());
    }
    assert!(!String::from_utf8_lossy(&received).contains("result"), "the call came to its end");
    // Large replies are sent to the last byte.
    let stuck = client.send_request(call("echo", json!({"text": "x".repeat(100_000)})));
    let stuck = stuck.await.expect("a response");
    tokio::time::sleep(3 * SOON).await;
    let received = stuck.into_body().collect().await.map(|body| body.to_bytes().len());
    assert!(received.is_err() || received.is_ok_and(|bytes| bytes < 100_000), "it is sent whole");
    running.add().await;
}

#[tokio::test]
async fn a_reader_that_reads_nothing_into_the_smallest_buffer_is_cut() {
    let running = Running::start(|serve| serve.write_timeout(SOON)).await;
    let probe = &running.server.probe;
    let token = "x".repeat(1000);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "progress",
        "arguments": {"steps": 1_000_000_000}, "_meta": {"progressToken": token}}});
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(1).expect("the kernel makes its least of it");
    let mut socket = socket.connect(running.address).await.expect("a server");
    socket.write_all(text(&body.to_string()).as_bytes()).await.expect("it is read");
    probe.until(|probe| probe.running() == 1).await;
    tokio::time::timeout(HANG, probe.until(|probe| probe.running() == 0)).await.expect("the call ends");
    drop(socket);
}

#[cfg(unix)]
#[tokio::test]
async fn a_unix_listener_serves_cuts_and_ends_as_one_of_tcp_does() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.sock", std::process::id()));
    // A previous test whose process had the same id may have left it there.
    let _ = std::fs::remove_file(&path);
    let listener = tokio::net::UnixListener::bind(&path).expect("a path");
    let nowhere = SocketAddr::from(([0; 4], 0));
    let running = Running::start_on(nowhere, listener, |serve| serve.write_timeout(SOON));
    let connect = async || tokio::net::UnixStream::connect(&path).await.expect("a server");
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(connect().await)).await;
    let (mut client, connection) = handshake.expect("HTTP/1.1");
    tokio::spawn(connection);
    let answer = client.send_request(add()).await.expect("a response");
    assert_eq!(Answer::read(answer).await.tool_text(), "3");
    // A reader that reads nothing.
    let probe = running.server.probe.clone();
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "progress",
        "arguments": {"steps": 1_000_000_000}, "_meta": {"progressToken": 1}}});
    let mut stuck = connect().await;
    stuck.write_all(text(&body.to_string()).as_bytes()).await.expect("it is read");
    probe.until(|probe| probe.running() == 1).await;
    tokio::time::timeout(HANG, probe.until(|probe| probe.running() == 0)).await.expect("the call ends");
    assert_eq!(running.stop().await, Ended::default());
    drop((client, stuck));
    std::fs::remove_file(&path).expect("the listener's path");
}

/// A listener that is out of descriptors for a while.
struct Exhausted {
    failures: usize,
    listener: TcpListener,
}

impl serve::Listener for Exhausted {
    type Socket = TcpStream;

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        if self.failures == 0 {
            return serve::Listener::poll_accept(&mut self.listener, cx);
        }
        self.failures -= 1;
        let error = if self.failures.is_multiple_of(2) {
            io::Error::from_raw_os_error(24)
        } else {
            io::ErrorKind::ConnectionAborted.into()
        };
        Poll::Ready(Err(error))
    }
}

#[tokio::test]
async fn errors_of_accepting_are_outlived() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    let running = Running::start_on(address, Exhausted { failures: 5, listener }, |serve| serve);
    tokio::time::timeout(HANG, running.add()).await.expect("it is served");
}

#[tokio::test]
async fn no_more_connections_are_open_than_may() {
    let running = Running::start(|serve| serve.max_connections(2)).await;
    let (first, second) = (running.http1().await, running.http1().await);
    let mut others = Vec::new();
    for mut client in [first, second] {
        client.send_request(add()).await.expect("a response");
        // The third waits until one of them leaves.
        let mut third = running.http1().await;
        let mut waiting = Box::pin(third.send_request(add()));
        assert!(tokio::time::timeout(SOON, &mut waiting).await.is_err());
        drop(client);
        let answer = tokio::time::timeout(HANG, &mut waiting).await.expect("its turn");
        Answer::read(answer.expect("a response")).await;
        drop(waiting);
        others.push(third);
    }
}

#[tokio::test]
async fn requests_under_way_end_and_stuck_clients_are_cut_when_the_server_stops() {
    let running = Running::start(|serve| serve.drain_timeout(Duration::from_secs(3))).await;
    let probe = running.server.probe.clone();
    let silent = running.socket().await;
    let mut partial = running.socket().await;
    partial.write_all(b"POST /mcp HT").await.expect("it is read");
    let idle = {
        let mut client = running.http1().await;
        Answer::read(client.send_request(add()).await.expect("a response")).await;
        client
    };
    // One client reads slowly, but finishes; one reads nothing.
    let mut client = running.http1().await;
    let good = client.send_request(call("progress", json!({"steps": 2000}))).await.expect("a response");
    let mut stuck = running.http1().await;
    let stuck = stuck.send_request(call("progress", json!({"steps": 1_000_000_000}))).await;
    let stuck = stuck.expect("a response");
    probe.until(|probe| probe.running() >= 1).await;
    let (stop, address) = (running.stop, running.address);
    drop(stop);
    assert_eq!(Answer::read(good).await.events().len(), 2001);
    let ended = tokio::time::timeout(HANG, running.serving).await.expect("it ends").expect("no panic");
    assert_eq!((ended.cut_connections, ended.unfinished_calls), (1, 1));
    assert_eq!(probe.running(), 0);
    assert!(TcpStream::connect(address).await.is_err());
    drop((silent, partial, idle, stuck));
}

#[tokio::test]
async fn a_server_that_announces_its_end_serves_until_the_time_is_over() {
    let running = Running::start(|serve| serve.announce_for(Duration::from_secs(2))).await;
    let Running { server, address, stop, serving } = running;
    let manager = &server.manager;
    assert_eq!(manager.readiness().status(), 200);
    drop(stop);
    test_support::wait::until("it says so", async || manager.readiness().status() == 503).await;
    // New connections are accepted, and their requests served.
    let socket = TcpStream::connect(address).await.expect("it accepts");
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(socket)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    let answer = client.send_request(add()).await.expect("a response");
    assert_eq!(Answer::read(answer).await.tool_text(), "3");
    assert!(!serving.is_finished());
    let ended = tokio::time::timeout(HANG, serving).await.expect("it ends").expect("no panic");
    assert_eq!(ended, Ended::default());
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_server_with_nothing_under_way_ends_before_its_time_is_over() {
    let running = Running::start(|serve| serve.drain_timeout(100 * HANG)).await;
    let mut http2 = running.http2().await;
    Answer::read(http2.send_request(call("add", json!({"a": 1, "b": 2}))).await.expect("a response")).await;
    running.add().await;
    let silent = running.socket().await;
    assert_eq!(running.stop().await, Ended::default());
    drop((silent, http2));
}
