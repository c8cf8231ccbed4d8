//! One connection that all calls share, message by message.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{self, join_all};
use futures_util::poll;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::gateway::{Era, Gateway, Params, error, text};
use super::wire::{Wire, text_result};

fn call(name: &str) -> Params {
    Params::call(name, json!({}))
}

fn tools() -> Value {
    json!({"tools": {}, "logging": {}})
}

#[tokio::test(start_paused = true)]
async fn readers_that_read_nothing_hold_up_nobody_else() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Legacy, "ada");
    let open = async {
        wire.open_legacy(tools()).await;
        for _ in 0..16 {
            wire.wait_for("tools/call").await;
        }
        for _ in 0..20_000 {
            let params = json!({"level": "info", "data": "x".repeat(1024)});
            wire.notify("notifications/message", params).await;
        }
        wire
    };
    let slow = join_all((0..16).map(|_| client.open("tools/call", call("slow"))));
    let (_slow, mut wire) = future::join(slow, open).await;
    let begun = Instant::now();
    let answer = async {
        let request = wire.wait_for("tools/call").await;
        wire.answer(&request, text_result("3")).await;
    };
    let (sum, ()) = future::join(client.tool("add", json!({})), answer).await;
    assert_eq!(sum, "3");
    // The paused clock only advances while all tasks wait.
    assert!(begun.elapsed() < Duration::from_millis(500), "{:?}", begun.elapsed());
    assert!(gateway.upstream.stats().dropped_logs > 0);
}

fn question(id: u32) -> Value {
    let params = json!({"message": "?", "requestedSchema": {"type": "object", "properties": {}}});
    json!({"jsonrpc": "2.0", "id": id, "method": "elicitation/create", "params": params})
}

#[tokio::test]
async fn every_question_of_an_upstream_gets_an_answer() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Legacy, "ada");
    let serve = async {
        wire.open_legacy(tools()).await;
        wire.wait_for("tools/call").await;
        // More questions than one call may have.
        for id in 0..300 {
            wire.send(question(id)).await;
        }
        let mut refused = 0;
        while refused < 300 - 16 {
            let answer = wire.next().await;
            assert!(
                answer["error"]["message"].as_str().is_some_and(|it| it.contains("Too many")),
                "{answer}"
            );
            refused += 1;
        }
        wire
    };
    let mut wire = tokio::select! {
        wire = serve => wire,
        _ = client.call("ask", json!({})) => panic!("it was answered"),
    };
    // The client has disconnected.
    for _ in 0..16 {
        let answer = wire.next().await;
        assert_eq!(answer["error"]["message"], "The call that was asked is over", "{answer}");
    }
    wire.send(question(1000)).await;
    let answer = wire.next().await;
    assert_eq!(answer["error"]["message"], "There is no call whose client could be asked", "{answer}");
    wire.send(json!({"jsonrpc": "2.0", "id": "r", "method": "roots/list"})).await;
    let answer = wire.next().await;
    assert_eq!(answer["error"]["message"], "There is no call whose client could be asked", "{answer}");
    wire.send(json!({"jsonrpc": "2.0", "id": "p", "method": "ping"})).await;
    assert_eq!(wire.next().await, json!({"jsonrpc": "2.0", "id": "p", "result": {}}));
}

