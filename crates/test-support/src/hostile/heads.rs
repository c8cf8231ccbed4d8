//! Heads that are broken, huge, or ambiguous.

use serde_json::json;

use super::{
    contract::{self, is_bare_refusal},
    requests::{Era, Http, call},
    storm::{endure, scale},
    target::{Example, Target},
    wire::{Trouble, Until},
};

/// The id of a request that is hidden in the body of another.
const SMUGGLED: &str = "smuggled";
/// The id of the following request.
const AFTER: &str = "after";

/// The expected outcome of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    /// An answer with this status that keeps the contract.
    Status(u16),
    /// Any answer that keeps the contract, a bare refusal of the HTTP server, or none.
    NoHarm,
}

struct Case {
    name: String,
    bytes: Vec<u8>,
    want: Want,
    until: Until,
}

struct Cases<'t> {
    target: &'t Target,
    all: Vec<Case>,
}

impl Cases<'_> {
    /// A valid call, to be spoilt.
    fn proper(&self) -> Http {
        let arguments = serde_json::from_str(self.target.example.arguments).expect("arguments are JSON");
        self.target.http(Era::Modern, &call(Era::Modern, 1, self.target.example.tool, &arguments))
    }

    fn add(&mut self, name: impl Into<String>, want: Want, bytes: impl Into<Vec<u8>>) {
        self.all.push(Case { name: name.into(), bytes: bytes.into(), want, until: Until::FirstEvent });
    }

    fn spoil(&mut self, name: &str, want: Want, spoil: impl FnOnce(Http) -> Http) {
        let bytes = spoil(self.proper()).bytes();
        self.add(name, want, bytes);
    }

    /// Sent unchanged, after the start of a valid head.
    fn lines(&mut self, name: &str, want: Want, lines: &[u8]) {
        let proper = self.proper();
        let length = format!("Content-Length: {}\r\n\r\n", proper.body.len());
        let bytes = [&proper.head()[..], lines, b"\r\n", length.as_bytes(), &proper.body].concat();
        self.add(name, want, bytes);
    }
}

fn methods_and_targets(cases: &mut Cases<'_>) {
    let line = |line: &str| {
        let line = line.as_bytes().to_vec();
        move |http: Http| Http { line, ..http }
    };
    for method in
        ["GET", "DELETE", "PUT", "PATCH", "TRACE", "OPTIONS", "BREW", "post", "X".repeat(300).as_str()]
    {
        cases.spoil(
            &format!("method {method:.10}"),
            Want::Status(405),
            line(&format!("{method} /mcp HTTP/1.1")),
        );
    }
    cases.spoil("method HEAD", Want::Status(405), line("HEAD /mcp HTTP/1.1"));
    cases.all.last_mut().expect("it was added").until = Until::Head;
    for first in [
        "POST /mcp HTTP/1.0",
        "POST /mcp HTTP/0.9",
        "POST /mcp HTTP/3.0",
        "POST /mcp HTTP/1.10",
        "POST /mcp",
        "POST",
        "POST  /mcp HTTP/1.1",
        "POST /mcp HTTP/1.1 x",
        "POST /m cp HTTP/1.1",
        "\u{1}POST /mcp HTTP/1.1",
        "P\u{e9}T /mcp HTTP/1.1",
        "CONNECT localhost:1 HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "POST * HTTP/1.1",
        "POST http://localhost/mcp HTTP/1.1",
        "POST http://evil.example/mcp HTTP/1.1",
        "POST http://[::1/mcp HTTP/1.1",
        "POST /mcp%00 HTTP/1.1",
        "POST /mcp/../mcp HTTP/1.1",
        "POST //mcp HTTP/1.1",
        "POST /%6dcp HTTP/1.1",
        "POST /mcp?a=%ff&b#c HTTP/1.1",
        "POST \\mcp HTTP/1.1",
        "",
        "\r\n\r\n",
        "PRI * HTTP/2.0",
    ] {
        cases.spoil(&format!("first line {first:?}"), Want::NoHarm, line(first));
    }
    for size in [10_000, 70_000, 1_000_000] {
        let long = format!("POST /mcp?{} HTTP/1.1", "x".repeat(size));
        cases.spoil(&format!("a target of {size} bytes"), Want::NoHarm, line(&long));
    }
}

