//! Asking a client of an earlier revision: the question is sent on the stream of its call, and the
//! answer is a separate request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mcp_stateless::Catalog;
use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::{ChangeBus, LocalBus, Reach, Subscription};
use mcp_stateless::manager::ManagerBuilder;
use serde_json::{Value, json};

use crate::askers::{GREETERS, Seen, accept, askers, call, name_question, request};
use crate::log::Log;
use crate::site::{Site, Wire};
use crate::support::{Answer, Era, Post};

/// A bus that records its subscriptions.
#[derive(Clone, Default)]
struct Spy {
    bus: LocalBus,
    topics: Arc<Mutex<Vec<String>>>,
}

impl ChangeBus for Spy {
    fn publish(&self, topic: &str, message: Bytes) -> Reach {
        self.bus.publish(topic, message)
    }

    fn subscribe(&self, topic: &str) -> Subscription {
        self.topics.lock().expect("not poisoned").push(topic.to_owned());
        self.bus.subscribe(topic)
    }
}

impl Spy {
    fn topics(&self) -> Vec<String> {
        self.topics.lock().expect("not poisoned").clone()
    }

    /// Returns whether none of its subscriptions is still open.
    fn is_idle(&self) -> bool {
        let topics = self.topics();
        assert!(!topics.is_empty(), "nobody ever listened");
        topics.iter().all(|topic| self.bus.publish(topic, Bytes::new()) == Reach::Nobody)
    }
}

fn site(bus: &Spy) -> Site<Catalog> {
    site_with(bus, |builder| builder).0
}

fn site_with(bus: &Spy, set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> (Site<Catalog>, Seen) {
    let (catalog, seen) = askers();
    (Site::with(catalog, |builder| set(builder.answer_bus(Arc::new(bus.clone())))), seen)
}

/// The next message of a stream, which must be a question, and its id.
async fn question(wire: &mut Wire) -> (Value, String) {
    let mut question = wire.message().await;
    let id = question["id"].take();
    (question, id.as_str().expect("a text").to_owned())
}

/// A client's answer.
fn answer(id: &str, result: &Value) -> Post {
    Post::raw(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
}

fn ada() -> Value {
    accept(&json!({"name": "Ada"}))
}

fn assert_accepted(answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.body.len()), (202, 0), "{answer:?}");
}

fn assert_unexpected(answer: &Answer) {
    assert_eq!(answer.error(), (400, -32600));
    assert!(answer.error_message().contains("sent no request"), "{answer:?}");
}

#[tokio::test]
async fn a_question_goes_out_on_the_stream_of_the_call_and_the_answer_finds_it() {
    let bus = Spy::default();
    let site = site(&bus);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        for (method, key, target, text) in GREETERS {
            let post = request(Era::Legacy, method, json!({key: target}));
            let mut wire = site.open(post.header("mcp-protocol-version", version)).await;
            assert_eq!((wire.status.as_u16(), wire.header("content-type")), (200, "text/event-stream"));
            let (question, id) = question(&mut wire).await;
            let mut expected = name_question();
            expected["jsonrpc"] = "2.0".into();
            expected["id"] = Value::Null;
            assert_eq!(question, expected);
            assert_accepted(&site.send(answer(&id, &ada()).header("mcp-protocol-version", version)).await);
            let result = wire.message().await;
            assert_eq!(result["id"], 1);
            assert_eq!(result["result"].pointer(text), Some(&json!("Hello, Ada")), "{result}");
            assert_eq!(wire.next().await, None);
            assert_unexpected(&site.send(answer(&id, &ada())).await);
        }
    }
    assert!(bus.is_idle());
}

#[tokio::test]
async fn nobody_can_guess_the_id_of_a_question() {
    let site = site(&Spy::default());
    let mut ids = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut wire = site.open(call(Era::Legacy, "greet")).await;
        let (_, id) = question(&mut wire).await;
        // The last 128 bits are random.
        assert!(id.len() >= 21 + 32, "{id}");
        ids.insert(id);
    }
    assert_eq!(ids.len(), 20);
    for place in 0..id_length(&ids) {
        let differ = ids.iter().map(|id| id.as_bytes()[place]).collect::<std::collections::BTreeSet<_>>();
        // They follow a prefix and the id of the replica.
        assert!(place < 21 || differ.len() > 1, "place {place} is always the same");
    }
}