#[tokio::test(start_paused = true)]
async fn a_slow_first_answer_is_waited_for_whoever_leaves_meanwhile() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Modern, "ada");
    let impatient = async {
        tokio::select! {
            answer = client.call("add", json!({})) => panic!("it was answered: {answer}"),
            () = sleep(Duration::from_secs(5)) => {}
        }
    };
    let serve = async {
        sleep(Duration::from_secs(11)).await;
        let discover = wire.next().await;
        assert_eq!(discover["method"], "server/discover");
        let initialize = wire.next().await;
        assert_eq!(initialize["method"], "initialize");
        wire.answer(&initialize, Wire::about(&tools())).await;
        assert_eq!(wire.next().await["method"], "notifications/initialized");
        let request = wire.next().await;
        assert_eq!(request["method"], "tools/call");
        // Too late: no request waits for this.
        wire.refuse(&discover, -32_601).await;
        wire.answer(&request, text_result("3")).await;
    };
    let patient = async {
        impatient.await;
        client.tool("add", json!({})).await
    };
    let (sum, ()) = future::join(patient, serve).await;
    assert_eq!(sum, "3");
    assert_eq!(gateway.upstream.stats().failed, 0);
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_call_is_cancelled_after_a_while_and_never_once_it_is_answered() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Legacy, "ada");
    let (opened, ()) = future::join(client.open("tools/list", Params(json!({}))), async {
        wire.open_legacy(tools()).await;
        let list = wire.wait_for("tools/list").await;
        wire.answer(&list, json!({"tools": []})).await;
    })
    .await;
    drop(opened);
    let mut ids = Vec::new();
    for _ in 0..2 {
        tokio::select! {
            answer = client.call("hang", json!({})) => panic!("it was answered: {answer}"),
            request = wire.wait_for("tools/call") => ids.push(request),
        }
    }
    let left = Instant::now();
    wire.answer(&ids[0], text_result("in time")).await;
    let cancelled = wire.next().await;
    assert_eq!(cancelled["method"], "notifications/cancelled");
    assert_eq!(cancelled["params"]["requestId"], ids[1]["id"], "an answered call was cancelled");
    assert!(left.elapsed() >= Duration::from_secs(1), "{:?}", left.elapsed());
    // The response crosses the cancellation.
    wire.answer(&ids[1], text_result("late")).await;
    let ping = async {
        let request = wire.wait_for("tools/call").await;
        wire.answer(&request, text_result("3")).await;
    };
    assert_eq!(future::join(client.tool("add", json!({})), ping).await.0, "3");
}

#[tokio::test]
async fn nothing_that_an_upstream_sends_makes_a_call_hang_or_panic() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Legacy, "ada");
    let serve = async {
        wire.open_legacy(tools()).await;
        let request = wire.wait_for("tools/call").await;
        let id = &request["id"];
        for text in [
            String::new(),
            "nonsense".to_owned(),
            "[".repeat(100_000),
            "[1,null,{},[],\"x\"]".to_owned(),
            "{\"id\":".to_owned(),
            "\u{feff}{}".to_owned(),
            r#"{"jsonrpc":"2.0","id":99999,"result":{}}"#.to_owned(),
            r#"{"id":1e999,"result":{}}"#.to_owned(),
            r#"{"id":[],"method":"elicitation/create","params":[]}"#.to_owned(),
            r#"{"id":{"a":1},"method":"elicitation/create","params":7}"#.to_owned(),
            r#"{"method":"notifications/progress","params":{"progressToken":[],"progress":"x"}}"#.to_owned(),
            format!(
                r#"{{"method":"notifications/progress","params":{{"progressToken":{id},"progress":1e400}}}}"#
            ),
            r#"{"method":"notifications/message","params":null}"#.to_owned(),
            r#"{"method":"notifications/message","params":{"level":"loud","data":1}}"#.to_owned(),
            r#"{"method":"notifications/cancelled","params":{"requestId":null}}"#.to_owned(),
            r#"{"method":"notifications/resources/updated","params":{"uri":7}}"#.to_owned(),
            r#"{"method":"notifications/tools/list_changed","params":[]}"#.to_owned(),
        ] {
            wire.write(&text).await;
        }
        wire.answer(&request, text_result("whole")).await;
        for reply in [
            "{}".to_owned(),
            r#""error":null"#.to_owned(),
            r#""error":"text""#.to_owned(),
            r#""result":null"#.to_owned(),
            r#""result":[1]"#.to_owned(),
            format!(r#""result":{}{}"#, r#"{"a":"#.repeat(5_000), "1".to_owned() + &"}".repeat(5_000)),
        ] {
            let request = wire.wait_for("tools/call").await;
            let (id, reply) = (&request["id"], reply.trim_matches(['{', '}']).to_owned());
            let reply = if reply.starts_with("\"result\":{") {
                format!("{reply}{}", "}".repeat(5_000))
            } else {
                reply
            };
            let comma = if reply.is_empty() { "" } else { "," };
            wire.write(&format!(r#"{{"jsonrpc":"2.0","id":{id}{comma}{reply}}}"#)).await;
        }
        wire
    };
    let calls = async {
        assert_eq!(client.tool("first", json!({})).await, "whole");
        for number in 0..6 {
            let answer = client.call("next", json!({})).await;
            assert_eq!(error(&answer).0, -32_603, "{number}: {answer}");
        }
    };
    let ((), mut wire) = future::join(calls, serve).await;
    // A message that is too large ends the session and its calls.
    let huge = async {
        wire.wait_for("tools/call").await;
        let text = "x".repeat(1024 * 1024);
        for _ in 0..17 {
            use tokio::io::AsyncWriteExt;
            if wire.writer().write_all(text.as_bytes()).await.is_err() {
                break;
            }
        }
    };
    let (answer, ()) = future::join(client.call("huge", json!({})), huge).await;
    let (code, message) = error(&answer);
    assert_eq!(code, -32_603);
    assert!(message.contains("too large"), "{message}");
}

#[tokio::test(start_paused = true)]
async fn a_list_that_does_not_come_soon_is_the_last_known_and_listeners_hear_of_the_next() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Modern, "ada");
    let list = async || client.ask("tools/list", Params(json!({}))).await["result"]["tools"].clone();
    let tool = |name: &str| json!({"name": name, "inputSchema": {"type": "object"}});
    let (first, ()) = future::join(list(), async {
        wire.open_legacy(json!({"tools": {"listChanged": true}})).await;
        let request = wire.wait_for("tools/list").await;
        wire.answer(&request, json!({"tools": [tool("first")]})).await;
    })
    .await;
    assert_eq!(first, json!([tool("first")]));

    let wanted = json!({"notifications": {"toolsListChanged": true}});
    let mut listener = client.open("subscriptions/listen", Params(wanted)).await;
    listener.next().await.expect("an acknowledgement");
    wire.notify("notifications/tools/list_changed", json!({})).await;
    assert_eq!(listener.next().await.expect("news")["method"], "notifications/tools/list_changed");

    let begun = Instant::now();
    assert_eq!(list().await, json!([tool("first")]));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    // The upstream is asked once, however many clients list.
    assert_eq!(list().await, json!([tool("first")]));
    let request = wire.next().await;
    assert_eq!(request["method"], "tools/list");
    assert!(poll!(pin!(wire.next())).is_pending());
    wire.answer(&request, json!({"tools": [tool("second")]})).await;
    assert_eq!(listener.next().await.expect("news")["method"], "notifications/tools/list_changed");
    assert_eq!(list().await, json!([tool("second")]));
}

