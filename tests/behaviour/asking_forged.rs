//! The state of a call travels through the client, which may alter or replace it.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::LocalBus;
use mcp_stateless::manager::ManagerBuilder;
use mcp_stateless::{Catalog, StatelessSessionManager};
use serde_json::{Value, json};

use crate::askers::{GREETERS, accept, again, askers, call, call_again, request};
use crate::log::Log;
use crate::site::Site;
use crate::support::{Answer, Era, Post};

fn with_keys(keys: StateKeys) -> Site<Catalog> {
    Site::with(askers().0, |builder| builder.state_keys(keys))
}

fn site() -> Site<Catalog> {
    with_keys(StateKeys::new([7; 32]))
}

fn ada() -> Value {
    json!({"name": accept(&json!({"name": "Ada"}))})
}

/// The error is the same for every fault of a state.
#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!(answer.error(), (200, -32602), "{answer:?}");
    let words = "`requestState` is not valid for this request: call again without it";
    assert_eq!(answer.json()["error"], json!({"code": -32602, "message": words}));
}

#[tokio::test]
async fn a_state_that_was_altered_is_refused() {
    let site = site();
    let required = site.result(call(Era::Modern, "greet")).await;
    let state = required["requestState"].as_str().expect("a state").to_owned();
    let send =
        async |state: Value| site.send(call_again("greet", &json!({"requestState": state}), ada())).await;
    for at in 0..state.len() {
        let other = if &state[at..=at] == "A" { "B" } else { "A" };
        let altered = format!("{}{other}{}", &state[..at], &state[at + 1..]);
        assert_refused(&send(json!(altered)).await);
    }
    let sealed = URL_SAFE_NO_PAD.decode(&state).expect("base64");
    for at in 0..sealed.len() {
        assert_refused(&send(json!(URL_SAFE_NO_PAD.encode(&sealed[..at]))).await);
    }
    // The first byte is the version of the format.
    assert_eq!(sealed[0], 1);
    for version in [0, 2, 255] {
        let other = [&[version], &sealed[1..]].concat();
        assert_refused(&send(json!(URL_SAFE_NO_PAD.encode(other))).await);
    }
    let plain = json!({"until": u64::MAX, "answers": ada()});
    for state in [
        json!(format!("{state}A")),
        json!(format!("{state}=")),
        json!(format!(" {state}")),
        json!(URL_SAFE_NO_PAD.encode([sealed.as_slice(), &[0]].concat())),
        json!(""),
        json!(plain.to_string()),
        json!(URL_SAFE_NO_PAD.encode(plain.to_string())),
        json!("\u{e9}"),
        json!(7),
        json!(true),
        json!([state]),
        plain,
    ] {
        assert_refused(&send(state).await);
    }
    assert_eq!(send(json!(state)).await.tool_text(), "Hello, Ada");
}

#[tokio::test]
async fn a_state_that_has_expired_is_refused() {
    let expire = |lifetime| {
        move |builder: ManagerBuilder| builder.state_keys(StateKeys::new([7; 32])).state_lifetime(lifetime)
    };
    let site = Site::with(askers().0, expire(Duration::ZERO));
    let required = site.result(call(Era::Modern, "greet")).await;
    assert_refused(&site.send(call_again("greet", &required, ada())).await);
    // The lifetime of the server that sealed it counts, not that of the server that opens it.
    let site = Site::with(askers().0, expire(Duration::MAX));
    assert_refused(&site.send(call_again("greet", &required, ada())).await);
    let required = site.result(call(Era::Modern, "greet")).await;
    assert_eq!(site.send(call_again("greet", &required, ada())).await.tool_text(), "Hello, Ada");
}

#[tokio::test]
async fn a_state_of_another_server_is_refused() {
    let required = site().result(call(Era::Modern, "greet")).await;
    let again = || call_again("greet", &required, ada());
    assert_refused(&with_keys(StateKeys::new([8; 32])).send(again()).await);
    // Without keys, each process generates its own.
    let (one, other) = (Site::new(askers().0), Site::new(askers().0));
    assert_refused(&one.send(again()).await);
    let required = one.result(call(Era::Modern, "greet")).await;
    assert_refused(&other.send(call_again("greet", &required, ada())).await);
    assert_eq!(one.send(call_again("greet", &required, ada())).await.tool_text(), "Hello, Ada");
}

#[tokio::test]
async fn a_state_of_another_caller_is_refused() {
    let site = site();
    for (asked, answers) in
        [(Some("ada"), Some("bob")), (Some("ada"), None), (None, Some("ada")), (None, Some(""))]
    {
        let of = |post: Post, caller: Option<&str>| match caller {
            Some(caller) => post.of(caller),
            None => post,
        };
        let required = site.result(of(call(Era::Modern, "greet"), asked)).await;
        let again = || call_again("greet", &required, ada());
        assert_refused(&site.send(of(again(), answers)).await);
        assert_eq!(site.send(of(again(), asked)).await.tool_text(), "Hello, Ada");
    }
}

#[tokio::test]
async fn a_state_of_another_call_is_refused() {
    let site = site();
    for (method, key, target, _) in GREETERS {
        let required = site.result(request(Era::Modern, method, json!({key: target}))).await;
        for (other, key, target, _) in GREETERS {
            let answer = site.send(again(other, json!({key: target}), &required, ada())).await;
            if other == method {
                assert!(answer.json()["result"].is_object(), "{answer:?}");
            } else {
                assert_refused(&answer);
            }
        }
    }
    let required = site.result(call(Era::Modern, "greet")).await;
    assert_refused(&site.send(call_again("any", &required, ada())).await);
    // A tool that asks nothing does not accept it either.
    assert_refused(&site.send(call_again("nobody", &required, ada())).await);
}

