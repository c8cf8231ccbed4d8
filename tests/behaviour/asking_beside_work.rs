//! Handlers that ask clients of 2026-07-28 while they do other work.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};
use mcp_stateless::ask::AskError;
use mcp_stateless::call::NoArguments;
use mcp_stateless::{CallContext, Tool, ToolRegistry};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::askers::{Name, accept, call, call_again, request};
use crate::site::Site;
use crate::support::{Era, Probe};

/// A server with one tool, `ask`, that counts its work in the probe.
fn site<F>(
    set: impl FnOnce(Tool) -> Tool,
    handler: impl Fn(CallContext, Probe) -> F + Clone + Send + Sync + 'static,
) -> (Site<ToolRegistry>, Probe)
where
    F: Future<Output = Result<String, AskError>> + Send + 'static,
{
    let probe = Probe::default();
    let done = probe.clone();
    let tool = Tool::new("ask", "", move |_: NoArguments, cx: CallContext| handler(cx, done.clone()));
    let tools = ToolRegistry::builder().register(set(tool)).build().expect("a valid tool");
    (Site::new(tools), probe)
}

async fn name(cx: &CallContext, key: &str) -> Result<String, AskError> {
    cx.elicit::<Name>(key, "Your name?").await.map(|it| it.name)
}

/// Calls the tool, and returns the keys of its questions and how long it took.
async fn ask(site: &Site<ToolRegistry>) -> (Vec<String>, Duration) {
    let start = Instant::now();
    let required = site.result(call(Era::Modern, "ask")).await;
    assert_eq!(required["resultType"], "input_required", "{required}");
    let questions = required["inputRequests"].as_object().expect("questions");
    (questions.keys().cloned().collect(), start.elapsed())
}

