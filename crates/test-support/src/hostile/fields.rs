//! Wrong types in every field of every method, in both eras.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    requests::{ERAS, Era, Http, body, encoded},
    storm::{endure, scale},
    target::{Example, Target},
    wire::{Until, Wire},
};

/// How many clients send them at the same time.
const CLIENTS: usize = 4;
/// To warm up, this many of each are enough.
const WARM_UP_STEP: usize = 8;

/// One step into a JSON value.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(usize),
}

/// How one place of a JSON value is changed.
#[derive(Clone, Debug)]
enum Change {
    Replace(Vec<u8>),
    Remove,
    /// The member is repeated with this value.
    Repeat(Vec<u8>),
}

/// Valid requests, whose fields are spoilt one at a time.
fn requests(example: &Example) -> Vec<(&'static str, Value)> {
    let arguments: Value = serde_json::from_str(example.arguments).expect("arguments are JSON");
    let mut all = vec![
        (
            "initialize",
            json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}),
        ),
        ("ping", json!({})),
        ("logging/setLevel", json!({"level": "info"})),
        ("server/discover", json!({})),
        ("tools/list", json!({"cursor": "MA"})),
        (
            "tools/call",
            json!({
                "name": example.tool, "arguments": arguments,
                "_meta": {"progressToken": 7, "io.modelcontextprotocol/logLevel": "debug"},
                "inputResponses": {"x": {"action": "accept", "content": {"y": 1}}}, "requestState": "x",
            }),
        ),
        ("notifications/cancelled", json!({"requestId": 1, "reason": "x"})),
    ];
    let changing = [
        ("resources/list", json!({"cursor": "MA"})),
        ("resources/templates/list", json!({})),
        ("resources/read", json!({"uri": "test://template/1/data"})),
        ("resources/subscribe", json!({"uri": "test://watched-resource"})),
        (
            "subscriptions/listen",
            json!({"notifications": {
                "toolsListChanged": true, "resourcesListChanged": true,
                "resourceSubscriptions": ["test://watched-resource"],
            }}),
        ),
    ];
    let rest = [
        ("prompts/list", json!({})),
        (
            "prompts/get",
            json!({"name": "test_prompt_with_arguments", "arguments": {"arg1": "a", "arg2": "b"}}),
        ),
        (
            "completion/complete",
            json!({
                "ref": {"type": "ref/prompt", "name": "test_prompt_with_arguments"},
                "argument": {"name": "arg1", "value": "pa"},
                "context": {"arguments": {"arg2": "b"}},
            }),
        ),
        ("tasks/get", json!({"taskId": "0123456789abcdef0123456789abcdef"})),
        (
            "tasks/update",
            json!({
                "taskId": "0123456789abcdef0123456789abcdef",
                "inputResponses": {"x": {"action": "accept", "content": {"y": 1}}},
            }),
        ),
        ("tasks/cancel", json!({"taskId": "0123456789abcdef0123456789abcdef"})),
        ("subscriptions/listen", json!({"notifications": {"taskIds": ["0123456789abcdef0123456789abcdef"]}})),
        ("tools/call", json!({"name": "test_x_mcp_header", "arguments": {"region": "west"}})),
        (
            "tools/call",
            json!({"name": "json_schema_2020_12_tool", "arguments": {
                "name": "Ada", "address": {"street": "x", "city": "y"}, "contactMethod": "phone", "phone": "1",
            }}),
        ),
    ];
    if example.listens {
        all.extend(changing);
    }
    if example.name == "everything" {
        all.extend(rest);
    }
    all
}

/// The values that replace a field.
fn values() -> Vec<Vec<u8>> {
    let deep = |levels: usize| ["[".repeat(levels), "]".repeat(levels)].concat().into_bytes();
    let huge = format!("\"{}\"", "x".repeat(scale(16, 1024) * 1024)).into_bytes();
    let mut values: Vec<Vec<u8>> = [
        "null",
        "true",
        "0",
        "-1",
        "-0",
        "1.5",
        "1e999",
        "-1e-999",
        "NaN",
        "Infinity",
        "0x10",
        "01",
        "1.",
        "9223372036854775807",
        "-9223372036854775808",
        "18446744073709551616",
        "\"\"",
        "\"x\"",
        "\" \"",
        r#""\u0000""#,
        r#""\ud800""#,
        r#""\udc00\ud800""#,
        r#""\ud83d\ude00""#,
        r#""\x""#,
        "\"\n\"",
        "[]",
        "[null]",
        "[[]]",
        "{}",
        r#"{"":null}"#,
        r#"{"x":1,"x":2}"#,
        r#"{"type":"ref/nothing"}"#,
        "[1,]",
        "{,}",
        "/*x*/1",
        "\u{feff}1",
        "",
    ]
    .map(|text| text.as_bytes().to_vec())
    .into();
    values.extend([b"\"\xff\"".to_vec(), b"\"\xed\xa0\x80\"".to_vec(), b"\"\xc0\xaf\"".to_vec()]);
    values.extend([
        huge,
        "9".repeat(4000).into_bytes(),
        deep(100),
        deep(200),
        deep(scale(2000, 100_000)),
        vec![b'['; 5000],
    ]);
    values
}

fn paths(value: &Value) -> Vec<Vec<Step>> {
    let below = |step: Step, value: &Value| {
        let steps = paths(value).into_iter();
        steps.map(|path| [vec![step.clone()], path].concat()).collect::<Vec<_>>()
    };
    let mut all = vec![Vec::new()];
    match value {
        Value::Object(members) => {
            all.extend(members.iter().flat_map(|(key, member)| below(Step::Key(key.clone()), member)));
        }
        Value::Array(elements) => {
            let elements = elements.iter().enumerate();
            all.extend(elements.flat_map(|(index, element)| below(Step::Index(index), element)));
        }
        _ => {}
    }
    all
}

