//! Asking a client of 2026-07-28: a question is a reply, and its answer is a new request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use mcp_stateless::ask::StateKeys;
use mcp_stateless::call::NoArguments;
use mcp_stateless::{CallContext, Tool, ToolRegistry};
use serde_json::{Value, json};

use crate::askers::{GREETERS, Name, accept, again, askers, call, call_again, name_question, request};
use crate::site::Site;
use crate::support::{Era, Post};

fn keys() -> StateKeys {
    StateKeys::new([7; 32])
}

fn site() -> Site<mcp_stateless::Catalog> {
    Site::with(askers().0, |builder| builder.state_keys(keys()))
}

fn ada() -> Value {
    json!({"name": accept(&json!({"name": "Ada"}))})
}

#[tokio::test]
async fn a_question_is_the_reply_and_any_replica_goes_on_with_the_answer() {
    for (method, key, target, text) in GREETERS {
        let params = json!({key: target});
        let required = site().result(request(Era::Modern, method, params.clone())).await;
        assert_eq!(required["resultType"], "input_required");
        assert_eq!(required["inputRequests"], json!({"name": name_question()}));
        assert_eq!(required["_meta"]["io.modelcontextprotocol/serverInfo"]["name"], "site");
        // It is not a result of the method, and must not be cached.
        let mut members: Vec<_> = required.as_object().expect("an object").keys().collect();
        members.sort();
        assert_eq!(members, ["_meta", "inputRequests", "requestState", "resultType"]);

        let other = site();
        let result = other.result(again(method, params, &required, ada())).await;
        assert_eq!(result.pointer(text), Some(&json!("Hello, Ada")), "{result}");
        assert_eq!(result["resultType"], "complete");
        assert!(result.get("requestState").is_none());
    }
}

#[tokio::test]
async fn questions_that_are_waited_for_together_go_out_together() {
    let site = site();
    let required = site.result(call(Era::Modern, "both")).await;
    let questions = required["inputRequests"].as_object().expect("an object");
    assert_eq!(questions.keys().collect::<Vec<_>>(), ["name", "roots"]);
    assert_eq!(questions["roots"], json!({"method": "roots/list", "params": {}}));
    let answers = json!({
        "roots": {"roots": [{"uri": "file:///a"}, {"uri": "file:///b", "name": "b"}]},
        "name": accept(&json!({"name": "Ada"})),
    });
    let answer = site.send(call_again("both", &required, answers)).await;
    assert_eq!(answer.tool_text(), "Ada in file:///a file:///b");
}

#[tokio::test]
async fn answers_of_earlier_rounds_travel_in_the_state() {
    let first = site().result(call(Era::Modern, "rounds")).await;
    let second = site().result(call_again("rounds", &first, ada())).await;
    assert_eq!(second["inputRequests"]["age"]["params"]["message"], "Your age, Ada?");
    assert!(second["inputRequests"].get("name").is_none(), "{second}");
    let answers = json!({"age": accept(&json!({"age": 36}))});
    let third = site().result(call_again("rounds", &second, answers)).await;
    let expected = json!({"method": "sampling/createMessage", "params": {"maxTokens": 50,
        "messages": [{"role": "user", "content": {"type": "text", "text": "Ada is 36"}}]}});
    assert_eq!(third["inputRequests"], json!({"poem": expected}));
    let poem = json!({"role": "assistant", "content": {"type": "text", "text": "O Ada"}, "model": "m"});
    let answers = json!({
        "poem": poem,
        // An answer that the handler has acted upon cannot be changed.
        "name": accept(&json!({"name": "Mallory"})),
    });
    let answer = site().send(call_again("rounds", &third, answers)).await;
    assert_eq!(answer.tool_text(), "Ada, 36: O Ada");
}

