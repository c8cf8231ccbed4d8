//! Invariants for access tokens and proofs of possession.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderValue, Request};
use mcp_stateless::StatelessSessionManager;
use mcp_stateless::auth::{Access, JwtVerifier, NonceKeys, ResourceServer};
use mcp_stateless::manager::Authorize;
use ring::digest::{SHA256, digest};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::{ready, split};

const ISSUER: &str = "https://login.example.com";
const RESOURCE: &str = "https://mcp.example.com/mcp";
/// The time of the server, in seconds.
const NOW: u64 = 1_800_000_000;

/// A server with its issuer, and a client with a key.
struct Protected {
    issuer: Ed25519KeyPair,
    client: Ed25519KeyPair,
    authorize: Authorize,
    /// Demands nonces in proofs.
    strict: Authorize,
    /// A token that is accepted, and one that is bound to the client's key.
    token: String,
    bound: String,
}

static PROTECTED: LazyLock<Protected> = LazyLock::new(|| {
    let [issuer, client] = [[1; 32], [2; 32]]
        .map(|seed| Ed25519KeyPair::from_seed_unchecked(&seed).expect("a seed of the right length"));
    let manager =
        StatelessSessionManager::builder("fuzz", "1.0.0").any_host().build().expect("valid settings");
    let mut key = jwk(&issuer);
    key["kid"] = "1".into();
    let keys = json!({ "keys": [key] }).to_string();
    let server = || {
        let verifier = JwtVerifier::with_keys(ISSUER, &keys).expect("keys");
        let server = ResourceServer::new(RESOURCE, verifier).expect("a URL");
        server.clock(|| SystemTime::UNIX_EPOCH + Duration::from_secs(NOW))
    };
    let header = json!({"alg": "EdDSA", "kid": "1", "typ": "at+jwt"}).to_string();
    let mut claims = json!({"iss": ISSUER, "sub": "ada", "aud": RESOURCE, "exp": NOW + 300});
    let token = sign(&issuer, header.as_bytes(), claims.to_string().as_bytes());
    claims["cnf"] = json!({ "jkt": thumbprint(&client) });
    let bound = sign(&issuer, header.as_bytes(), claims.to_string().as_bytes());
    Protected {
        authorize: manager.authorize(server()),
        strict: manager.authorize(server().dpop_nonces(NonceKeys::new([3; 32]))),
        issuer,
        client,
        token,
        bound,
    }
});

/// Uses the data as credentials, of which only those with the signature of the issuer, or of the
/// client, may be accepted, and only if they say what they must.
///
/// The first byte selects the meaning of the others: a value of `Authorization`; changes to a good
/// token; the header, the claims and the signature of a token; the same, but signed by the issuer; a
/// proof; the header and the claims of a proof, signed by the client; and that for a server which
/// demands nonces.
pub fn authorization(data: &[u8]) {
    let Some((kind, data)) = data.split_first() else { return };
    let it = &*PROTECTED;
    match kind % 7 {
        0 => {
            if accepted(&it.authorize, data, None).is_some() {
                let value = std::str::from_utf8(data).expect("text").trim_matches([' ', '\t']);
                let (scheme, token) = value.split_once(' ').expect("a scheme");
                assert!(scheme.eq_ignore_ascii_case("bearer") && token.trim_start() == it.token, "{value}");
            }
        }
        1 => {
            let mut token = it.token.clone().into_bytes();
            for change in data.chunks_exact(3) {
                let at = usize::from(u16::from_be_bytes([change[0], change[1]])) % token.len();
                token[at] = change[2];
            }
            let is_same = token == it.token.as_bytes();
            assert_eq!(accepted(&it.authorize, &bearer(&token), None).is_some(), is_same);
        }
        2 => {
            let (header, claims, signature) = parts(data);
            let token = [header, claims, signature].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            let is_accepted = accepted(&it.authorize, &bearer(token.as_bytes()), None).is_some();
            assert!(!is_accepted || token == it.token, "{token}");
        }
        3 => {
            let (header, claims, _) = parts(data);
            let token = sign(&it.issuer, header, claims);
            if let Some(access) = accepted(&it.authorize, &bearer(token.as_bytes()), None) {
                check_token(header, claims, &access);
            }
        }
        4 => {
            let bound = format!("DPoP {}", it.bound);
            assert!(accepted(&it.authorize, bound.as_bytes(), Some(data)).is_none());
        }
        5 => {
            let (header, claims, _) = parts(data);
            let proof = sign(&it.client, header, claims);
            let bound = format!("DPoP {}", it.bound);
            if accepted(&it.authorize, bound.as_bytes(), Some(proof.as_bytes())).is_some() {
                check_proof(header, claims);
            }
        }
        _ => {
            let (header, claims, _) = parts(data);
            let proof = sign(&it.client, header, claims);
            let bound = format!("DPoP {}", it.bound);
            if accepted(&it.strict, bound.as_bytes(), Some(proof.as_bytes())).is_some() {
                check_proof(header, claims);
                assert!(object(claims)["nonce"].as_str().is_some_and(|nonce| nonce.len() == 54));
            }
        }
    }
}