fn broken_lines(cases: &mut Cases<'_>) {
    for (name, lines) in [
        ("a bare CR", &b"X-A: a\rX-B: b"[..]),
        ("a bare LF", b"X-A: a\nX-B: b"),
        ("a folded line", b"X-A: a\r\n b"),
        ("NUL in a value", b"X-A: a\0b"),
        ("NUL in a name", b"X\0A: a"),
        ("a space before the colon", b"X-A : a"),
        ("no name", b": a"),
        ("no colon", b"X-A"),
        ("bytes beyond ASCII", b"X-\xff: \xff\xfe"),
        ("a control character", b"X-A: \x1b[2J"),
        ("an empty line of spaces", b" "),
    ] {
        cases.lines(name, Want::NoHarm, lines);
    }
    for count in [101, 1000, scale(10_000, 50_000)] {
        let lines: Vec<_> = (0..count).map(|number| format!("X-{number}: x")).collect();
        cases.lines(&format!("{count} headers"), Want::NoHarm, lines.join("\r\n").as_bytes());
    }
    for size in [10_000, 70_000, 1_000_000] {
        cases.lines(
            &format!("a header of {size} bytes"),
            Want::NoHarm,
            format!("X-A: {}", "x".repeat(size)).as_bytes(),
        );
        cases.lines(
            &format!("a name of {size} bytes"),
            Want::NoHarm,
            format!("{}: x", "x".repeat(size)).as_bytes(),
        );
    }
    let hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";
    cases.add("TLS", Want::NoHarm, [&hello[..], &[7; 500]].concat());
    cases.add("zeros", Want::NoHarm, vec![0; 20_000]);
    cases.add("line ends", Want::NoHarm, [&b"\r\n".repeat(20_000)[..], &cases.proper().bytes()].concat());
    cases.add("no line end", Want::NoHarm, b"P".repeat(scale(500_000, 20_000_000)));
    cases.add(
        "PROXY",
        Want::NoHarm,
        [&b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n"[..], &cases.proper().bytes()].concat(),
    );
}

fn hosts_and_types(cases: &mut Cases<'_>) {
    for (name, status, header, value) in [
        ("a foreign host", 403, "Host", "evil.example"),
        ("an empty host", 403, "Host", ""),
        ("a host with a user", 403, "Host", "localhost@evil.example"),
        ("a host that begins alike", 403, "Host", "localhost.evil.example"),
        ("a host with a huge port", 403, "Host", "localhost:99999999999999999999"),
        ("another type", 415, "Content-Type", "text/plain"),
        ("no type at all", 415, "Content-Type", ""),
        ("two types in one", 415, "Content-Type", "application/json, text/plain"),
        ("a type that begins alike", 415, "Content-Type", "application/jsonx"),
        ("a type beyond ASCII", 415, "Content-Type", "application/json\u{e9}"),
        ("accepts nothing that fits", 406, "Accept", "text/html"),
        ("accepts nothing", 406, "Accept", "application/json;q=0, text/event-stream;q=0.0"),
        ("a version beyond ASCII", 400, "MCP-Protocol-Version", "\u{e9}"),
        ("a version of numbers", 400, "MCP-Protocol-Version", "99999999999999999999"),
        ("another method", 400, "Mcp-Method", "tools/list"),
        ("another name", 400, "Mcp-Name", "other"),
        ("a name in broken base64", 400, "Mcp-Name", "=?base64?!!!?="),
        ("a name that is not UTF-8", 400, "Mcp-Name", "=?base64?/w==?="),
    ] {
        cases.spoil(name, Want::Status(status), |http| http.set(header, value));
    }
    for origin in
        ["http://evil.example", "null", "", "file://", "http://localhost.evil.example", "http://", "\u{e9}"]
    {
        cases.spoil(&format!("origin {origin:?}"), Want::Status(403), |http| http.with("Origin", origin));
    }
    for (name, status, header, value) in [
        ("two hosts", 403, "Host", "evil.example"),
        ("two types", 415, "Content-Type", "text/plain"),
        ("two versions", 400, "MCP-Protocol-Version", "2025-11-25"),
        ("two methods", 400, "Mcp-Method", "ping"),
        ("two names", 400, "Mcp-Name", "x"),
    ] {
        cases.spoil(name, Want::Status(status), |http| http.with(header, value));
    }
    cases.spoil("no host", Want::Status(403), |http| http.without("Host"));
    cases.spoil("no type", Want::Status(415), |http| http.without("Content-Type"));
    let name = format!("=?base64?{}?=", "QUFB".repeat(10_000));
    cases.spoil("a huge name in base64", Want::NoHarm, |http| http.set("Mcp-Name", &name));
    cases.spoil("ranges by the thousand", Want::Status(200), |http| {
        http.set("Accept", &"*/*;q=0.1,".repeat(1000))
    });
    for weight in ["NaN", "inf", "-1", "1e999", "0.0.0", ""] {
        let accept = format!("application/json;q={weight}, text/event-stream;q={weight}");
        cases.spoil(&format!("weight {weight:?}"), Want::NoHarm, |http| http.set("Accept", &accept));
    }
    for (name, header, value) in [
        ("continue", "Expect", "100-continue"),
        ("an odd expectation", "Expect", "the-worst"),
        ("an upgrade to HTTP/2", "Upgrade", "h2c"),
        ("an upgrade", "Upgrade", "websocket"),
        ("a hop to drop", "Connection", "Host, Content-Type, Mcp-Name"),
        ("an encoded body", "Content-Encoding", "gzip"),
        ("a trailer", "Trailer", "Content-Length"),
        ("a session", "Mcp-Session-Id", "../../etc/passwd"),
        ("an event", "Last-Event-ID", "-1"),
        ("another method on top", "X-HTTP-Method-Override", "DELETE"),
    ] {
        cases.spoil(name, Want::NoHarm, |http| http.with(header, value));
    }
}

/// Contradictory lengths, with a request at the place where only one of them ends the body.
fn smuggling(cases: &mut Cases<'_>) {
    let hidden = cases.target.usual_call(SMUGGLED);
    let proper = cases.proper();
    let length = proper.body.len();
    let both = length + hidden.len();
    let chunk = format!("{length:x}\r\n");
    let chunks = [chunk.as_bytes(), &proper.body, b"\r\n0\r\n\r\n"].concat();
    for (name, lengths, is_chunked) in [
        ("two lengths", format!("Content-Length: {length}\r\nContent-Length: {both}"), false),
        (
            "two lengths, the longer first",
            format!("Content-Length: {both}\r\nContent-Length: {length}"),
            false,
        ),
        ("a list of lengths", format!("Content-Length: {length}, {both}"), false),
        ("a length with a sign", format!("Content-Length: +{both}"), false),
        ("a negative length", "Content-Length: -1".to_owned(), false),
        ("a length in hexadecimal digits", format!("Content-Length: 0x{both:x}"), false),
        ("a length with a fraction", format!("Content-Length: {both}.0"), false),
        ("an endless length", "Content-Length: 99999999999999999999999".to_owned(), false),
        ("an empty length", "Content-Length: ".to_owned(), false),
        ("chunks, then a length", format!("Transfer-Encoding: chunked\r\nContent-Length: {both}"), true),
        ("a length, then chunks", format!("Content-Length: {both}\r\nTransfer-Encoding: chunked"), true),
        ("chunks in disguise", format!("Transfer-Encoding: xchunked\r\nContent-Length: {both}"), true),
        ("chunks that are not last", "Transfer-Encoding: chunked, identity".to_owned(), true),
        ("chunks twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity".to_owned(), true),
        ("chunks after a tab", format!("Transfer-Encoding:\tchunked\r\nContent-Length: {both}"), true),
        ("chunks, folded", format!("Transfer-Encoding:\r\n chunked\r\nContent-Length: {both}"), true),
    ] {
        let body = if is_chunked { &chunks } else { &proper.body };
        let head = [&proper.head()[..], lengths.as_bytes(), b"\r\n\r\n"].concat();
        cases.add(format!("smuggling: {name}"), Want::NoHarm, [&head[..], body, &hidden].concat());
    }
    let chunked = [&proper.head()[..], b"Transfer-Encoding: chunked\r\n\r\n"].concat();
    for (name, body) in [
        ("a chunk that overflows", "fffffffffffffffff\r\nx"),
        ("a negative chunk", "-1\r\nx"),
        ("a chunk without a size", "\r\n\r\n"),
        ("a chunk that goes on", "1\r\nxyz\r\n0\r\n\r\n"),
        ("a chunk with LF alone", "1\nx\n0\n\n"),
    ] {
        cases.add(name, Want::NoHarm, [&chunked[..], body.as_bytes()].concat());
    }
    let extension = format!("1;{}\r\n{{\r\n0\r\n\r\n", "x".repeat(100_000));
    cases.add("a huge chunk extension", Want::NoHarm, [&chunked[..], extension.as_bytes()].concat());
    let trailers = format!("1\r\n{{\r\n0\r\n{}\r\n", "X-A: x\r\n".repeat(10_000));
    cases.add("trailers by the thousand", Want::NoHarm, [&chunked[..], trailers.as_bytes()].concat());
}

async fn send(target: &Target, case: &Case) {
    let mut wire = target.connect().await;
    let answer = wire.exchange(&case.bytes, case.until).await;
    if case.until == Until::Head {
        let status = answer.as_ref().map(|response| response.status);
        if !matches!(status, Ok(405)) {
            target.found(&case.name, format!("{answer:?}"));
        }
        return;
    }
    match case.want {
        Want::Status(status) => {
            if let Some((got, _)) = target.judge(&case.name, &answer, None)
                && got != status
            {
                target.found(&case.name, format!("{got} instead of {status}"));
            }
        }
        Want::NoHarm => match &answer {
            Ok(response) if is_bare_refusal(response) => {}
            Ok(response) => {
                if let Err(fault) = contract::judge(response, None) {
                    target.found(&case.name, fault);
                }
            }
            Err(Trouble::Closed | Trouble::Reset) => {}
            Err(trouble) => target.found(&case.name, format!("{trouble:?}")),
        },
    }
    // The next response answers the next request, or the connection is closed.
    let Ok(mut response) = answer else { return };
    // A body whose end the server has not seen is not part of another request.
    let mut is_first = true;
    for _ in 0..3 {
        let ids = [SMUGGLED, AFTER].map(|id| response.text().contains(&json!(id).to_string()));
        match ids {
            [true, _] => return target.found(&case.name, "a request in a body was answered"),
            [_, true] => return,
            [false, false] => {}
        }
        let request = if is_first { target.usual_call(AFTER) } else { Vec::new() };
        is_first = false;
        match wire.exchange(&request, Until::FirstEvent).await {
            Ok(next) => response = next,
            Err(Trouble::Closed | Trouble::Reset) => return,
            Err(trouble) => return target.found(&case.name, format!("afterwards: {trouble:?}")),
        }
    }
}

pub async fn broken_heads(example: &'static Example) {
    endure(example, "broken heads", async |target| {
        let mut cases = Cases { target, all: Vec::new() };
        for make in [methods_and_targets, broken_lines, hosts_and_types, smuggling] {
            make(&mut cases);
        }
        for case in &cases.all {
            target.count();
            send(target, case).await;
        }
    })
    .await;
}
