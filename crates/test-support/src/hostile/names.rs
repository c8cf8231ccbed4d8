//! Misleading URIs, cursors, names and mirrored arguments.

use serde_json::{Value, json};

use super::{
    requests::{ERAS, Era, body, call, encoded},
    storm::{endure, scale},
    target::{Example, Target},
};

/// URIs with escapes that are wrong, doubled, or hide a character.
fn uris() -> Vec<String> {
    let mut uris: Vec<String> = [
        "",
        "x",
        ":",
        "//",
        "test:",
        "test://",
        "test://template//data",
        "test://template/%/data",
        "test://template/%2/data",
        "test://template/%zz/data",
        "test://template/%00/data",
        "test://template/%ff/data",
        "test://template/%2f/data",
        "test://template/%2F..%2F/data",
        "test://template/../data",
        "test://template/%2e%2e/data",
        "test://template/a%2Fdata/data",
        "test://template/%2531/data",
        "test://template/%C0%AF/data",
        "test://template/%ED%A0%80/data",
        "test://template/1/data/../../x",
        "test://template/1/data?x=1#y",
        "test://template/1%2Fdata",
        "%74est://template/1/data",
        "TEST://template/1/data",
        "test://static-text",
        "test://static%2dtext",
        "test://static-text/",
        "test://static-text%00",
        "test://static-text ",
        " test://static-text",
        "test://static\\text",
        "file:///etc/passwd",
        "test://template/{id}/data",
        "test://template/+/data",
        "test://template/\u{e9}/data",
        "test://template/\u{202e}/data",
        "test://template/\n/data",
        "test://template/\0/data",
        "note://%6dilk",
        "note://milk/../milk",
        "data:,x",
        "javascript:1",
        "http://[::1",
        "test://user:password@template/1/data",
    ]
    .map(str::to_owned)
    .into();
    let long = scale(20_000, 1_000_000);
    uris.push(format!("test://template/{}/data", "x".repeat(long)));
    uris.push(format!("test://template/{}/data", "%41".repeat(long / 3)));
    uris.push(format!("test://template/{}/data", "/data".repeat(long / 5)));
    uris.push(format!("test://template/{}", "%".repeat(long)));
    uris
}

async fn resources(target: &Target) {
    for era in ERAS {
        for uri in uris() {
            for method in ["resources/read", "resources/subscribe"] {
                let mut http = target.http(era, &body(era, 1, method, json!({"uri": uri})));
                if uri.len() > 4096 {
                    // The header would be refused because of its length.
                    http = http.set("Mcp-Name", "x");
                }
                target.ask(&format!("{era:?} {method} {uri:.60}"), &http.bytes(), Some("1")).await;
            }
        }
    }
    let wanted = [
        json!(uris()),
        json!(vec!["note://x"; 5000]),
        json!((0..1025).map(|at| at.to_string()).collect::<Vec<_>>()),
        json!(["x".repeat(70_000)]),
        json!([1]),
        json!("x"),
        json!({"x": 1}),
    ];
    for uris in wanted {
        let params = json!({"notifications": {"resourceSubscriptions": uris}});
        let http = target.http(Era::Modern, &body(Era::Modern, 1, "subscriptions/listen", params));
        target.ask(&format!("listening to {uris:.60}"), &http.bytes(), Some("1")).await;
    }
}

async fn cursors(target: &Target) {
    let huge = "A".repeat(scale(50_000, 2_000_000));
    let mut cursors: Vec<String> = [
        "",
        "0",
        "-1",
        "MA",
        "MA==",
        "LTE",
        "OTk5OTk5OTk5OTk5OTk5OTk5OTk5",
        "18446744073709551616",
        "\0",
        "\u{e9}",
        "../..",
        "bnVsbA",
        "W10",
        "e30",
        "AAAA",
        "____",
        "/+/+",
    ]
    .map(str::to_owned)
    .into();
    cursors.push(huge);
    for era in ERAS {
        for method in ["tools/list", "prompts/list", "resources/list", "resources/templates/list"] {
            for cursor in &cursors {
                let http = target.http(era, &body(era, 1, method, json!({"cursor": cursor})));
                target.ask(&format!("{era:?} {method} from {cursor:.30}"), &http.bytes(), Some("1")).await;
            }
        }
    }
}

