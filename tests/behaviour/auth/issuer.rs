//! An authorization server in memory, with a clock that the test sets.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use mcp_stateless::auth::{HttpClient, HttpResponse, JwtVerifier};
use ring::digest::{SHA256, digest};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA512, RsaKeyPair,
};
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) const ISSUER: &str = "https://login.example.com";
pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";

pub(crate) fn base64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub(crate) fn sha256(bytes: impl AsRef<[u8]>) -> Vec<u8> {
    digest(&SHA256, bytes.as_ref()).as_ref().to_vec()
}

/// A signing key.
pub(crate) enum SigningKey {
    Es256(EcdsaKeyPair),
    Es384(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
    Ps512(RsaKeyPair),
}

impl SigningKey {
    /// Returns a key of each kind.
    pub(crate) fn all() -> [Self; 5] {
        [Self::es256(), Self::es384(), Self::ed_dsa(), Self::rs256(), Self::ps512()]
    }

    pub(crate) fn es256() -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pair.as_ref(), &random);
        Self::Es256(pair.expect("a key"))
    }

    pub(crate) fn es384() -> Self {
        let random = SystemRandom::new();
        let pair = EcdsaKeyPair::generate_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, &random).expect("a key");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P384_SHA384_FIXED_SIGNING, pair.as_ref(), &random);
        Self::Es384(pair.expect("a key"))
    }

    pub(crate) fn ed_dsa() -> Self {
        let pair = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        Self::EdDsa(Ed25519KeyPair::from_pkcs8(pair.as_ref()).expect("a key"))
    }

    fn rsa() -> RsaKeyPair {
        RsaKeyPair::from_pkcs8(include_bytes!("rsa_of_tests.der")).expect("a key")
    }

    pub(crate) fn rs256() -> Self {
        Self::Rs256(Self::rsa())
    }

    pub(crate) fn ps512() -> Self {
        Self::Ps512(Self::rsa())
    }

    pub(crate) fn algorithm(&self) -> &'static str {
        match self {
            Self::Es256(_) => "ES256",
            Self::Es384(_) => "ES384",
            Self::EdDsa(_) => "EdDSA",
            Self::Rs256(_) => "RS256",
            Self::Ps512(_) => "PS512",
        }
    }

    /// Returns the public key as a JWK.
    pub(crate) fn jwk(&self) -> Value {
        let point = |curve: &str, key: &EcdsaKeyPair| {
            let point = &key.public_key().as_ref()[1..];
            let (x, y) = point.split_at(point.len() / 2);
            json!({"kty": "EC", "crv": curve, "x": base64(x), "y": base64(y)})
        };
        match self {
            Self::Es256(key) => point("P-256", key),
            Self::Es384(key) => point("P-384", key),
            Self::EdDsa(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": base64(key.public_key())})
            }
            Self::Rs256(key) | Self::Ps512(key) => {
                let components: ring::signature::RsaPublicKeyComponents<Vec<u8>> = key.public().into();
                json!({"kty": "RSA", "n": base64(components.n), "e": base64(components.e)})
            }
        }
    }

    /// Returns the thumbprint (RFC 7638), with a separate implementation.
    pub(crate) fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let names: &[&str] = match jwk["kty"].as_str() {
            Some("EC") => &["crv", "kty", "x", "y"],
            Some("OKP") => &["crv", "kty", "x"],
            _ => &["e", "kty", "n"],
        };
        let members: Vec<_> = names.iter().map(|name| format!("\"{name}\":{}", jwk[*name])).collect();
        base64(sha256(format!("{{{}}}", members.join(","))))
    }

    /// Signs a JWT. Adds `alg` to the header if it is missing.
    pub(crate) fn sign(&self, mut header: Value, claims: &Value) -> String {
        if header.get("alg").is_none() {
            header["alg"] = self.algorithm().into();
        }
        let signed = format!("{}.{}", base64(header.to_string()), base64(claims.to_string()));
        let (random, text) = (SystemRandom::new(), signed.as_bytes());
        let signature = match self {
            Self::Es256(key) | Self::Es384(key) => key.sign(&random, text).expect("signed").as_ref().to_vec(),
            Self::EdDsa(key) => key.sign(text).as_ref().to_vec(),
            Self::Rs256(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature).expect("signed");
                signature
            }
            Self::Ps512(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PSS_SHA512, &random, text, &mut signature).expect("signed");
                signature
            }
        };
        format!("{signed}.{}", base64(signature))
    }
}

/// An authorization server in memory. It serves its metadata and its keys, and answers
/// introspections.
#[derive(Clone)]
pub(crate) struct Issuer(Arc<State>);

struct State {
    start: Instant,
    key: Mutex<(String, Arc<SigningKey>)>,
    /// The published keys.
    published: Mutex<Vec<Value>>,
    /// The introspection responses, by token.
    tokens: Mutex<Vec<(String, Value)>>,
    is_down: AtomicBool,
    /// Requests wait for this gate if it is set.
    gate: Mutex<Option<Arc<Notify>>>,
    requests: Mutex<Vec<String>>,
}

