//! Tokens that are bound to a key (RFC 9449).

use std::time::Duration;

use mcp_stateless::auth::DpopPolicy;
use serde_json::{Value, json};
use tokio::time::advance;

use super::issuer::{Issuer, RESOURCE, SigningKey, base64, sha256};
use super::server::{METADATA_URL, Protected, challenges};
use crate::support::{Answer, Era, Post};

/// A client with a key.
pub(crate) struct Client<'a> {
    issuer: &'a Issuer,
    pub(crate) key: SigningKey,
}

impl<'a> Client<'a> {
    pub(crate) fn new(issuer: &'a Issuer, key: SigningKey) -> Self {
        Self { issuer, key }
    }

    /// Returns a token that is bound to the client's key.
    pub(crate) fn token(&self) -> String {
        self.issuer.token(|claims| claims["cnf"] = json!({"jkt": self.key.thumbprint()}))
    }

    pub(crate) fn claims(&self, token: &str, id: &str) -> Value {
        json!({
            "jti": id, "htm": "POST", "htu": RESOURCE, "iat": self.issuer.seconds(),
            "ath": base64(sha256(token)),
        })
    }

    pub(crate) fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "jwk": self.key.jwk()})
    }

    pub(crate) fn proof(&self, token: &str, id: &str) -> String {
        self.key.sign(self.header(), &self.claims(token, id))
    }
}

pub(crate) fn post(token: &str, proof: &str) -> Post {
    let post = Post::call(Era::Modern, "whoami", json!({}));
    post.header("authorization", &format!("DPoP {token}")).header("dpop", proof)
}

async fn send(server: &Protected, token: &str, proof: &str) -> Answer {
    server.send(post(token, proof)).await
}

#[tokio::test]
async fn a_bound_token_is_accepted_with_a_fresh_proof_of_its_key_each_time() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    for key in SigningKey::all() {
        let client = Client::new(&issuer, key);
        let token = client.token();
        for id in ["1", "2"] {
            // All RSA algorithms use the same key.
            let id = format!("{id} {}", client.key.algorithm());
            let answer = send(&server, &token, &client.proof(&token, &id)).await;
            assert!(answer.tool_text().contains("ada"), "{}", client.key.algorithm());
        }
    }
}

#[tokio::test]
async fn a_bound_token_is_no_bearer_token_and_a_bearer_token_needs_no_proof() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let token = client.token();
    let answer = server.call("whoami", &token).await;
    assert_eq!(answer.status, 401);
    let expected = format!(
        "DPoP error=\"invalid_token\", error_description=\"The proof of possession is not valid\", \
         resource_metadata=\"{METADATA_URL}\", \
         algs=\"ES256 ES384 EdDSA RS256 RS384 RS512 PS256 PS384 PS512\""
    );
    assert_eq!(challenges(&answer), [expected]);
    // A proof does not make a bearer request with a stolen token acceptable.
    let bearer =
        Post::call(Era::Modern, "whoami", json!({})).header("authorization", &format!("Bearer {token}"));
    assert_eq!(server.send(bearer.header("dpop", &client.proof(&token, "1"))).await.status, 401);
    let unbound = issuer.token(|_| {});
    assert_eq!(send(&server, &unbound, &client.proof(&unbound, "2")).await.status, 401);
    assert_eq!(server.status(&unbound).await, 200);
}

#[tokio::test]
async fn a_server_may_demand_that_tokens_are_bound() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, issuer.verifier(), |server| server.dpop(DpopPolicy::Required));
    let answer = server.send(Post::call(Era::Modern, "whoami", json!({}))).await;
    let challenges = challenges(&answer);
    assert!(challenges[0].starts_with("Bearer ") && challenges[1].starts_with("DPoP "), "{challenges:?}");
    assert_eq!(server.status(&issuer.token(|_| {})).await, 401);
    let client = Client::new(&issuer, SigningKey::es256());
    let token = client.token();
    assert_eq!(send(&server, &token, &client.proof(&token, "1")).await.status, 200);
    let mut get = Post::raw("").method(http::Method::GET).into_request();
    *get.uri_mut() = "/.well-known/oauth-protected-resource/mcp".parse().expect("a path");
    let metadata = Answer::read(server.handle(get).await).await.json();
    assert_eq!(metadata["dpop_bound_access_tokens_required"], true);
    assert_eq!(metadata["dpop_signing_alg_values_supported"][0], "ES256");
}

