//! Replies: JSON or a stream, and the messages of a stream.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use http::{HeaderName, Method};
use http_body::Body as _;
use mcp_stateless::call::NoArguments;
use mcp_stateless::{CallContext, ToolError, ToolRegistry};
use serde_json::{Value, json};

use crate::log::Log;
use crate::support::{Answer, Era, Post, Server, events, next_frame};

fn progress(era: Era, steps: u32) -> Post {
    Post::call_with_meta(era, "progress", json!({"steps": steps}), json!({"progressToken": "p"}))
}

#[tokio::test]
async fn a_result_without_notifications_is_one_json_body_of_known_length() {
    let server = Server::new();
    for era in Era::BOTH {
        let response = server.handle(Post::call(era, "echo", json!({"text": "hi"}))).await;
        let length = http_body::Body::size_hint(response.body()).exact();
        let answer = Answer::read(response).await;
        assert_eq!(answer.content_type(), "application/json");
        assert_eq!(length, Some(answer.body.len() as u64));
        // Without a token the client does not ask for progress.
        let answer = server.send(Post::call(era, "progress", json!({"steps": 3}))).await;
        assert_eq!((answer.content_type(), answer.tool_text().as_str()), ("application/json", "done"));
    }
}

#[tokio::test]
async fn notifications_make_the_reply_a_stream_that_ends_with_the_result() {
    let server = Server::new();
    for era in Era::BOTH {
        let answer = server.send(progress(era, 3)).await;
        assert_eq!(answer.status, 200);
        let events = answer.events();
        let expected = |step: u32| {
            json!({"jsonrpc": "2.0", "method": "notifications/progress",
                "params": {"progressToken": "p", "progress": step, "total": 3, "message": "working"}})
        };
        assert_eq!(events[..3], [expected(1), expected(2), expected(3)]);
        assert_eq!(events.len(), 4);
        assert_eq!(
            (&events[3]["id"], &events[3]["result"]["content"][0]["text"]),
            (&json!(1), &json!("done"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn reports_of_a_handler_that_never_waits_are_sent_together_with_its_result() {
    let server = Server::new();
    for era in Era::BOTH {
        let mut response = server.handle(progress(era, 3)).await;
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let frame = next_frame(&mut response).await.expect("all events");
        assert_eq!(events(&frame).len(), 4);
        assert_eq!(next_frame(&mut response).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_report_is_sent_before_a_handler_goes_on_that_yields_or_has_worked_for_a_while() {
    for yields in [true, false] {
        let reports = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&reports);
        let work = move |_: NoArguments, cx: CallContext| {
            let reports = Arc::clone(&counted);
            async move {
                if !yields {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                for step in 1..=2 {
                    reports.store(step, Ordering::Relaxed);
                    cx.progress(step.into(), None, "").await;
                    if yields {
                        tokio::task::yield_now().await;
                    }
                }
                "done"
            }
        };
        let tools = ToolRegistry::builder().tool("work", "", work).build().expect("a valid tool");
        let server = Server { tools, ..Server::new() };
        let post = Post::call_with_meta(Era::Legacy, "work", json!({}), json!({"progressToken": 7}));
        let mut response = server.handle(post).await;
        let frame = next_frame(&mut response).await.expect("the first report");
        assert_eq!(events(&frame).len(), 1);
        // A server flushes what it has when the body is pending.
        let next = std::future::poll_fn(|cx| Poll::Ready(Pin::new(response.body_mut()).poll_frame(cx))).await;
        assert!(next.is_pending());
        assert_eq!(reports.load(Ordering::Relaxed), 1);
        let mut rest = String::new();
        while let Some(frame) = next_frame(&mut response).await {
            rest.push_str(&frame);
        }
        assert_eq!(events(&rest).len(), 2);
    }
}

#[tokio::test]
async fn progress_is_written_as_the_number_that_was_reported() {
    let report = async |_: NoArguments, cx: CallContext| {
        for value in [-1e300, -2.5, 0.0, 0.5, 3.0, 9_007_199_254_740_992.0, 1e300] {
            cx.progress(value, Some(value), "").await;
        }
        "done"
    };
    let tools = ToolRegistry::builder().tool("report", "", report).build().expect("a valid tool");
    let server = Server { tools, ..Server::new() };
    let post = Post::call_with_meta(Era::Legacy, "report", json!({}), json!({"progressToken": 7}));
    let sent = server.send(post).await;
    let numbers: Vec<_> =
        sent.events().iter().filter_map(|event| event["params"]["progress"].as_f64()).collect();
    assert_eq!(numbers, [-1e300, -2.5, 0.0, 0.5, 3.0, 9_007_199_254_740_992.0, 1e300]);
    assert!(sent.text().contains(r#""progress":3,"total":3}"#), "{}", sent.text());
}

#[tokio::test]
async fn a_client_that_takes_json_alone_gets_json_and_the_dropped_are_counted() {
    let server = Server::new();
    let log = Log::default();
    let answer = {
        let _guard = log.keep();
        server.send(progress(Era::Modern, 3).header("accept", "application/json")).await
    };
    assert_eq!(answer.tool_text(), "done");
    assert_eq!(server.probe.sent(), 3);
    assert!(log.text().contains("dropped=3"), "{}", log.text());
}

#[tokio::test]
async fn a_stream_has_data_lines_alone_and_is_held_back_by_nobody() {
    let server = Server::new();
    let answer = server.send(progress(Era::Modern, 3)).await;
    assert_eq!(answer.headers["cache-control"], "no-store");
    assert_eq!(answer.headers["x-accel-buffering"], "no");
    for line in answer.text().lines() {
        assert!(line.is_empty() || line.starts_with("data: {"), "{line}");
    }
    assert!(answer.text().ends_with("}\n\n"));
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_is_kept_alive_by_comments() {
    for (server, interval) in
        [(Server::new(), 15), (Server::with(|builder| builder.keep_alive(Duration::from_secs(4))), 4)]
    {
        let meta = json!({"progressToken": 1});
        let mut response =
            server.handle(Post::call_with_meta(Era::Modern, "slow_progress", json!({}), meta)).await;
        assert!(next_frame(&mut response).await.expect("progress").starts_with("data: "));
        let mut comments = 0;
        loop {
            let before = tokio::time::Instant::now();
            match next_frame(&mut response).await.expect("a result at the end").as_str() {
                ":\n\n" => comments += 1,
                result => {
                    assert!(result.contains("done"));
                    break;
                }
            }
            assert_eq!(before.elapsed().as_secs(), interval);
        }
        assert_eq!(comments, 59 / interval);
        assert_eq!(next_frame(&mut response).await, None);
    }
}

#[tokio::test(start_paused = true)]
async fn progress_increases_and_ends_with_the_result() {
    let server = Server::new();
    let post = Post::call_with_meta(Era::Legacy, "unruly_progress", json!({}), json!({"progressToken": 7}));
    let mut events = server.send(post).await.events();
    assert!(events.pop().expect("a result").get("result").is_some());
    let values: Vec<_> = events.iter().map(|event| event["params"]["progress"].clone()).collect();
    assert_eq!(values, [json!(1), json!(2)]);
    assert!(events.iter().all(|event| event["params"]["progressToken"] == 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn progress_increases_even_when_tasks_report_at_once() {
    let next = Arc::new(AtomicU32::new(0));
    let crowd = move |_: NoArguments, cx: CallContext| {
        let next = Arc::clone(&next);
        async move {
            let report = |cx: CallContext| {
                let next = Arc::clone(&next);
                async move {
                    for _ in 0..500 {
                        cx.progress(next.fetch_add(1, Ordering::Relaxed).into(), None, "").await;
                    }
                }
            };
            let tasks: Vec<_> = (0..4).map(|_| tokio::spawn(report(cx.clone()))).collect();
            for task in tasks {
                task.await?;
            }
            Ok::<_, ToolError>("done")
        }
    };
    let tools = ToolRegistry::builder().tool("crowd", "", crowd).build().expect("a valid tool");
    let server = Server { tools, ..Server::new() };
    let post = Post::call_with_meta(Era::Legacy, "crowd", json!({}), json!({"progressToken": 7}));
    let mut events = server.send(post).await.events();
    assert_eq!(events.pop().expect("a result")["result"]["content"][0]["text"], "done");
    let values: Vec<_> = events.iter().map(|event| event["params"]["progress"].as_u64()).collect();
    assert!(values.is_sorted_by(|one, next| one < next), "{values:?}");
}

#[tokio::test]
async fn modern_clients_get_log_messages_from_the_level_they_name() {
    let server = Server::new();
    for (level, expected) in [
        (None, &[][..]),
        (Some("debug"), &["debug", "warning", "emergency"]),
        (Some("warning"), &["warning", "emergency"]),
        (Some("alert"), &["emergency"]),
    ] {
        let meta = level.map_or(json!({}), |level| json!({"io.modelcontextprotocol/logLevel": level}));
        let answer = server.send(Post::call_with_meta(Era::Modern, "log", json!({}), meta)).await;
        let messages = if expected.is_empty() { vec![answer.json()] } else { answer.events() };
        let levels: Vec<_> =
            messages.iter().filter_map(|message| message["params"]["level"].as_str()).collect();
        assert_eq!(levels, expected, "{level:?}");
    }
}

#[tokio::test]
async fn legacy_clients_get_every_log_message() {
    let server = Server::new();
    let events = server.send(Post::call(Era::Legacy, "log", json!({}))).await.events();
    let params: Vec<_> = events.iter().filter_map(|event| event.get("params").cloned()).collect();
    assert_eq!(
        params,
        [
            json!({"level": "debug", "data": "details"}),
            json!({"level": "warning", "logger": "disk", "data": {"left": 3}}),
            json!({"level": "emergency", "data": "fire"}),
        ]
    );
    let silent = Server::with(mcp_stateless::manager::ManagerBuilder::without_logging);
    assert_eq!(silent.send(Post::call(Era::Legacy, "log", json!({}))).await.tool_text(), "logged");
}

#[tokio::test]
async fn a_tool_waits_for_a_slow_reader_and_nothing_is_lost() {
    let server = Server::new();
    let steps = 20_000;
    let mut response = server.handle(progress(Era::Legacy, steps)).await;
    let mut text = String::new();
    let mut most_waiting = 0;
    while let Some(frame) = next_frame(&mut response).await {
        // Messages that the reader has not read yet are bounded.
        most_waiting = most_waiting.max(frame.len());
        text.push_str(&frame);
    }
    assert!(most_waiting < 65 * 1024, "{most_waiting} bytes waited");
    let events = events(&text);
    assert_eq!(events.len(), steps as usize + 1);
    let seen: Vec<_> =
        events[..steps as usize].iter().map(|event| event["params"]["progress"].as_u64()).collect();
    assert_eq!(seen, (1..=u64::from(steps)).map(Some).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_tool_does_not_run_ahead_of_a_reader_that_does_not_read() {
    let server = Server::new();
    let mut response = server.handle(progress(Era::Legacy, 1_000_000)).await;
    next_frame(&mut response).await.expect("a notification");
    let before = server.probe.sent();
    // The body is not polled, so the tool makes no progress.
    tokio::task::yield_now().await;
    assert_eq!(server.probe.sent(), before);
    assert!(before < 2_000);
}

#[tokio::test]
async fn no_header_of_a_request_is_in_its_response() {
    let server = Server::new();
    let add = || Post::call(Era::Legacy, "add", json!({"a": 1, "b": 2}));
    let of_events = &["cache-control", "content-type", "x-accel-buffering"][..];
    for (post, status, expected) in [
        (add(), 200, &["content-type"][..]),
        (add().header("accept", "text/event-stream"), 200, of_events),
        (progress(Era::Modern, 1), 200, of_events),
        (Post::raw(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#), 202, &[]),
        (Post::modern("nothing", json!({})), 404, &["content-type"]),
        (add().header("host", "evil.com"), 403, &["content-type"]),
        (add().method(Method::GET), 405, &["allow", "content-type"]),
    ] {
        let post = post.header("cookie", "a=b").line("x-secret", "one").line("x-secret", "two");
        let answer = server.send(post).await;
        let mut names: Vec<_> = answer.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        assert_eq!((answer.status.as_u16(), &names[..]), (status, expected));
    }
    // Nor does a large head leave much memory behind.
    let post = (0..60).fold(add(), |post, number| post.header(&format!("x-{number}"), "x"));
    assert!(server.handle(post).await.headers().capacity() < 30);
}

#[tokio::test]
async fn other_methods_are_not_allowed() {
    let server = Server::new();
    for method in [Method::HEAD, Method::PUT, Method::PATCH, Method::OPTIONS, Method::TRACE] {
        let answer = server.send(Post::raw("{}").method(method.clone())).await;
        assert_eq!(answer.error(), (405, -32600), "{method}");
        assert_eq!(answer.headers["allow"], "POST");
    }
}

#[tokio::test]
async fn error_replies_are_json_rpc_with_the_id_that_fits_the_revision() {
    let server = Server::new();
    for (version, expected) in [
        (None, Some(Value::Null)),
        (Some("2025-03-26"), Some(Value::Null)),
        (Some("2025-06-18"), Some(Value::Null)),
        (Some("2025-11-25"), None),
        (Some("2026-07-28"), None),
        (Some("1999-01-01"), None),
    ] {
        for (body, host) in [("{", "localhost"), ("{}", "evil.com")] {
            let mut post = Post::raw(body).header("host", host);
            if let Some(version) = version {
                post = post.header("mcp-protocol-version", version);
            }
            let answer = server.send(post).await.json();
            assert_eq!(answer["jsonrpc"], "2.0");
            assert_eq!(answer.get("id"), expected.as_ref(), "{version:?}");
        }
    }
    // A server of modern revisions only replies as they require.
    let modern = Server::with(|builder| builder.only(mcp_stateless::protocol::Era::Modern));
    assert_eq!(modern.send(Post::raw("{")).await.json().get("id"), None);
}
