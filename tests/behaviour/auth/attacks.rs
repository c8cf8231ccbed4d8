//! Attacks. Each is refused for its specific reason.

use std::task::{Context, Poll, Waker};

use mcp_stateless::auth::JwtVerifier;
use proptest::prelude::*;
use ring::hmac;
use serde_json::{Value, json};

use super::issuer::{ISSUER, Issuer, RESOURCE, SigningKey, base64};
use super::server::{METADATA_URL, Protected, bearer, challenges};
use crate::log::Log;
use crate::support::{Era, Post};

/// Asserts that a token is refused for a reason, which only the log contains.
async fn assert_refused(server: &Protected, token: &str, reason: &str) {
    let log = Log::default();
    let logging = log.keep();
    let answer = server.call("whoami", token).await;
    drop(logging);
    assert_eq!(answer.status, 401, "{reason}: {answer:?}");
    assert!(log.text().contains(reason), "{reason}: {}", log.text());
    // Clients may know that the token has expired.
    assert!(reason == "expired" || !answer.text().contains(reason));
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    for algorithm in ["none", "None", "NONE", ""] {
        let header = json!({"alg": algorithm, "typ": "at+jwt", "kid": "first"});
        let token = format!("{}.{}.", base64(header.to_string()), base64(issuer.claims().to_string()));
        assert_refused(&server, &token, "the algorithm is not allowed").await;
        assert_refused(&server, &format!("{token}AAAA"), "the algorithm is not allowed").await;
    }
}

#[tokio::test]
async fn a_public_key_is_not_taken_for_a_secret() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let signed = format!(
        "{}.{}",
        base64(json!({"alg": "HS256", "kid": "first"}).to_string()),
        base64(issuer.claims().to_string())
    );
    let jwk = issuer.published()[0].to_string();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, jwk.as_bytes()), signed.as_bytes());
    assert_refused(&server, &format!("{signed}.{}", base64(signature)), "the algorithm is not allowed").await;
}

