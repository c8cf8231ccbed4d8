//! Reading a request.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::Frame;
use mcp_stateless::manager::AcceptRule;
use serde_json::{Value, json};

use crate::support::{Answer, Era, MODERN, Post, Server};

fn add(era: Era) -> Post {
    Post::call(era, "add", json!({"a": 1, "b": 2}))
}

#[tokio::test]
async fn the_reply_is_of_a_type_that_the_client_takes() {
    let server = Server::new();
    for (accept, expected) in [
        (None, "application/json"),
        (Some("application/json, text/event-stream"), "application/json"),
        (Some("TEXT/EVENT-STREAM;q=0.9 , Application/JSON"), "application/json"),
        (Some("*/*"), "application/json"),
        (Some("application/*"), "application/json"),
        (Some("application/json"), "application/json"),
        (Some("text/event-stream"), "text/event-stream"),
        (Some("text/*"), "text/event-stream"),
    ] {
        let mut post = add(Era::Legacy).without("accept");
        if let Some(accept) = accept {
            post = post.header("accept", accept);
        }
        let answer = server.send(post).await;
        assert_eq!((answer.status.as_u16(), answer.content_type()), (200, expected), "{accept:?}");
        let message = if expected == "application/json" { answer.json() } else { answer.events().remove(0) };
        assert_eq!(message["result"]["content"][0]["text"], "3");
    }
    let lines = add(Era::Modern).header("accept", "text/html").line("accept", "application/json");
    assert_eq!(server.send(lines).await.status, 200);
}

#[tokio::test]
async fn what_the_client_does_not_take_is_not_acceptable() {
    let server = Server::new();
    for accept in ["text/html", "application/json;q=0", "", "application/json-seq"] {
        assert_eq!(
            server.send(add(Era::Legacy).header("accept", accept)).await.error(),
            (406, -32600),
            "{accept}"
        );
    }
    let strict = Server::with(|builder| builder.accept_rule(AcceptRule::Both));
    for accept in ["application/json", "text/event-stream", "*/*", "application/json, text/*"] {
        assert_eq!(strict.send(add(Era::Legacy).header("accept", accept)).await.error(), (406, -32600));
    }
    assert_eq!(strict.send(add(Era::Legacy).without("accept")).await.error(), (406, -32600));
    for accept in ["application/json, text/event-stream", "text/event-stream;q=0.5,application/json;q=1, */*"]
    {
        assert_eq!(strict.send(add(Era::Legacy).header("accept", accept)).await.status, 200);
    }
}

#[tokio::test]
async fn errors_are_json_whatever_the_client_takes() {
    let server = Server::new();
    let answer = server.send(Post::raw("{").header("accept", "text/event-stream")).await;
    assert_eq!(answer.error(), (400, -32700));
}

#[tokio::test]
async fn only_json_bodies_are_read() {
    let server = Server::new();
    for good in ["application/json", "Application/JSON; charset=utf-8", "application/json;charset=\"utf-8\""]
    {
        assert_eq!(server.send(add(Era::Legacy).header("content-type", good)).await.status, 200, "{good}");
    }
    for bad in ["text/plain", "application/json-rpc", "application/x-www-form-urlencoded", ""] {
        let answer = server.send(add(Era::Legacy).header("content-type", bad)).await;
        assert_eq!(answer.error(), (415, -32600), "{bad}");
    }
    assert_eq!(server.send(add(Era::Legacy).without("content-type")).await.error(), (415, -32600));
    let twice = add(Era::Legacy).line("content-type", "text/plain");
    assert_eq!(server.send(twice).await.error(), (415, -32600));
}

/// A body of equal chunks that may stall at its end, and counts how much of it is read.
struct Chunks {
    left: usize,
    stalls: bool,
    read: Arc<AtomicUsize>,
}

impl http_body::Body for Chunks {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return if self.stalls { Poll::Pending } else { Poll::Ready(None) };
        }
        self.left -= 1;
        self.read.fetch_add(1024, Ordering::SeqCst);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b' '; 1024])))))
    }
}

