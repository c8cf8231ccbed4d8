//! Eras and versions.

use http::StatusCode;
use mcp_stateless as mcp;
use mcp_stateless::ToolRegistry;
use mcp_stateless::protocol::{ErrorCode, RpcError};
use serde_json::{Value, json};

use crate::site::Site;
use crate::support::{ALL_VERSIONS, Era, MODERN, Post, Server};

fn versions(answer: &Value) -> (&Value, &Value) {
    (&answer["error"]["data"]["supported"], &answer["error"]["data"]["requested"])
}

#[tokio::test]
async fn meta_makes_a_request_modern_and_a_header_alone_never_does() {
    let server = Server::new();
    let modern = server.send(Post::call(Era::Modern, "add", json!({"a": 1, "b": 2}))).await;
    assert_eq!(modern.json()["result"]["resultType"], "complete");
    // The same body with a legacy header is a modern request whose header disagrees.
    let post =
        Post::call(Era::Modern, "add", json!({"a": 1, "b": 2})).header("mcp-protocol-version", "2025-11-25");
    assert_eq!(server.send(post).await.error(), (400, -32020));
    // Modern headers do not make a legacy body modern.
    let post = Post::call(Era::Legacy, "add", json!({"a": 1, "b": 2}))
        .header("mcp-method", "tools/call")
        .header("mcp-name", "something else");
    let legacy = server.send(post).await.json();
    assert!(legacy["result"].get("resultType").is_none(), "{legacy}");
}

#[tokio::test]
async fn a_code_of_the_legacy_era_is_not_sent_in_the_modern_one() {
    let visit = async || {
        let code = ErrorCode::URL_ELICITATION_REQUIRED;
        Err::<String, _>(RpcError::new(code, "Visit the page").with_data(json!({"elicitations": []})))
    };
    let site = Site::new(ToolRegistry::builder().tool("visit", "", visit).build().expect("valid tools"));
    for (era, code) in [(Era::Modern, -32603), (Era::Legacy, -32042)] {
        let answer = site.send(Post::call(era, "visit", json!({}))).await;
        assert_eq!(answer.error(), (200, code));
        assert_eq!(answer.json()["error"]["data"], json!({"elicitations": []}));
    }
}

#[tokio::test]
async fn a_modern_header_without_meta_is_told_what_is_missing() {
    let server = Server::new();
    for params in
        [json!({}), json!({"_meta": {}}), json!({"_meta": {"progressToken": 1}}), json!({"_meta": 5})]
    {
        let post = Post::legacy("tools/list", &params).header("mcp-protocol-version", MODERN);
        let answer = server.send(post).await;
        assert_eq!(answer.error(), (400, -32602));
        assert!(answer.error_message().contains("io.modelcontextprotocol/protocolVersion"));
        assert_eq!(answer.json()["id"], 1);
    }
}

#[tokio::test]
async fn initialize_echoes_a_legacy_version_and_never_answers_a_modern_one() {
    let server = Server::with(|builder| builder.instructions("Be brief."));
    for (requested, answered) in [
        (json!("2025-03-26"), "2025-03-26"),
        (json!("2025-06-18"), "2025-06-18"),
        (json!("2025-11-25"), "2025-11-25"),
        (json!("2024-11-05"), "2025-11-25"),
        (json!("2026-07-28"), "2025-11-25"),
        (json!("2099-01-01"), "2025-11-25"),
        (json!(7), "2025-11-25"),
        (Value::Null, "2025-11-25"),
    ] {
        let answer =
            server.send(Post::legacy("initialize", &json!({"protocolVersion": requested}))).await.json();
        let result = &answer["result"];
        assert_eq!(result["protocolVersion"], answered, "{requested}");
        assert_eq!(result["capabilities"], json!({"logging": {}, "tools": {}}));
        assert_eq!(result["serverInfo"], json!({"name": "test", "version": "0.0.1", "title": "Test"}));
        assert_eq!(result["instructions"], "Be brief.");
        assert!(result.get("_meta").is_none() && result.get("resultType").is_none());
    }
}

