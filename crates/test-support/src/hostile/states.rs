//! Forged states, and nonsensical answers.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{
    contract::Code,
    requests::{Era, body},
    storm::{endure, scale},
    target::{Asking, Example, Target},
    wire::Until,
};

const REFUSED: (u16, Code) = (200, Some(-32602));

/// A call that asks, with answers and a state.
fn request(target: &Target, asking: &Asking, state: &Value, answers: &Value) -> Vec<u8> {
    let arguments: Value = serde_json::from_str(asking.arguments).expect("arguments are JSON");
    let mut params = json!({"name": asking.tool, "arguments": arguments, "inputResponses": answers});
    if !state.is_null() {
        params["requestState"] = state.clone();
    }
    target.http(Era::Modern, &body(Era::Modern, 1, "tools/call", params)).bytes()
}

/// A state as sealed by the server.
async fn sealed(target: &Target, asking: &Asking) -> Option<String> {
    let request = request(target, asking, &Value::Null, &json!({}));
    let answer = target.connect().await.exchange(&request, Until::End).await;
    target.judge("a first round", &answer, Some("1"))?;
    let answer: Value = serde_json::from_slice(&answer.ok()?.body).ok()?;
    let state = answer["result"]["requestState"].as_str().map(str::to_owned);
    if state.is_none() {
        target.found("a first round", format!("no state: {answer}"));
    }
    state
}

/// All ways to forge a state.
fn forgeries(state: &str) -> Vec<(String, Value)> {
    let bytes = URL_SAFE_NO_PAD.decode(state).expect("a state is base64");
    let mut all: Vec<(String, Value)> = Vec::new();
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        all.push((format!("byte {at} altered"), json!(URL_SAFE_NO_PAD.encode(altered))));
    }
    for end in 0..state.len() {
        all.push((format!("cut off after {end}"), json!(state[..end])));
    }
    let huge = "A".repeat(scale(100_000, 4_000_000));
    for (name, text) in [
        ("longer", format!("{state}AAAA")),
        ("twice", state.repeat(2)),
        ("padded", format!("{state}==")),
        ("with white space", format!(" {state}")),
        ("of the other alphabet", format!("{}+/", &state[..state.len() - 2])),
        ("huge", huge),
        ("plain", r#"{"until":99999999999,"answers":{}}"#.to_owned()),
        ("encoded alone", URL_SAFE_NO_PAD.encode(r#"{"until":99999999999,"answers":{}}"#)),
        ("zeros", "A".repeat(state.len())),
        ("beyond ASCII", "\u{e9}\u{1f600}\0".to_owned()),
    ] {
        all.push((name.to_owned(), json!(text)));
    }
    let others = [json!(1), json!(true), json!([state]), json!({"state": state}), json!(1.5e300)];
    all.extend(others.map(|other| (format!("{other:.20}"), other)));
    all
}

async fn forged(target: &Target, asking: &Asking) {
    let Some(state) = sealed(target, asking).await else { return };
    let mut wire = target.connect().await;
    let mut words = None;
    for (name, forgery) in forgeries(&state) {
        let case = format!("a state: {name}");
        let request = request(target, asking, &forgery, &json!({}));
        let answer = wire.exchange(&request, Until::End).await;
        let judged = target.judge(&case, &answer, Some("1"));
        if judged.is_some_and(|judged| judged != REFUSED) {
            target.found(&case, format!("{judged:?}"));
        }
        let Ok(response) = answer else {
            wire = target.connect().await;
            continue;
        };
        // The refusal must not reveal what is wrong with it.
        let said = words.get_or_insert_with(|| response.body.clone());
        if *said != response.body {
            target.found(&case, format!("it is refused in other words: {}", response.text()));
        }
    }
    for (name, tool, arguments) in [
        ("another call", "another", json!({})),
        ("other arguments", asking.tool, json!({"dish": "x", "x": 1})),
    ] {
        let params = json!({"name": tool, "arguments": arguments, "requestState": state});
        let body = body(Era::Modern, 1, "tools/call", params);
        target.ask_for(name, &target.http(Era::Modern, &body).bytes(), REFUSED).await;
    }
}

/// Answers of every shape, with a valid state and without.
async fn answers(target: &Target, asking: &Asking) {
    let Some(state) = sealed(target, asking).await else { return };
    let key = asking.key;
    let accept = |content: Value| json!({key: {"action": "accept", "content": content}});
    let many = |count: usize, value: Value| -> Value {
        (0..count)
            .map(|number| (format!("k{number}"), value.clone()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let proper: Value = serde_json::from_str(asking.content).expect("an answer is JSON");
    let mut shapes = vec![
        json!([]),
        json!("x"),
        json!(1),
        many(1000, json!(null)),
        many(scale(5000, 150_000), json!({})),
        many(1000, json!({"action": "accept", "content": proper})),
        accept(json!(null)),
        accept(json!([])),
        accept(json!({"guests": -1})),
        accept(json!({"guests": 1e300})),
        accept(json!({"guests": "2"})),
        accept(json!({"name": "x".repeat(100_000)})),
        accept(many(10_000, json!(1))),
        accept(proper.clone()),
    ];
    let bare = [
        json!(null),
        json!([]),
        json!("accept"),
        json!({}),
        json!({"action": 1}),
        json!({"action": "grant"}),
        json!({"action": "decline"}),
        json!({"action": "cancel", "content": 1}),
        json!({"roots": []}),
        json!({"role": "assistant", "content": {"type": "text", "text": "x"}}),
    ];
    shapes.extend(bare.map(|answer| json!({key: answer})));
    for (number, answers) in shapes.iter().enumerate() {
        for state in [&json!(state), &Value::Null] {
            let case = format!("answers {number}: {answers:.60}");
            target.ask(&case, &request(target, asking, state, answers), Some("1")).await;
        }
    }
    // Equal keys: either of them may count.
    let text = r#"{"K":{"action":"decline"},"K":{"action":"cancel"}}"#.replace('K', key);
    let body = request(target, asking, &json!(state), &json!("answers"));
    let body = String::from_utf8(body).expect("a request is UTF-8");
    let (head, body) = body.split_once("\r\n\r\n").expect("it has a head");
    let body = body.replace("\"answers\"", &text);
    let head: Vec<_> = head.lines().filter(|line| !line.starts_with("Content-Length")).collect();
    let bytes = format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len());
    target.ask("answers of equal keys", bytes.as_bytes(), Some("1")).await;
}

pub async fn forged_states(example: &'static Example) {
    endure(example, "forged states", async |target| {
        let Some(asking) = &target.example.asking else {
            // If no tool asks, a state is not valid either.
            let asking = Asking { tool: target.example.tool, arguments: "{}", key: "x", content: "{}" };
            for state in ["", "x", &"A".repeat(1000)] {
                target.ask("a state", &request(target, &asking, &json!(state), &json!({})), Some("1")).await;
            }
            return;
        };
        forged(target, asking).await;
        answers(target, asking).await;
    })
    .await;
}
