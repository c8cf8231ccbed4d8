//! Bodies that are slow, truncated, too large, not JSON, or several in one; pipelined requests.

use futures_util::{StreamExt, stream};
use serde_json::{Value, json};

use super::{
    contract::{Code, is_bare_refusal},
    requests::{Era, Http, body, call},
    storm::{endure, scale},
    target::{Example, Target},
    wire::{Trouble, Until},
};

const PARSE_ERROR: (u16, Code) = (400, Some(-32700));
const INVALID: (u16, Code) = (400, Some(-32600));
const TOO_LARGE: (u16, Code) = (413, Some(-32600));
/// More than any example reads.
const LARGE: usize = 5 * 1024 * 1024;

fn proper(target: &Target, era: Era) -> Http {
    let arguments = serde_json::from_str(target.example.arguments).expect("arguments are JSON");
    target.http(era, &call(era, 1, target.example.tool, &arguments))
}

/// A request of the revision with batches.
fn batch(target: &Target, messages: &str) -> Http {
    proper(target, Era::Legacy).set("MCP-Protocol-Version", "2025-03-26").with_body(messages)
}

async fn no_json(target: &Target) {
    let proper = proper(target, Era::Modern);
    let text = String::from_utf8(proper.body.clone()).expect("JSON is UTF-8");
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (name, body) in [
        ("nothing", Vec::new()),
        ("white space", b" \r\n\t".repeat(1000)),
        ("a word", b"hello".to_vec()),
        ("a mark before it", [b"\xef\xbb\xbf", text.as_bytes()].concat()),
        ("UTF-16", utf16),
        ("not UTF-8", [text.as_bytes(), b"\xff"].concat()),
        ("two in one", text.repeat(2).into_bytes()),
        ("NUL after it", [text.as_bytes(), b"\0"].concat()),
        ("compressed", b"\x1f\x8b\x08\0\0\0\0\0\0\x03".to_vec()),
        ("a form", b"jsonrpc=2.0&id=1&method=ping".to_vec()),
        ("too deep", [b"[".repeat(129), b"]".repeat(129)].concat()),
        ("far too deep", b"[".repeat(scale(100_000, 4_000_000))),
        ("deep in objects", br#"{"a":"#.repeat(scale(20_000, 800_000))),
        ("quotes alone", b"\"".repeat(100_001)),
        ("escapes alone", [b"\"", &b"\\u00"[..].repeat(50_000)[..]].concat()),
    ] {
        target
            .ask_for(&format!("no JSON: {name}"), &proper.clone().with_body(body).bytes(), PARSE_ERROR)
            .await;
    }
    let cuts = (0..text.len()).map(|end| proper.clone().with_body(&text.as_bytes()[..end]));
    let mut wire = target.connect().await;
    for (end, http) in cuts.enumerate() {
        let answer = wire.exchange(&http.bytes(), Until::End).await;
        let case = format!("JSON that ends after {end} bytes");
        let judged = target.judge(&case, &answer, None);
        if judged.is_some_and(|judged| judged != PARSE_ERROR) {
            target.found(&case, format!("{judged:?}"));
        }
        if answer.is_err() {
            wire = target.connect().await;
        }
    }
    for message in ["1", "\"x\"", "null", "true", "{}", r#"{"jsonrpc":"2.0","id":1,"result":{}}"#] {
        let http = proper.clone().with_body(message);
        target.ask_for(&format!("no request: {message}"), &http.bytes(), INVALID).await;
    }
}

async fn sizes(target: &Target) {
    let proper = proper(target, Era::Legacy);
    for length in [LARGE.to_string(), u64::MAX.to_string(), (u64::MAX / 2).to_string()] {
        let case = format!("a body of {length} bytes is announced");
        let answer = target.connect().await.exchange(&proper.bytes_of_length(&length), Until::End).await;
        // An unreadable body is refused by the HTTP server, or by the library.
        if !answer.as_ref().is_ok_and(is_bare_refusal) {
            let judged = target.judge(&case, &answer, None);
            if judged.is_some_and(|judged| judged != TOO_LARGE) {
                target.found(&case, format!("{judged:?}"));
            }
        }
    }
    let large = proper.clone().with_body(vec![b' '; LARGE]);
    target.ask_for("a large body", &large.bytes(), TOO_LARGE).await;
    target.ask_for("a large body in chunks", &large.chunked(65_536), TOO_LARGE).await;
    target.ask_for("a large body in small chunks", &large.chunked(16), TOO_LARGE).await;
    for size in [1, 7, 1000] {
        target.ask_for(&format!("chunks of {size}"), &proper.chunked(size), (200, None)).await;
        let mut wire = target.connect().await;
        let sent = wire.send_in_pieces(&proper.bytes(), size).await;
        let answer = if sent.is_ok() { wire.answer(Until::FirstEvent).await } else { Err(Trouble::Reset) };
        target.judge(&format!("packets of {size}"), &answer, Some("1"));
    }
    let huge = scale(100_000, 1_000_000);
    for text in ["x", "\\\"", "\u{e9}"] {
        let json = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{}"}}"#, text.repeat(huge));
        let http = proper.clone().with_body(json);
        target.ask_for("a huge method", &http.bytes(), (200, Some(-32601))).await;
    }
    let id = format!("\"{}\"", "x".repeat(huge));
    let http = proper.clone().with_body(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
    target.ask("a huge id", &http.bytes(), Some(&id)).await;
    let id = "7".repeat(huge);
    let http = proper.with_body(format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"ping"}}"#));
    target.ask("a huge number as id", &http.bytes(), Some(&id)).await;
}

async fn batches(target: &Target) {
    let message = |id: usize| json!({"jsonrpc": "2.0", "id": id, "method": "ping"}).to_string();
    let of = |messages: &[String]| format!("[{}]", messages.join(","));
    let many = |count: usize| of(&(0..count).map(message).collect::<Vec<_>>());
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    for (name, text, expected) in [
        ("of none", "[]".to_owned(), INVALID),
        ("of one", many(1), (200, None)),
        ("of a hundred", many(100), (200, None)),
        ("of too many", many(101), INVALID),
        ("of far too many", many(scale(20_000, 60_000)), INVALID),
        ("of batches", format!("[{},[]]", many(2)), (200, None)),
        ("of null", "[null,1,\"x\"]".to_owned(), (200, None)),
        ("of notifications", of(&vec![notification.to_owned(); 100]), (202, None)),
        ("of equal ids", of(&vec![message(1); 100]), (200, None)),
        ("that is cut off", many(3)[..40].to_owned(), PARSE_ERROR),
        ("with a comma too many", format!("[{},]", message(1)), PARSE_ERROR),
    ] {
        target.ask_for(&format!("a batch {name}"), &batch(target, &text).bytes(), expected).await;
    }
    let proper = proper(target, Era::Modern);
    let modern = format!("[{}]", String::from_utf8_lossy(&proper.body));
    target.ask_for("a batch of the modern era", &proper.with_body(modern).bytes(), INVALID).await;
    let era = Era::Legacy;
    let initialize = body(era, 1, "initialize", json!({"protocolVersion": "2025-03-26"}));
    let initialize = batch(target, &format!("[{initialize}]"));
    target.ask_for("a batch with initialize", &initialize.bytes(), (200, None)).await;
    let arguments: Value = serde_json::from_str(target.example.arguments).expect("arguments are JSON");
    let calls: Vec<_> =
        (0..100).map(|id| call(era, id, target.example.tool, &arguments).to_string()).collect();
    let calls = batch(target, &of(&calls)).bytes();
    let all = (0..scale(20, 200)).map(|_| target.ask_for("batches of calls", &calls, (200, None)));
    stream::iter(all).for_each_concurrent(20, |asked| asked).await;
}

/// Requests that do not wait for each other's answers.
async fn pipelines(target: &Target) {
    let count = scale(200, 2000);
    let requests: Vec<u8> = (0..count).flat_map(|id| target.usual_call(id)).collect();
    let mut wire = target.connect().await;
    let mut answer = wire.exchange(&requests, Until::End).await;
    for id in 0..count {
        if target.judge("one behind the other", &answer, Some(&id.to_string())).is_none() {
            break;
        }
        if id + 1 < count {
            answer = wire.answer(Until::End).await;
        }
    }
    let texts = ["1", "\"1\"", "-1", "1", "\"\\u0031\""];
    let equal = (0..scale(100, 1000)).map(|number| async move {
        let id = texts[number % texts.len()];
        let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"tools/list"}}"#);
        let http = proper(target, Era::Legacy).with_body(text);
        let answer = target.connect().await.exchange(&http.bytes(), Until::End).await;
        if target.judge("equal ids", &answer, Some(id)).is_some_and(|judged| judged != (200, None)) {
            target.found("equal ids", format!("{answer:?}"));
        }
    });
    stream::iter(equal).for_each_concurrent(20, |asked| asked).await;
}

pub async fn broken_bodies(example: &'static Example) {
    endure(example, "broken bodies", async |target| {
        no_json(target).await;
        sizes(target).await;
        batches(target).await;
        pipelines(target).await;
    })
    .await;
}
