//! Tools: listing and calling them.

use std::future::ready;
use std::num::NonZeroUsize;
use std::time::Duration;

use mcp_stateless::call::NoArguments;
use mcp_stateless::protocol::{CacheHint, Content, EmbeddedResource, Icon, ResourceLink, ToolAnnotations};
use mcp_stateless::registry::ToolRegistryBuilder;
use mcp_stateless::testing::TestClient;
use mcp_stateless::{State, Tool, ToolError, ToolOutput, ToolRegistry};
use serde_json::{Value, json};

use crate::support::{Answer, Era, Post, Server};

fn server_with(tools: ToolRegistryBuilder) -> Server {
    Server { tools: tools.build().expect("valid tools"), ..Server::new() }
}

fn names(list: &Value) -> Vec<&str> {
    list["result"]["tools"]
        .as_array()
        .expect("tools")
        .iter()
        .map(|tool| tool["name"].as_str().expect("a name"))
        .collect()
}

fn alphabet() -> ToolRegistryBuilder {
    ["zebra", "ape", "mole", "bat", "cat"]
        .into_iter()
        .fold(ToolRegistry::builder(), |tools, name| tools.tool(name, "An animal", async || "?"))
}

#[tokio::test]
async fn tools_are_listed_in_the_order_in_which_they_were_added() {
    let server = server_with(alphabet());
    for era in Era::BOTH {
        let list = server.send(era.post("tools/list", json!({}))).await.json();
        assert_eq!(names(&list), ["zebra", "ape", "mole", "bat", "cat"]);
        assert!(list["result"].get("nextCursor").is_none());
    }
}

#[tokio::test]
async fn large_lists_are_whole_in_every_shape() {
    // Large enough for the list to be shared instead of copied.
    let tools = (0..200).fold(ToolRegistry::builder(), |tools, number| {
        tools.tool(format!("tool_{number}"), "x".repeat(100), async || "")
    });
    let server = server_with(tools);
    let expected: Vec<_> = (0..200).map(|number| format!("tool_{number}")).collect();
    for era in Era::BOTH {
        let post = era.post("tools/list", json!({}));
        let response = server.handle(post.clone()).await;
        let length = http_body::Body::size_hint(response.body()).exact();
        let answer = Answer::read(response).await;
        assert_eq!(
            (length, names(&answer.json())),
            (Some(answer.body.len() as u64), expected.iter().map(String::as_str).collect())
        );
        let events = server.send(post.header("accept", "text/event-stream")).await.events();
        assert_eq!(names(&events[0]), expected);
    }
    let batch = r#"[{"jsonrpc":"2.0","id":1,"method":"tools/list"}]"#;
    assert_eq!(names(&server.send(Post::raw(batch)).await.json()[0]), expected);
}

#[tokio::test]
async fn long_lists_come_in_pages_that_any_replica_continues() {
    let pages = |size| alphabet().page_size(NonZeroUsize::new(size).expect("not zero"));
    for era in Era::BOTH {
        let mut found = Vec::new();
        let mut params = json!({});
        loop {
            // Each page is from another replica.
            let list = server_with(pages(2)).send(era.post("tools/list", params)).await.json();
            found.extend(names(&list).into_iter().map(str::to_owned));
            let Some(cursor) = list["result"].get("nextCursor") else { break };
            params = json!({"cursor": cursor});
        }
        assert_eq!(found, ["zebra", "ape", "mole", "bat", "cat"]);
    }
    let all = server_with(pages(5)).send(Post::legacy("tools/list", &json!({"cursor": null}))).await.json();
    assert_eq!(names(&all).len(), 5);
    assert!(all["result"].get("nextCursor").is_none());
}

#[tokio::test]
async fn a_cursor_that_was_never_given_out_is_refused() {
    let server = server_with(alphabet().page_size(NonZeroUsize::new(2).expect("not zero")));
    for cursor in [json!(""), json!("nonsense"), json!(5), json!("emVicmE")] {
        for era in Era::BOTH {
            let answer = server.send(era.post("tools/list", json!({"cursor": cursor}))).await;
            assert_eq!(answer.error(), (200, -32602), "{cursor}");
        }
    }
}