async fn names(target: &Target) {
    let huge = "x".repeat(scale(50_000, 2_000_000));
    let names = [
        "",
        " ",
        "\0",
        "\u{202e}",
        "../add",
        "add\0",
        "ADD",
        "a\"b",
        "<script>",
        "up-",
        "-",
        "up-up-add",
        &huge,
    ];
    for era in ERAS {
        for name in names {
            for method in ["tools/call", "prompts/get"] {
                let mut http = target.http(era, &body(era, 1, method, json!({"name": name})));
                if name.len() > 4096 {
                    http = http.set("Mcp-Name", "x");
                }
                target.ask(&format!("{era:?} {method} {name:.30}"), &http.bytes(), Some("1")).await;
            }
            let http = target.http(era, &body(era, 1, name, json!({})));
            let http = if name.len() > 4096 { http.set("Mcp-Method", "x") } else { http };
            target.ask(&format!("{era:?} method {name:.30}"), &http.bytes(), Some("1")).await;
        }
    }
    for token in [json!(""), json!("x".repeat(100_000)), json!(u64::MAX), json!(i64::MIN), json!("\0")] {
        let arguments: Value = serde_json::from_str(target.example.arguments).expect("arguments are JSON");
        let params =
            json!({"name": target.example.tool, "arguments": arguments, "_meta": {"progressToken": token}});
        let http = target.http(Era::Modern, &body(Era::Modern, 1, "tools/call", params));
        target.ask(&format!("the token {token:.30}"), &http.bytes(), Some("1")).await;
    }
}

/// Mirrored arguments at the limits of numbers and strings.
async fn mirrored(target: &Target) {
    let numbers = [
        "0",
        "-0",
        "0.0",
        "-0.0",
        "1",
        "1.0",
        "1.50",
        "1e0",
        "1e999",
        "-1e999",
        "1e-999",
        "9007199254740991",
        "9007199254740992",
        "-9007199254740992",
        "9223372036854775807",
        "-9223372036854775808",
        "9223372036854775808",
        "-9223372036854775809",
        "18446744073709551615",
        "18446744073709551616",
        "340282366920938463463374607431768211456",
    ];
    let texts = [
        "\"NaN\"",
        "\"\"",
        "\" x\"",
        "\"\\u0000\"",
        "\"\\ud800\"",
        "\"é\"",
        "\"=?base64?eA==?=\"",
        "null",
        "true",
        "[]",
        "{}",
    ];
    let headers = [
        "NaN",
        "Infinity",
        "-",
        "+1",
        "0x1",
        "1e999",
        "",
        "=?base64?",
        "=?base64??=",
        "=?base64?/w==?=",
        "-9223372036854775808",
    ];
    for argument in numbers.iter().chain(&texts) {
        let call = call(Era::Modern, 1, "test_x_mcp_header", &json!({"region": "HERE"}));
        let http = target.http(Era::Modern, &call).with_body(call.to_string().replace("\"HERE\"", argument));
        let text = serde_json::from_str::<String>(argument).ok();
        let own = text.map_or_else(|| (*argument).to_owned(), |text| encoded(&text));
        for header in headers.iter().copied().chain([own.as_str()]) {
            let case = format!("the argument {argument} with the header {header:?}");
            target.ask(&case, &http.clone().with("Mcp-Param-Region", header).bytes(), Some("1")).await;
        }
        target.ask(&format!("the argument {argument} without a header"), &http.bytes(), Some("1")).await;
        let twice = http.clone().with("Mcp-Param-Region", &own).with("Mcp-Param-Region", &own);
        target.ask(&format!("the argument {argument} with two headers"), &twice.bytes(), Some("1")).await;
    }
}

pub async fn misleading_names(example: &'static Example) {
    endure(example, "misleading names", async |target| {
        resources(target).await;
        cursors(target).await;
        names(target).await;
        mirrored(target).await;
    })
    .await;
}