fn id_length(ids: &std::collections::BTreeSet<String>) -> usize {
    ids.first().expect("an id").len()
}

#[tokio::test]
async fn several_questions_are_answered_in_any_order() {
    let site = site(&Spy::default());
    let mut wire = site.open(call(Era::Legacy, "both")).await;
    let ((first, name_id), (second, roots_id)) = (question(&mut wire).await, question(&mut wire).await);
    assert_eq!((&first["method"], &second["method"]), (&json!("elicitation/create"), &json!("roots/list")));
    let roots = json!({"roots": [{"uri": "file:///a"}]});
    assert_accepted(&site.send(answer(&roots_id, &roots)).await);
    assert_accepted(&site.send(answer(&name_id, &ada())).await);
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Ada in file:///a");
}

#[tokio::test]
async fn a_question_that_follows_from_an_answer_is_a_new_one() {
    let site = site(&Spy::default());
    let mut wire = site.open(call(Era::Legacy, "until")).await;
    for age in [-1, -2, 3] {
        let (question, id) = question(&mut wire).await;
        assert_eq!(question["params"]["message"], "Your age?");
        site.send(answer(&id, &accept(&json!({"age": age})))).await;
    }
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "3");
}

#[tokio::test]
async fn a_page_to_visit_has_an_id() {
    let site = site(&Spy::default());
    let mut wire = site.open(call(Era::Legacy, "url")).await;
    let (question, id) = question(&mut wire).await;
    let expected =
        json!({"mode": "url", "message": "Log in", "url": "https://example.com/login", "elicitationId": id});
    assert_eq!(question["params"], expected);
    site.send(answer(&id, &json!({"action": "accept"}))).await;
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "gone there");
}

#[tokio::test]
async fn the_answer_of_another_caller_is_none() {
    let bus = Spy::default();
    let site = site(&bus);
    for (asked, strangers) in [(Some("ada"), [Some("bob"), None]), (None, [Some("bob"), Some("")])] {
        let of = |post: Post, caller: Option<&str>| match caller {
            Some(caller) => post.of(caller),
            None => post,
        };
        let mut wire = site.open(of(call(Era::Legacy, "greet"), asked)).await;
        let (_, id) = question(&mut wire).await;
        for stranger in strangers {
            site.send(of(answer(&id, &accept(&json!({"name": "Mallory"}))), stranger)).await;
        }
        assert_accepted(&site.send(of(answer(&id, &ada()), asked)).await);
        assert_eq!(wire.message().await["result"]["content"][0]["text"], "Hello, Ada");
    }
}

#[tokio::test]
async fn an_answer_to_nothing_is_refused() {
    let site = site(&Spy::default());
    let mut wire = site.open(call(Era::Legacy, "greet")).await;
    let (_, id) = question(&mut wire).await;
    let other = format!("{}{}", &id[..id.len() - 1], if id.ends_with('0') { "1" } else { "0" });
    for stranger in [other.as_str(), "ask-", "", "1", &id[4..], &id.to_uppercase()] {
        let answer = site.send(answer(stranger, &ada())).await;
        assert_unexpected(&answer);
        assert_eq!(answer.json()["id"], *stranger);
    }
    // Clients of 2026-07-28 are not asked like this.
    let post = answer(&id, &ada()).header("mcp-protocol-version", "2026-07-28");
    assert_unexpected(&site.send(post).await);
    let post = answer(&id, &ada()).header("mcp-protocol-version", "1999-01-01");
    assert_eq!(site.send(post).await.error(), (400, -32022));
}