#[tokio::test]
async fn modern_lists_carry_cache_hints() {
    for (tools, ttl, scope) in [
        (alphabet(), 0, "private"),
        (alphabet().cache_hint(CacheHint::private(Duration::from_millis(1500))), 1500, "private"),
        (alphabet().cache_hint(CacheHint::public(Duration::from_secs(60))), 60_000, "public"),
    ] {
        let server = server_with(tools);
        let list = server.send(Post::modern("tools/list", json!({}))).await.json();
        assert_eq!((&list["result"]["ttlMs"], &list["result"]["cacheScope"]), (&json!(ttl), &json!(scope)));
        let legacy = server.send(Post::legacy("tools/list", &json!({}))).await.json();
        assert!(legacy["result"].get("ttlMs").is_none());
    }
}

#[tokio::test]
async fn definitions_say_all_that_was_said_of_the_tool() {
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code)]
    struct Sum {
        sum: i64,
    }
    let tool = Tool::new("full", "Has everything", async |_: NoArguments| "")
        .title("Full")
        .icon(Icon::new("https://example.com/a.png").mime_type("image/png").size("48x48"))
        .annotations(ToolAnnotations::new().read_only(true))
        .output_schema::<Sum>();
    let raw =
        r##"{"type":"object","zz":1,"properties":{"b":{},"a":{"$ref":"#/$defs/x"}},"$defs":{"x":true}}"##;
    let given: Box<serde_json::value::RawValue> = serde_json::from_str(raw).expect("JSON");
    let server = server_with(ToolRegistry::builder().register(tool).tool_with_schema(
        "given",
        "As given",
        given,
        async |_: Value| "",
    ));
    let list = server.send(Post::modern("tools/list", json!({}))).await;
    assert_eq!(
        list.json()["result"]["tools"][0],
        json!({
            "name": "full",
            "title": "Full",
            "description": "Has everything",
            "inputSchema": {"type": "object", "additionalProperties": false},
            "outputSchema": {"type": "object", "properties": {"sum": {"type": "integer", "format": "int64"}}, "required": ["sum"]},
            "annotations": {"readOnlyHint": true},
            "icons": [{"src": "https://example.com/a.png", "mimeType": "image/png", "sizes": ["48x48"]}],
        })
    );
    assert!(list.text().contains(raw), "a given schema is passed on byte for byte");
}

#[tokio::test]
async fn a_server_whose_registry_has_no_tools_has_no_such_methods() {
    struct Nothing;
    impl mcp_stateless::Registry for Nothing {
        fn capabilities(&self) -> mcp_stateless::protocol::ServerCapabilities {
            mcp_stateless::protocol::ServerCapabilities::default()
        }
    }
    let manager = Server::new().manager;
    for (method, params) in [("tools/list", json!({})), ("tools/call", json!({"name": "x"}))] {
        let request = Post::modern(method, params).into_request();
        assert_eq!(Answer::read(manager.handle(request, &Nothing).await).await.error(), (404, -32601));
    }
    let request = Post::modern("server/discover", json!({})).into_request();
    let answer = Answer::read(manager.handle(request, &Nothing).await).await.json();
    assert_eq!(answer["result"]["capabilities"], json!({"logging": {}}));
}

#[tokio::test]
async fn an_unknown_tool_is_an_error_of_the_request() {
    let server = Server::new();
    for era in Era::BOTH {
        let answer = server.send(Post::call(era, "nobody", json!({}))).await;
        assert_eq!(answer.error(), (200, -32602));
        assert!(answer.error_message().contains("nobody"));
    }
    for params in [json!({}), json!({"name": 5}), json!({"name": "add", "arguments": [1, 2]})] {
        assert_eq!(server.send(Post::legacy("tools/call", &params)).await.error(), (200, -32602), "{params}");
    }
}

