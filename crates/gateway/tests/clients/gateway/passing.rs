//! What passes through the gateway between a client and a child: variables, descriptions, traces, tools.

use serde_json::{Value, json};
use test_support::server::ExampleServer;

use super::endpoints::{VERSION, call, post, tools};
use super::support::{Config, gateway, line};

/// A child whose tool `env` returns the names of its variables, whose tool `meta` returns the `_meta`
/// of its call, and whose tool `task` can only be called as a task.
const ENVIRONMENT: &str = "
import json, os, sys
for line in sys.stdin:
    request = json.loads(line)
    if 'id' not in request:
        continue
    result = {
        'initialize': {
            'protocolVersion': '2025-11-25',
            'capabilities': {'tools': {}},
            'instructions': 'For ' + request.get('params', {}).get('clientInfo', {}).get('name', '?'),
            'serverInfo': {
                'name': 'environment', 'title': 'The Environment', 'version': '1',
                'description': 'What a child sees', 'websiteUrl': 'https://example.com',
                'icons': [
                    {'src': 'https://example.com/icon.png', 'mimeType': 'image/png', 'sizes': ['48x48']},
                    # Would be repeated in each modern result.
                    {'src': 'data:image/png;base64,' + 'A' * 100000},
                ],
            },
        },
        'tools/list': {'tools': [
            {'name': 'env', 'inputSchema': {'type': 'object'}},
            {'name': 'meta', 'inputSchema': {'type': 'object'}},
            {'name': 'task', 'inputSchema': {'type': 'object'}, 'execution': {'taskSupport': 'required'}},
        ]},
        'tools/call': {'content': [{'type': 'text', 'text': json.dumps(request['params'].get('_meta'))
            if request['params'].get('name') == 'meta' else ' '.join(os.environ)}]},
    }.get(request['method'])
    answer = {'jsonrpc': '2.0', 'id': request['id']}
    if result is None:
        answer['error'] = {'code': -32601, 'message': 'Method not found'}
    else:
        answer['result'] = result
    print(json.dumps(answer), flush=True)
";

#[tokio::test]
async fn a_child_gets_nothing_of_the_gateways_environment_but_what_is_named() {
    let config = Config::of(&json!({ "child": {
        "command": "python3",
        "args": ["-c", ENVIRONMENT],
        "env": { "GATEWAY_TEST_SET": "1" },
        "env_vars": ["GATEWAY_TEST_NAMED", "GATEWAY_TEST_UNSET"],
        "era": "legacy",
    }}));
    let mut command = config.command();
    command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "off");
    command.envs([("GATEWAY_TEST_SECRET", "1"), ("GATEWAY_TEST_NAMED", "1")]);
    let gateway = ExampleServer::run(command).await;
    let names = call(gateway.url(), &[], "child-env").await;
    let mut names: Vec<_> = names.split(' ').filter(|name| name.starts_with("GATEWAY_TEST_")).collect();
    names.sort_unstable();
    assert_eq!(names, ["GATEWAY_TEST_NAMED", "GATEWAY_TEST_SET"]);
}

#[tokio::test]
async fn a_server_alone_presents_itself_as_it_does_without_a_gateway() {
    let child = json!({ "command": "python3", "args": ["-c", ENVIRONMENT], "era": "legacy" });
    let gateway = gateway(json!({ "child": child })).await;
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
    let (_, answer) = post(&format!("{}/child", gateway.url()), &[], "initialize", params).await;
    let expected = json!({
        "name": "environment",
        "title": "The Environment",
        "version": "1",
        "description": "What a child sees",
        "websiteUrl": "https://example.com",
        "icons": [{"src": "https://example.com/icon.png", "mimeType": "image/png", "sizes": ["48x48"]}],
    });
    assert_eq!(answer["result"]["serverInfo"], expected);
    assert_eq!(answer["result"]["instructions"], "For mcp-gateway");
}

#[tokio::test]
async fn the_trace_of_a_client_reaches_the_server() {
    let child = json!({ "command": "python3", "args": ["-c", ENVIRONMENT], "era": "legacy" });
    let gateway = gateway(json!({ "child": child })).await;
    let trace = json!({
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate": "rojo=1",
        "baggage": "user=ada",
    });
    let mut modern = trace.clone();
    modern["io.modelcontextprotocol/protocolVersion"] = json!(VERSION);
    modern["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let tool = |path: &str| if path.is_empty() { "child-meta" } else { "meta" };
    for path in ["", "/child"] {
        let headers =
            [("mcp-protocol-version", VERSION), ("mcp-method", "tools/call"), ("mcp-name", tool(path))];
        for (meta, headers) in [(&trace, &[][..]), (&modern, &headers)] {
            let params = json!({"name": tool(path), "_meta": meta});
            let (_, answer) = post(&format!("{}{path}", gateway.url()), headers, "tools/call", params).await;
            let text = answer["result"]["content"][0]["text"].as_str();
            let text = text.unwrap_or_else(|| panic!("no text: {answer}"));
            let mut seen: Value = serde_json::from_str(text).expect("JSON");
            // The gateway's own.
            seen.as_object_mut().expect("an object").remove("progressToken");
            assert_eq!(seen, trace, "{path}");
        }
    }
}

#[tokio::test]
async fn tools_that_can_be_called_as_tasks_alone_are_neither_listed_nor_called() {
    let child = json!({ "command": "python3", "args": ["-c", ENVIRONMENT], "era": "legacy" });
    let gateway = gateway(json!({ "child": child })).await;
    assert_eq!(tools(gateway.url(), &[]).await, ["child-env", "child-meta"]);
    assert!(call(gateway.url(), &[], "child-task").await.contains("Unknown tool"));
    let count = &line(gateway.said().iter().map(String::as_str), "child")[5];
    assert_eq!(*count, "2", "what is not served is not counted");
}