#[tokio::test]
async fn a_server_without_templates_has_none() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Legacy, "ada");
    let serve = async {
        wire.open_legacy(json!({"resources": {}})).await;
        let request = wire.wait_for("resources/templates/list").await;
        wire.refuse(&request, -32_601).await;
    };
    let (listed, ()) = future::join(client.ask("resources/templates/list", Params(json!({}))), serve).await;
    assert_eq!(listed["result"]["resourceTemplates"], json!([]), "{listed}");
}

#[tokio::test(start_paused = true)]
async fn a_listener_hears_of_resources_and_the_upstream_of_listeners() {
    for era in Era::BOTH {
        let (upstream, mut wire) = Wire::new();
        let gateway = Gateway::new(upstream);
        let client = gateway.client(Era::Modern, "ada");
        let has = json!({"resources": {"subscribe": true}});
        let open = async {
            match era {
                Era::Legacy => wire.open_legacy(has).await,
                Era::Modern => wire.open_modern(has).await,
            }
            let request = wire.wait_for("resources/list").await;
            wire.answer(&request, json!({"resources": []})).await;
        };
        future::join(client.ask("resources/list", Params(json!({}))), open).await;

        let wanted = json!({"notifications": {"resourceSubscriptions": ["note://1"]}});
        let mut listener = client.open("subscriptions/listen", Params(wanted)).await;
        let acknowledged = listener.next().await.expect("an acknowledgement");
        let honoured = &acknowledged["params"]["notifications"]["resourceSubscriptions"];
        assert_eq!(*honoured, json!(["note://1"]), "{era:?}: {acknowledged}");
        let subscribed = wire.next().await;
        let (uri, expected) = match era {
            Era::Legacy => (subscribed["params"]["uri"].clone(), json!("note://1")),
            Era::Modern => {
                let notifications = &subscribed["params"]["notifications"];
                (notifications["resourceSubscriptions"].clone(), json!(["note://1"]))
            }
        };
        assert_eq!(uri, expected, "{era:?}: {subscribed}");
        if era == Era::Legacy {
            wire.answer(&subscribed, json!({})).await;
        }
        wire.notify("notifications/resources/updated", json!({"uri": "note://1"})).await;
        let news = listener.next().await.expect("news");
        assert_eq!(
            (&news["method"], &news["params"]["uri"]),
            (&json!("notifications/resources/updated"), &json!("note://1"),)
        );
        drop(listener);
        let gone = match era {
            Era::Legacy => "resources/unsubscribe",
            Era::Modern => "notifications/cancelled",
        };
        assert_eq!(wire.next().await["method"], gone, "{era:?}");
    }
}

