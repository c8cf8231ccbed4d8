//! Answers that are accepted once.

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mcp_stateless::Catalog;
use mcp_stateless::ask::{AnswerGuard, LocalAnswerGuard, Redeeming, Redemption, StateKeys};
use mcp_stateless::manager::ManagerBuilder;
use serde_json::{Value, json};

use crate::askers::{GREETERS, accept, again, askers, call, call_again, request};
use crate::log::Log;
use crate::site::Site;
use crate::support::{Answer, Era};

/// A store that replicas share.
#[derive(Clone, Default)]
struct Store {
    ids: Arc<LocalAnswerGuard>,
    is_down: Arc<AtomicBool>,
    hangs: Arc<AtomicBool>,
    panics: Arc<AtomicBool>,
}

impl AnswerGuard for Store {
    fn redeem<'a>(&'a self, redemption: &'a Redemption) -> Redeeming<'a> {
        Box::pin(async move {
            if self.hangs.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            assert!(!self.panics.load(Ordering::SeqCst), "the store is broken");
            if self.is_down.load(Ordering::SeqCst) {
                return Err(Box::<dyn Error + Send + Sync>::from("redis://secret is down"));
            }
            assert!(redemption.keep_for() >= Duration::from_secs(600));
            // It is not ready at once, like a remote store.
            tokio::task::yield_now().await;
            self.ids.redeem(redemption).await
        })
    }
}

fn with_keys(set: impl FnOnce(ManagerBuilder) -> ManagerBuilder) -> Site<Catalog> {
    Site::with(askers().0, |builder| set(builder.state_keys(StateKeys::new([7; 32]))))
}

fn replicas() -> (Store, [Site<Catalog>; 2]) {
    let store = Store::default();
    let sites = [0, 1].map(|_| with_keys(|builder| builder.answer_guard(store.clone())));
    (store, sites)
}

fn ada() -> Value {
    json!({"name": accept(&json!({"name": "Ada"}))})
}

#[track_caller]
fn assert_refused(answer: &Answer) {
    let words = "`requestState` is not valid for this request: call again without it";
    assert_eq!(answer.json()["error"], json!({"code": -32602, "message": words}));
}

#[tokio::test]
async fn a_guarded_server_takes_the_answers_to_a_question_once_on_all_replicas() {
    let (_, [one, other]) = replicas();
    for (method, key, target, text) in GREETERS {
        let params = json!({key: target});
        let required = one.result(request(Era::Modern, method, params.clone())).await;
        let result = other.result(again(method, params.clone(), &required, ada())).await;
        assert_eq!(result.pointer(text), Some(&json!("Hello, Ada")), "{result}");
        for site in [&one, &other] {
            assert_refused(&site.send(again(method, params.clone(), &required, ada())).await);
        }
        // A client that lost the reply starts again.
        let required = other.result(request(Era::Modern, method, params.clone())).await;
        let result = one.result(again(method, params, &required, ada())).await;
        assert_eq!(result.pointer(text), Some(&json!("Hello, Ada")), "{result}");
    }
}

#[tokio::test]
async fn of_two_requests_with_the_same_answers_at_once_one_is_served() {
    let (_, [one, other]) = replicas();
    let required = one.result(call(Era::Modern, "greet")).await;
    let post = || call_again("greet", &required, ada());
    let (first, second) = tokio::join!(one.send(post()), other.send(post()));
    let served = [first, second].iter().filter(|answer| answer.json().get("result").is_some()).count();
    assert_eq!(served, 1);
}

#[tokio::test]
async fn a_guarded_server_takes_no_answers_to_questions_that_it_did_not_ask() {
    let (_, [site, _]) = replicas();
    let first = |answers: Value| {
        let params = json!({"name": "greet", "arguments": {}, "inputResponses": answers});
        site.send(request(Era::Modern, "tools/call", params))
    };
    assert_refused(&first(ada()).await);
    assert_refused(&first(json!({"stranger": 7})).await);
    // A client may send no answers.
    assert_eq!(first(json!({})).await.json()["result"]["resultType"], "input_required");
    assert_eq!(first(Value::Null).await.json()["result"]["resultType"], "input_required");
}

#[tokio::test]
async fn a_guarded_server_asks_whatever_it_did_not_ask_before() {
    let (_, [site, _]) = replicas();
    let first = site.result(call(Era::Modern, "rounds")).await;
    let mut early = ada();
    early["age"] = accept(&json!({"age": 36}));
    let second = site.result(call_again("rounds", &first, early)).await;
    assert_eq!(second["inputRequests"]["age"]["params"]["message"], "Your age, Ada?");
}

#[tokio::test]
async fn a_guarded_server_does_not_take_a_state_that_no_guard_knows() {
    let (_, [site, _]) = replicas();
    let required = with_keys(|builder| builder).result(call(Era::Modern, "greet")).await;
    assert_refused(&site.send(call_again("greet", &required, ada())).await);
}

#[tokio::test]
async fn each_round_has_a_state_that_counts_once() {
    let (_, [one, other]) = replicas();
    let first = one.result(call(Era::Modern, "rounds")).await;
    let second = other.result(call_again("rounds", &first, ada())).await;
    let age = json!({"age": accept(&json!({"age": 36}))});
    let third = one.result(call_again("rounds", &second, age.clone())).await;
    for (state, answers) in [(&first, ada()), (&second, age)] {
        assert_refused(&other.send(call_again("rounds", state, answers)).await);
    }
    // A question without an answer is asked again, with a new state.
    let again = other.result(call_again("rounds", &third, json!({}))).await;
    let poem = json!({"role": "assistant", "content": {"type": "text", "text": "O"}, "model": "m"});
    let answer = one.send(call_again("rounds", &again, json!({"poem": poem}))).await;
    assert_eq!(answer.tool_text(), "Ada, 36: O");
}

#[tokio::test(start_paused = true)]
async fn a_guard_that_cannot_tell_redeems_nothing_and_calls_nothing() {
    let (store, [site, _]) = replicas();
    let required = site.result(call(Era::Modern, "greet")).await;
    for flag in [&store.is_down, &store.hangs, &store.panics] {
        flag.store(true, Ordering::SeqCst);
        let log = Log::default();
        let guard = log.keep();
        let answer = site.send(call_again("greet", &required, ada())).await;
        drop(guard);
        assert_eq!(answer.error(), (503, -32603));
        assert_eq!(answer.headers["retry-after"], "1");
        assert!(!answer.text().contains("secret") && answer.error_message().contains("try again"));
        assert!(log.text().contains("ERROR"), "{}", log.text());
        flag.store(false, Ordering::SeqCst);
    }
    assert_eq!(site.send(call_again("greet", &required, ada())).await.tool_text(), "Hello, Ada");
}

#[tokio::test]
async fn a_state_that_is_not_valid_is_not_redeemed() {
    let (_, [site, _]) = replicas();
    let required = site.result(call(Era::Modern, "greet").of("ada")).await;
    assert_refused(&site.send(call_again("greet", &required, ada()).of("bob")).await);
    assert_refused(&site.send(call_again("any", &required, ada()).of("ada")).await);
    let answer = site.send(call_again("greet", &required, ada()).of("ada")).await;
    assert_eq!(answer.tool_text(), "Hello, Ada");
}

#[tokio::test]
async fn without_a_guard_answers_may_come_again() {
    let site = with_keys(|builder| builder);
    let required = site.result(call(Era::Modern, "greet")).await;
    for _ in 0..2 {
        assert_eq!(site.send(call_again("greet", &required, ada())).await.tool_text(), "Hello, Ada");
    }
}