impl Issuer {
    pub(crate) fn new() -> Self {
        let issuer = Self(Arc::new(State {
            start: Instant::now(),
            key: Mutex::new((String::new(), Arc::new(SigningKey::es256()))),
            published: Mutex::default(),
            tokens: Mutex::default(),
            is_down: AtomicBool::new(false),
            gate: Mutex::default(),
            requests: Mutex::default(),
        }));
        issuer.rotate("first");
        issuer
    }

    /// Returns the current time, which advances with the paused clock of the test.
    pub(crate) fn now(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + self.0.start.elapsed()
    }

    pub(crate) fn seconds(&self) -> u64 {
        self.now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970").as_secs()
    }

    /// Publishes only a new key, and signs with it.
    pub(crate) fn rotate(&self, id: &str) {
        self.sign_with(id, SigningKey::es256());
    }

    pub(crate) fn sign_with(&self, id: &str, key: SigningKey) {
        let mut jwk = key.jwk();
        jwk["kid"] = id.into();
        jwk["use"] = "sig".into();
        *self.0.published.lock().expect("no panic") = vec![jwk];
        *self.0.key.lock().expect("no panic") = (id.to_owned(), Arc::new(key));
    }

    /// Publishes other keys.
    pub(crate) fn publish(&self, keys: Vec<Value>) {
        *self.0.published.lock().expect("no panic") = keys;
    }

    pub(crate) fn published(&self) -> Vec<Value> {
        self.0.published.lock().expect("no panic").clone()
    }

    pub(crate) fn go_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Holds requests until the gate is notified.
    pub(crate) fn hold(&self) -> Arc<Notify> {
        let gate = Arc::new(Notify::new());
        *self.0.gate.lock().expect("no panic") = Some(Arc::clone(&gate));
        gate
    }

    pub(crate) fn let_go(&self) {
        *self.0.gate.lock().expect("no panic") = None;
    }

    /// Returns the requested paths, in order.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.0.requests.lock().expect("no panic").clone()
    }

    /// Returns the number of requests for the keys.
    pub(crate) fn key_fetches(&self) -> usize {
        self.requests().iter().filter(|path| *path == "/jwks").count()
    }

    /// Sets the introspection response for an opaque token. `null` stands for an unknown token.
    pub(crate) fn say_of(&self, token: &str, answer: Value) {
        let mut tokens = self.0.tokens.lock().expect("no panic");
        tokens.retain(|(known, _)| known != token);
        tokens.push((token.to_owned(), answer));
    }

    /// Returns the claims of a valid token.
    pub(crate) fn claims(&self) -> Value {
        let now = self.seconds();
        json!({
            "iss": ISSUER, "sub": "ada", "aud": RESOURCE, "client_id": "a-client",
            "iat": now, "exp": now + 300, "scope": "tickets:read",
        })
    }

    /// Returns a valid token after `edit` has changed its claims.
    pub(crate) fn token(&self, edit: impl FnOnce(&mut Value)) -> String {
        let mut claims = self.claims();
        edit(&mut claims);
        self.signed(json!({"typ": "at+jwt"}), &claims)
    }

    /// Returns a token with these members in its header, in addition to the id of the key.
    pub(crate) fn signed(&self, mut header: Value, claims: &Value) -> String {
        let (id, key) = self.0.key.lock().expect("no panic").clone();
        if header.get("kid").is_none() {
            header["kid"] = id.into();
        }
        key.sign(header, claims)
    }

    pub(crate) fn verifier(&self) -> JwtVerifier {
        JwtVerifier::new(ISSUER).expect("a URL").http_client(self.clone())
    }

    fn respond(&self, request: &Request<Bytes>) -> (StatusCode, Value) {
        match request.uri().path() {
            "/.well-known/oauth-authorization-server" => {
                (StatusCode::OK, json!({"issuer": ISSUER, "jwks_uri": format!("{ISSUER}/jwks")}))
            }
            "/jwks" => (StatusCode::OK, json!({"keys": self.published()})),
            "/introspect" => {
                let form = String::from_utf8(request.body().to_vec()).expect("UTF-8");
                let tokens = self.0.tokens.lock().expect("no panic");
                let known = tokens.iter().find(|(token, _)| form.starts_with(&format!("token={token}&")));
                (StatusCode::OK, known.map_or(json!({"active": false}), |(_, answer)| answer.clone()))
            }
            _ => (StatusCode::NOT_FOUND, Value::Null),
        }
    }
}

impl HttpClient for Issuer {
    fn send(&self, request: Request<Bytes>, _: usize) -> HttpResponse<'_> {
        Box::pin(async move {
            assert_eq!(
                request.uri().authority().map(http::uri::Authority::as_str),
                Some("login.example.com")
            );
            self.0.requests.lock().expect("no panic").push(request.uri().path().to_owned());
            let gate = self.0.gate.lock().expect("no panic").clone();
            if let Some(gate) = gate {
                gate.notified().await;
            }
            if self.0.is_down.load(Ordering::SeqCst) {
                return Err("connection refused".into());
            }
            let (status, body) = self.respond(&request);
            let mut response = Response::new(Bytes::from(body.to_string()));
            *response.status_mut() = status;
            Ok(response)
        })
    }
}