#[tokio::test]
async fn a_legacy_request_without_a_version_is_of_2025_03_26() {
    let server = Server::new();
    let seen = server.send(Post::call(Era::Legacy, "request", json!({}))).await.tool_text();
    assert!(seen.contains(r#""revision":"2025-03-26""#), "{seen}");
    let post = Post::call(Era::Legacy, "request", json!({})).header("mcp-protocol-version", "2025-06-18");
    let seen = server.send(post).await.tool_text();
    assert!(seen.contains(r#""revision":"2025-06-18""#), "{seen}");
}

#[tokio::test]
async fn an_unknown_version_in_the_header_is_refused_with_what_is_supported() {
    let server = Server::new();
    for body in [
        r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        "[]",
    ] {
        let answer = server.send(Post::raw(body).header("mcp-protocol-version", "1999-01-01")).await;
        assert_eq!(answer.error(), (400, -32022), "{body}");
        let json = answer.json();
        assert_eq!(versions(&json), (&json!(ALL_VERSIONS), &json!("1999-01-01")));
    }
}

#[tokio::test]
async fn an_unsupported_version_in_meta_is_refused_with_what_is_supported() {
    let server = Server::new();
    // A legacy version is served, but must not be named in `_meta`.
    for (version, supported) in
        [("2099-01-01", &ALL_VERSIONS[..]), ("", &ALL_VERSIONS), ("2025-11-25", &[MODERN])]
    {
        let post = Post::modern("tools/list", json!({}))
            .edit(MODERN, version)
            .header("mcp-protocol-version", version);
        let answer = server.send(post).await;
        assert_eq!(answer.error(), (400, -32022), "{version}");
        let json = answer.json();
        assert_eq!(versions(&json), (&json!(supported), &json!(version)));
    }
}

#[tokio::test]
async fn notifications_are_accepted_when_well_formed() {
    let server = Server::new();
    for body in [
        r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/unheard-of","params":null}"#,
    ] {
        for version in ALL_VERSIONS {
            let answer = server.send(Post::raw(body).header("mcp-protocol-version", version)).await;
            assert_eq!((answer.status, answer.body.len()), (StatusCode::ACCEPTED, 0));
        }
    }
    for body in [
        r#"{"jsonrpc":"1.0","method":"notifications/initialized"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/initialized","params":[]}"#,
        r#"{"jsonrpc":"2.0","method":5}"#,
    ] {
        assert_eq!(server.send(Post::raw(body)).await.error(), (400, -32600), "{body}");
    }
}

#[tokio::test]
async fn harmless_legacy_methods_are_answered() {
    let server = Server::new();
    for (method, params) in [("ping", json!({})), ("logging/setLevel", json!({"level": "debug"}))] {
        assert_eq!(server.send(Post::legacy(method, &params)).await.json()["result"], json!({}), "{method}");
    }
    let wrong = server.send(Post::legacy("logging/setLevel", &json!({"level": "loud"}))).await;
    assert_eq!(wrong.error(), (200, -32602));
    // A capability that is not declared is not served.
    let silent = Server::with(mcp::manager::ManagerBuilder::without_logging);
    let answer = silent.send(Post::legacy("logging/setLevel", &json!({"level": "debug"}))).await;
    assert_eq!(answer.error(), (200, -32601));
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let answer = server.send(Post::legacy(method, &json!({"uri": "file:///a"}))).await;
        assert_eq!(answer.error(), (200, -32601), "{method}");
    }
}

#[tokio::test]
async fn unknown_methods_are_not_found() {
    let server = Server::new();
    for method in ["ping", "logging/setLevel", "initialize", "resources/subscribe", "tools/unheard-of"] {
        let answer = server.send(Post::modern(method, json!({}))).await;
        assert_eq!(answer.error(), (404, -32601), "{method}");
        assert_eq!(answer.json()["id"], 1);
    }
    for method in ["server/discover", "tools/unheard-of", "Tools/List"] {
        assert_eq!(server.send(Post::legacy(method, &json!({}))).await.error(), (200, -32601), "{method}");
    }
}

#[tokio::test]
async fn discover_tells_versions_capabilities_and_instructions() {
    let hint = mcp::protocol::CacheHint::public(std::time::Duration::from_secs(60));
    let server = Server::with(|builder| builder.instructions("Be brief.").cache_hint(hint));
    let answer = server.send(Post::modern("server/discover", json!({}))).await.json();
    assert_eq!(
        answer["result"],
        json!({
            "supportedVersions": ALL_VERSIONS,
            "capabilities": {"logging": {}, "tools": {}},
            "instructions": "Be brief.",
            "ttlMs": 60_000,
            "cacheScope": "public",
            "resultType": "complete",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "test", "version": "0.0.1", "title": "Test"}},
        })
    );
}

#[tokio::test]
async fn extensions_are_declared_in_both_eras() {
    let settings = json!({"mimeTypes": ["text/html"]}).as_object().cloned().expect("an object");
    let server = Server::with(|builder| {
        builder.extension("io.example/ui", settings.clone()).experimental("chat", serde_json::Map::new())
    });
    let initialize = Post::legacy(
        "initialize",
        &json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}),
    );
    for post in [Post::modern("server/discover", json!({})), initialize] {
        let capabilities = server.send(post).await.json()["result"]["capabilities"].clone();
        assert_eq!(capabilities["extensions"], json!({"io.example/ui": {"mimeTypes": ["text/html"]}}));
        assert_eq!(capabilities["experimental"], json!({"chat": {}}));
    }
}

