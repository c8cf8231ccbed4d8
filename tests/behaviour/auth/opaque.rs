//! Opaque tokens: introspection, API keys, and a custom verifier.

use std::time::Duration;

use mcp_stateless::auth::{
    ApiKeys, Introspection, JwtVerifier, PresentedToken, ResourceServer, TokenError, TokenVerifier,
    Verification, VerifiedToken,
};
use serde_json::{Value, json};
use tokio::time::advance;

use super::issuer::{ISSUER, Issuer, RESOURCE};
use super::server::{Protected, challenges};
use crate::support::{Era, Post};

fn introspection(issuer: &Issuer) -> Introspection {
    let introspection =
        Introspection::new(ISSUER, format!("{ISSUER}/introspect"), "mcp", "a secret:with a colon");
    introspection.expect("URLs").http_client(issuer.clone())
}

fn active(issuer: &Issuer) -> Value {
    json!({"active": true, "sub": "ada", "aud": RESOURCE, "scope": "tickets:write", "exp": issuer.seconds() + 600})
}

fn introspections(issuer: &Issuer) -> usize {
    issuer.requests().iter().filter(|path| *path == "/introspect").count()
}

#[tokio::test(start_paused = true)]
async fn an_opaque_token_is_what_its_issuer_says_and_the_answer_is_remembered_for_a_while() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, introspection(&issuer), |server| server);
    issuer.say_of("opaque", active(&issuer));
    for _ in 0..10 {
        assert_eq!(server.call("close", "opaque").await.tool_text(), "closed");
        assert_eq!(server.status("unknown").await, 401);
    }
    assert_eq!(introspections(&issuer), 2);
    let told: Value = serde_json::from_str(&server.call("whoami", "opaque").await.tool_text()).expect("JSON");
    assert_eq!((&told["principal"], &told["sub"]), (&json!(format!("{ISSUER} ada")), &json!("ada")));
    issuer.say_of("opaque", json!({"active": false}));
    assert_eq!(server.status("opaque").await, 200);
    advance(Duration::from_secs(30)).await;
    assert_eq!(server.status("opaque").await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_token_that_expires_while_its_answer_is_remembered_is_refused() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, introspection(&issuer), |server| server);
    let mut answer = active(&issuer);
    answer["exp"] = (issuer.seconds() + 5).into();
    issuer.say_of("opaque", answer);
    assert_eq!(server.status("opaque").await, 200);
    advance(Duration::from_secs(6)).await;
    assert_eq!(server.status("opaque").await, 401);
    assert_eq!(introspections(&issuer), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_another_audience_or_issuer_or_without_a_subject_is_not_enough() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, introspection(&issuer), |server| server);
    for (number, (member, value)) in [
        ("aud", json!("https://other.example")),
        ("aud", Value::Null),
        ("iss", json!("https://evil.example")),
        ("sub", Value::Null),
        ("nbf", json!(issuer.seconds() + 60)),
        ("active", json!(false)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut answer = active(&issuer);
        answer[member] = value.clone();
        issuer.say_of(&format!("t{number}"), answer);
        assert_eq!(server.status(&format!("t{number}")).await, 401, "{member} {value}");
    }
    let trusting = introspection(&issuer).trust_missing_audience();
    let trusting = Protected::with(&issuer, trusting, |server| server);
    assert_eq!((trusting.status("t0").await, trusting.status("t1").await), (401, 200));
    // A client that acts for itself is not the user with the same name.
    issuer.say_of("client", json!({"active": true, "client_id": "ada", "aud": RESOURCE}));
    let told: Value = serde_json::from_str(&server.call("whoami", "client").await.tool_text()).expect("JSON");
    assert_eq!(told["principal"], format!("{ISSUER}  ada"));
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_makes_no_token_invalid() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, introspection(&issuer), |server| server);
    issuer.say_of("opaque", active(&issuer));
    issuer.go_down(true);
    let answer = server.call("whoami", "opaque").await;
    assert_eq!((answer.status.as_u16(), challenges(&answer).len()), (503, 0));
    issuer.go_down(false);
    assert_eq!(server.status("opaque").await, 200);
}

