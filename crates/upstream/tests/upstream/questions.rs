//! Questions from upstreams of both eras to clients of both eras.

use mcp_stateless_upstream::UpstreamBuilder;
use serde_json::{Value, json};

use super::cast::{Member, python, python_2};
use super::gateway::{Client, Era, Gateway, Params, error, text};

fn ask_name() -> Params {
    Params::call("ask_name", json!({}))
}

/// Returns the key and the state that the answer must contain.
fn parts(answer: &mut Value) -> (String, Value) {
    let result = &mut answer["result"];
    assert_eq!(result["resultType"], "input_required", "{result}");
    let (key, question) =
        result["inputRequests"].as_object().and_then(|it| it.iter().next()).expect("a question");
    assert_eq!(question["params"]["message"], "What is your name?");
    (key.clone(), result["requestState"].take())
}

async fn answered(client: Client<'_>, era: Era) -> String {
    let answer = json!({"action": "accept", "content": {"name": "Ada"}});
    match era {
        Era::Legacy => {
            let mut stream = client.open("tools/call", ask_name()).await;
            let question = stream.next().await.expect("a question");
            assert_eq!(question["method"], "elicitation/create", "{question}");
            assert_eq!(question["params"]["message"], "What is your name?");
            client.answer(&question["id"], answer).await;
            text(&stream.next().await.expect("a result"))
        }
        Era::Modern => {
            let (key, state) = parts(&mut client.ask("tools/call", ask_name()).await);
            let again = ask_name().with("requestState", state).with("inputResponses", json!({key: answer}));
            text(&client.ask("tools/call", again).await)
        }
    }
}

async fn both_eras(upstream: UpstreamBuilder) {
    let gateway = Gateway::new(upstream);
    for era in Era::BOTH {
        assert_eq!(answered(gateway.client(era, "ada"), era).await, "Hello, Ada!", "{era:?}");
    }
    assert_eq!(gateway.upstream.stats().parked, 0);
    assert_eq!(gateway.upstream.stats().in_flight, 0);
}

#[tokio::test]
async fn a_legacy_upstream_over_stdio_asks_clients_of_both_eras() {
    both_eras(python("arithmetic")).await;
}

#[tokio::test]
async fn a_legacy_upstream_over_http_asks_clients_of_both_eras() {
    let member = Member::arithmetic().await;
    both_eras(member.upstream()).await;
}

#[tokio::test]
async fn a_modern_upstream_asks_clients_of_both_eras() {
    let member = Member::modern().await;
    both_eras(member.upstream()).await;
}

#[tokio::test]
async fn a_handler_that_asks_on_its_way_asks_clients_of_its_own_era() {
    let gateway = Gateway::new(python_2("both_eras"));
    // Opens a session of the modern era before.
    gateway.upstream.probe().await.expect("the upstream opens");
    let client = gateway.client(Era::Legacy, "ada");
    assert_eq!(answered(client, Era::Legacy).await, "Hello, Ada!");
}

#[tokio::test]
async fn a_question_without_an_answer_is_asked_again() {
    let gateway = Gateway::new(python("arithmetic"));
    let client = gateway.client(Era::Modern, "ada");
    let (first, state) = parts(&mut client.ask("tools/call", ask_name()).await);
    let again = ask_name().with("requestState", state);
    let (second, state) = parts(&mut client.ask("tools/call", again).await);
    assert_eq!(first, second);
    let answers = json!({second: {"action": "decline"}});
    let declined = ask_name().with("requestState", state).with("inputResponses", answers);
    assert_eq!(text(&client.ask("tools/call", declined).await), "The user said decline.");
}

#[tokio::test]
async fn the_answer_to_a_call_that_is_gone_is_refused_clearly() {
    let gateway = Gateway::new(python("arithmetic"));
    let client = gateway.client(Era::Modern, "ada");
    let (key, state) = parts(&mut client.ask("tools/call", ask_name()).await);
    let answers = json!({key: {"action": "decline"}});
    let again = ask_name().with("requestState", state).with("inputResponses", answers);
    client.ask("tools/call", again.clone()).await;
    let (code, message) = error(&client.ask("tools/call", again).await);
    assert_eq!(code, -32_602);
    assert!(message.contains("call again"), "{message}");
}

#[tokio::test]
async fn a_client_that_cannot_be_asked_is_told_so_and_nothing_waits_for_it() {
    for upstream in [python("arithmetic"), Member::modern().await.upstream()] {
        let gateway = Gateway::new(upstream);
        let client = gateway.client(Era::Modern, "ada");
        let meta = json!({"io.modelcontextprotocol/clientCapabilities": {}});
        let answer = client.ask("tools/call", ask_name().with("_meta", meta)).await;
        assert_ne!(answer["result"]["resultType"], "input_required", "{answer}");
        assert_eq!(gateway.upstream.stats().parked, 0);
    }
}

#[tokio::test]
async fn a_parked_call_ends_with_its_upstream() {
    let gateway = Gateway::new(python("arithmetic"));
    let client = gateway.client(Era::Modern, "ada");
    let (key, state) = parts(&mut client.ask("tools/call", ask_name()).await);
    assert_eq!(gateway.upstream.stats().parked, 1);
    gateway.upstream.shut_down().await;
    assert_eq!(gateway.upstream.stats().parked, 0);
    let answers = json!({key: {"action": "decline"}});
    let again = ask_name().with("requestState", state).with("inputResponses", answers);
    assert_eq!(error(&client.ask("tools/call", again).await).0, -32_602);
    let (code, message) = error(&client.call("add", json!({"a": 1, "b": 1})).await);
    assert_eq!((code, &*message), (-32_603, "The upstream \"arithmetic\" is not available: it is shut down"));
}