fn second(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_only_asks_ends_at_once() {
    let (plain, _) = site(|tool| tool, async |cx, _| name(&cx, "a").await);
    assert_eq!(ask(&plain).await, (vec!["a".to_owned()], Duration::ZERO));
    let (joined, _) = site(
        |tool| tool,
        async |cx, _| {
            let (a, b, c) = tokio::join!(name(&cx, "a"), name(&cx, "b"), async { name(&cx, "c").await });
            Ok(a? + &b? + &c?)
        },
    );
    assert_eq!(ask(&joined).await, (["a", "b", "c"].map(str::to_owned).to_vec(), Duration::ZERO));
    let (few, _) = site(
        |tool| tool,
        async |cx, _| {
            let keys = ["a", "b"];
            let names = futures_util::future::try_join_all(keys.map(|key| name(&cx, key))).await?;
            Ok(names.concat())
        },
    );
    assert_eq!(ask(&few).await, (["a", "b"].map(str::to_owned).to_vec(), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn work_beside_a_question_is_finished() {
    for set in [(|tool| tool) as fn(Tool) -> Tool, Tool::detached] {
        let (site, done) = site(set, async |cx, done| {
            let work = async {
                sleep(second(5)).await;
                drop(done.run());
                done.finish();
            };
            tokio::join!(name(&cx, "a"), work).0
        });
        let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
        let before = tasks();
        let (keys, took) = ask(&site).await;
        assert_eq!((keys, took.as_secs(), done.finished()), (vec!["a".to_owned()], 5, 1));
        sleep(Duration::from_millis(1)).await;
        assert_eq!(tasks(), before);
        // The next round does the work again.
        let required = site.result(call(Era::Modern, "ask")).await;
        let answers = json!({"a": accept(&json!({"name": "Ada"}))});
        assert_eq!(site.send(call_again("ask", &required, answers)).await.tool_text(), "Ada");
        assert_eq!(done.finished(), 3);
    }
}

#[tokio::test(start_paused = true)]
async fn work_beside_a_question_that_asks_as_well_is_asked_for_together() {
    let (site, _) = site(
        |tool| tool,
        async |cx, _| {
            let later = async {
                sleep(second(5)).await;
                name(&cx, "b").await
            };
            let (a, b) = tokio::join!(name(&cx, "a"), later);
            Ok(a? + &b?)
        },
    );
    let (keys, took) = ask(&site).await;
    assert_eq!((keys, took.as_secs()), (["a", "b"].map(str::to_owned).to_vec(), 5));
}

#[tokio::test(start_paused = true)]
async fn work_beside_a_question_may_report() {
    let (site, _) = site(
        |tool| tool,
        async |cx, _| {
            let work = async {
                for step in 1..=3_u8 {
                    sleep(second(1)).await;
                    cx.progress(f64::from(step), None, "").await;
                }
            };
            tokio::join!(name(&cx, "a"), work).0
        },
    );
    let params = json!({"name": "ask", "arguments": {}, "_meta": {"progressToken": "p"}});
    let events = site.send(request(Era::Modern, "tools/call", params)).await.events();
    let progress = events.iter().filter_map(|event| event["params"]["progress"].as_u64());
    assert_eq!(progress.collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(events[3]["result"]["resultType"], "input_required");
}

#[tokio::test(start_paused = true)]
async fn work_beside_a_question_that_never_ends_is_bounded() {
    let never = async |cx: CallContext, done: Probe| {
        let work = async {
            let running = done.run();
            let (_open, never) = tokio::sync::oneshot::channel::<()>();
            let _ = never.await;
            drop(running);
        };
        tokio::join!(name(&cx, "a"), work).0
    };
    for (set, bound) in [
        ((|tool| tool) as fn(Tool) -> Tool, 30),
        (|tool| tool.time_limit(Some(second(7))), 7),
        (|tool| tool.time_limit(Some(second(7))).detached(), 7),
        (|tool| tool.time_limit(None), 30),
    ] {
        let (site, done) = site(set, never);
        let (keys, took) = ask(&site).await;
        assert_eq!((keys, took.as_secs()), (vec!["a".to_owned()], bound));
        done.until(|done| done.running() == 0).await;
    }
}

#[tokio::test(start_paused = true)]
async fn questions_that_others_poll_end_the_call_soon() {
    let (unordered, _) = site(
        |tool| tool,
        async |cx, _| {
            let questions: FuturesUnordered<_> = ["a", "b"].map(|key| name(&cx, key)).into_iter().collect();
            let names: Vec<_> = questions.collect().await;
            names.into_iter().collect::<Result<Vec<_>, _>>().map(|names| names.concat())
        },
    );
    let (keys, took) = ask(&unordered).await;
    assert_eq!((keys, took.as_secs()), (["a", "b"].map(str::to_owned).to_vec(), 1));

    let (many, _) = site(
        |tool| tool,
        async |cx, _| {
            let questions = (0..100).map(|number| (cx.clone(), number.to_string()));
            let names = questions.map(|(cx, key)| async move { name(&cx, &key).await });
            futures_util::future::try_join_all(names).await.map(|names| names.concat())
        },
    );
    let (keys, took) = ask(&many).await;
    assert_eq!((keys.len(), took.as_secs()), (100, 1));

    let (spawned, _) = site(
        |tool| tool,
        async |cx, _| {
            let task = tokio::spawn(async move { name(&cx, "a").await });
            task.await.expect("no panic")
        },
    );
    let (keys, took) = ask(&spawned).await;
    assert_eq!((keys, took.as_secs()), (vec!["a".to_owned()], 1));

    // Work that wakes the handler meanwhile continues.
    let (busy, done) = site(
        |tool| tool,
        async |cx, done| {
            let questions: FuturesUnordered<_> = ["a", "b"].map(|key| name(&cx, key)).into_iter().collect();
            let work = async {
                for _ in 0..10 {
                    sleep(Duration::from_millis(900)).await;
                    done.finish();
                }
            };
            let (names, ()) = tokio::join!(questions.collect::<Vec<_>>(), work);
            names.into_iter().collect::<Result<Vec<_>, _>>().map(|names| names.concat())
        },
    );
    let (_, took) = ask(&busy).await;
    assert_eq!((done.finished(), took.as_secs()), (10, 10));
}

#[tokio::test(start_paused = true)]
async fn nobody_decides_without_the_answer_by_dropping_the_question() {
    let (site, done) = site(
        |tool| tool,
        async |cx, done| {
            let Ok(name) = tokio::time::timeout(second(5), name(&cx, "a")).await else {
                sleep(second(1)).await;
                done.finish();
                return Ok("nobody".to_owned());
            };
            name
        },
    );
    let (keys, took) = ask(&site).await;
    assert_eq!((keys, took.as_secs(), done.finished()), (vec!["a".to_owned()], 5, 0));
    let required = site.result(call(Era::Modern, "ask")).await;
    let answers = json!({"a": accept(&json!({"name": "Ada"}))});
    assert_eq!(site.send(call_again("ask", &required, answers)).await.tool_text(), "Ada");
    // Not even in the same poll.
    let (site, _) = self::site(
        |tool| tool,
        async |cx, _| {
            tokio::select! {
                name = name(&cx, "a") => name,
                () = sleep(second(2)) => Ok("nobody".to_owned()),
            }
        },
    );
    let (keys, took) = ask(&site).await;
    assert_eq!((keys, took.as_secs()), (vec!["a".to_owned()], 2));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_ends_the_question_and_the_work_beside_it() {
    let (site, done) = site(
        |tool| tool,
        async |cx, done| {
            let work = async {
                let running = done.run();
                sleep(second(20)).await;
                drop(running);
                done.finish();
            };
            tokio::join!(name(&cx, "a"), work).0
        },
    );
    let (registry, manager) = (Arc::new(site.registry), site.manager);
    let handling = manager.handle(call(Era::Modern, "ask").into_request(), &*registry);
    assert!(tokio::time::timeout(second(10), handling).await.is_err());
    assert_eq!((done.running(), done.finished()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_detached_handler_whose_client_leaves_goes_on_without_the_answer() {
    let (site, done) = site(Tool::detached, async |cx, done| {
        let work = async {
            sleep(second(20)).await;
            done.finish();
        };
        let (name, ()) = tokio::join!(name(&cx, "a"), work);
        assert!(matches!(name, Err(AskError::Ended)));
        done.finish();
        name
    });
    let handling = site.manager.handle(call(Era::Modern, "ask").into_request(), &site.registry);
    assert!(tokio::time::timeout(second(10), handling).await.is_err());
    sleep(second(15)).await;
    assert_eq!(done.finished(), 2);
}

#[tokio::test]
async fn questions_under_one_key_go_out_under_several_however_they_are_asked() {
    let (site, _) = site(
        |tool| tool,
        async |cx, _| {
            let names = tokio::join!(name(&cx, "a"), name(&cx, "a"), name(&cx, "a#2"));
            Ok([names.0?, names.1?, names.2?].join(" "))
        },
    );
    let required = site.result(call(Era::Modern, "ask")).await;
    let questions = required["inputRequests"].as_object().expect("questions");
    assert_eq!(questions.keys().collect::<Vec<_>>(), ["a", "a#2", "a#2#2"]);
    let answer = |name: &str| accept(&json!({"name": name}));
    let answers = json!({"a": answer("1"), "a#2": answer("2"), "a#2#2": answer("3")});
    assert_eq!(site.send(call_again("ask", &required, answers)).await.tool_text(), "1 2 3");
}

#[test]
fn outside_of_a_runtime_questions_that_others_poll_end_the_call_at_once() {
    let (site, _) = site(
        |tool| tool,
        async |cx, _| {
            let questions: FuturesUnordered<_> = ["a", "b"].map(|key| name(&cx, key)).into_iter().collect();
            questions.collect::<Vec<_>>().await.remove(0)
        },
    );
    let required = futures_util::FutureExt::now_or_never(site.result(call(Era::Modern, "ask")));
    assert_eq!(required.expect("at once")["resultType"], "input_required");
}