#[tokio::test]
async fn arguments_that_do_not_fit_are_named_to_the_model() {
    let server = Server::new();
    for (tool, arguments, expected) in [
        (
            "add",
            json!({"a": 1, "b": "x"}),
            "Invalid arguments: at `b`: invalid type: string \"x\", expected i64",
        ),
        ("add", json!({"a": 1}), "Invalid arguments: missing field `b`"),
        (
            "add",
            json!({"a": 1.5, "b": 1}),
            "Invalid arguments: at `a`: invalid type: floating point `1.5`, expected i64",
        ),
    ] {
        for era in Era::BOTH {
            let answer = server.send(Post::call(era, tool, arguments.clone())).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json()["result"]["isError"], true);
            assert_eq!(answer.tool_text(), expected);
        }
    }
    let missing = Post::legacy("tools/call", &json!({"name": "add"}));
    assert_eq!(server.send(missing).await.tool_text(), "Invalid arguments: missing field `a`");
}

#[tokio::test]
async fn hints_are_set_one_by_one_and_builders_are_merged() {
    let other = ToolRegistry::builder()
        .with_state(5_u8)
        .register(Tool::new("drop", "", async |State(n): State<u8>| n).destructive().idempotent());
    let tools = ToolRegistry::builder()
        .register(Tool::new("look", "", async || "").read_only())
        .merge(other)
        .tool("last", "", async || "");
    let client = TestClient::new(tools.build().expect("valid tools"));
    let listed = client.list_tools().await;
    let hints: Vec<_> = listed.iter().map(|tool| &tool["annotations"]).collect();
    let destructive = json!({"readOnlyHint": false, "destructiveHint": true, "idempotentHint": true});
    assert_eq!(hints, [&json!({"readOnlyHint": true}), &destructive, &json!(null)]);
    assert_eq!(client.call("drop", json!({})).await.text(), "5");
}

#[tokio::test]
async fn a_tool_that_takes_no_arguments_ignores_those_that_come() {
    let tools = ToolRegistry::builder()
        .tool("nothing", "", async || "called")
        .tool("no_arguments", "", async |_: NoArguments| "called")
        .build()
        .expect("valid tools");
    let client = TestClient::new(tools);
    for tool in ["nothing", "no_arguments"] {
        assert_eq!(client.call(tool, json!({"x": 1})).await.text(), "called", "{tool}");
    }
}

#[tokio::test]
async fn a_tool_that_fails_tells_the_model_why() {
    let server = Server::new();
    for era in Era::BOTH {
        let answer = server.send(Post::call(era, "fail", json!({}))).await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.json()["result"]["isError"], true);
        assert_eq!(answer.tool_text(), "out of luck");
    }
    let fine = server.send(Post::call(Era::Legacy, "add", json!({"a": 1, "b": 1}))).await.json();
    assert!(fine["result"].get("isError").is_none());
}

#[tokio::test]
async fn any_error_becomes_a_message_to_the_model_where_errors_are_shown() {
    type Anything = Box<dyn std::error::Error + Send + Sync>;
    let tools = ToolRegistry::builder()
        .tool("io", "", async || Err::<(), _>(std::io::Error::other("why")))
        .tool("text", "", async || Err::<(), _>("why"))
        .tool("string", "", async || Err::<(), _>("why".to_owned()))
        .tool("boxed", "", async || Err::<(), _>(Anything::from("why")))
        .tool("made", "", async || Err::<(), _>(ToolError::new(format_args!("w{}", "hy"))));
    let server = Server {
        tools: tools.build().expect("valid tools"),
        ..Server::with(mcp_stateless::manager::ManagerBuilder::show_errors)
    };
    for tool in ["io", "text", "string", "boxed", "made"] {
        let answer = server.send(Post::call(Era::Modern, tool, json!({}))).await;
        assert_eq!(
            (answer.tool_text().as_str(), &answer.json()["result"]["isError"]),
            ("why", &json!(true)),
            "{tool}"
        );
    }
}