#[tokio::test]
async fn batches_are_answered_in_2025_03_26_alone() {
    let server = Server::new();
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "ping"},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": "two", "method": "tools/call", "params": {"name": "add", "arguments": {"a": 1, "b": 1}}},
        {"jsonrpc": "2.0", "id": 9, "result": {}},
        {"jsonrpc": "2.0", "id": 3, "method": "initialize", "params": {}},
        {"jsonrpc": "2.0", "id": 4, "method": "nothing"},
        7,
        {"jsonrpc": "2.0", "id": 5, "method": "tools/call", "params": {"name": "progress", "arguments": {"steps": 2},
            "_meta": {"progressToken": 1}}},
    ])
    .to_string();
    for version in [None, Some("2025-03-26")] {
        let mut post = Post::raw(batch.clone());
        if let Some(version) = version {
            post = post.header("mcp-protocol-version", version);
        }
        let answer = server.send(post).await;
        assert_eq!(answer.status, 200);
        let answers = answer.json();
        let ids: Vec<_> =
            answers.as_array().expect("an array").iter().map(|answer| answer["id"].clone()).collect();
        assert_eq!(ids, [json!(1), json!("two"), json!(3), json!(4), Value::Null, json!(5)]);
        assert_eq!(answers[0]["result"], json!({}));
        assert_eq!(answers[1]["result"]["content"][0]["text"], "2");
        let codes = [&answers[2], &answers[3], &answers[4]].map(|answer| answer["error"]["code"].as_i64());
        assert_eq!(codes, [Some(-32600), Some(-32601), Some(-32600)]);
        assert_eq!(answers[5]["result"]["content"][0]["text"], "done");
    }
    for version in ["2025-06-18", "2025-11-25", "2026-07-28"] {
        let answer = server.send(Post::raw(batch.clone()).header("mcp-protocol-version", version)).await;
        assert_eq!(answer.error(), (400, -32600), "{version}");
    }
    assert_eq!(server.send(Post::raw("[]")).await.error(), (400, -32600));
    let many = json!(vec![json!({"jsonrpc": "2.0", "id": 1, "method": "ping"}); 101]).to_string();
    assert_eq!(server.send(Post::raw(many)).await.error(), (400, -32600));
    let silent =
        r#"[{"jsonrpc":"2.0","method":"notifications/initialized"},{"jsonrpc":"2.0","id":1,"result":{}}]"#;
    assert_eq!(server.send(Post::raw(silent)).await.status, StatusCode::ACCEPTED);
}

#[tokio::test(start_paused = true)]
async fn the_requests_of_a_batch_run_at_the_same_time() {
    let server = Server::new();
    let wait = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "wait_briefly"}});
    let started = tokio::time::Instant::now();
    server.send(Post::raw(json!([wait, wait, wait]).to_string())).await;
    assert_eq!(started.elapsed().as_secs(), 7);
}

#[tokio::test]
async fn one_server_serves_both_eras_and_each_can_be_turned_off() {
    let legacy_only = Server::with(|builder| builder.only(mcp::protocol::Era::Legacy));
    assert_eq!(
        legacy_only.send(Post::call(Era::Legacy, "add", json!({"a": 1, "b": 2}))).await.tool_text(),
        "3"
    );
    let refused = legacy_only.send(Post::modern("tools/list", json!({}))).await;
    assert_eq!(refused.error(), (400, -32022));
    assert_eq!(versions(&refused.json()).0, &json!(["2025-11-25", "2025-06-18", "2025-03-26"]));
    let header_only = Post::legacy("tools/list", &json!({})).header("mcp-protocol-version", MODERN);
    assert_eq!(legacy_only.send(header_only).await.error(), (400, -32022));

    let modern_only = Server::with(|builder| builder.only(mcp::protocol::Era::Modern));
    assert_eq!(
        modern_only.send(Post::call(Era::Modern, "add", json!({"a": 1, "b": 2}))).await.tool_text(),
        "3"
    );
    let initialize = Post::legacy("initialize", &json!({"protocolVersion": "2025-06-18"}));
    let refused = modern_only.send(initialize).await;
    assert_eq!(refused.error(), (400, -32022));
    assert_eq!(versions(&refused.json()), (&json!([MODERN]), &json!("2025-06-18")));
    let versioned = Post::legacy("tools/list", &json!({})).header("mcp-protocol-version", "2025-11-25");
    assert_eq!(modern_only.send(versioned).await.error(), (400, -32022));
    assert_eq!(modern_only.send(Post::legacy("tools/list", &json!({}))).await.error(), (400, -32020));
    assert_eq!(modern_only.send(Post::raw("[]")).await.error(), (400, -32600));
}