#[tokio::test]
async fn a_token_with_wrong_claims_is_refused() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let now = issuer.seconds();
    let cases: &[(&str, Value, &str)] = &[
        ("iss", json!("https://evil.example"), "the issuer does not match"),
        ("iss", json!("https://login.example.com/"), "the issuer does not match"),
        ("iss", Value::Null, "the issuer does not match"),
        ("aud", json!("https://other.example/mcp"), "not issued for this resource"),
        (
            "aud",
            json!(["https://mcp.example.com", "https://mcp.example.com/mcp2"]),
            "not issued for this resource",
        ),
        ("aud", json!([]), "not issued for this resource"),
        ("aud", Value::Null, "not issued for this resource"),
        ("aud", json!("a-client"), "not issued for this resource"),
        ("exp", json!(now - 31), "expired"),
        ("exp", json!(0), "expired"),
        ("exp", Value::Null, "`exp` is missing"),
        ("exp", json!(1e300), "a time is out of range"),
        ("exp", json!(-1), "a time is out of range"),
        ("exp", json!("9999999999"), "the claims are malformed"),
        ("nbf", json!(now + 31), "not valid yet"),
        ("sub", Value::Null, "the subject is missing or malformed"),
        ("sub", json!(""), "the subject is missing or malformed"),
        ("sub", json!(" ada"), "the subject is missing or malformed"),
        ("sub", json!("a\u{0}b"), "the subject is missing or malformed"),
        ("sub", json!("a".repeat(2000)), "the subject is missing or malformed"),
        ("cnf", json!({"x5t#S256": "abc"}), "the confirmation method is not supported"),
        ("scope", json!(7), "the claims are malformed"),
    ];
    for (claim, value, reason) in cases {
        assert_refused(&server, &issuer.token(|claims| claims[*claim] = value.clone()), reason).await;
    }
    // Duplicate claims are refused.
    let claims = issuer.claims().to_string().replacen('{', "{\"aud\":\"https://other.example\",", 1);
    let signed = format!("{}.{}", base64(r#"{"alg":"ES256","kid":"first"}"#), base64(&claims));
    let key = SigningKey::es256();
    let mut jwk = key.jwk();
    jwk["kid"] = "own".into();
    let SigningKey::Es256(pair) = &key else { unreachable!() };
    let signed = signed
        .replace(&base64(r#"{"alg":"ES256","kid":"first"}"#), &base64(r#"{"alg":"ES256","kid":"own"}"#));
    let signature = pair.sign(&ring::rand::SystemRandom::new(), signed.as_bytes()).expect("signed");
    let verifier = JwtVerifier::with_keys(ISSUER, &json!({"keys": [jwk]}).to_string()).expect("keys");
    let server = Protected::with(&issuer, verifier, |server| server);
    assert_refused(&server, &format!("{signed}.{}", base64(signature)), "the claims are malformed").await;
}

#[tokio::test]
async fn a_token_within_the_leeway_and_for_several_audiences_is_accepted() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let now = issuer.seconds();
    for (claim, value) in [
        ("exp", json!(now - 29)),
        ("exp", json!(1_800_000_099.5)),
        ("nbf", json!(now + 29)),
        ("aud", json!(["https://other.example", RESOURCE])),
        ("aud", json!("HTTPS://MCP.example.com:443/mcp")),
        ("scope", json!(["a", "b c"])),
    ] {
        assert_eq!(
            server.status(&issuer.token(|claims| claims[claim] = value.clone())).await,
            200,
            "{claim} {value}"
        );
    }
    let verifier = issuer.verifier().audience("api://tickets");
    let server = Protected::with(&issuer, verifier, |server| server);
    assert_eq!(server.status(&issuer.token(|claims| claims["aud"] = "api://tickets".into())).await, 200);
}

#[tokio::test]
async fn a_token_with_a_wrong_header_is_refused() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let jwk = SigningKey::es256();
    for (header, reason) in [
        (json!({"typ": "dpop+jwt"}), "not that of an access token"),
        (json!({"typ": "logout+jwt"}), "not that of an access token"),
        (json!({"typ": "at+jwt", "crit": ["exp"], "exp": 1}), "a critical extension is not supported"),
        (json!({"typ": "at+jwt", "kid": "other"}), "the issuer has no such key"),
        (json!({"typ": "at+jwt", "alg": "ES384"}), "the issuer has no such key"),
        (json!({"typ": "at+jwt", "alg": "RS256"}), "the issuer has no such key"),
        (json!({"typ": "at+jwt", "alg": "ES512"}), "the algorithm is not allowed"),
    ] {
        assert_refused(&server, &issuer.signed(header, &issuer.claims()), reason).await;
    }
    // A key inside the token is not used.
    let header =
        json!({"typ": "at+jwt", "kid": "first", "jwk": jwk.jwk(), "jku": "https://evil.example/jwks"});
    assert_refused(&server, &jwk.sign(header, &issuer.claims()), "the signature is invalid").await;
    for typ in ["at+jwt", "application/at+jwt", "JWT", "AT+JWT"] {
        assert_eq!(server.status(&issuer.signed(json!({"typ": typ}), &issuer.claims())).await, 200, "{typ}");
    }
    assert_eq!(server.status(&issuer.signed(json!({}), &issuer.claims())).await, 200);
    let strict = Protected::with(&issuer, issuer.verifier().only_at_jwt(), |server| server);
    assert_refused(
        &strict,
        &issuer.signed(json!({"typ": "JWT"}), &issuer.claims()),
        "not that of an access token",
    )
    .await;
    assert_eq!(strict.status(&issuer.token(|_| {})).await, 200);
}

#[tokio::test]
async fn a_token_that_was_altered_or_cut_is_refused() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let token = issuer.token(|_| {});
    let parts: Vec<_> = token.split('.').collect();
    let claims = json!({"iss": ISSUER, "sub": "eve", "aud": RESOURCE, "exp": issuer.seconds() + 99});
    let altered = format!("{}.{}.{}", parts[0], base64(claims.to_string()), parts[2]);
    assert_refused(&server, &altered, "the signature is invalid").await;
    for length in (1..token.len()).step_by(7) {
        assert_eq!(server.status(&token[..length]).await, 401, "{length}");
    }
    for token in [
        format!("{token}.x.y"),
        format!("{token}."),
        format!(".{token}"),
        token.replace('.', "="),
        "..".to_owned(),
        format!("{}.{}.", parts[0], parts[1]),
    ] {
        assert!(matches!(server.status(&token).await, 400 | 401), "{token}");
    }
}