async fn send_chunks(server: &Server, chunks: Chunks, declared: Option<usize>) -> Answer {
    let mut request =
        Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
    if let Some(declared) = declared {
        request = request.header("content-length", declared);
    }
    let request = request.body(chunks).expect("a request");
    Answer::read(server.manager.handle(request, &server.tools).await).await
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_it_is_all_in_memory() {
    let server = Server::with(|builder| builder.max_body_size(10 * 1024));
    for declared in [None, Some(1024 * 1024)] {
        let read = Arc::default();
        let chunks = Chunks { left: 1024, stalls: false, read: Arc::clone(&read) };
        assert_eq!(send_chunks(&server, chunks, declared).await.error(), (413, -32600));
        let expected = if declared.is_some() { 0 } else { 11 * 1024 };
        assert_eq!(read.load(Ordering::SeqCst), expected);
    }
    // A body of exactly the limit is accepted.
    let chunks = Chunks { left: 10, stalls: false, read: Arc::default() };
    assert_eq!(send_chunks(&server, chunks, None).await.error(), (400, -32700));
}

#[tokio::test]
async fn four_mebibytes_are_read_by_default_and_no_more() {
    let server = Server::new();
    for (chunks, expected) in [(4 * 1024, (400, -32700)), (4 * 1024 + 1, (413, -32600))] {
        let chunks = Chunks { left: chunks, stalls: false, read: Arc::default() };
        assert_eq!(send_chunks(&server, chunks, None).await.error(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_stalls_is_given_up() {
    for (server, seconds) in
        [(Server::new(), 30), (Server::with(|builder| builder.read_timeout(Duration::from_secs(3))), 3)]
    {
        let started = tokio::time::Instant::now();
        let chunks = Chunks { left: 2, stalls: true, read: Arc::default() };
        assert_eq!(send_chunks(&server, chunks, None).await.error(), (408, -32600));
        assert_eq!(started.elapsed().as_secs(), seconds);
    }
}

#[tokio::test]
async fn bodies_that_arrive_slowly_are_bounded_together() {
    let server = Arc::new(Server::with(|builder| builder.max_bytes_in_flight(10 * 1024)));
    let stalled = |chunks| {
        let (server, read) = (Arc::clone(&server), Arc::new(AtomicUsize::new(0)));
        let body = Chunks { left: chunks, stalls: true, read: Arc::clone(&read) };
        // The declared length does not count.
        (tokio::spawn(async move { send_chunks(&server, body, Some(1024 * 1024)).await }), read)
    };
    let until_read = async |read: &AtomicUsize, chunks: usize| {
        while read.load(Ordering::SeqCst) < chunks * 1024 {
            tokio::task::yield_now().await;
        }
    };
    let whole = |chunks| Chunks { left: chunks, stalls: false, read: Arc::default() };
    // One of them arrived in one piece, but waits for more.
    let ((first, first_read), (second, second_read)) = (stalled(8), stalled(1));
    until_read(&first_read, 8).await;
    until_read(&second_read, 1).await;
    let refused = send_chunks(&server, whole(2), None).await;
    assert_eq!(refused.error(), (503, -32603));
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.error_message().contains("`max_bytes_in_flight`"), "{refused:?}");
    let (third, _) = stalled(2);
    let third = third.await.expect("no panic");
    assert_eq!(third.error(), (503, -32603), "{third:?}");
    // A body that is ready at once in one piece is still served.
    assert_eq!(server.send(add(Era::Legacy)).await.tool_text(), "3");
    assert_eq!(send_chunks(&server, whole(1), None).await.error(), (400, -32700));
    // A body returns its bytes, however it ends.
    for stalled in [first, second] {
        stalled.abort();
        assert!(stalled.await.is_err());
    }
    for _ in 0..3 {
        assert_eq!(send_chunks(&server, whole(10), None).await.error(), (400, -32700));
        assert_eq!(send_chunks(&server, whole(11), None).await.error(), (503, -32603));
    }
}

#[tokio::test]
async fn a_body_that_ends_early_is_refused() {
    let server = Server::new();
    let chunks = Chunks { left: 2, stalls: false, read: Arc::default() };
    assert_eq!(send_chunks(&server, chunks, Some(4096)).await.error(), (400, -32700));
}

#[tokio::test]
async fn what_is_not_json_is_a_parse_error() {
    let server = Server::new();
    let deep = |levels: usize| {
        let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"x":{nested}}}}}"#)
    };
    let huge = "[".repeat(1_000_000);
    for body in
        ["", " ", "nonsense", "{", r#"{"jsonrpc":"2.0"} trailing"#, "{'a':1}", &deep(127), &huge, "[1,"]
    {
        let answer = server.send(Post::raw(body.to_owned())).await;
        assert_eq!(answer.error(), (400, -32700), "{}", &body[..body.len().min(80)]);
    }
    assert_eq!(
        server.send(Post::raw(&b"{\"jsonrpc\":\"2.0\",\"id\":\"\xff\"}"[..])).await.error(),
        (400, -32700)
    );
    assert_eq!(server.send(Post::raw(deep(126))).await.status, 200);
}

#[tokio::test]
async fn json_that_is_no_request_is_invalid() {
    let server = Server::new();
    for (body, id) in [
        (r#"{"id":7,"method":"ping"}"#, Some(json!(7))),
        (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, None),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, None),
        (r#"{"jsonrpc":"2.0","id":"x"}"#, Some(json!("x"))),
        (r#"{"jsonrpc":"2.0","id":7,"method":["ping"]}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":[]}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":"x"}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","method":"ping"}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":{"name":"a","name":"b"}}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":""}}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"method":"ping","params":1e999}"#, Some(json!(7))),
        ("7", None),
        ("null", None),
    ] {
        for (version, unread) in
            [("2025-06-18", Some(Value::Null)), ("2025-11-25", None), ("2026-07-28", None)]
        {
            let answer = server.send(Post::raw(body).header("mcp-protocol-version", version)).await;
            assert_eq!(answer.error(), (400, -32600), "{body}");
            let expected = id.clone().or(unread);
            assert_eq!(answer.json().get("id"), expected.as_ref(), "{body} {version}");
        }
    }
}

#[tokio::test]
async fn modern_headers_must_repeat_the_body() {
    let server = Server::new();
    let good = add(Era::Modern);
    for (name, wrong) in
        [("mcp-protocol-version", "2025-11-25"), ("mcp-method", "TOOLS/CALL"), ("mcp-name", "Add")]
    {
        for bad in [
            good.clone().without(name),
            good.clone().header(name, wrong),
            good.clone().line(name, wrong),
            good.clone().header(name, "é"),
        ] {
            let answer = server.send(bad).await;
            assert_eq!(answer.error(), (400, -32020), "{name}");
            assert!(answer.error_message().contains(name), "{}", answer.error_message());
            assert_eq!(answer.json()["id"], 1);
        }
    }
    // Also if the body has no name either.
    let nameless = Post::modern("tools/call", json!({}));
    assert_eq!(server.send(nameless).await.error(), (400, -32020));
    let same = good.clone();
    let twice = server.send(same.line("mcp-name", "add")).await;
    assert_eq!(twice.error(), (400, -32020), "repeated");
}

#[tokio::test]
async fn modern_headers_are_read_as_the_specification_says() {
    let server = Server::new();
    let good = add(Era::Modern);
    for name in ["  add\t", "=?base64?YWRk?="] {
        assert_eq!(server.send(good.clone().header("MCP-NAME", name)).await.tool_text(), "3", "{name}");
    }
    assert_eq!(server.send(good.clone().header("mcp-name", "=?base64?YWR?=")).await.error(), (400, -32020));
    // Escapes in the body make no difference.
    let escaped = good.edit(r#""name":"add""#, r#""name":"\u0061dd""#);
    assert_eq!(server.send(escaped).await.tool_text(), "3");
    // Only calls have a name.
    let list = Post::modern("tools/list", json!({})).header("mcp-name", "whatever");
    assert_eq!(server.send(list).await.status, 200);
}

#[tokio::test]
async fn param_headers_must_repeat_their_arguments() {
    let server = Server::new();
    let call = |arguments| Post::call(Era::Modern, "place", arguments);
    let good = call(json!({"region": "Zürich"})).header("mcp-param-region", "=?base64?WsO8cmljaA==?=");
    assert_eq!(server.send(good.clone()).await.tool_text(), "Zürich");
    assert_eq!(server.send(good.clone().header("mcp-param-other", "x")).await.status, 200);
    for bad in [
        good.clone().without("mcp-param-region"),
        good.clone().header("mcp-param-region", "Bern"),
        good.clone().header("mcp-param-region", "=?base64?WsO8?"),
        good.clone().header("mcp-param-region", "=?base64?WsO8c?="),
        good.clone().line("mcp-param-region", "Bern"),
        call(json!({})).header("mcp-param-region", "Bern"),
        call(json!({"region": null})).header("mcp-param-region", "null"),
    ] {
        let answer = server.send(bad).await;
        assert_eq!(answer.error(), (400, -32020));
        assert!(answer.error_message().contains("mcp-param-region"));
    }
    // Without the argument no header is required; whether the tool accepts that is not checked here.
    for arguments in [json!({}), json!({"region": null})] {
        assert_eq!(server.send(call(arguments)).await.json()["result"]["isError"], true);
    }
    // Earlier revisions have no such headers.
    assert_eq!(
        server.send(Post::call(Era::Legacy, "place", json!({"region": "Bern"}))).await.tool_text(),
        "Bern"
    );
}

#[tokio::test]
async fn modern_meta_must_have_what_it_must_have() {
    let server = Server::new();
    let caps = r#""io.modelcontextprotocol/clientCapabilities":{}"#;
    let good = add(Era::Modern);
    for bad in [
        good.clone().edit(caps, r#""x":{}"#),
        good.clone().edit(caps, &caps.replace("{}", "[]")),
        good.clone().edit(caps, &caps.replace("{}", "null")),
        good.clone().edit(caps, &format!("{caps},{caps}")),
        good.clone().edit(caps, &format!(r#"{caps},"io.modelcontextprotocol/clientInfo":"me""#)),
        good.clone().edit(caps, &format!(r#"{caps},"io.modelcontextprotocol/logLevel":"loud""#)),
        good.clone().edit(caps, &format!(r#"{caps},"progressToken":1.5"#)),
        good.clone().edit(&format!(r#""{MODERN}""#), "7"),
    ] {
        let answer = server.send(bad).await;
        assert_eq!(answer.error(), (400, -32602), "{answer:?}");
        assert_eq!(answer.json()["id"], 1);
    }
    let repeated = good.clone().edit(r#""_meta":{"#, r#""_meta":null,"_meta":{"#);
    assert_eq!(server.send(repeated).await.error(), (400, -32600));
    let others = |count| format!("{caps}{}", r#","com.example/other":0"#.repeat(count));
    assert_eq!(server.send(good.clone().edit(caps, &others(65))).await.error(), (400, -32602));
    assert_eq!(server.send(good.edit(caps, &others(64))).await.status, 200);
}

#[tokio::test]
async fn a_needed_capability_must_be_declared() {
    let server = Server::new();
    for tool in ["sample", "sample_later"] {
        for capabilities in [json!({}), json!({"sampling": null}), json!({"roots": {}})] {
            let meta = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
            let answer = server.send(Post::call_with_meta(Era::Modern, tool, json!({}), meta)).await;
            assert_eq!(answer.error(), (400, -32021), "{tool}");
            assert_eq!(answer.json()["error"]["data"], json!({"requiredCapabilities": {"sampling": {}}}));
        }
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": {"sampling": {}}});
        let answer = server.send(Post::call_with_meta(Era::Modern, tool, json!({}), meta)).await;
        assert_eq!(answer.tool_text(), "sampled");
        // Legacy requests declare no capabilities.
        assert_eq!(server.send(Post::call(Era::Legacy, tool, json!({}))).await.tool_text(), "sampled");
    }
}

/// Fixes one fault of a request.
type Mend<'a> = &'a dyn Fn(Post) -> Post;

#[tokio::test]
async fn of_several_faults_the_first_in_the_documented_order_is_told() {
    let server = Server::with(|builder| builder.max_body_size(2000));
    // Start with every fault, and fix one after the other.
    let mut post = Post::call(Era::Modern, "place", json!({"region": 7, "filler": "x".repeat(3000)}))
        .method(http::Method::PUT)
        .header("host", "evil.example.com")
        .header("accept", "text/html")
        .header("content-type", "text/plain")
        .header("content-length", "3000")
        .header("mcp-protocol-version", "1999-01-01")
        .header("mcp-method", "tools/list")
        .header("mcp-param-region", "8");
    let body = r#"{"jsonrpc":"1.0","id":1,"method":"tools/call","params":{"name":"nowhere","arguments":{"region":"here"},
        "_meta":{"io.modelcontextprotocol/protocolVersion":"1999-12-31"}}}"#;
    let mends: [(Mend<'_>, (u16, i64)); 15] = [
        (&|post| post, (403, -32600)),
        (&|post| post.header("host", "localhost"), (405, -32600)),
        (&|post| post.method(http::Method::POST), (406, -32600)),
        (&|post| post.header("accept", "*/*"), (415, -32600)),
        (&|post| post.header("content-type", "application/json"), (413, -32600)),
        (&|post| post.header("content-length", "100"), (413, -32600)),
        (&|post| post.without("content-length").body("{"), (400, -32700)),
        (&|post| post.body(body), (400, -32600)),
        (&|post| post.edit("1.0", "2.0"), (400, -32020)),
        (&|post| post.edit("1999-12-31", "1999-01-01"), (400, -32022)),
        (&|post| post.edit("1999-01-01", MODERN).header("mcp-protocol-version", MODERN), (400, -32020)),
        (&|post| post.header("mcp-method", "tools/call").header("mcp-name", "nowhere"), (400, -32602)),
        (
            &|post| post.edit(r#""_meta":{"#, r#""_meta":{"io.modelcontextprotocol/clientCapabilities":{},"#),
            (200, -32602),
        ),
        (&|post| post.edit("nowhere", "sample").header("mcp-name", "sample"), (400, -32021)),
        (&|post| post.edit("sample", "place").header("mcp-name", "place"), (400, -32020)),
    ];
    for (step, (mend, expected)) in mends.into_iter().enumerate() {
        post = mend(post);
        assert_eq!(server.send(post.clone()).await.error(), expected, "step {step}");
    }
    let mended = server.send(post.header("mcp-param-region", "here")).await;
    assert_eq!(mended.tool_text(), "here");
}