#[tokio::test]
async fn texts_arrive_and_return_as_they_were_however_they_are_escaped() {
    let ascii: String = (0..128).map(char::from).collect();
    let texts = [
        String::new(),
        ascii.clone(),
        format!("{ascii}\u{80}é\u{7ff}\u{800}東京\u{ffff}\u{10000}😀\u{10ffff}"),
        "C:\\Users\\Zoë \"quoted\"\tand\r\n".repeat(10_000),
    ];
    let server = Server::new();
    for text in texts {
        let plain = json!(text).to_string();
        let escaped: Vec<_> = text.encode_utf16().map(|unit| format!("\\u{unit:04x}")).collect();
        for json in [plain, format!("\"{}\"", escaped.concat())] {
            let call = format!(
                r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"echo","arguments":{{"text":{json}}}}}}}"#
            );
            assert!(server.send(Post::raw(call)).await.tool_text() == text, "{json:.200}");
        }
    }
    let lone = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo","arguments":{"text":"\ud83d"}}}"#;
    let result = &server.send(Post::raw(lone)).await.json()["result"];
    assert_eq!(result["isError"], true);
    assert!(result["content"][0]["text"].as_str().is_some_and(|text| text.contains("`text`")), "{result}");
}

#[tokio::test]
async fn arguments_may_be_one_of_several_objects() {
    #[derive(serde::Deserialize, schemars::JsonSchema)]
    #[serde(tag = "shape", rename_all = "lowercase")]
    enum Shape {
        Circle { radius: u32 },
        Square { side: u32 },
    }
    let area = async |shape: Shape| match shape {
        Shape::Circle { radius } => format!("{radius} around"),
        Shape::Square { side } => format!("{}", side * side),
    };
    let server = server_with(ToolRegistry::builder().tool("area", "", area));
    let list = server.send(Post::legacy("tools/list", &json!({}))).await.json();
    assert_eq!(list["result"]["tools"][0]["inputSchema"]["type"], "object");
    let call = Post::call(Era::Legacy, "area", json!({"shape": "square", "side": 3}));
    assert_eq!(server.send(call).await.tool_text(), "9");
    let call = Post::call(Era::Legacy, "area", json!({"shape": "circle", "radius": 3}));
    assert_eq!(server.send(call).await.tool_text(), "3 around");
}

