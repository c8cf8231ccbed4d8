//! Bounds on the calls in flight, of each caller and of all.

use std::sync::Arc;
use std::time::Duration;

use mcp_stateless::ask::LocalAnswerGuard;
use mcp_stateless::call::NoArguments;
use mcp_stateless::changes::Changes;
use mcp_stateless::completion::Completing;
use mcp_stateless::manager::ManagerBuilder;
use mcp_stateless::registry::{Answer, ListRequest, Live, Page};
use mcp_stateless::{
    CallContext, Catalog, Prompt, PromptRegistry, Registry, Resource, ResourceRegistry, Tool, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::askers::{accept, askers, call, call_again};
use crate::listening::listen;
use crate::site::{Site, joined};
use crate::support::{Answer as Reply, Era, Post, Probe};

#[derive(Deserialize, JsonSchema)]
#[expect(dead_code, reason = "only completed")]
struct Choice {
    x: Option<String>,
}

/// A registry whose handlers wait for ever, except for that of the tool `quick`.
fn catalog(probe: &Probe) -> Catalog {
    let wait = |probe: &Probe| {
        let probe = probe.clone();
        move || {
            let running = probe.run();
            async move {
                std::future::pending::<()>().await;
                drop(running);
                String::new()
            }
        }
    };
    let (streaming, detached) = (probe.clone(), probe.clone());
    let tools = ToolRegistry::builder()
        .tool("wait", "", wait(probe))
        .tool("quick", "", async || "done")
        .tool("stream", "", move |_: NoArguments, cx: CallContext| {
            let running = streaming.run();
            async move {
                cx.progress(1.0, None, "").await;
                tokio::time::sleep(Duration::from_secs(60)).await;
                drop(running);
                "done"
            }
        })
        .register(
            Tool::new("detached", "", move || {
                let running = detached.run();
                async move {
                    tokio::time::sleep(Duration::from_secs(60)).await;
                    drop(running);
                }
            })
            .detached(),
        );
    let (slow, prompt) = (wait(probe), wait(probe));
    let prompt = Prompt::new("wait", "", move |_: Choice| prompt()).complete("x", move |_: Completing| {
        let waiting = slow();
        async move { vec![waiting.await] }
    });
    let resources = ResourceRegistry::builder().register(Resource::new("memo:wait", "wait", wait(probe)));
    let prompts = PromptRegistry::builder().register(prompt);
    joined(tools.build(), prompts.build(), resources.build())
}

struct Bounded {
    site: Arc<Site<Catalog>>,
    probe: Probe,
}

impl Bounded {
    fn with(set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Self {
        let probe = Probe::default();
        Self { site: Arc::new(Site::with(catalog(&probe), set)), probe }
    }

    /// Starts a call that waits, and returns once its handler runs.
    async fn start(&self, post: Post) -> JoinHandle<Reply> {
        let before = self.probe.running();
        let site = Arc::clone(&self.site);
        let started = tokio::spawn(async move { site.send(post).await });
        self.probe.until(|probe| probe.running() > before).await;
        started
    }

    async fn stop(&self, call: JoinHandle<Reply>) {
        let before = self.probe.running();
        call.abort();
        self.probe.until(|probe| probe.running() < before).await;
    }

    async fn quick(&self, era: Era, caller: Option<&str>) -> Reply {
        let post = Post::call(era, "quick", json!({}));
        self.site.send(caller.map_or_else(|| post.clone(), |caller| post.clone().of(caller))).await
    }
}

fn waiting(era: Era) -> Post {
    Post::call(era, "wait", json!({}))
}

#[track_caller]
fn assert_refused(answer: &Reply, error: (u16, i64), setting: &str) {
    assert_eq!(answer.error(), error, "{answer:?}");
    assert_eq!(answer.json()["id"], 1);
    assert_eq!(answer.headers["retry-after"], "1");
    assert!(answer.error_message().contains(setting), "{answer:?}");
}

#[tokio::test]
async fn a_caller_at_its_bound_is_refused_and_others_notice_nothing() {
    for era in Era::BOTH {
        let bounded = Bounded::with(|builder| builder.max_calls(16));
        let first = bounded.start(waiting(era).of("ada")).await;
        let _second = bounded.start(waiting(era).of("ada")).await;
        let refused = bounded.quick(era, Some("ada")).await;
        assert_refused(&refused, (429, -32600), "`max_calls_per_principal` setting allows 2");
        for other in [Some("bob"), None] {
            assert_eq!(bounded.quick(era, other).await.tool_text(), "done", "{other:?}");
        }
        bounded.stop(first).await;
        assert_eq!(bounded.quick(era, Some("ada")).await.tool_text(), "done");
        assert_eq!(bounded.quick(era, Some("ada")).await.tool_text(), "done", "a call that ended is over");
    }
}

#[tokio::test]
async fn when_all_places_are_taken_nobody_else_is_served_and_unknown_callers_have_their_own() {
    for era in Era::BOTH {
        let bounded = Bounded::with(|builder| builder.max_calls(2).max_calls_per_principal(2));
        let first = bounded.start(waiting(era).of("ada")).await;
        let _second = bounded.start(waiting(era).of("ada")).await;
        assert_refused(&bounded.quick(era, Some("bob")).await, (503, -32603), "`max_calls` setting allows 2");
        let _unknown = [bounded.start(waiting(era)).await, bounded.start(waiting(era)).await];
        assert_refused(&bounded.quick(era, None).await, (503, -32603), "`max_calls`");
        bounded.stop(first).await;
        assert_eq!(bounded.quick(era, Some("bob")).await.tool_text(), "done");
    }
}

#[tokio::test]
async fn callers_may_be_bounded_without_a_bound_on_all() {
    let bounded = Bounded::with(|builder| builder.max_calls_per_principal(1));
    let mut held = vec![bounded.start(waiting(Era::Modern).of("ada")).await];
    assert_eq!(bounded.quick(Era::Modern, Some("ada")).await.status, 429);
    for caller in ["bob", "eve", "joe"] {
        held.push(bounded.start(waiting(Era::Modern).of(caller)).await);
    }
    for _ in 0..20 {
        held.push(bounded.start(waiting(Era::Modern)).await);
    }
    assert_eq!(bounded.quick(Era::Modern, None).await.status, 200);
}

/// Whatever runs a handler counts; it is refused at the bound, and takes a place while it runs.
#[tokio::test]
async fn every_kind_of_call_counts() {
    let complete =
        json!({"ref": {"type": "ref/prompt", "name": "wait"}, "argument": {"name": "x", "value": ""}});
    for era in Era::BOTH {
        let kinds = [
            waiting(era),
            era.post("prompts/get", json!({"name": "wait"})),
            era.post("resources/read", json!({"uri": "memo:wait"})),
            era.post("completion/complete", complete.clone()),
        ];
        for kind in &kinds {
            let bounded = Bounded::with(|builder| builder.max_calls_per_principal(1));
            let running = bounded.start(kind.clone().of("ada")).await;
            for other in &kinds {
                assert_eq!(bounded.site.send(other.clone().of("ada")).await.status, 429);
            }
            for list in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
                assert_eq!(bounded.site.send(era.post(list, json!({})).of("ada")).await.status, 429);
            }
            bounded.stop(running).await;
            assert_eq!(bounded.quick(era, Some("ada")).await.status, 200);
        }
    }
}

/// A registry whose list is never there.
struct Slow(Probe);

impl Registry for Slow {
    fn capabilities(&self) -> mcp_stateless::protocol::ServerCapabilities {
        mcp_stateless::protocol::ServerCapabilities::TOOLS
    }

    fn list_tools(&self, _: ListRequest<'_>) -> Answer<'_, Page> {
        let running = self.0.run();
        Answer::later(async move {
            std::future::pending::<()>().await;
            drop(running);
            Ok(Page::default())
        })
    }
}

#[tokio::test]
async fn a_list_that_is_late_counts_while_it_is_awaited() {
    let probe = Probe::default();
    let site = Arc::new(Site::with(Slow(probe.clone()), |builder| builder.max_calls_per_principal(1)));
    let list = || Post::modern("tools/list", json!({})).of("ada");
    let late = tokio::spawn({
        let site = Arc::clone(&site);
        async move { site.send(list()).await }
    });
    probe.until(|probe| probe.running() == 1).await;
    assert_eq!(site.send(list()).await.status, 429);
    late.abort();
    probe.until(|probe| probe.running() == 0).await;
    let unanswered = tokio::time::timeout(Duration::from_millis(1), site.send(list())).await;
    assert!(unanswered.is_err(), "{unanswered:?}");
}

#[tokio::test]
async fn what_runs_no_handler_is_served_at_the_bound() {
    let bounded = Bounded::with(|builder| builder.max_calls_per_principal(1));
    let _running = bounded.start(waiting(Era::Legacy).of("ada")).await;
    let initialize = json!({"protocolVersion": "2025-11-25", "capabilities": {}});
    for (post, status) in [
        (Post::legacy("ping", &json!({})), 200),
        (Post::legacy("initialize", &initialize), 200),
        (Post::modern("server/discover", json!({})), 200),
        (Post::raw(r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#), 202),
        (Post::modern("no/such/method", json!({})), 404),
    ] {
        assert_eq!(bounded.site.send(post.of("ada")).await.status, status);
    }
    let live = Live::new(ToolRegistry::builder().build().expect("no tools"), Changes::in_process());
    let site = Site::with(live, |builder| builder.join(&bounded.site.manager));
    let mut listener = site.open(listen(&json!({})).of("ada")).await;
    assert_eq!(listener.message().await["method"], "notifications/subscriptions/acknowledged");
}

#[tokio::test]
async fn each_request_of_a_batch_counts_and_those_of_others_run() {
    let batch = |tools: &[&str]| {
        let message = |(id, tool): (usize, &&str)| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool, "arguments": {}}});
        let messages: Vec<Value> = tools.iter().enumerate().map(message).collect();
        Post::raw(json!(messages).to_string())
    };
    let bounded = Bounded::with(|builder| builder.max_calls_per_principal(3));
    let _waiting = bounded.start(waiting(Era::Legacy).of("ada")).await;
    let site = Arc::clone(&bounded.site);
    let ada =
        tokio::spawn(async move { site.send(batch(&["wait", "wait", "wait", "quick"]).of("ada")).await });
    bounded.probe.until(|probe| probe.running() == 3).await;

    // Others run all of theirs; calls that are over at once make room for one another.
    let bob = bounded.site.send(batch(&["quick"; 9]).of("bob")).await;
    let replies = bob.json();
    assert!(replies.as_array().expect("a batch").iter().all(|reply| reply["result"].is_object()), "{bob:?}");
    ada.abort();
    bounded.probe.until(|probe| probe.running() == 1).await;

    // Two run, and the rest is refused; the reply has the status of a batch.
    let site = Arc::clone(&bounded.site);
    let mut held = Vec::new();
    for _ in 0..2 {
        held.push(bounded.start(waiting(Era::Legacy).of("ada")).await);
    }
    let refused = site.send(batch(&["quick", "quick"]).of("ada")).await;
    assert_eq!(refused.status, 200);
    for (id, reply) in refused.json().as_array().expect("a batch").iter().enumerate() {
        assert_eq!((&reply["id"], &reply["error"]["code"]), (&json!(id), &json!(-32600)), "{reply}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_streams_counts_until_its_handler_has_ended_or_its_client_has_left() {
    for era in Era::BOTH {
        let bounded = Bounded::with(|builder| builder.max_calls_per_principal(1));
        let stream = || {
            let meta = json!({"progressToken": 1});
            Post::call_with_meta(era, "stream", json!({}), meta).of("ada")
        };
        let mut wire = bounded.site.open(stream()).await;
        assert_eq!(wire.message().await["method"], "notifications/progress");
        assert_eq!(bounded.quick(era, Some("ada")).await.status, 429);
        assert_eq!(wire.message().await["result"]["content"][0]["text"], "done");
        // The stream is still there, but its handler has ended.
        assert_eq!(bounded.quick(era, Some("ada")).await.status, 200);
        drop(wire);

        let mut wire = bounded.site.open(stream()).await;
        wire.message().await;
        assert_eq!(bounded.quick(era, Some("ada")).await.status, 429);
        drop(wire);
        assert_eq!(bounded.quick(era, Some("ada")).await.status, 200);
    }
}

#[tokio::test(start_paused = true)]
async fn a_detached_call_counts_until_its_task_has_ended_even_if_its_client_has_left() {
    let bounded = Bounded::with(|builder| builder.max_calls_per_principal(1));
    let call = bounded.start(Post::call(Era::Modern, "detached", json!({})).of("ada")).await;
    call.abort();
    assert!(call.await.is_err());
    assert_eq!(bounded.quick(Era::Modern, Some("ada")).await.status, 429);
    bounded.probe.until(|probe| probe.running() == 0).await;
    while bounded.quick(Era::Modern, Some("ada")).await.status == 429 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_caller_at_its_bound_can_answer_the_question_that_its_call_waits_for() {
    let (catalog, _) = askers();
    let site = Site::with(catalog, |builder| builder.max_calls_per_principal(1));
    let mut wire = site.open(call(Era::Legacy, "greet").of("ada")).await;
    let question = wire.message().await;
    assert_eq!(site.send(call(Era::Legacy, "greet").of("ada")).await.status, 429);
    let result = accept(&json!({"name": "Ada"}));
    let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": result});
    assert_eq!(site.send(Post::raw(answer.to_string()).of("ada")).await.status, 202);
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Hello, Ada");
}

#[tokio::test]
async fn a_question_of_the_modern_era_ends_its_call_and_the_answer_begins_another() {
    for guarded in [false, true] {
        let (catalog, _) = askers();
        let site = Site::with(catalog, |builder| {
            let builder = builder.max_calls_per_principal(1);
            if guarded { builder.answer_guard(LocalAnswerGuard::new()) } else { builder }
        });
        let required = site.result(call(Era::Modern, "greet").of("ada")).await;
        assert_eq!(required["resultType"], "input_required");
        let again = site.result(call(Era::Modern, "greet").of("ada")).await;
        assert_eq!(again["resultType"], "input_required");
        let answers = json!({"name": accept(&json!({"name": "Ada"}))});
        let answered = site.send(call_again("greet", &required, answers).of("ada")).await;
        assert_eq!(answered.tool_text(), "Hello, Ada");
    }
}

#[tokio::test]
async fn joined_managers_share_the_bound() {
    let bounded = Bounded::with(|builder| builder.max_calls_per_principal(1));
    let joined = Site::with(catalog(&Probe::default()), |builder| {
        builder.max_calls_per_principal(100).join(&bounded.site.manager)
    });
    let running = bounded.start(waiting(Era::Modern).of("ada")).await;
    let quick = || Post::call(Era::Modern, "quick", json!({})).of("ada");
    assert_eq!(joined.send(quick()).await.status, 429);
    bounded.stop(running).await;
    assert_eq!(joined.send(quick()).await.status, 200);
}