#[tokio::test]
async fn a_proof_that_is_not_of_this_request_is_refused() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let token = client.token();
    let now = issuer.seconds();
    let cases: &[(&str, Value)] = &[
        ("htm", json!("GET")),
        ("htm", json!("post")),
        ("htu", json!("https://other.example/mcp")),
        ("htu", json!("https://mcp.example.com/mcp2")),
        ("htu", json!("http://localhost:8000/mcp")),
        ("htu", json!("/mcp")),
        ("iat", json!(now - 61)),
        ("iat", json!(now + 11)),
        ("iat", Value::Null),
        ("iat", json!("now")),
        ("ath", json!(base64(sha256("another token")))),
        ("ath", json!("")),
        ("ath", Value::Null),
        ("jti", json!("")),
        ("jti", Value::Null),
        ("jti", json!("a".repeat(257))),
    ];
    for (number, (claim, value)) in cases.iter().enumerate() {
        let mut claims = client.claims(&token, &format!("wrong {number}"));
        claims[*claim] = value.clone();
        let answer = send(&server, &token, &client.key.sign(client.header(), &claims)).await;
        assert_eq!(answer.status, 401, "{claim} {value}");
        assert!(challenges(&answer)[0].starts_with("DPoP error=\"invalid_dpop_proof\""), "{answer:?}");
    }
    for (number, (claim, value)) in [
        ("htu", json!("HTTPS://MCP.example.com:443/mcp?query#fragment")),
        ("iat", json!(now - 59)),
        ("iat", json!(now + 10)),
        ("extra", json!(1)),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = client.claims(&token, &format!("right {number}"));
        claims[claim] = value.clone();
        let answer = send(&server, &token, &client.key.sign(client.header(), &claims)).await;
        assert_eq!(answer.status, 200, "{claim} {value}");
    }
}

#[tokio::test]
async fn a_proof_of_another_key_or_with_a_wrong_header_is_refused() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let thief = Client::new(&issuer, SigningKey::es256());
    let token = client.token();
    let mut private = client.key.jwk();
    private["d"] = "AAAA".into();
    let claims = |id: &str| client.claims(&token, id);
    let proofs = [
        thief.proof(&token, "thief"),
        thief.key.sign(client.header(), &claims("signed by another")),
        client.key.sign(json!({"typ": "JWT", "jwk": client.key.jwk()}), &claims("typ")),
        client.key.sign(json!({"jwk": client.key.jwk()}), &claims("no typ")),
        client.key.sign(json!({"typ": "dpop+jwt"}), &claims("no key")),
        client.key.sign(json!({"typ": "dpop+jwt", "jwk": private}), &claims("private")),
        client.key.sign(json!({"typ": "dpop+jwt", "jwk": {"kty": "oct", "k": "AAAA"}}), &claims("oct")),
        client.key.sign(json!({"typ": "dpop+jwt", "jwk": client.key.jwk(), "alg": "none"}), &claims("none")),
        client
            .key
            .sign(json!({"typ": "dpop+jwt", "jwk": client.key.jwk(), "alg": "HS256"}), &claims("HS256")),
        client
            .key
            .sign(json!({"typ": "dpop+jwt", "jwk": client.key.jwk(), "crit": ["b64"]}), &claims("crit")),
        "a.b.c".to_owned(),
        String::new(),
        format!("{}, {}", client.proof(&token, "first"), client.proof(&token, "second")),
        client.proof(&token, &"long".repeat(2000)),
        token.clone(),
    ];
    for proof in &proofs {
        assert_eq!(send(&server, &token, proof).await.status, 401, "{proof}");
    }
    let twice = post(&token, &client.proof(&token, "a")).line("dpop", &client.proof(&token, "b"));
    assert_eq!(server.send(twice).await.status, 401);
    assert_eq!(server.send(post(&token, "").without("dpop")).await.status, 401);
}

#[tokio::test(start_paused = true)]
async fn a_proof_is_taken_once_for_as_long_as_it_is_valid() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let token = client.token();
    let mut claims = client.claims(&token, "ahead");
    claims["iat"] = (issuer.seconds() + 10).into();
    let proof = client.key.sign(client.header(), &claims);
    assert_eq!(send(&server, &token, &proof).await.status, 200);
    for _ in 0..80 {
        assert_eq!(send(&server, &token, &proof).await.status, 401);
        advance(Duration::from_secs(1)).await;
    }
    // Another client may use the same id.
    let other = Client::new(&issuer, SigningKey::es256());
    let others = other.token();
    assert_eq!(send(&server, &others, &other.proof(&others, "ahead")).await.status, 200);
}

#[tokio::test]
async fn a_missing_scope_is_told_in_the_scheme_of_the_token() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let token = client.token();
    let post = Post::call(Era::Modern, "close", json!({})).header("authorization", &format!("DPoP {token}"));
    let answer = server.send(post.header("dpop", &client.proof(&token, "1"))).await;
    assert_eq!(answer.status, 403);
    let challenge = challenges(&answer)[0];
    assert!(
        challenge.starts_with("DPoP error=\"insufficient_scope\", scope=\"tickets:write\""),
        "{challenge}"
    );
    assert!(
        challenge.ends_with("algs=\"ES256 ES384 EdDSA RS256 RS384 RS512 PS256 PS384 PS512\""),
        "{challenge}"
    );
}