#[tokio::test]
async fn an_api_key_is_one_callers_and_no_authorization_server_is_named() {
    let issuer = Issuer::new();
    let keys =
        ApiKeys::new("keys").key("first-key", "builder", ["tickets:write"]).key("second-key", "reader", []);
    let server = Protected::with(&issuer, keys.clone(), |server| server);
    assert_eq!(server.call("close", "first-key").await.tool_text(), "closed");
    assert!(server.call("whoami", "second-key").await.tool_text().contains("keys reader"));
    assert_eq!(server.call("close", "second-key").await.status, 403);
    for wrong in ["first-kex", "first-ke", "first-keyy", "x"] {
        assert_eq!(server.status(wrong).await, 401);
    }
    let answer = server.send(Post::call(Era::Modern, "whoami", json!({}))).await;
    assert_eq!(challenges(&answer), ["Bearer"]);
    assert!(!format!("{keys:?}").contains("first-key"));
    assert_eq!(Protected::with(&issuer, ApiKeys::new("none"), |server| server).status("x").await, 401);
}

#[tokio::test]
async fn verifiers_stand_beside_each_other() {
    let issuer = Issuer::new();
    let both = issuer.verifier().or(ApiKeys::new("keys").key("a-key", "builder", []));
    assert_eq!(both.issuers(), [ISSUER]);
    let server = Protected::with(&issuer, both, |server| server);
    assert_eq!((server.status("a-key").await, server.status(&issuer.token(|_| {})).await), (200, 200));
    assert_eq!(server.status("b-key").await, 401);
    // An expired token is not introspected again, and a token that cannot be verified is not cached as
    // invalid.
    let expired = issuer.token(|claims| claims["exp"] = 1.into());
    assert!(server.call("whoami", &expired).await.error_message().contains("expired"));
    issuer.go_down(true);
    let jwt_first = issuer.verifier().or(ApiKeys::new("keys"));
    let server = Protected::with(&issuer, jwt_first, |server| server);
    assert_eq!(server.status(&issuer.token(|_| {})).await, 503);
}

/// A custom verifier.
struct Own;

impl TokenVerifier for Own {
    fn verify<'a>(&'a self, token: PresentedToken<'a>) -> Verification<'a> {
        Verification::later(async move {
            tokio::task::yield_now().await;
            assert_eq!(token.resource.as_str(), RESOURCE);
            assert!(!format!("{token:?}").contains(token.secret));
            match token.secret {
                "good" => Ok(VerifiedToken::new("own", "ada")),
                "down" => Err(TokenError::unavailable("the database is gone")),
                _ => Err(TokenError::invalid("unknown")),
            }
        })
    }
}

#[tokio::test]
async fn a_host_verifies_tokens_of_its_own() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, Own, |server| server.authorization_server("https://own.example"));
    for (token, status) in [("good", 200), ("down", 503), ("bad", 401)] {
        assert_eq!(server.status(token).await, status);
    }
    assert!(challenges(&server.call("whoami", "bad").await)[0].contains("resource_metadata"));
}

#[test]
fn settings_that_would_send_secrets_in_plain_text_are_refused() {
    for url in ["http://login.example.com", "login.example.com", "ftp://a.example", "https://a.example?x", ""]
    {
        assert!(JwtVerifier::new(url).is_err(), "{url}");
        assert!(JwtVerifier::with_jwks_url(ISSUER, url).is_err(), "{url}");
        assert!(Introspection::new(ISSUER, url, "a", "b").is_err(), "{url}");
        assert!(ResourceServer::new(url, ApiKeys::new("keys")).is_err(), "{url}");
    }
    for keys in ["", "{}", r#"{"keys":[]}"#, r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#] {
        assert!(JwtVerifier::with_keys(ISSUER, keys).is_err(), "{keys}");
    }
    assert!(JwtVerifier::new("http://localhost:9000").is_ok());
}
