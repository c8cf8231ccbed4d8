//! An access token, and a resource server that accepts it.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::HeaderValue;
use mcp_stateless::StatelessSessionManager;
use mcp_stateless::auth::{JwtVerifier, ResourceServer};
use mcp_stateless::manager::Authorize;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

const ISSUER: &str = "https://login.example.com";
const RESOURCE: &str = "http://127.0.0.1:8000/mcp";
/// In the year 2100.
const EXPIRES: u64 = 4_102_444_800;

/// Returns a resource server that knows the issuer's key. It remembers a token whose signature it has
/// checked.
pub(crate) fn authorize(manager: &StatelessSessionManager) -> Authorize {
    let key = json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": encode(issuer().public_key())});
    let verifier = JwtVerifier::with_keys(ISSUER, &json!({ "keys": [key] }).to_string()).expect("a key");
    let server = ResourceServer::new(RESOURCE, verifier).expect("a URL");
    manager.authorize(server.scopes(["mcp"]).expect("a scope"))
}

/// Returns the value of `Authorization`, about as long as those of common issuers.
pub(crate) fn bearer() -> HeaderValue {
    let header = json!({"alg": "EdDSA", "kid": "1", "typ": "at+jwt"});
    let claims = json!({
        "iss": ISSUER, "sub": "248289761001", "aud": RESOURCE, "exp": EXPIRES, "iat": EXPIRES - 300,
        "scope": "mcp files:read files:write", "client_id": "https://client.example.com/metadata.json",
        "jti": "8f5b1c1e-6c4e-4f6b-9d2c-0a7f3c1d2e4b", "email": "ada@example.com", "name": "Ada Lovelace",
    });
    let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
    let signature = issuer().sign(signed.as_bytes());
    let bearer = format!("Bearer {signed}.{}", encode(signature));
    bearer.parse().expect("a header value")
}

fn issuer() -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a seed of the right length")
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