#[tokio::test]
async fn what_is_not_answered_is_asked_again() {
    let site = site();
    let mut required = site.result(call(Era::Modern, "both")).await;
    for answers in [json!({}), json!({"stranger": 7, "other": [{}]}), Value::Null] {
        let asked = required["inputRequests"].clone();
        required = site.result(call_again("both", &required, answers)).await;
        assert_eq!(required["inputRequests"], asked);
    }
    // The client may answer one question at a time.
    let required = site.result(call_again("both", &required, ada())).await;
    assert_eq!(required["inputRequests"], json!({"roots": {"method": "roots/list", "params": {}}}));
    let answers = json!({"roots": {"roots": []}, "stranger": 7});
    assert_eq!(site.send(call_again("both", &required, answers)).await.tool_text(), "Ada in ");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_refused() {
    let site = site();
    let required = site.result(call(Era::Modern, "greet")).await;
    for (answers, word) in [
        (json!([]), "`inputResponses`"),
        (json!("Ada"), "`inputResponses`"),
        (json!({"name": null}), "`name`"),
        (json!({"name": "Ada"}), "`name`"),
        (json!({"name": ["accept", {"name": "Ada"}]}), "`name`"),
        (json!({"name": {"content": {"name": "Ada"}}}), "action"),
        (json!({"name": {"action": "shrug"}}), "shrug"),
        (json!({"name": {"action": "accept"}}), "`name`"),
        (json!({"name": accept(&json!({"name": 7}))}), "string"),
        (json!({"name": accept(&json!("Ada"))}), "`name`"),
    ] {
        let answer = site.send(call_again("greet", &required, answers)).await;
        assert_eq!(answer.error(), (200, -32602));
        assert!(answer.error_message().contains(word), "{word}: {answer:?}");
    }
    let required = site.result(call(Era::Modern, "sample")).await;
    let answers = json!({"poem": {"role": "assistant", "content": {"type": "text"}, "model": "m"}});
    assert_eq!(site.send(call_again("sample", &required, answers)).await.error(), (200, -32602));
}

#[tokio::test]
async fn a_user_who_says_no_is_told_to_the_model() {
    let site = site();
    for (action, words) in [("decline", "The user declined"), ("cancel", "The user cancelled")] {
        for (method, key, target, _) in GREETERS {
            let params = json!({key: target});
            let required = site.result(request(Era::Modern, method, params.clone())).await;
            let answers = json!({"name": {"action": action}});
            let answer = site.send(again(method, params, &required, answers)).await;
            if method == "tools/call" {
                assert_eq!(answer.json()["result"]["isError"], true);
                assert_eq!(answer.tool_text(), words);
            } else {
                // The result of a prompt or a resource cannot report an error.
                assert_eq!((answer.status.as_u16(), answer.error_message().as_str()), (200, words));
            }
        }
    }
}

#[tokio::test]
async fn a_client_is_asked_for_nothing_that_it_does_not_declare() {
    let (elicitation, url) = (json!({"elicitation": {}}), json!({"elicitation": {"url": {}}}));
    let sampling = json!({"sampling": {}});
    let site = site();
    for (tool, declared, needed) in [
        ("greet", json!({}), json!({"elicitation": {}})),
        ("greet", url.clone(), json!({"elicitation": {}})),
        ("greet", json!({"elicitation": true}), json!({"elicitation": {}})),
        ("url", elicitation.clone(), json!({"elicitation": {"url": {}}})),
        ("url", json!({"elicitation": {"form": {}}}), json!({"elicitation": {"url": {}}})),
        ("sample", elicitation.clone(), json!({"sampling": {}})),
        ("sample_tools", sampling.clone(), json!({"sampling": {"tools": {}}})),
        ("roots", sampling.clone(), json!({"roots": {}})),
        ("by_hand", sampling.clone(), json!({"elicitation": {}})),
    ] {
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": declared});
        let answer = site.send(Post::call_with_meta(Era::Modern, tool, json!({}), meta)).await;
        assert_eq!(answer.error(), (400, -32021), "{tool} {declared}");
        assert_eq!(answer.json()["error"]["data"], json!({"requiredCapabilities": needed}));
        assert!(!answer.text().contains("inputRequests"));
    }
    for (tool, declared) in [
        ("greet", elicitation),
        ("greet", json!({"elicitation": {"form": {}}})),
        ("url", url),
        ("sample", sampling),
        ("sample_tools", json!({"sampling": {"tools": {}}})),
        ("roots", json!({"roots": {}})),
    ] {
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": declared});
        let result = site.result(Post::call_with_meta(Era::Modern, tool, json!({}), meta)).await;
        assert_eq!(result["resultType"], "input_required", "{tool} {declared}");
    }
    // The client supports only one of two questions.
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": {"roots": {}}});
    let result = site.result(Post::call_with_meta(Era::Modern, "both", json!({}), meta)).await;
    let questions = result["inputRequests"].as_object().expect("an object");
    assert_eq!(questions.keys().collect::<Vec<_>>(), ["roots"]);
}

#[tokio::test]
async fn a_question_may_come_after_progress() {
    let site = site();
    let params = json!({"name": "progress", "arguments": {}, "_meta": {"progressToken": "p"}});
    let events = site.send(request(Era::Modern, "tools/call", params.clone())).await.events();
    assert_eq!(events[0]["method"], "notifications/progress");
    let required = &events[1]["result"];
    assert_eq!((events.len(), &required["resultType"]), (2, &json!("input_required")));
    let events = site.send(again("tools/call", params, required, ada())).await.events();
    assert_eq!(events[1]["result"]["content"][0]["text"], "Hello, Ada");
}

#[tokio::test]
async fn a_question_under_the_same_key_is_another_one_once_the_first_is_answered() {
    let site = site();
    let mut required = site.result(call(Era::Modern, "until")).await;
    for age in [-1, -2] {
        let questions = required["inputRequests"].as_object().expect("an object");
        let key = questions.keys().next().expect("a question").clone();
        required =
            site.result(call_again("until", &required, json!({key: accept(&json!({"age": age}))}))).await;
    }
    let questions = required["inputRequests"].as_object().expect("an object");
    let key = questions.keys().next().expect("a question").clone();
    let answer = site.send(call_again("until", &required, json!({key: accept(&json!({"age": 3}))}))).await;
    assert_eq!(answer.tool_text(), "3");
}

#[tokio::test]
async fn a_question_that_no_form_can_show_is_the_servers_fault() {
    let answer = site().send(call(Era::Modern, "unaskable")).await;
    assert_eq!(answer.error(), (200, -32603));
}

#[tokio::test]
async fn a_handler_asks_by_hand_and_keeps_its_own_state() {
    let first = site().result(call(Era::Modern, "by_hand")).await;
    assert_eq!(first["inputRequests"]["first"]["params"]["message"], "The first?");
    let answers = json!({"first": accept(&json!({"name": "a"}))});
    let second = site().result(call_again("by_hand", &first, answers)).await;
    assert_eq!(second["inputRequests"]["second"]["params"]["message"], "The second?");
    let answers = json!({"second": {"action": "decline"}});
    let answer = site().send(call_again("by_hand", &second, answers)).await;
    assert_eq!(answer.tool_text(), r#"3: {"name":"a"} null"#);
    let answer = site().send(call_again("by_hand", &first, json!({"first": "nonsense"}))).await;
    assert_eq!(answer.error(), (200, -32602));
    // The keys of questions must be unique, to tell their answers apart.
    let text = site().send(call(Era::Modern, "twice_by_hand")).await;
    assert_eq!(text.text().matches(r#""name":{"method""#).count(), 1, "{text:?}");
    // Only in 2026-07-28: earlier clients would treat it as a result.
    let answer = site().send(call(Era::Legacy, "by_hand")).await;
    assert_eq!(answer.error(), (200, -32600));
    assert!(answer.error_message().contains("2026-07-28"), "{answer:?}");
}

#[tokio::test]
async fn a_state_that_is_too_large_is_never_sent() {
    let large =
        |most: usize| Site::with(askers().0, move |builder| builder.state_keys(keys()).max_state_size(most));
    assert_eq!(large(4000).send(call(Era::Modern, "large")).await.error(), (200, -32603));
    let result = large(6000).result(call(Era::Modern, "large")).await;
    assert_eq!(result["resultType"], "input_required");
    assert!(result.get("inputRequests").is_none() && result["requestState"].is_string());
}

#[tokio::test]
async fn nobody_acts_upon_a_question_that_has_no_answer_yet() {
    let (catalog, seen) = askers();
    let site = Site::new(catalog);
    let required = site.result(call(Era::Modern, "swallow")).await;
    assert_eq!(required["resultType"], "input_required");
    assert_eq!(seen.outcomes(), [""; 0]);
    let answer = site.send(call_again("swallow", &required, ada())).await;
    assert_eq!(answer.tool_text(), "Hello, Ada");
    assert_eq!(seen.outcomes(), ["Hello, Ada"]);
}

#[tokio::test(start_paused = true)]
async fn a_detached_handler_acts_upon_no_question_without_an_answer_either() {
    let acted = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&acted);
    let detached = Tool::new("detached", "", move |_: NoArguments, cx: CallContext| {
        let acted = Arc::clone(&counted);
        async move {
            let name = cx.elicit::<Name>("name", "What is your name?").await;
            acted.fetch_add(1, Ordering::SeqCst);
            name.map_or_else(|error| error.to_string(), |name| name.name)
        }
    });
    let site = Site::new(ToolRegistry::builder().register(detached.detached()).build().expect("valid"));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let required = site.result(call(Era::Modern, "detached")).await;
    assert_eq!(required["resultType"], "input_required");
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!((acted.load(Ordering::SeqCst), tasks()), (0, before));
    let answer = site.send(call_again("detached", &required, ada())).await;
    assert_eq!((answer.tool_text().as_str(), acted.load(Ordering::SeqCst)), ("Ada", 1));
}

#[tokio::test]
async fn a_handler_that_waits_for_an_answer_is_dropped() {
    let (catalog, seen) = askers();
    let site = Site::new(catalog);
    let required = site.result(call(Era::Modern, "hold")).await;
    assert_eq!((&required["resultType"], seen.probe.running()), (&json!("input_required"), 0));
}

#[tokio::test(start_paused = true)]
async fn a_task_that_asks_apart_from_its_call_is_told_that_the_call_is_over() {
    let (catalog, seen) = askers();
    let site = Site::new(catalog);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    let required = site.result(call(Era::Modern, "spawn")).await;
    assert_eq!(required["inputRequests"], json!({"name": name_question()}));
    seen.probe.until(|_| seen.outcomes().len() == 1).await;
    assert_eq!(site.send(call(Era::Modern, "spawn_and_end")).await.tool_text(), "ended");
    seen.probe.until(|_| seen.outcomes().len() == 2).await;
    assert_eq!(seen.outcomes(), ["The call has ended"; 2]);
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(tasks(), before);
}

#[tokio::test]
async fn the_answers_of_a_first_request_are_taken_as_well() {
    // A client that knows the question may answer it at once.
    let params = json!({"name": "greet", "arguments": {}, "inputResponses": ada()});
    assert_eq!(site().send(request(Era::Modern, "tools/call", params)).await.tool_text(), "Hello, Ada");
}

#[tokio::test]
async fn answers_that_are_ambiguous_or_very_many_are_refused() {
    let site = site();
    let required = site.result(call(Era::Modern, "greet")).await;
    let twice = call_again("greet", &required, ada())
        .edit(r#""inputResponses":{"#, r#""inputResponses":{"\u006eame":{"action":"decline"},"#);
    let answer = site.send(twice).await;
    assert_eq!(answer.error(), (200, -32602));
    assert!(answer.error_message().contains("each key once"), "{answer:?}");
    let lone = call_again("greet", &required, ada())
        .edit(r#""inputResponses":{"#, r#""inputResponses":{"\ud800":{},"#);
    assert_eq!(site.send(lone).await.error(), (200, -32602));
    for (strangers, fits) in [(255, true), (256, false)] {
        let mut answers = ada();
        for stranger in 0..strangers {
            answers[stranger.to_string()] = json!([[[{}]]]);
        }
        let answer = site.send(call_again("greet", &required, answers)).await;
        assert_eq!(answer.json().get("result").is_some(), fits, "{answer:?}");
    }
}

#[tokio::test]
async fn answers_that_are_too_large_for_a_state_are_the_clients_fault() {
    let site = Site::with(askers().0, |builder| builder.state_keys(keys()).max_state_size(1000));
    let first = site.result(call(Era::Modern, "rounds")).await;
    let answers = |length| json!({"name": accept(&json!({"name": "x".repeat(length)}))});
    assert_eq!(site.send(call_again("rounds", &first, answers(1000))).await.error(), (200, -32602));
    let second = site.result(call_again("rounds", &first, answers(500))).await;
    assert_eq!(second["resultType"], "input_required");
    // Answers that are not part of a state may be larger.
    let required = site.result(call(Era::Modern, "greet")).await;
    let greeting = site.send(call_again("greet", &required, answers(5000))).await.tool_text();
    assert_eq!(greeting.len(), "Hello, ".len() + 5000);
}

#[tokio::test]
async fn a_call_keeps_nothing_of_its_body_while_its_handler_runs() {
    let body = Arc::new(std::sync::Mutex::new(Bytes::new()));
    let sent = Arc::clone(&body);
    let tool =
        Tool::with_schema("look", "", json!({"type": "object"}), move |arguments: Value, cx: CallContext| {
            let sent = Arc::clone(&sent);
            async move {
                drop(arguments);
                tokio::task::yield_now().await;
                let is_released = sent.lock().expect("not poisoned").is_unique();
                let name = cx.elicit::<Name>("name", "Your name?").await?;
                Ok::<_, mcp_stateless::ask::AskError>(format!("{is_released} {}", name.name))
            }
        });
    let site = Site::new(ToolRegistry::builder().register(tool).build().expect("a valid tool"));
    for length in [0, 10_000, 1_000_000] {
        let params = json!({"name": "look", "arguments": {"text": "x".repeat(length)}});
        let required = site.result(request(Era::Modern, "tools/call", params.clone())).await;
        let post = again("tools/call", params, &required, ada());
        *body.lock().expect("not poisoned") = post.text();
        assert_eq!(site.send(post).await.tool_text(), "true Ada");
    }
}