/// Writes `value` with a change at `path`.
fn spoilt(value: &Value, path: &[Step], change: &Change) -> Vec<u8> {
    let Some((step, rest)) = path.split_first() else {
        return match change {
            Change::Replace(bytes) => bytes.clone(),
            Change::Remove => Vec::new(),
            Change::Repeat(_) => value.to_string().into_bytes(),
        };
    };
    let mut parts: Vec<Vec<u8>> = Vec::new();
    let mut add = |key: Option<&str>, at: &Step, member: &Value| {
        let prefix = key.map_or_else(String::new, |key| format!("{}:", json!(key))).into_bytes();
        let is_here = at == step;
        if is_here && rest.is_empty() && matches!(change, Change::Remove) {
            return;
        }
        let text = if is_here { spoilt(member, rest, change) } else { member.to_string().into_bytes() };
        parts.push([&prefix[..], &text].concat());
        if let (true, [], Change::Repeat(other)) = (is_here, rest, change) {
            parts.push([&prefix[..], other].concat());
        }
    };
    let (open, close) = match value {
        Value::Object(members) => {
            for (key, member) in members {
                add(Some(key), &Step::Key(key.clone()), member);
            }
            (&b"{"[..], &b"}"[..])
        }
        Value::Array(elements) => {
            for (index, element) in elements.iter().enumerate() {
                add(None, &Step::Index(index), element);
            }
            (&b"["[..], &b"]"[..])
        }
        _ => unreachable!("a path leads through objects and arrays"),
    };
    [open, &parts.join(&b","[..]), close].concat()
}

/// A spoilt request.
struct Case {
    name: String,
    bytes: Vec<u8>,
    /// The JSON of its changed id.
    id: String,
    until: Until,
}

fn cases(target: &Target) -> Vec<Case> {
    let mut cases = Vec::new();
    for era in ERAS {
        for (method, params) in requests(target.example) {
            let mut body = body(era, 7, method, params);
            if method.starts_with("notifications/") {
                body.as_object_mut().expect("a message is an object").remove("id");
            }
            // No client answers what a tool might ask.
            let mut http = target.http(era, &body);
            if era == Era::Legacy {
                http = http.set("Accept", "application/json");
            }
            for path in paths(&body) {
                let values = values().into_iter();
                let changes =
                    values.flat_map(|value| [Change::Replace(value.clone()), Change::Repeat(value)]);
                for change in changes.chain([Change::Remove]) {
                    // Few values are repeated, and only members can be.
                    let is_rare =
                        matches!(&change, Change::Repeat(value) if value.len() != 4 || path.is_empty());
                    if !is_rare {
                        cases.push(case(&http, era, &body, &path, &change));
                    }
                }
            }
        }
    }
    cases
}

fn case(http: &Http, era: Era, body: &Value, path: &[Step], change: &Change) -> Case {
    let at: Vec<_> = path
        .iter()
        .map(|step| match step {
            Step::Key(key) => key.clone(),
            Step::Index(index) => index.to_string(),
        })
        .collect();
    let shown = match change {
        Change::Replace(value) => String::from_utf8_lossy(&value[..value.len().min(40)]).into_owned(),
        Change::Repeat(value) => format!("twice, then {}", String::from_utf8_lossy(value)),
        Change::Remove => "nothing".to_owned(),
    };
    let name = format!("{era:?} {}, {} is {shown}", body["method"], at.join("."));
    let mut http = http.clone().with_body(spoilt(body, path, change));
    let mut id = body["id"].to_string();
    if let Change::Replace(value) = change {
        let text = serde_json::from_slice::<String>(value).ok();
        // The headers follow the change, so that they are not the only fault.
        let header = match path {
            [Step::Key(key)] if key == "method" => Some("Mcp-Method"),
            [_, Step::Key(key)] if ["name", "uri", "taskId"].contains(&&**key) => Some("Mcp-Name"),
            _ => None,
        };
        if let (Era::Modern, Some(header), Some(text)) = (era, header, text.filter(|text| text.len() < 4096))
        {
            http = http.set(header, &encoded(&text));
        }
        if matches!(path, [Step::Key(key)] if key == "id") {
            id = String::from_utf8_lossy(value).into_owned();
        }
    }
    Case { name, bytes: http.bytes(), id, until: Until::FirstEvent }
}

/// Sends cases over one connection while it lasts.
async fn send_all(target: &Target, cases: impl Iterator<Item = &Case>) {
    let mut wire: Option<Wire> = None;
    for case in cases {
        let mut fresh = match wire.take() {
            Some(wire) => wire,
            None => target.connect().await,
        };
        let answer = fresh.exchange(&case.bytes, case.until).await;
        target.judge(&case.name, &answer, Some(&case.id));
        // A stream continues until the client hangs up.
        if answer.is_ok_and(|response| !response.is_stream()) {
            wire = Some(fresh);
        }
    }
}

pub async fn wrong_types(example: &'static Example) {
    endure(example, "wrong types in every field", async |target| {
        let step = match target.cases() {
            0 => WARM_UP_STEP,
            // It has what the others have; in the short form they send a part of the cases.
            _ if example.name == "everything" => 1,
            _ => scale(3, 1),
        };
        let cases: Vec<_> = cases(target).into_iter().step_by(step).collect();
        let parts = (0..CLIENTS).map(|client| cases.iter().skip(client).step_by(CLIENTS));
        stream::iter(parts).for_each_concurrent(None, |part| send_all(target, part)).await;
    })
    .await;
}