#[tokio::test]
async fn two_tokens_a_token_in_the_query_and_an_oversized_token_are_bad_requests() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let token = issuer.token(|_| {});
    let post = || bearer(Post::call(Era::Modern, "whoami", json!({})), &token);
    let twice = server.send(post().line("authorization", &format!("Bearer {token}"))).await;
    let joined =
        server.send(post().header("authorization", &format!("Bearer {token}, Bearer {token}"))).await;
    let oversized = server.send(bearer(post(), &"a".repeat(8 * 1024 + 1))).await;
    let mut in_query = post().without("authorization").into_request();
    *in_query.uri_mut() = format!("/mcp?access_token={token}").parse().expect("a URI");
    let in_query = crate::support::Answer::read(server.handle(in_query).await).await;
    let mut in_both = post().into_request();
    *in_both.uri_mut() = format!("/mcp?access_token={token}").parse().expect("a URI");
    let in_both = crate::support::Answer::read(server.handle(in_both).await).await;
    for answer in [twice, joined, oversized, in_query, in_both] {
        assert_eq!(answer.status, 400, "{answer:?}");
        assert!(challenges(&answer)[0].contains("invalid_request"));
    }
    let small = Protected::with(&issuer, issuer.verifier(), |server| server.max_token_size(64));
    assert_eq!(small.status(&token).await, 400);
}

#[tokio::test]
async fn a_forged_host_changes_nothing_of_what_clients_are_told() {
    let issuer = Issuer::new();
    let behind_proxy = Protected::of(
        mcp_stateless::ToolRegistry::builder().build().expect("valid"),
        &issuer,
        issuer.verifier(),
        |server| server,
        mcp_stateless::manager::ManagerBuilder::any_host,
    );
    let forge = |post: Post| {
        let post = post.header("host", "evil.example").header("x-forwarded-host", "evil.example");
        post.header("forwarded", "host=evil.example;proto=http").header("x-forwarded-proto", "http")
    };
    let answer = behind_proxy.send(forge(Post::call(Era::Modern, "whoami", json!({})))).await;
    assert_eq!(challenges(&answer), [format!("Bearer resource_metadata=\"{METADATA_URL}\"")]);
    let mut get = forge(Post::raw("").method(http::Method::GET)).into_request();
    *get.uri_mut() = "https://evil.example/.well-known/oauth-protected-resource/mcp".parse().expect("a URI");
    let answer = crate::support::Answer::read(behind_proxy.handle(get).await).await;
    assert_eq!(answer.json()["resource"], RESOURCE);
    assert!(!answer.text().contains("evil"));
    // If the allowed hosts are set, a forged one is refused.
    let named = Protected::new(&issuer);
    let mut get = forge(Post::raw("").method(http::Method::GET)).into_request();
    *get.uri_mut() = "/.well-known/oauth-protected-resource/mcp".parse().expect("a URI");
    assert_eq!(named.handle(get).await.status(), 403);
}

#[tokio::test]
async fn a_verifier_of_two_servers_keeps_their_tokens_apart() {
    let issuer = Issuer::new();
    let verifier = std::sync::Arc::new(issuer.verifier());
    let here = Protected::with(&issuer, std::sync::Arc::clone(&verifier), |server| server);
    let manager = here.manager.clone();
    let clock = issuer.clone();
    let other =
        mcp_stateless::auth::ResourceServer::new("https://mcp.example.com/other", verifier).expect("a URL");
    let there = Protected { authorize: manager.authorize(other.clock(move || clock.now())), ..here.clone() };
    let token = issuer.token(|_| {});
    assert_eq!((here.status(&token).await, there.status(&token).await), (200, 401));
    assert_eq!((here.status(&token).await, there.status(&token).await), (200, 401));
}

