//! Who counts what happens: the `Observer`.

use std::fmt::Write as _;
use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use mcp_stateless::changes::Changes;
use mcp_stateless::manager::Refusal;
use mcp_stateless::observe::{EndedRequest, Observer, QuestionEnd, RefusalKind, StreamKind, TaskEnd, names};
use mcp_stateless::registry::Live;
use serde_json::json;

use crate::askers::{accept, askers, call};
use crate::auth::{issuer::Issuer, server::Protected};
use crate::listening::listen;
use crate::log::Log;
use crate::site::Site;
use crate::support::{Answer, Era, Post, Server};

/// Writes down what it hears, one line for each.
#[derive(Clone, Default)]
pub(crate) struct Notes(Arc<Mutex<String>>);

impl Notes {
    fn note(&self, line: &str) {
        writeln!(self.0.lock().expect("no panic"), "{line}").expect("a string takes everything");
    }

    pub(crate) fn take(&self) -> String {
        std::mem::take(&mut *self.0.lock().expect("no panic"))
    }

    /// Waits until this has been written down.
    pub(crate) async fn until(&self, line: &str) {
        while !self.0.lock().expect("no panic").contains(line) {
            tokio::task::yield_now().await;
        }
    }
}

impl Observer for Notes {
    fn request_started(&self, method: &'static str) {
        self.note(&format!("started {method}"));
    }

    fn request_ended(&self, request: &EndedRequest<'_>) {
        let EndedRequest { method, target, revision, end, duration, .. } = request;
        let target = target.map(|target| format!("{target:?} ")).unwrap_or_default();
        self.note(&format!("ended {method} {target}{} {} {duration:?}", revision.as_str(), end.as_str()));
    }

    fn request_refused(&self, refusal: RefusalKind) {
        self.note(&format!("refused {}", refusal.as_str()));
    }

    fn stream_opened(&self, kind: StreamKind) {
        self.note(&format!("opened {}", kind.as_str()));
    }

    fn stream_closed(&self, kind: StreamKind) {
        self.note(&format!("closed {}", kind.as_str()));
    }

    fn question_parked(&self) {
        self.note("parked");
    }

    fn question_ended(&self, end: QuestionEnd) {
        self.note(&format!("question {}", end.as_str()));
    }

    fn task_started(&self) {
        self.note("task started");
    }

