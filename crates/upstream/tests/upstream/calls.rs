//! The items of an upstream, as clients see them.

use mcp_stateless_upstream::UpstreamBuilder;
use serde_json::{Value, json};

use super::cast::{Member, python, python_2};
use super::gateway::{Era, Gateway, Params, text};
use super::wire::Wire;

/// All items of the well-behaved upstream.
async fn everything(gateway: &Gateway) {
    let info = gateway.upstream.probe().await.expect("the upstream opens");
    assert_eq!((&*info.name, &*info.revision), ("arithmetic", "2025-11-25"));
    assert!(info.tools.contains(&"add".to_owned()) && info.resources.len() == 1, "{info:?}");
    for era in Era::BOTH {
        let client = gateway.client(era, "ada");
        assert_eq!(client.tool("add", json!({"a": 1, "b": 2})).await, "3");
        let tools = client.ask("tools/list", Params(json!({}))).await;
        assert_eq!(tools["result"]["tools"].as_array().map(Vec::len), Some(info.tools.len()), "{tools}");
        let prompt = client.ask("prompts/get", Params::call("greet", json!({"name": "Ada"}))).await;
        assert_eq!(prompt["result"]["messages"][0]["content"]["text"], "Greet Ada.");
        let pi = client.ask("resources/read", Params(json!({"uri": "math://constants/pi"}))).await;
        assert_eq!(pi["result"]["contents"][0]["text"], "3.14159");
        let square = client.ask("resources/read", Params(json!({"uri": "math://square/3"}))).await;
        assert_eq!(square["result"]["contents"][0]["text"], "9");
        let templates = client.ask("resources/templates/list", Params(json!({}))).await;
        assert_eq!(templates["result"]["resourceTemplates"][0]["uriTemplate"], "math://square/{n}");
        let reference = json!({"type": "ref/prompt", "name": "greet"});
        let completion = Params(json!({"ref": reference, "argument": {"name": "name", "value": "A"}}));
        let completion = client.ask("completion/complete", completion).await;
        assert_eq!(completion["result"]["completion"]["values"], json!(["Ada", "Alan"]));
        let missing = client.ask("resources/read", Params(json!({"uri": "math://nothing"}))).await;
        let code = if era == Era::Modern { -32_602 } else { -32_002 };
        assert_eq!(missing["error"]["code"], code, "{missing}");
        assert_eq!(missing["error"]["message"], "Unknown resource: math://nothing");
        let kind = if era == Era::Modern { json!("complete") } else { Value::Null };
        assert_eq!(prompt["result"]["resultType"], kind);
    }
}

#[tokio::test]
async fn all_that_an_upstream_over_stdio_has_is_served_to_both_eras() {
    everything(&Gateway::new(python("arithmetic"))).await;
}

#[tokio::test]
async fn all_that_an_upstream_over_http_has_is_served_to_both_eras() {
    let member = Member::arithmetic().await;
    everything(&Gateway::new(member.upstream())).await;
}

async fn progress_and_logs(gateway: &Gateway) {
    for era in Era::BOTH {
        let params = Params::call("slow_progress", json!({"steps": 3}));
        let params = params.with("_meta", json!({"progressToken": "mine"}));
        let messages = gateway.client(era, "ada").send("tools/call", params).await;
        let of = |method: &str| -> Vec<&Value> {
            let messages = messages.iter().filter(|it| it["method"] == method);
            messages.map(|message| &message["params"]).collect()
        };
        let progress = of("notifications/progress");
        assert_eq!(progress.len(), 3, "{messages:?}");
        let last = json!({"progressToken": "mine", "progress": 3, "total": 3, "message": "step 3"});
        assert_eq!(*progress[2], last);
        assert_eq!(of("notifications/message").len(), 3, "{messages:?}");
        assert_eq!(text(&messages[messages.len() - 1]), "did 3 steps");
    }
}

#[tokio::test]
async fn progress_and_log_messages_flow_through() {
    progress_and_logs(&Gateway::new(python("arithmetic"))).await;
    let member = Member::arithmetic().await;
    progress_and_logs(&Gateway::new(member.upstream())).await;
}

#[tokio::test]
async fn an_upstream_without_sessions_is_served() {
    let member = Member::node("nosession", &[]).await;
    let gateway = Gateway::new(member.upstream());
    for era in Era::BOTH {
        assert_eq!(gateway.client(era, "ada").tool("add", json!({"a": 1, "b": 2})).await, "3");
    }
    assert_eq!(gateway.upstream.stats().opened, 1);
}

/// The revisions of the sessions that a legacy client, a modern client and a probe get.
async fn revisions(upstream: UpstreamBuilder) -> [String; 3] {
    let gateway = Gateway::new(upstream);
    let mut revisions = Vec::new();
    for era in Era::BOTH {
        let client = gateway.client(era, "ada");
        revisions.push(client.tool("revision", json!({})).await);
        assert_eq!(client.tool("add", json!({"a": 1, "b": 2})).await, "3");
    }
    revisions.push(gateway.upstream.probe().await.expect("the upstream opens").revision);
    revisions.try_into().expect("three")
}

#[tokio::test]
async fn each_client_has_its_own_era_spoken_unless_the_host_fixes_one() {
    let (legacy, modern) = ("2025-11-25", "2026-07-28");
    assert_eq!(revisions(python_2("both_eras")).await, [legacy, modern, modern]);
    // Without sessions, it can only ask in the modern era.
    let member = Member::modern().await;
    assert_eq!(revisions(member.upstream()).await, [modern; 3]);
    assert_eq!(revisions(member.upstream().era(mcp_stateless::protocol::Era::Modern)).await, [modern; 3]);
    assert_eq!(revisions(member.upstream().era(mcp_stateless::protocol::Era::Legacy)).await, [legacy; 3]);
}

#[tokio::test]
async fn an_upstream_is_told_the_name_of_its_client() {
    for (era, method, place) in [
        (Era::Legacy, "initialize", "/params/clientInfo"),
        (Era::Modern, "server/discover", "/params/_meta/io.modelcontextprotocol~1clientInfo"),
    ] {
        let (upstream, mut wire) = Wire::new();
        let gateway = Gateway::new(upstream.client_info("proxy", "2.0"));
        let client = gateway.client(era, "ada");
        let opening = tokio::select! {
            answer = client.call("any", json!({})) => panic!("{answer}"),
            opening = wire.wait_for(method) => opening,
        };
        assert_eq!(opening.pointer(place), Some(&json!({"name": "proxy", "version": "2.0"})), "{opening}");
    }
}