fn any(arguments: &str) -> Post {
    let params = json!({"name": "any", "arguments": {"here": true}});
    request(Era::Modern, "tools/call", params).edit(r#"{"here":true}"#, arguments)
}

fn any_again(arguments: &str, required: &Value) -> Post {
    let params = json!({"name": "any", "arguments": {"here": true}});
    again("tools/call", params, required, ada()).edit(r#"{"here":true}"#, arguments)
}

#[tokio::test]
async fn a_state_of_other_arguments_is_refused() {
    let site = site();
    for (asked, answered) in [
        (r#"{"a":1}"#, r#"{"a":2}"#),
        (r#"{"a":1}"#, r#"{"a":"1"}"#),
        (r#"{"a":1}"#, r"{}"),
        (r#"{"a":1}"#, r#"{"a":1,"b":null}"#),
        (r#"{"a":[1,2]}"#, r#"{"a":[2,1]}"#),
        (r#"{"a":{"b":1},"c":2}"#, r#"{"a":{"b":1,"c":2}}"#),
        (r#"{"a":"x"}"#, r#"{"a":"X"}"#),
        // Numbers that are equal as floats.
        (r#"{"a":100000000000000000000001}"#, r#"{"a":100000000000000000000002}"#),
        (r#"{"a":0.1}"#, r#"{"a":0.1000000000000000000001}"#),
        // A parser may take the first or the last.
        (r#"{"a":1}"#, r#"{"a":2,"a":1}"#),
        (r#"{"a":1}"#, r#"{"a":1,"a":2}"#),
    ] {
        let required = site.result(any(asked)).await;
        assert_refused(&site.send(any_again(answered, &required)).await);
        assert_eq!(site.send(any_again(asked, &required)).await.tool_text(), "Hello, Ada");
    }
}

#[tokio::test]
async fn the_same_arguments_may_be_written_in_another_way() {
    let site = site();
    for (asked, answered) in [
        (r#"{"a":1,"b":{"c":[true],"d":"é"}}"#, "{ \"b\" : {\"d\":\"\\u00e9\",\"c\":[ true ]},\n\"a\":1}"),
        (r#"{"a/b":"x/y"}"#, r#"{"\u0061\/b":"x\/y"}"#),
    ] {
        let required = site.result(any(asked)).await;
        assert_eq!(site.send(any_again(answered, &required)).await.tool_text(), "Hello, Ada");
    }
    // No arguments are the same as an empty object.
    let required = site.result(any("{}")).await;
    assert_eq!(site.send(any_again("null", &required)).await.tool_text(), "Hello, Ada");
}

#[tokio::test]
async fn keys_are_rotated_without_a_call_being_lost() {
    let (old, new) = ([1; 32], [2; 32]);
    let before = with_keys(StateKeys::new(old));
    let both = with_keys(StateKeys::new(old).accept(new));
    let turned = with_keys(StateKeys::new(new).accept(old));
    let after = with_keys(StateKeys::new(new));
    for (asks, answers, fits) in [
        (&before, &both, true),
        (&both, &turned, true),
        (&turned, &both, true),
        (&turned, &after, true),
        (&before, &after, false),
        (&both, &after, false),
    ] {
        let required = asks.result(call(Era::Modern, "greet")).await;
        let answer = answers.send(call_again("greet", &required, ada())).await;
        if fits {
            assert_eq!(answer.tool_text(), "Hello, Ada");
        } else {
            assert_refused(&answer);
        }
    }
}

#[test]
fn a_server_that_replicas_cannot_share_says_so_when_it_starts() {
    let started = |set: &dyn Fn(ManagerBuilder) -> ManagerBuilder| {
        let log = Log::default();
        let guard = log.keep();
        set(StatelessSessionManager::builder("test", "1.0.0")).build().expect("valid settings");
        drop(guard);
        log.text()
    };
    let bus = |builder: ManagerBuilder| builder.answer_bus(Arc::new(LocalBus::default()));
    let keys = |builder: ManagerBuilder| builder.state_keys(StateKeys::new([1; 32]));
    let assert_names = |text: &str, names: [(&str, bool); 2]| {
        assert_eq!((text.lines().count(), text.contains("WARN")), (1, true), "{text}");
        for (name, is_missing) in names {
            assert_eq!(text.contains(name), is_missing, "{text}");
        }
    };
    assert_names(&started(&|builder| builder), [("`state_keys`", true), ("`answer_bus`", true)]);
    assert_names(&started(&keys), [("`state_keys`", false), ("`answer_bus`", true)]);
    assert_names(&started(&bus), [("`state_keys`", true), ("`answer_bus`", false)]);
    assert_eq!(started(&|builder| keys(bus(builder))), "");
    // Nothing is sealed in the legacy era, and nothing is parked in the modern one.
    assert_eq!(started(&|builder| bus(builder).only(mcp_stateless::protocol::Era::Legacy)), "");
    assert_eq!(started(&|builder| keys(builder).only(mcp_stateless::protocol::Era::Modern)), "");
}

#[tokio::test]
async fn a_state_cannot_be_read_and_is_never_the_same_twice() {
    let site = site();
    let first = site.result(call(Era::Modern, "rounds")).await;
    let answers = json!({"name": accept(&json!({"name": "a very long secret"}))});
    let second = site.result(call_again("rounds", &first, answers.clone())).await;
    let sealed = URL_SAFE_NO_PAD.decode(second["requestState"].as_str().expect("a state")).expect("base64");
    assert!(!sealed.windows(6).any(|window| window == b"secret" || window == b"answer"));
    let same = site.result(call_again("rounds", &first, answers)).await;
    assert_ne!(same["requestState"], second["requestState"]);
}
