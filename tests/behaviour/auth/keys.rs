//! The keys of an issuer: discovery, caching, rotation, and failures.

use std::time::Duration;

use mcp_stateless::auth::{JwtVerifier, TokenVerifier as _};
use serde_json::json;
use tokio::time::advance;

use super::issuer::Issuer;
use super::server::Protected;

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn keys_are_found_through_the_issuers_metadata_and_kept() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    assert!(issuer.requests().is_empty(), "nothing is fetched before it is needed");
    for subject in ["ada", "bob"] {
        assert_eq!(server.status(&issuer.token(|claims| claims["sub"] = subject.into())).await, 200);
    }
    assert_eq!(issuer.requests(), ["/.well-known/oauth-authorization-server", "/jwks"]);
    advance(seconds(601)).await;
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    assert_eq!(issuer.key_fetches(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_is_rotated_is_found_and_the_old_one_is_dropped() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let old = issuer.token(|claims| claims["exp"] = (issuer.seconds() + 9999).into());
    assert_eq!(server.status(&old).await, 200);
    advance(seconds(11)).await;
    issuer.rotate("second");
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    // A token that was signed with the old key is only accepted if it has been verified before.
    assert_eq!(server.status(&old).await, 200);
    let other = Protected::new(&issuer);
    assert_eq!(other.status(&old).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_unknown_keys_does_not_become_a_flood_of_fetches() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    for second in 0..30 {
        for number in 0..20 {
            let header = json!({"typ": "at+jwt", "kid": format!("forged {second} {number}")});
            assert_eq!(server.status(&issuer.signed(header, &issuer.claims())).await, 401);
        }
        advance(seconds(1)).await;
    }
    assert!(issuer.key_fetches() <= 4, "{} fetches in 30 seconds", issuer.key_fetches());
    assert_eq!(server.status(&issuer.token(|claims| claims["sub"] = "bob".into())).await, 200);
}

#[tokio::test(start_paused = true)]
async fn keys_are_fetched_once_however_many_need_them() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let gate = issuer.hold();
    let calls: Vec<_> = (0..50)
        .map(|number| {
            let (server, token) =
                (server.clone(), issuer.token(|claims| claims["sub"] = format!("u{number}").into()));
            tokio::spawn(async move { server.status(&token).await })
        })
        .collect();
    while issuer.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    issuer.let_go();
    gate.notify_waiters();
    for call in calls {
        assert_eq!(call.await.expect("no panic"), 200);
    }
    assert_eq!(issuer.key_fetches(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_while_keys_are_fetched_holds_up_nobody() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let gate = issuer.hold();
    leave(&server, &issuer).await;
    issuer.let_go();
    gate.notify_waiters();
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    assert_eq!(issuer.requests(), ["/.well-known/oauth-authorization-server", "/jwks"], "it is continued");
}

#[tokio::test(start_paused = true)]
async fn a_fetch_that_was_left_for_long_is_begun_anew() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let _gate = issuer.hold();
    leave(&server, &issuer).await;
    issuer.let_go();
    advance(seconds(10)).await;
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
}

/// Sends a request, and hangs up while the keys are fetched.
async fn leave(server: &Protected, issuer: &Issuer) {
    let leaving = tokio::spawn({
        let (server, token) = (server.clone(), issuer.token(|_| {}));
        async move { server.status(&token).await }
    });
    while issuer.requests().is_empty() {
        tokio::task::yield_now().await;
    }
    leaving.abort();
    assert!(leaving.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn known_keys_serve_while_the_issuer_is_down_and_for_a_bounded_time() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    issuer.go_down(true);
    advance(seconds(601)).await;
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    advance(seconds(3500)).await;
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    advance(seconds(200)).await;
    let answer = server.call("whoami", &issuer.token(|_| {})).await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.headers["retry-after"], "5");
    assert!(!answer.headers.contains_key("www-authenticate"));
    issuer.go_down(false);
    advance(seconds(11)).await;
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_from_the_start_is_asked_again_later() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    issuer.go_down(true);
    for _ in 0..20 {
        assert_eq!(server.status(&issuer.token(|_| {})).await, 503);
    }
    assert_eq!(issuer.requests().len(), 1);
    issuer.go_down(false);
    advance(seconds(11)).await;
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_does_not_answer_is_given_up() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let _gate = issuer.hold();
    let start = tokio::time::Instant::now();
    let calls = (0..50).map(|number| {
        let token = issuer.token(|claims| claims["sub"] = format!("u{number}").into());
        let server = server.clone();
        tokio::spawn(async move { server.status(&token).await })
    });
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.expect("no panic"), 503);
    }
    assert_eq!(start.elapsed(), seconds(10), "all wait for the same attempt");
    assert_eq!(issuer.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_issuer_that_is_down_keeps_out_no_token_of_another() {
    let (down, other) = (Issuer::new(), Issuer::new());
    down.go_down(true);
    let issuer = "https://other.example.com";
    let keys = json!({"keys": other.published()}).to_string();
    let both = down.verifier().or(JwtVerifier::with_keys(issuer, &keys).expect("keys"));
    let server = Protected::with(&other, both, |server| server);
    assert_eq!(server.status(&other.token(|claims| claims["iss"] = issuer.into())).await, 200);
    assert!(down.requests().is_empty(), "its keys are not needed");
    assert_eq!(server.status(&down.token(|_| {})).await, 503);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_remembered_until_it_expires() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let token = issuer.token(|_| {});
    assert_eq!(server.status(&token).await, 200);
    issuer.go_down(true);
    issuer.publish(Vec::new());
    advance(seconds(329)).await;
    assert_eq!(server.status(&token).await, 200);
    advance(seconds(1)).await;
    assert_eq!(server.status(&token).await, 401);
}

#[tokio::test(start_paused = true)]
async fn a_set_without_usable_keys_does_not_replace_a_good_one() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let good = issuer.published();
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    issuer.publish(vec![json!({"kty": "oct", "k": "AAAA", "kid": "first"})]);
    advance(seconds(601)).await;
    assert_eq!(server.status(&issuer.token(|_| {})).await, 200);
    issuer.publish(good);
}

/// Serves one path over a real socket. Returns the origin.
async fn served(answer: impl Fn(&str, &str) -> (u16, String) + Clone + Send + Sync + 'static) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("an address"));
    let here = origin.clone();
    let answer = move |uri: http::Uri| {
        let (status, body) = answer(&here, uri.path());
        std::future::ready((http::StatusCode::from_u16(status).expect("a status"), body))
    };
    tokio::spawn(async move { axum::serve(listener, axum::Router::new().fallback(answer)).await });
    origin
}

#[tokio::test]
async fn keys_are_fetched_over_the_network_and_bounded() {
    let issuer = Issuer::new();
    let keys = json!({"keys": issuer.published()}).to_string();
    // The metadata of OpenID Connect, after the issuer's path.
    let origin = served(move |origin, path| match path {
        "/tenant/.well-known/openid-configuration" | "/other/.well-known/openid-configuration" => (
            200,
            json!({"issuer": format!("{origin}/tenant"), "jwks_uri": format!("{origin}/keys")}).to_string(),
        ),
        "/plain/.well-known/openid-configuration" => (
            200,
            json!({"issuer": format!("{origin}/plain"), "jwks_uri": "http://keys.example/"}).to_string(),
        ),
        "/keys" => (200, keys.clone()),
        "/moved" => (302, String::new()),
        "/large" => (200, format!("{{\"keys\":[],\"x\":\"{}\"}}", "x".repeat(300 * 1024))),
        _ => (404, String::new()),
    })
    .await;
    let token = |path: &str| issuer.token(|claims| claims["iss"] = format!("{origin}{path}").into());
    let tenant = JwtVerifier::new(format!("{origin}/tenant")).expect("a URL");
    assert_eq!(Protected::with(&issuer, tenant, |server| server).status(&token("/tenant")).await, 200);
    // Metadata of another issuer, keys over plain HTTP, and no metadata at all.
    for path in ["/other", "/plain", "/none"] {
        let verifier = JwtVerifier::new(format!("{origin}{path}")).expect("a URL");
        assert_eq!(
            Protected::with(&issuer, verifier, |server| server).status(&token(path)).await,
            503,
            "{path}"
        );
    }
    for (keys, status) in [("/keys", 200), ("/moved", 503), ("/large", 503), ("/none", 503)] {
        let verifier = JwtVerifier::with_jwks_url(origin.clone(), format!("{origin}{keys}")).expect("URLs");
        assert_eq!(
            Protected::with(&issuer, verifier, |server| server).status(&token("")).await,
            status,
            "{keys}"
        );
    }
}

#[test]
fn tokens_are_verified_without_a_runtime_as_well() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let token = issuer.token(|_| {});
    let call = std::pin::pin!(server.status(&token));
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    assert_eq!(call.poll(&mut cx), std::task::Poll::Ready(200));
}