fn sampling() -> Value {
    let message = json!({"role": "user", "content": {"type": "text", "text": "Hi"}});
    json!({"messages": [message], "maxTokens": 9})
}

/// Makes a call during which the upstream asks the client.
async fn relayed(upstream_era: Era, client_era: Era, method: &str, params: Value, answer: Value) {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(client_era, "ada");
    let capabilities = json!({"sampling": {}, "roots": {}});
    let meta = json!({"io.modelcontextprotocol/clientCapabilities": capabilities});
    let call = || call("ask").with("_meta", meta.clone());
    let serve = async {
        if upstream_era == Era::Legacy {
            wire.open_legacy(tools()).await;
            let request = wire.wait_for("tools/call").await;
            wire.send(json!({"jsonrpc": "2.0", "id": "q", "method": method, "params": params})).await;
            let reply = wire.next().await;
            assert_eq!((&reply["id"], &reply["result"]), (&json!("q"), &answer), "{reply}");
            wire.answer(&request, text_result("done")).await;
        } else {
            wire.open_modern(tools()).await;
            let request = wire.wait_for("tools/call").await;
            let asked = json!({"k": {"method": method, "params": params}});
            let required =
                json!({"resultType": "input_required", "inputRequests": asked, "requestState": "s"});
            wire.answer(&request, required).await;
            let request = wire.wait_for("tools/call").await;
            assert_eq!(request["params"]["inputResponses"]["k"], answer, "{request}");
            assert_eq!(request["params"]["requestState"], "s", "{request}");
            wire.answer(&request, text_result("done")).await;
        }
    };
    let asked = async {
        match client_era {
            Era::Legacy => {
                let mut stream = client.open("tools/call", call()).await;
                let question = stream.next().await.expect("a question");
                assert_eq!(question["method"], method, "{question}");
                client.answer(&question["id"], answer.clone()).await;
                text(&stream.next().await.expect("a result"))
            }
            Era::Modern => {
                let required = client.ask("tools/call", call()).await;
                let asked = required["result"]["inputRequests"].as_object().expect("questions");
                let (key, question) = asked.iter().next().expect("a question");
                assert_eq!(question["method"], method, "{question}");
                let again = call().with("requestState", required["result"]["requestState"].clone());
                let answers = json!({key: answer});
                text(&client.ask("tools/call", again.with("inputResponses", answers)).await)
            }
        }
    };
    assert_eq!(future::join(asked, serve).await.0, "done");
}

#[tokio::test]
async fn sampling_and_roots_are_relayed_between_all_eras() {
    let sampled = json!({"role": "assistant", "content": {"type": "text", "text": "Ho"}, "model": "m"});
    for (method, params, answer) in [
        ("sampling/createMessage", sampling(), sampled),
        ("roots/list", json!({}), json!({"roots": [{"uri": "file:///a"}]})),
    ] {
        for upstream in Era::BOTH {
            for client in Era::BOTH {
                relayed(upstream, client, method, params.clone(), answer.clone()).await;
            }
        }
    }
}

#[tokio::test]
async fn the_calls_that_wait_for_answers_are_bounded_for_each_caller() {
    let (upstream, mut wire) = Wire::new();
    let gateway = Gateway::new(upstream);
    let client = gateway.client(Era::Modern, "ada");
    let serve = async {
        wire.open_legacy(tools()).await;
        for id in 0.. {
            wire.wait_for("tools/call").await;
            wire.send(question(id)).await;
        }
    };
    let calls = async {
        for _ in 0..64 {
            let answer = client.call("ask", json!({})).await;
            assert_eq!(answer["result"]["resultType"], "input_required", "{answer}");
        }
        let (_, message) = error(&client.call("ask", json!({})).await);
        assert!(message.contains("too many calls"), "{message}");
    };
    tokio::select! { () = calls => {}, () = serve => {} }
}