#[tokio::test]
async fn what_the_client_answers_instead_is_told_to_the_model() {
    let site = site(&Spy::default());
    for (member, value, words) in [
        ("error", json!({"code": -32601, "message": "No forms here"}), "No forms here"),
        ("error", json!("no"), "is not valid"),
        ("result", json!({"action": "decline"}), "The user declined"),
        ("result", json!({"action": "cancel"}), "The user cancelled"),
        ("result", json!({"action": "accept", "content": {"name": 7}}), "is not valid"),
        ("result", json!(null), "is not valid"),
        ("result", json!("Ada"), "is not valid"),
    ] {
        for (method, key, target, _) in GREETERS {
            let mut wire = site.open(request(Era::Legacy, method, json!({key: target}))).await;
            let (_, id) = question(&mut wire).await;
            let mut response = json!({"jsonrpc": "2.0", "id": id});
            response[member] = value.clone();
            assert_accepted(&site.send(Post::raw(response.to_string())).await);
            let end = wire.message().await;
            let told = if method == "tools/call" {
                assert_eq!(end["result"]["isError"], true, "{end}");
                &end["result"]["content"][0]["text"]
            } else {
                &end["error"]["message"]
            };
            assert!(told.as_str().is_some_and(|told| told.contains(words)), "{end}");
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_no_stream_is_told_so_at_once() {
    let site = site(&Spy::default());
    for (method, key, target, _) in GREETERS {
        let post = request(Era::Legacy, method, json!({key: target})).header("accept", "application/json");
        let answer = site.send(post).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.content_type(), "application/json");
        assert!(answer.text().contains("cannot be asked") && answer.text().contains("text/event-stream"));
        assert_eq!(answer.json()["result"]["isError"] == true, method == "tools/call");
    }
}

#[tokio::test]
async fn no_more_calls_wait_than_may() {
    let bus = Spy::default();
    let (site, seen) = site_with(&bus, |builder| builder.max_parked(2));
    let mut first = site.open(call(Era::Legacy, "hold")).await;
    let (_, id) = question(&mut first).await;
    let mut second = site.open(call(Era::Legacy, "hold")).await;
    question(&mut second).await;
    let refused = site.send(call(Era::Legacy, "hold")).await;
    assert_eq!(refused.json()["result"]["isError"], true);
    assert!(refused.tool_text().contains("`max_parked`"), "{refused:?}");
    // An answer makes room, and so does a client that leaves.
    assert_eq!(seen.probe.running(), 2);
    drop(second);
    assert_eq!(seen.probe.running(), 1);
    let mut third = site.open(call(Era::Legacy, "hold")).await;
    question(&mut third).await;
    site.send(answer(&id, &ada())).await;
    first.message().await;
    let mut fourth = site.open(call(Era::Legacy, "hold")).await;
    question(&mut fourth).await;
    assert!(site.send(call(Era::Legacy, "hold")).await.tool_text().contains("`max_parked`"));
    drop((first, third, fourth));
    assert!(bus.is_idle() && seen.probe.running() == 0);
}

#[tokio::test]
async fn no_caller_takes_the_places_of_others() {
    let (site, _) = site_with(&Spy::default(), |builder| builder.max_parked(16));
    let mut waiting = Vec::new();
    let mut ask = async |caller: Option<&str>| {
        let post = call(Era::Legacy, "hold");
        let mut wire = site.open(caller.map_or_else(|| post.clone(), |caller| post.clone().of(caller))).await;
        if wire.header("content-type") != "text/event-stream" {
            return wire.text().await;
        }
        question(&mut wire).await;
        waiting.push(wire);
        String::new()
    };
    for _ in 0..2 {
        assert_eq!(ask(Some("ada")).await, "");
    }
    let refused = ask(Some("ada")).await;
    assert!(
        refused.contains("`max_parked_per_principal`") && refused.contains("\"isError\":true"),
        "{refused}"
    );
    // Other callers are not affected, and anonymous callers have separate places.
    for _ in 0..16 {
        assert_eq!(ask(None).await, "");
    }
    assert!(ask(None).await.contains("`max_parked`"));
    assert_eq!(ask(Some("bob")).await, "");
}

#[tokio::test]
async fn a_server_that_asks_unknown_callers_warns_of_it_once() {
    let asked = async |era, caller: Option<&str>| {
        let log = Log::default();
        let (site, _) = site_with(&Spy::default(), |builder| builder.state_keys(StateKeys::new([7; 32])));
        let guard = log.keep();
        for _ in 0..3 {
            let post = call(era, "greet");
            let post = caller.map_or_else(|| post.clone(), |caller| post.clone().of(caller));
            site.open(post).await;
        }
        drop(guard);
        log.text().matches("`Principal`").count()
    };
    for era in Era::BOTH {
        assert_eq!((asked(era, None).await, asked(era, Some("ada")).await), (1, 0), "{era:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_does_not_wait_for_ever() {
    let bus = Spy::default();
    let (site, seen) = site_with(&bus, |builder| builder.answer_timeout(Duration::from_secs(40)));
    let mut wire = site.open(call(Era::Legacy, "hold")).await;
    let (_, id) = question(&mut wire).await;
    let start = tokio::time::Instant::now();
    // Meanwhile the stream is kept alive.
    for _ in 0..2 {
        assert_eq!(wire.block().await.as_deref(), Some(":\n\n"));
    }
    let end = wire.message().await;
    assert_eq!(start.elapsed().as_secs(), 40);
    assert_eq!(end["result"]["isError"], true);
    assert!(
        end["result"]["content"][0]["text"].as_str().is_some_and(|it| it.contains("within 40s")),
        "{end}"
    );
    assert_unexpected(&site.send(answer(&id, &ada())).await);
    assert!(bus.is_idle() && seen.probe.running() == 0);
}

#[tokio::test]
async fn nothing_remains_of_a_client_that_leaves() {
    let bus = Spy::default();
    let (site, seen) = site_with(&bus, |builder| builder);
    let mut wire = site.open(call(Era::Legacy, "hold")).await;
    let (_, id) = question(&mut wire).await;
    assert!(!bus.is_idle());
    drop(wire);
    assert!(bus.is_idle() && seen.probe.running() == 0);
    assert_unexpected(&site.send(answer(&id, &ada())).await);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_asks_apart_from_its_call_ends_with_it() {
    let bus = Spy::default();
    let (site, seen) = site_with(&bus, |builder| builder);
    let mut wire = site.open(call(Era::Legacy, "spawn")).await;
    question(&mut wire).await;
    let start = tokio::time::Instant::now();
    drop(wire);
    seen.probe.until(|_| seen.outcomes().len() == 1).await;
    assert!(start.elapsed() < Duration::from_secs(1), "it waited for {:?}", start.elapsed());
    assert_eq!(site.send(call(Era::Legacy, "spawn_and_end")).await.tool_text(), "ended");
    seen.probe.until(|_| seen.outcomes().len() == 2).await;
    assert_eq!(seen.outcomes(), ["The call has ended"; 2]);
    assert!(bus.is_idle());
}

#[tokio::test]
async fn an_answer_finds_its_call_on_another_replica() {
    let bus = Spy::default();
    let (one, other, stranger) = (site(&bus), site(&bus), site(&Spy::default()));
    let mut wire = one.open(call(Era::Legacy, "rounds")).await;
    let (_, id) = question(&mut wire).await;
    // A replica that does not share the bus says what is wrong.
    let lost = stranger.send(answer(&id, &ada())).await;
    assert_eq!(lost.error(), (400, -32600));
    assert!(lost.error_message().contains("`answer_bus`"), "{lost:?}");
    assert_accepted(&other.send(answer(&id, &ada())).await);
    let (second, id) = question(&mut wire).await;
    assert_eq!(second["params"]["message"], "Your age, Ada?");
    assert_accepted(&one.send(answer(&id, &accept(&json!({"age": 36})))).await);
    let (_, id) = question(&mut wire).await;
    let poem = json!({"role": "assistant", "content": {"type": "text", "text": "O"}, "model": "m"});
    assert_accepted(&other.send(answer(&id, &poem)).await);
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Ada, 36: O");
}

#[tokio::test]
async fn a_batch_may_answer_but_cannot_be_asked() {
    let site = site(&Spy::default());
    let mut wire = site.open(call(Era::Legacy, "both")).await;
    let ((_, name), (_, roots)) = (question(&mut wire).await, question(&mut wire).await);
    let call = json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": {"name": "greet"}});
    let batch = json!([
        {"jsonrpc": "2.0", "id": name, "result": ada()},
        call,
        {"jsonrpc": "2.0", "id": roots, "result": {"roots": []}},
        {"jsonrpc": "2.0", "id": "ask-nobody", "result": {}},
    ]);
    let reply = site.send(Post::raw(batch.to_string())).await.json();
    assert_eq!(reply.as_array().map(Vec::len), Some(1), "{reply}");
    assert_eq!((&reply[0]["id"], &reply[0]["result"]["isError"]), (&json!(7), &json!(true)));
    let told = reply[0]["result"]["content"][0]["text"].as_str().expect("a text");
    assert!(told.contains("cannot be asked") && told.contains("batch"), "{told}");
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Ada in ");
    // A batch of answers gets no reply.
    let batch = json!([{"jsonrpc": "2.0", "id": "ask-nobody", "result": {}}]);
    assert_eq!(site.send(Post::raw(batch.to_string())).await.status, 202);
}