/// What a request with these headers may do, if it is accepted.
fn accepted(authorize: &Authorize, authorization: &[u8], proof: Option<&[u8]>) -> Option<Access> {
    let mut request = Request::post("/mcp").body(()).expect("a request");
    for (name, value) in [("authorization", Some(authorization)), ("dpop", proof)] {
        // An HTTP server does not pass on invalid headers.
        let value = value.map(HeaderValue::from_bytes).transpose().ok()?;
        request.headers_mut().extend(value.map(|value| (http::HeaderName::from_static(name), value)));
    }
    match ready(authorize.check(request)) {
        Ok(request) => {
            assert!(
                !request.headers().contains_key("authorization") && !request.headers().contains_key("dpop")
            );
            Some(request.extensions().get::<Access>().expect("an access").clone())
        }
        Err(response) => {
            // Once it remembers as many proofs as it may, it takes no more of them.
            if response.status() != 503 {
                assert!([400, 401].contains(&response.status().as_u16()), "{response:?}");
                assert!(response.headers().contains_key("www-authenticate"));
            }
            None
        }
    }
}

/// Checks a token that was accepted, with another parser.
fn check_token(header: &[u8], claims: &[u8], access: &Access) {
    let (header, claims) = (object(header), object(claims));
    assert_eq!(header["alg"], "EdDSA");
    assert!(header.get("crit").is_none_or(Value::is_null));
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(claims["sub"], access.token().subject());
    #[expect(clippy::cast_precision_loss, reason = "it has no more than 53 bits")]
    let now = NOW as f64;
    assert!(claims["exp"].as_f64().is_some_and(|end| end > now - 30.0), "{claims}");
    assert!(claims["nbf"].as_f64().is_none_or(|start| start <= now + 30.0), "{claims}");
    let audiences = claims["aud"].as_array().cloned().unwrap_or_else(|| vec![claims["aud"].clone()]);
    let is_ours = |audience: &Value| {
        audience.as_str().is_some_and(|url| url.to_ascii_lowercase().starts_with("https://mcp.example.com"))
    };
    assert!(audiences.iter().any(is_ours), "{claims}");
}

/// Checks a proof that was accepted.
fn check_proof(header: &[u8], claims: &[u8]) {
    let (header, claims) = (object(header), object(claims));
    assert_eq!(header["jwk"]["x"], jwk(&PROTECTED.client)["x"]);
    assert_eq!(claims["htm"], "POST");
    let hash = digest(&SHA256, PROTECTED.bound.as_bytes());
    assert_eq!(claims["ath"], URL_SAFE_NO_PAD.encode(hash));
    assert!(claims["jti"].as_str().is_some_and(|id| !id.is_empty()));
    #[expect(clippy::cast_precision_loss, reason = "it has no more than 53 bits")]
    let now = NOW as f64;
    assert!(claims["iat"].as_f64().is_some_and(|made| (now - 60.0..=now + 10.0).contains(&made)), "{claims}");
}

fn object(json: &[u8]) -> Value {
    serde_json::from_slice(json).expect("what was accepted is JSON")
}

/// Splits the data into three lines, the last of which may be missing.
fn parts(data: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let (first, rest) = split(data, b"\n").unwrap_or((data, b""));
    let (second, third) = split(rest, b"\n").unwrap_or((rest, b""));
    (first, second, third)
}

fn bearer(token: &[u8]) -> Vec<u8> {
    [b"Bearer ", token].concat()
}

fn sign(key: &Ed25519KeyPair, header: &[u8], claims: &[u8]) -> String {
    let signed = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    let signature = key.sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn jwk(key: &Ed25519KeyPair) -> Value {
    json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(key.public_key())})
}

fn thumbprint(key: &Ed25519KeyPair) -> String {
    let x = URL_SAFE_NO_PAD.encode(key.public_key());
    let members = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#);
    URL_SAFE_NO_PAD.encode(digest(&SHA256, members.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seed(name: &str) -> Vec<u8> {
        let path = format!("{}/seeds/authorization/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(path).expect("a seed")
    }

    /// Otherwise the fuzzer would begin with nothing that is accepted.
    #[test]
    fn good_seeds_are_accepted() {
        let it = &*PROTECTED;
        let bound = format!("DPoP {}", it.bound);
        assert!(accepted(&it.authorize, &seed("genuine")[1..], None).is_some());
        for name in ["signed", "minimal", "leeway"] {
            let seed = seed(name);
            let (header, claims, _) = parts(&seed[1..]);
            let token = sign(&it.issuer, header, claims);
            assert!(accepted(&it.authorize, &bearer(token.as_bytes()), None).is_some(), "{name}");
        }
        for (name, is_strict) in [("proof", false), ("url", false), ("nonce", true)] {
            let seed = seed(name);
            let (header, claims, _) = parts(&seed[1..]);
            let proof = sign(&it.client, header, claims);
            let authorize = if is_strict { &it.strict } else { &it.authorize };
            assert!(accepted(authorize, bound.as_bytes(), Some(proof.as_bytes())).is_some(), "{name}");
        }
    }
}