#[tokio::test]
async fn a_panic_stays_in_its_call() {
    let server = Server::new();
    for era in Era::BOTH {
        for tool in ["panic", "panic_at_once"] {
            let answer = server.send(Post::call(era, tool, json!({}))).await;
            assert_eq!(answer.error(), (200, -32603));
            assert!(!answer.text().contains("secret"), "{answer:?}");
        }
        assert_eq!(server.send(Post::call(era, "add", json!({"a": 1, "b": 1}))).await.tool_text(), "2");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_takes_too_long_is_stopped() {
    let server = Server::new();
    let stopped = |seconds: u64| format!("The call was stopped: it took longer than its limit of {seconds}s");
    let started = tokio::time::Instant::now();
    let answer = server.send(Post::call(Era::Legacy, "wait_briefly", json!({}))).await;
    assert_eq!(answer.json()["result"]["isError"], true);
    assert_eq!((answer.tool_text(), started.elapsed().as_secs()), (stopped(7), 7));

    let started = tokio::time::Instant::now();
    let answer = server.send(Post::call(Era::Modern, "wait", json!({}))).await;
    assert_eq!((answer.tool_text(), started.elapsed().as_secs()), (stopped(300), 300));
    assert_eq!(server.probe.running(), 0, "its future is dropped");

    let hasty = Server::with(|builder| builder.tool_time_limit(Some(Duration::from_secs(2))));
    assert_eq!(hasty.send(Post::call(Era::Legacy, "wait", json!({}))).await.tool_text(), stopped(2));
    // Also in a stream.
    let meta = json!({"progressToken": 1});
    let events =
        hasty.send(Post::call_with_meta(Era::Legacy, "slow_progress", json!({}), meta)).await.events();
    assert_eq!(events[1]["result"]["content"][0]["text"], stopped(2));

    let patient = Server::with(|builder| builder.tool_time_limit(None));
    let waiting = patient.send(Post::call(Era::Legacy, "wait", json!({})));
    assert!(tokio::time::timeout(Duration::from_secs(1_000_000), waiting).await.is_err());
}

#[tokio::test]
async fn a_tool_that_never_runs_out_of_work_is_stopped_as_well() {
    let limit = Duration::from_millis(50);
    let busy = Tool::new("busy", "", async || {
        let (plenty, since) = (tokio::sync::Semaphore::new(1), std::time::Instant::now());
        while since.elapsed() < Duration::from_secs(5) {
            // Always ready, until the task's coop budget is spent.
            drop(plenty.acquire().await);
        }
        "ended by itself"
    });
    let server = server_with(ToolRegistry::builder().register(busy.time_limit(Some(limit))));
    let answer = server.send(Post::call(Era::Legacy, "busy", json!({}))).await;
    assert_eq!(answer.tool_text(), "The call was stopped: it took longer than its limit of 50ms");
}

#[tokio::test(start_paused = true)]
async fn a_detached_tool_runs_to_its_end() {
    let server = Server::new();
    assert_eq!(server.send(Post::call(Era::Legacy, "detached", json!({}))).await.tool_text(), "done");
    let call = tokio::spawn({
        let server = server.clone();
        async move { server.send(Post::call(Era::Legacy, "detached", json!({}))).await }
    });
    server.probe.until(|probe| probe.running() == 1).await;
    call.abort();
    assert!(call.await.expect_err("aborted").is_cancelled());
    assert_eq!(server.probe.finished(), 1);
    server.probe.until(|probe| probe.finished() == 2).await;
    assert_eq!(server.probe.running(), 0);
}

#[tokio::test]
async fn a_tool_sees_the_request_it_serves() {
    let server = Server::new();
    let meta = json!({
        "io.modelcontextprotocol/clientInfo": {"name": "tester", "version": "9"},
        "io.modelcontextprotocol/clientCapabilities": {"roots": {}},
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
        "tracestate": "a=1",
        "baggage": "b=2",
        "com.example/vendor": {"deep": [1]},
    });
    let mut request = Post::call_with_meta(Era::Modern, "request", json!({}), meta)
        .header("x-custom", "mine")
        .into_request();
    request.extensions_mut().insert("from middleware");
    let answer = Answer::read(server.manager.handle(request, &server.tools).await).await;
    let seen: Value = serde_json::from_str(&answer.tool_text()).expect("JSON");
    assert_eq!(
        seen,
        json!({
            "method": "POST",
            "uri": "/mcp",
            "header": "mine",
            "extension": "from middleware",
            "revision": "2026-07-28",
            "client": {"name": "tester", "version": "9"},
            "capabilities": {"roots": {}},
            "traceparent": "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01",
            "tracestate": "a=1",
            "baggage": "b=2",
            "vendor": {"deep": [1]},
        })
    );
}

#[test]
fn invalid_tools_are_refused_when_the_registry_is_built_and_named() {
    let tool = |name: &str, schema: Value| {
        ToolRegistry::builder().tool_with_schema(name, "", schema, async |_: Value| "")
    };
    let object = json!({"type": "object"});
    let header = |annotation: &str| json!({"type": "object", "properties": {"a": {"type": "string", "x-mcp-header": annotation}}});
    let long = "x".repeat(129);
    for (tools, named, fault) in [
        (tool("twice", object.clone()).tool("twice", "", async || ""), "twice", "taken"),
        (tool("", object.clone()), "", "name"),
        (tool("a b", object.clone()), "a b", "name"),
        (tool("ü", object.clone()), "ü", "name"),
        (tool(&long, object.clone()), &long, "name"),
        (tool("array", json!([])), "array", "object"),
        (tool("untyped", json!({})), "untyped", "object"),
        (tool("string", json!({"type": "string"})), "string", "object"),
        (tool("header", header("")), "header", "x-mcp-header"),
        (tool("header", header("a b")), "header", "x-mcp-header"),
        (
            ToolRegistry::builder()
                .register(Tool::new("output", "", async || "").with_output_schema(json!(true))),
            "output",
            "output schema",
        ),
    ] {
        let error = tools.build().err().unwrap_or_else(|| panic!("{named} was taken"));
        assert_eq!(error.name(), named);
        assert!(error.to_string().contains(fault), "{error}");
    }
    assert!(tool("admin.tools_list-2", object).build().is_ok());
}

#[tokio::test]
async fn modern_results_say_what_they_are_and_who_made_them() {
    let server = Server::new();
    let info = json!({"name": "test", "version": "0.0.1", "title": "Test"});
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "add", "arguments": {"a": 1, "b": 2}})),
        ("tools/call", json!({"name": "fail"})),
        ("server/discover", json!({})),
    ] {
        let result = &server.send(Post::modern(method, params)).await.json()["result"];
        assert_eq!(result["resultType"], "complete");
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"], info);
    }
    for (method, params) in [
        ("tools/list", json!({})),
        ("tools/call", json!({"name": "fail"})),
        ("initialize", json!({})),
        ("ping", json!({})),
    ] {
        let result = &server.send(Post::legacy(method, &params)).await.json()["result"];
        assert!(result.get("resultType").is_none() && result.get("_meta").is_none(), "{method}");
    }
}

