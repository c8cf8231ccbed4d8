//! The server is stateless.

use http::Method;
use serde_json::json;

use crate::support::{Answer, Era, Post, Server};

#[tokio::test]
async fn any_request_is_served_without_initialize_on_any_replica() {
    for era in Era::BOTH {
        // Each server is new, and has had no other request.
        let sum = Server::new().send(Post::call(era, "add", json!({"a": 10, "b": 20}))).await;
        assert_eq!(sum.tool_text(), "30");
        let list = Server::new().send(era.post("tools/list", json!({}))).await;
        assert!(list.json()["result"]["tools"].is_array());
    }
}

#[tokio::test]
async fn no_reply_carries_a_session_id() {
    // `Answer::read` asserts it for every answer in these tests; this covers each kind.
    let server = Server::new();
    for post in [
        Post::legacy("initialize", &json!({"protocolVersion": "2025-11-25"}))
            .header("mcp-session-id", "mine"),
        Post::legacy("ping", &json!({})),
        Post::raw(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#),
        Post::raw("nonsense"),
        Post::raw("").method(Method::GET),
        Post::call_with_meta(Era::Modern, "progress", json!({"steps": 2}), json!({"progressToken": 1})),
    ] {
        let answer = server.send(post).await;
        assert!(!answer.headers.contains_key("mcp-session-id"));
    }
}

#[tokio::test]
async fn foreign_session_ids_and_event_ids_are_ignored() {
    let server = Server::new();
    for era in Era::BOTH {
        for name in ["mcp-session-id", "last-event-id"] {
            let post = Post::call(era, "add", json!({"a": 1, "b": 2})).header(name, "stale-or-foreign");
            let answer = server.send(post).await;
            assert_eq!((answer.status.as_u16(), answer.tool_text().as_str()), (200, "3"));
        }
    }
}

#[tokio::test]
async fn get_and_delete_are_refused_from_the_head_alone() {
    let server = Server::new();
    for method in [Method::GET, Method::DELETE] {
        for version in [None, Some("2025-03-26"), Some("2026-07-28")] {
            // No content type, no acceptable type, a body that would never end.
            let mut request = http::Request::new(NeverRead);
            *request.method_mut() = method.clone();
            request.headers_mut().insert("host", "localhost".parse().expect("a value"));
            request.headers_mut().insert("accept", "text/event-stream".parse().expect("a value"));
            if let Some(version) = version {
                request.headers_mut().insert("mcp-protocol-version", version.parse().expect("a value"));
            }
            let answer = Answer::read(server.manager.handle(request, &server.tools).await).await;
            assert_eq!(answer.error(), (405, -32600));
            assert_eq!(answer.headers["allow"], "POST");
        }
    }
}

/// A body that fails the test when it is read.
struct NeverRead;

impl http_body::Body for NeverRead {
    type Data = bytes::Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<Self::Data>, Self::Error>>> {
        panic!("the body was read")
    }
}

#[tokio::test]
async fn equal_ids_in_flight_get_each_their_own_answer() {
    let server = Server::new();
    let calls = (0..50).map(|number| {
        let server = server.clone();
        async move {
            let post = Post::call(Era::BOTH[number % 2], "add", json!({"a": number, "b": 1000}));
            let answer = server.send(post).await;
            assert_eq!(answer.json()["id"], 1);
            assert_eq!(answer.tool_text(), (number + 1000).to_string());
        }
    });
    let tasks: Vec<_> = calls.map(tokio::spawn).collect();
    for task in tasks {
        task.await.expect("no panic");
    }
}

#[tokio::test]
async fn ids_are_echoed_byte_for_byte() {
    let server = Server::new();
    for id in ["1", r#""1""#, "-7", r#""""#, r#""\u0061\/b""#, "123456789012345678901234567890", r#""é""#] {
        for era in Era::BOTH {
            let post = era.post("tools/list", json!({})).edit(r#""id":1"#, &format!(r#""id":{id}"#));
            let answer = server.send(post).await;
            assert!(
                answer.text().starts_with(&format!(r#"{{"jsonrpc":"2.0","id":{id},"result""#)),
                "{answer:?}"
            );
        }
    }
}

#[tokio::test]
async fn nothing_of_a_request_remains_however_it_ends() {
    let server = Server::new();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for era in Era::BOTH {
        for (tool, token) in
            [("add", false), ("fail", false), ("panic", false), ("progress", true), ("nobody", false)]
        {
            let meta = if token { json!({"progressToken": "t"}) } else { json!({}) };
            server.send(Post::call_with_meta(era, tool, json!({"steps": 3}), meta)).await;
        }
        // A client that leaves before the answer, or in the middle of it.
        {
            let waiting = server.handle(Post::call(era, "wait", json!({})));
            tokio::pin!(waiting);
            assert!(futures_poll_once(&mut waiting).await.is_none());
            assert_eq!(server.probe.running(), 1);
        }
        let meta = json!({"progressToken": "t"});
        let post = Post::call_with_meta(era, "progress", json!({"steps": 1_000_000}), meta);
        let mut response = server.handle(post).await;
        crate::support::next_frame(&mut response).await.expect("a notification");
        assert_eq!(server.probe.running(), 1);
        drop(response);
        assert_eq!(server.probe.running(), 0);
    }
    assert_eq!(tasks(), before);
}

/// Polls a future once.
async fn futures_poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        std::task::Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            std::task::Poll::Ready(output) => Some(output),
            std::task::Poll::Pending => None,
        })
    })
    .await
}

#[tokio::test]
async fn clients_share_nothing() {
    let server = Server::new();
    let ask = |client: &'static str| {
        let server = server.clone();
        async move {
            let meta = json!({"com.example/vendor": client, "progressToken": client});
            let post =
                Post::call_with_meta(Era::Modern, "request", json!({}), meta).header("x-custom", client);
            let seen = server.send(post).await.tool_text();
            let other = if client == "ada" { "bob" } else { "ada" };
            assert!(seen.contains(client) && !seen.contains(other), "{seen}");

            let meta = json!({"progressToken": client});
            let post = Post::call_with_meta(Era::Legacy, "progress", json!({"steps": 5}), meta);
            let events = server.send(post).await.events();
            assert_eq!(events.len(), 6);
            for event in &events[..5] {
                assert_eq!(event["params"]["progressToken"], client);
            }
        }
    };
    ask("ada").await;
    ask("bob").await;
    for _ in 0..20 {
        tokio::join!(ask("ada"), ask("bob"));
    }
}
