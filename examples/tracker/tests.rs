use std::convert::Infallible;

use axum::body::Body;
use http::{Request, StatusCode};
use mcp_stateless::Registry;
use mcp_stateless::protocol::ErrorCode;
use mcp_stateless::testing::TestClient;
use serde_json::json;
use tower_service::Service;

use crate::tracker::Tracker;
use crate::{app, auth, manager, registry};

fn server() -> impl Registry + Clone {
    registry(Tracker::new("/nowhere/issues.json")).expect("a valid registry")
}

/// Returns a client for the user of a token.
fn client<R: Registry>(server: R, token: &str) -> TestClient<R> {
    let user = auth::user(token).expect("a user");
    let client = TestClient::with_manager(manager().expect("valid settings"), server);
    client.principal(user.name).extension(user)
}

#[tokio::test]
async fn users_share_the_issues() {
    let server = server();
    let (ada, bob) = (client(server.clone(), "ada-secret"), client(server, "bob-secret"));
    bob.call("create", json!({"title": "Crash", "text": "It crashes."})).await.result();
    ada.call("label", json!({"number": 1, "label": "bug"})).await.result();
    ada.call("assign", json!({"number": 1, "assignee": "Bob"})).await.result();
    bob.call("comment", json!({"number": 1, "text": "On it."})).await.result();
    bob.call("set_status", json!({"number": 1, "status": "in_progress"})).await.result();
    bob.call("rename", json!({"number": 1, "title": "Crash at start"})).await.result();

    let expected = json!({
        "number": 1, "title": "Crash at start", "text": "It crashes.", "status": "in_progress",
        "author": "Bob", "assignee": "Bob", "labels": ["bug"], "comments": ["Bob: On it."],
    });
    let issue = ada.call("get", json!({"number": 1})).await;
    assert_eq!(issue.structured::<serde_json::Value>(), expected);
    for (query, found) in [
        (json!({"text": "crashes"}), 1),
        (json!({"text": "start", "status": "in_progress"}), 1),
        (json!({"text": "", "status": "closed"}), 0),
    ] {
        let issues: Vec<serde_json::Value> = ada.call("search", query.clone()).await.structured();
        assert_eq!(issues.len(), found, "{query}");
    }
}

#[tokio::test]
async fn only_maintainers_see_and_call_the_tools_of_maintainers() {
    let server = server();
    let (ada, bob) = (client(server.clone(), "ada-secret"), client(server, "bob-secret"));
    assert_eq!(ada.list_tools().await.len(), 12);
    assert_eq!(bob.list_tools().await.len(), 9);
    for (user, name) in [(&ada, "Ada"), (&bob, "Bob")] {
        assert_eq!(user.call("whoami", json!({})).await.text(), name);
    }
    let (code, _) = bob.call("import", json!({"titles": ["Crash"]})).await.error();
    assert_eq!(code, ErrorCode::INVALID_PARAMS);
}

#[tokio::test]
async fn reporters_change_only_their_own_issues() {
    let server = server();
    let (ada, bob) = (client(server.clone(), "ada-secret"), client(server, "bob-secret"));
    ada.call("create", json!({"title": "Crash"})).await.result();
    let refused = bob.call("rename", json!({"number": 1, "title": "Slow"})).await;
    assert!(refused.is_error());
    assert_eq!(refused.text(), "Only its author and maintainers may change issue 1");
}

#[tokio::test]
async fn errors_of_the_domain_are_shown_and_those_of_the_disk_are_not() {
    let ada = client(server(), "ada-secret");
    let missing = ada.call("get", json!({"number": 7})).await;
    assert_eq!((missing.is_error(), &*missing.text()), (true, "There is no issue 7"));

    let failed = ada.call("export", json!({})).await;
    assert!(failed.is_error() && failed.text().starts_with("Internal error"), "{}", failed.text());
}

#[tokio::test]
async fn an_issue_is_deleted_only_once_the_user_agrees_in_both_eras() {
    for is_legacy in [false, true] {
        let ada = client(server(), "ada-secret");
        let ada = if is_legacy { ada.legacy() } else { ada };
        ada.call("create", json!({"title": "Crash"})).await.result();
        for (answer, reply) in [
            (json!({"action": "decline"}), "Kept."),
            (json!({"action": "accept", "content": {"sure": false}}), "Kept."),
            (json!({"action": "accept", "content": {"sure": true}}), "Deleted issue 1."),
        ] {
            let deleted = ada.clone().answer(move |question| {
                assert_eq!(question.message(), "Delete issue 1, \"Crash\"?");
                answer.clone()
            });
            let deleted = deleted.call("delete", json!({"number": 1})).await;
            assert_eq!((deleted.questions, &*deleted.text()), (1, reply));
        }
        assert!(ada.call("get", json!({"number": 1})).await.is_error());
    }
}

#[tokio::test]
async fn an_import_reports_its_progress() {
    let ada = client(server(), "ada-secret");
    let imported = ada.call("import", json!({"titles": ["Crash", "Slow"]})).await;
    assert_eq!(imported.text(), "2");
    let reports = imported.progress.iter().map(|report| (report.progress, report.message.as_deref()));
    assert_eq!(reports.collect::<Vec<_>>(), [(1.0, Some("Crash")), (2.0, Some("Slow"))]);
}

#[tokio::test]
async fn issues_are_resources_and_parts_of_prompts() {
    let bob = client(server(), "bob-secret");
    bob.call("create", json!({"title": "Crash", "text": "It crashes."})).await.result();
    let issue = bob.read("issue://1").await.text();
    assert!(issue.starts_with("# Crash\n\nIt crashes."), "{issue}");
    let triage = bob.get_prompt("triage", json!({"number": "1"})).await.text();
    assert!(triage.ends_with(&issue), "{triage}");
    assert_eq!(bob.list_resource_templates().await.len(), 1);
}

#[tokio::test]
async fn requests_without_a_valid_token_are_refused() {
    let mut app = app(&manager().expect("valid settings"), server());
    let mut send = async |path: &str, token: &str| {
        let request = Request::post(path)
            .header("host", "localhost")
            .header("authorization", token)
            .header("content-type", "application/json")
            .body(Body::from(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#))
            .expect("a request");
        let response: Result<_, Infallible> = app.call(request).await;
        response.expect("a response").status()
    };
    assert_eq!(send("/mcp", "Bearer ada-secret").await, StatusCode::OK);
    for token in ["", "Bearer wrong", "Basic ada-secret", "ada-secret"] {
        assert_eq!(send("/mcp", token).await, StatusCode::UNAUTHORIZED, "{token}");
    }
    assert_eq!(send("/elsewhere", "Bearer ada-secret").await, StatusCode::NOT_FOUND);
}