#[tokio::test]
async fn every_algorithm_is_checked_with_a_key_of_its_kind_and_only_if_allowed() {
    use mcp_stateless::auth::Algorithm;
    for key in SigningKey::all() {
        let issuer = Issuer::new();
        let name = key.algorithm();
        issuer.sign_with("key", key);
        let token = issuer.token(|_| {});
        assert_eq!(Protected::new(&issuer).status(&token).await, 200, "{name}");
        let others = Algorithm::ALL.into_iter().filter(|other| other.as_str() != name);
        let others = Protected::with(&issuer, issuer.verifier().algorithms(others), |server| server);
        assert_refused(&others, &token, "the algorithm is not allowed").await;
        // A key for another algorithm, or not for signatures, is not used.
        for (member, value) in
            [("alg", "RS384"), ("use", "enc"), ("key_ops", "sign"), ("d", "AAAA"), ("kty", "oct")]
        {
            let mut jwk = issuer.published()[0].clone();
            jwk[member] = if member == "key_ops" { json!([value]) } else { json!(value) };
            let other = SigningKey::es256();
            let mut other = other.jwk();
            other["kid"] = "other".into();
            let keys = json!({"keys": [jwk, other]}).to_string();
            let verifier = JwtVerifier::with_keys(ISSUER, &keys).expect("a key is left");
            let server = Protected::with(&issuer, verifier, |server| server);
            assert_refused(&server, &token, "the issuer has no such key").await;
        }
    }
}

/// Returns the status of a call whose future is ready immediately.
fn status_at_once(server: &Protected, request: http::Request<http_body_util::Full<bytes::Bytes>>) -> u16 {
    let mut response = std::pin::pin!(server.handle(request));
    let mut cx = Context::from_waker(Waker::noop());
    match response.as_mut().poll(&mut cx) {
        Poll::Ready(response) => response.status().as_u16(),
        Poll::Pending => panic!("it waits for something"),
    }
}

fn any_json() -> impl Strategy<Value = Value> {
    let texts = prop_oneof![
        Just(String::new()),
        Just(ISSUER.to_owned()),
        Just(RESOURCE.to_owned()),
        Just("ES256".to_owned()),
        Just("at+jwt".to_owned()),
        Just("applicatioñ/jwt".to_owned()),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("jkt|keys|a", inner, 0..3)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn without_whitespace(value: &[u8]) -> Vec<u8> {
    value.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect()
}

proptest! {
    #[test]
    fn any_credentials_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        cut in 0_usize..600,
        header in prop_oneof![Just("authorization"), Just("dpop")],
    ) {
        let issuer = Issuer::new();
        let keys = json!({"keys": issuer.published()}).to_string();
        let server = Protected::with(&issuer, JwtVerifier::with_keys(ISSUER, &keys).expect("keys"), |server| server);
        let good = format!("Bearer {}", issuer.token(|_| {}));
        let mut request = Post::call(Era::Modern, "whoami", json!({})).into_request();
        request.headers_mut().insert("authorization", good.parse().expect("a header"));
        let cut = cut.min(good.len());
        for value in [bytes.clone(), [&good.as_bytes()[..cut], &bytes, &good.as_bytes()[cut..]].concat()] {
            let Ok(value) = http::HeaderValue::from_bytes(&value) else { continue };
            // Whitespace around a token is optional.
            let is_same = without_whitespace(value.as_bytes()) == without_whitespace(good.as_bytes());
            let mut request = request.clone();
            request.headers_mut().insert(header, value);
            let status = status_at_once(&server, request);
            prop_assert!(matches!(status, 400 | 401) || (status == 200 && (is_same || header == "dpop")), "{}", status);
        }
    }

    #[test]
    fn any_header_and_claims_of_a_signed_token_are_survived(
        name in "alg|typ|kid|crit|jwk",
        claim in "iss|sub|aud|exp|nbf|iat|scope|scp|cnf|client_id|azp",
        in_header in any_json(),
        in_claims in any_json(),
    ) {
        let issuer = Issuer::new();
        let keys = json!({"keys": issuer.published()}).to_string();
        let server = Protected::with(&issuer, JwtVerifier::with_keys(ISSUER, &keys).expect("keys"), |server| server);
        let mut claims = issuer.claims();
        claims[&*claim] = in_claims.clone();
        for header in [json!({}), json!({name: in_header})] {
            let post = bearer(Post::call(Era::Modern, "whoami", json!({})), &issuer.signed(header, &claims));
            prop_assert!(matches!(status_at_once(&server, post.into_request()), 200 | 400 | 401));
        }
    }
}