    fn task_ended(&self, end: TaskEnd) {
        self.note(&format!("task {}", end.as_str()));
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_is_counted_with_its_end_and_its_duration() {
    let notes = Notes::default();
    let server = Server::with(|builder| builder.observer(notes.clone()));
    for (post, lines) in [
        (
            Post::call(Era::Modern, "add", json!({"a": 1, "b": 2})),
            "started tools/call\nended tools/call Tool(\"add\") 2026-07-28 success 0ns\n",
        ),
        (
            Post::call(Era::Legacy, "fail", json!({})),
            "started tools/call\nended tools/call Tool(\"fail\") 2025-03-26 tool_error 0ns\n",
        ),
        (
            Post::call(Era::Legacy, "wait_briefly", json!({})),
            "started tools/call\nended tools/call Tool(\"wait_briefly\") 2025-03-26 tool_error 7s\n",
        ),
        (
            Post::call_with_meta(Era::Modern, "slow_progress", json!({}), json!({"progressToken": 1})),
            "started tools/call\nopened call\n\
             ended tools/call Tool(\"slow_progress\") 2026-07-28 success 60s\nclosed call\n",
        ),
        // Names that clients invent would make as many metrics.
        (
            Post::call(Era::Modern, "made_up", json!({})),
            "started tools/call\nended tools/call 2026-07-28 error 0ns\n",
        ),
        (Post::legacy("made/up", &json!({})), "started _OTHER\nended _OTHER 2025-03-26 error 0ns\n"),
        (Post::legacy("ping", &json!({})), "started ping\nended ping 2025-03-26 success 0ns\n"),
        (Post::raw(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#), ""),
    ] {
        server.send(post).await;
        assert_eq!(notes.take(), lines);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_its_request() {
    let notes = Notes::default();
    let server = Server::with(|builder| builder.observer(notes.clone()));
    {
        let mut handling = std::pin::pin!(server.handle(Post::call(Era::Modern, "wait", json!({}))));
        poll_fn(|cx| {
            assert!(handling.as_mut().poll(cx).is_pending());
            Poll::Ready(())
        })
        .await;
        tokio::time::advance(Duration::from_secs(3)).await;
    }
    assert_eq!(notes.take(), "started tools/call\nended tools/call Tool(\"wait\") 2026-07-28 cancelled 3s\n");
}

#[tokio::test(start_paused = true)]
async fn listeners_are_streams_and_end_well() {
    let notes = Notes::default();
    let tools = Live::new(Server::new().tools, Changes::in_process());
    let site = Site::with(tools, |builder| builder.observer(notes.clone()).max_listeners(1));
    let wire = site.open(listen(&json!({"toolsListChanged": true}))).await;
    assert_eq!(notes.take(), "started subscriptions/listen\nopened subscription\n");
    site.send(listen(&json!({"toolsListChanged": true}))).await;
    assert_eq!(
        notes.take(),
        "started subscriptions/listen\nrefused too_many_listeners\nended subscriptions/listen 2026-07-28 error 0ns\n"
    );
    tokio::time::advance(Duration::from_secs(5)).await;
    drop(wire);
    assert_eq!(notes.take(), "closed subscription\nended subscriptions/listen 2026-07-28 success 5s\n");
}

#[tokio::test(start_paused = true)]
async fn refusals_are_counted_by_kind() {
    let notes = Notes::default();
    let server = Server::with(|builder| builder.observer(notes.clone()).max_body_size(1000));
    let ping = || Post::legacy("ping", &json!({}));
    let modern = || Post::modern("server/discover", json!({}));
    for (post, kind) in [
        (ping().header("host", "evil.example.com"), "host"),
        (ping().header("origin", "https://evil.example.com"), "origin"),
        (ping().method(http::Method::GET), "http_method"),
        (ping().header("accept", "text/html"), "accept"),
        (ping().header("content-type", "text/plain"), "content_type"),
        (ping().body("x".repeat(1001)), "body_too_large"),
        (ping().body("{"), "not_json"),
        (ping().body("{}"), "invalid_request"),
        (Post::raw(r#"{"jsonrpc":"2.0","id":1,"result":{}}"#), "invalid_request"),
        (ping().header("mcp-protocol-version", "1999-01-01"), "unsupported_version"),
        (modern().header("mcp-method", "ping"), "header_mismatch"),
        (modern().edit("clientCapabilities", "clientNothing"), "invalid_meta"),
    ] {
        server.send(post).await;
        assert_eq!(notes.take(), format!("refused {kind}\n"));
    }
    for (status, kind) in [(401, "unauthorized"), (403, "forbidden"), (404, "by_host")] {
        let status = http::StatusCode::from_u16(status).expect("a status");
        let refuse =
            |_: &_| std::future::ready(Err::<mcp_stateless::ToolRegistry, _>(Refusal::new(status, "no")));
        Answer::read(server.manager.handle_with(ping().into_request(), refuse).await).await;
        assert_eq!(notes.take(), format!("refused {kind}\n"));
    }
    server.manager.shut_down(Duration::ZERO).await;
    server.send(ping()).await;
    assert_eq!(notes.take(), "refused shutting_down\n");
}

#[tokio::test]
async fn refusals_of_tokens_and_paths_are_counted() {
    let (notes, issuer) = (Notes::default(), Issuer::new());
    let tools = Server::new().tools;
    let protected = Protected::of(
        tools.clone(),
        &issuer,
        issuer.verifier(),
        |server| server,
        |builder| builder.observer(notes.clone()),
    );
    assert_eq!(protected.status("no-token").await, 401);
    assert_eq!(notes.take(), "refused unauthorized\n");

    let mut service = protected.manager.service(tools).at("/other");
    let request = Post::legacy("ping", &json!({})).into_request();
    let response = tower_service::Service::call(&mut service, request).await.expect("infallible");
    assert_eq!((response.status().as_u16(), &*notes.take()), (404, "refused path\n"));
}

#[tokio::test(start_paused = true)]
async fn parked_questions_are_counted_with_how_they_end() {
    let notes = Notes::default();
    let site = Site::with(askers().0, |builder| {
        builder.observer(notes.clone()).answer_timeout(Duration::from_secs(40))
    });
    let parked = "started tools/call\nparked\nopened call\n";

    let mut wire = site.open(call(Era::Legacy, "greet")).await;
    let question = wire.message().await;
    assert_eq!(notes.take(), parked);
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": accept(&json!({"name": "Ada"}))});
    site.send(Post::raw(answer.to_string())).await;
    while wire.next().await.is_some() {}
    drop(wire);
    let rest = notes.take();
    assert!(
        rest.starts_with("question answered\nended tools/call") && rest.ends_with("closed call\n"),
        "{rest}"
    );

    let mut wire = site.open(call(Era::Legacy, "hold")).await;
    while wire.next().await.is_some() {}
    drop(wire);
    let rest = notes.take();
    assert!(rest.starts_with(parked) && rest.contains("\nquestion timed_out\n"), "{rest}");

    let mut wire = site.open(call(Era::Legacy, "hold")).await;
    wire.message().await;
    drop(wire);
    let rest = notes.take();
    assert!(rest.contains("\nquestion abandoned\n") && rest.contains("cancelled"), "{rest}");
}

/// Panics at every turn.
struct Broken;

impl Observer for Broken {
    fn request_started(&self, _: &'static str) {
        panic!("secret");
    }

    fn request_ended(&self, _: &EndedRequest<'_>) {
        panic!("secret");
    }

    fn request_refused(&self, _: RefusalKind) {
        panic!("secret");
    }

    fn stream_closed(&self, _: StreamKind) {
        panic!("secret");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_observer_breaks_no_request() {
    let (server, log) = (Server::with(|builder| builder.observer(Broken)), Log::default());
    let guard = log.keep();
    let post = Post::call_with_meta(Era::Modern, "slow_progress", json!({}), json!({"progressToken": 1}));
    assert_eq!(server.send(post).await.events().len(), 2);
    assert_eq!(server.send(Post::raw("{")).await.status, 400);
    drop(guard);
    assert_eq!(log.text().matches("the observer panicked").count(), 4, "{}", log.text());
    assert!(!log.text().contains("secret"), "{}", log.text());
}

#[test]
fn buckets_grow() {
    assert!(names::DURATION_BUCKETS.is_sorted_by(|one, other| one < other));
}
