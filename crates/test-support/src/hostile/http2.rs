//! Frames of HTTP/2, for servers that support it; for others, the preface is a broken head.

use std::time::Duration;

use serde_json::json;
use tokio::io::AsyncReadExt;

use super::{
    storm::{endure, scale},
    target::{Example, Target},
    wire::{LIMIT, Wire},
};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Types of frames.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
/// Flags.
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a frame is short").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A literal header without compression (RFC 7541, section 6.2.2).
fn field(name: &str, value: &str) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127).expect("it is short");
        [&[length], text.as_bytes()].concat()
    };
    [&[0][..], &text(name), &text(value)].concat()
}

fn head(target: &Target) -> Vec<u8> {
    let mut fields = [
        field(":method", "POST"),
        field(":scheme", "http"),
        field(":path", "/mcp"),
        field(":authority", &target.address.to_string()),
        field("content-type", "application/json"),
    ]
    .concat();
    for (name, value) in target.example.headers {
        fields.extend(field(&name.to_ascii_lowercase(), value));
    }
    fields
}

/// Streams by their numbers.
fn streams(count: usize) -> impl Iterator<Item = u32> {
    (0..u32::try_from(count).expect("a small number")).map(|number| number * 2 + 1)
}

fn attacks(target: &Target) -> Vec<(&'static str, Vec<u8>)> {
    let count = scale(2000, 20_000);
    let head = head(target);
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let begin = |stream| frame(HEADERS, END_HEADERS, stream, &head);
    let each = |make: &dyn Fn(u32) -> Vec<u8>| streams(count).flat_map(make).collect::<Vec<u8>>();
    vec![
        (
            "streams that are reset at once",
            each(&|at| [begin(at), frame(RESET, 0, at, &[0, 0, 0, 8])].concat()),
        ),
        (
            "calls that are reset at once",
            each(&|at| {
                let data = frame(DATA, END_STREAM, at, body.as_bytes());
                [begin(at), data, frame(RESET, 0, at, &[0, 0, 0, 8])].concat()
            }),
        ),
        ("streams that go on", each(&begin)),
        ("calls whose answers have no room", {
            let no_room = frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0]);
            [no_room, each(&|at| [begin(at), frame(DATA, END_STREAM, at, body.as_bytes())].concat())].concat()
        }),
        ("settings without end", frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 1]).repeat(count)),
        ("pings without end", frame(PING, 0, 0, &[7; 8]).repeat(count)),
        ("priorities without end", each(&|at| frame(PRIORITY, 0, at, &[0, 0, 0, 0, 1]))),
        ("empty data without end", [begin(1), frame(DATA, 0, 1, &[]).repeat(count)].concat()),
        ("a head without end", {
            let more = field("x-a", &"x".repeat(100));
            [frame(HEADERS, 0, 1, &head), frame(CONTINUATION, 0, 1, &more).repeat(count)].concat()
        }),
        ("a window that overflows", frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0xff, 0xff, 0xff]).repeat(3)),
        ("a table that is too large", frame(HEADERS, END_HEADERS, 1, &[0x3f, 0xff, 0xff, 0xff, 0xff, 0x0f])),
        ("frames of no known type", frame(0xfa, 0xff, 3, &[9; 1000]).repeat(100)),
        ("a frame that is too large", [&[0xff, 0xff, 0xff, DATA, 0, 0, 0, 0, 1][..], &[0; 60_000]].concat()),
    ]
}

/// Returns the type, the flags, and the stream of the next frame.
async fn next(wire: &mut Wire) -> Option<(u8, u8, u32)> {
    let mut head = [0; 9];
    wire.stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; usize::try_from(length).ok()?];
    wire.stream.read_exact(&mut payload).await.ok()?;
    Some((head[3], head[4], u32::from_be_bytes([head[5], head[6], head[7], head[8]])))
}

/// A valid call is answered, unless the preface is refused.
async fn proper(target: &Target) {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}).to_string();
    let frames = [
        frame(SETTINGS, 0, 0, &[]),
        frame(HEADERS, END_HEADERS, 1, &head(target)),
        frame(DATA, END_STREAM, 1, call.as_bytes()),
    ];
    let mut wire = target.connect().await;
    target.count();
    // A server that refuses the preface may close the connection at once.
    let _ = wire.send(&[PREFACE, &frames.concat()].concat()).await;
    let answered = async {
        let Some((SETTINGS, _, 0)) = next(&mut wire).await else { return true };
        while let Some((kind, _, stream)) = next(&mut wire).await {
            if (kind, stream) == (HEADERS, 1) {
                return true;
            }
        }
        false
    };
    if tokio::time::timeout(LIMIT, answered).await != Ok(true) {
        target.found("a proper call", "it is not answered");
    }
}

pub async fn frames_of_http_2(example: &'static Example) {
    endure(example, "HTTP/2", async |target| {
        proper(target).await;
        for (_, attack) in attacks(target) {
            target.count();
            let Ok(mut wire) = Wire::connect(target.address).await else { continue };
            let bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &attack].concat();
            // It may close the connection at any time; what matters is the neighbour.
            wire.fill(&bytes, Duration::from_millis(200)).await;
        }
    })
    .await;
}