#[tokio::test]
async fn structured_content_comes_with_its_json_as_text() {
    let server = Server::new();
    let arguments = json!({"x": 1, "y": -2});
    for era in Era::BOTH {
        let answer = server.send(Post::call(era, "point", arguments.clone())).await;
        assert_eq!(answer.json()["result"]["structuredContent"], arguments);
        assert_eq!(answer.tool_text(), r#"{"x":1,"y":-2}"#);
    }
    // Before 2026-07-28, structured content had to be an object.
    let modern = server.send(Post::call(Era::Modern, "points", arguments.clone())).await;
    assert_eq!(modern.json()["result"]["structuredContent"], json!([arguments]));
    let legacy = server.send(Post::call(Era::Legacy, "points", arguments)).await;
    assert!(legacy.json()["result"].get("structuredContent").is_none());
    assert_eq!(legacy.tool_text(), r#"[{"x":1,"y":-2}]"#);
}

#[tokio::test]
async fn every_kind_of_content_is_written_as_the_schema_has_it() {
    let output = || {
        let annotations = mcp_stateless::protocol::Annotations::new().priority(0.5);
        let mut link = ResourceLink::new("file:///a", "a");
        link.size = Some(3);
        ToolOutput::text("a \"text\"\n")
            .with(Content::image(b"png", "image/png").annotate(annotations))
            .with(Content::audio(b"wav", "audio/wav"))
            .with(Content::resource(EmbeddedResource::text("file:///t", "text").mime_type("text/plain")))
            .with(Content::resource(EmbeddedResource::bytes("file:///b", b"bytes")))
            .with(Content::resource_link(link))
            .with_meta("com.example/cost", 3)
    };
    let server = server_with(ToolRegistry::builder().tool("all", "", move || ready(output())));
    for era in Era::BOTH {
        let result = server.send(Post::call(era, "all", json!({}))).await.json()["result"].clone();
        assert_eq!(
            result["content"],
            json!([
                {"type": "text", "text": "a \"text\"\n"},
                {"type": "image", "data": "cG5n", "mimeType": "image/png", "annotations": {"priority": 0.5}},
                {"type": "audio", "data": "d2F2", "mimeType": "audio/wav"},
                {"type": "resource", "resource": {"uri": "file:///t", "mimeType": "text/plain", "text": "text"}},
                {"type": "resource", "resource": {"uri": "file:///b", "blob": "Ynl0ZXM="}},
                {"type": "resource_link", "uri": "file:///a", "name": "a", "size": 3},
            ])
        );
        assert_eq!(result["_meta"]["com.example/cost"], 3);
        assert_eq!(
            result["_meta"].as_object().map(serde_json::Map::len),
            Some(if era == Era::Modern { 2 } else { 1 })
        );
    }
}
