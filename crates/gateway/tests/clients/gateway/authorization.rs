//! Callers with tokens, and bounds on what each of them may do.

use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::{
    Router,
    extract::Request,
    http::HeaderMap,
    middleware::{self, Next},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http_body_util::BodyExt;
use mcp_stateless::{StatelessSessionManager, ToolRegistry, serve};
use ring::{
    rand::SystemRandom,
    signature::{Ed25519KeyPair, KeyPair as _},
};
use serde_json::{Value, json};
use test_support::{server::ExampleServer, upstreams as cast};
use tokio::{net::TcpListener, task::JoinHandle};

use super::endpoints::{call, open, post};
use super::support::Config;

/// What clients call the gateway, wherever it listens.
const PUBLIC_URL: &str = "https://mcp.example.com/mcp";
const KEY: &str = "iJ0mYv2W8mJrVt9mUqkq7g";

/// Serves an application until it is dropped.
struct Served {
    url: String,
    serving: JoinHandle<()>,
}

impl Served {
    async fn start(app: impl FnOnce(&str) -> Router) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("a bound address"));
        let app = app(&url);
        Self { url, serving: tokio::spawn(async move { _ = serve(listener, app).await }) }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// An authorization server that publishes one key.
struct Issuer {
    key: Ed25519KeyPair,
    served: Served,
}

impl Issuer {
    async fn start() -> Self {
        let key = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).expect("a key");
        let key = Ed25519KeyPair::from_pkcs8(key.as_ref()).expect("a key");
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "kid": "1", "x": encode(key.public_key())});
        let served = Served::start(|url| {
            let metadata = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")}).to_string();
            let keys = json!({"keys": [jwk]}).to_string();
            Router::new()
                .route("/.well-known/oauth-authorization-server", get(async || metadata))
                .route("/jwks", get(async || keys))
        });
        Self { key, served: served.await }
    }

    /// A token of a caller for a resource.
    fn token(&self, subject: &str, audience: &str, scope: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let claims = json!({
            "iss": self.served.url, "sub": subject, "aud": audience, "exp": now + 300, "scope": scope,
        });
        let header = json!({"alg": "EdDSA", "kid": "1", "typ": "at+jwt"});
        let signed = format!("{}.{}", encode(header.to_string()), encode(claims.to_string()));
        let signature = self.key.sign(signed.as_bytes());
        format!("{signed}.{}", encode(signature))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A gateway with settings of its own.
async fn gateway(servers: &Value, settings: &Value) -> ExampleServer {
    let config = Config::new(&json!({ "mcpServers": servers, "gateway": settings }).to_string());
    let mut command = config.command();
    command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "off").env("CI_KEY", KEY);
    ExampleServer::run(command).await
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The status of a request with a token, and the challenge of a refusal.
async fn status(url: &str, token: Option<&str>) -> (u16, String) {
    let authorization = token.map(bearer);
    let headers: Vec<_> = authorization.iter().map(|value| ("authorization", value.as_str())).collect();
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let response = open(url, &headers, &message).await;
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().expect("ASCII")).to_owned();
    (response.status().as_u16(), challenge)
}

async fn metadata(gateway: &ExampleServer, path: &str) -> (u16, Value) {
    let url = gateway.url().replace("/mcp", &format!("/.well-known/oauth-protected-resource{path}"));
    let client =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = http::Request::get(url.parse::<http::Uri>().expect("a URL"))
        .body(http_body_util::Full::<bytes::Bytes>::default())
        .expect("a request");
    let response = client.request(request).await.expect("an answer");
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.expect("a body").to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn auth(issuer: &Issuer) -> Value {
    json!({ "publicUrl": PUBLIC_URL, "issuer": issuer.served.url, "scopes": ["mcp"] })
}

#[tokio::test]
async fn a_caller_without_a_token_reads_where_to_get_one() {
    let (quickstart, issuer) = (ExampleServer::start("quickstart").await, Issuer::start().await);
    let servers = json!({ "one": cast::http(&quickstart) });
    let gateway = gateway(&servers, &json!({ "auth": auth(&issuer) })).await;
    for (path, resource) in [("", ""), ("/", ""), ("/one", "/one"), ("/one/", "/one"), ("/unknown", "")] {
        let (refused, challenge) = status(&format!("{}{path}", gateway.url()), None).await;
        assert_eq!(refused, 401, "{path}");
        let well_known = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
        let expected = format!(r#"Bearer resource_metadata="{well_known}{resource}", scope="mcp""#);
        assert_eq!(challenge, expected, "{path}");
    }
    for (path, resource) in [("", ""), ("/mcp", ""), ("/mcp/one", "/one")] {
        let (found, document) = metadata(&gateway, path).await;
        assert_eq!(
            (found, &document["resource"]),
            (200, &json!(format!("{PUBLIC_URL}{resource}"))),
            "{path}"
        );
        assert_eq!(document["authorization_servers"], json!([issuer.served.url]));
        assert_eq!(document["scopes_supported"], json!(["mcp"]));
    }
    assert_eq!(metadata(&gateway, "/mcp/unknown").await.0, 401);
    // What a proxy passes on is accepted as the host.
    let headers = [("host", "mcp.example.com")];
    assert_eq!(post(gateway.url(), &headers, "ping", json!({})).await.0, 401);
    assert_eq!(post(gateway.url(), &[("host", "evil.example")], "ping", json!({})).await.0, 403);
}

#[tokio::test]
async fn a_token_is_for_all_servers_or_for_one() {
    let (quickstart, issuer) = (ExampleServer::start("quickstart").await, Issuer::start().await);
    let servers = json!({ "one": cast::http(&quickstart), "two": cast::http(&quickstart) });
    let gateway = gateway(&servers, &json!({ "auth": auth(&issuer) })).await;
    let statuses = async |token: &str| {
        let mut statuses = Vec::new();
        for path in ["", "/one", "/two"] {
            statuses.push(status(&format!("{}{path}", gateway.url()), Some(token)).await.0);
        }
        statuses
    };
    assert_eq!(statuses(&issuer.token("ada", PUBLIC_URL, "mcp")).await, [200, 200, 200]);
    assert_eq!(statuses(&issuer.token("ada", &format!("{PUBLIC_URL}/one"), "mcp")).await, [401, 200, 401]);
    assert_eq!(statuses(&issuer.token("ada", "https://other.example/mcp", "mcp")).await, [401, 401, 401]);
    assert_eq!(statuses(&issuer.token("ada", PUBLIC_URL, "other")).await, [403, 403, 403]);
    let other = Issuer::start().await;
    assert_eq!(statuses(&other.token("ada", PUBLIC_URL, "mcp")).await, [401, 401, 401]);
    let authorization = bearer(&issuer.token("ada", PUBLIC_URL, "mcp"));
    assert_eq!(call(gateway.url(), &[("authorization", &authorization)], "one-add").await, "30");
}

#[tokio::test]
async fn keys_of_the_file_admit_their_callers() {
    let quickstart = ExampleServer::start("quickstart").await;
    let servers = json!({ "one": cast::http(&quickstart) });
    let keys = json!({ "publicUrl": PUBLIC_URL, "scopes": ["mcp"], "apiKeys": { "ci": "${CI_KEY}" } });
    let gateway = gateway(&servers, &json!({ "auth": keys })).await;
    assert_eq!(status(gateway.url(), Some(KEY)).await.0, 200);
    assert_eq!(status(gateway.url(), Some("iJ0mYv2W8mJrVt9mUqkq7h")).await.0, 401);
    assert_eq!(status(gateway.url(), None).await.0, 401);
    // There is no authorization server to tell of.
    assert_eq!(metadata(&gateway, "").await.0, 404);
}

/// A server whose tool `seen` tells the headers of all its requests.
async fn witness(seen: &Arc<Mutex<Vec<String>>>) -> Served {
    let tools = ToolRegistry::builder().tool("seen", "", async || "seen").build().expect("valid tools");
    let manager = StatelessSessionManager::builder("witness", "1.0.0").build().expect("valid settings");
    let service = manager.service(tools);
    let seen = Arc::clone(seen);
    let note = middleware::from_fn(move |headers: HeaderMap, request: Request, next: Next| {
        seen.lock().expect("no panic").push(format!("{headers:?}"));
        next.run(request)
    });
    Served::start(|_| Router::new().route_service("/mcp", service).layer(note)).await
}

#[tokio::test]
async fn the_token_of_a_client_reaches_no_server_behind_the_gateway() {
    let issuer = Issuer::start().await;
    let seen = Arc::default();
    let witness = witness(&seen).await;
    let url = format!("{}/mcp", witness.url);
    let own = json!({ "url": url, "headers": { "Authorization": "Bearer of-the-gateway" } });
    let servers = json!({ "plain": { "url": url }, "own": own });
    let mut settings = auth(&issuer);
    settings["apiKeys"] = json!({ "ci": "${CI_KEY}" });
    let gateway = gateway(&servers, &json!({ "auth": settings })).await;
    let jwt = issuer.token("ada", PUBLIC_URL, "mcp");
    for token in [&*jwt, KEY] {
        let authorization = bearer(token);
        for tool in ["plain-seen", "own-seen"] {
            assert_eq!(call(gateway.url(), &[("authorization", &authorization)], tool).await, "seen");
        }
        for path in ["/plain", "/own"] {
            let url = format!("{}{path}", gateway.url());
            let headers = [("authorization", authorization.as_str()), ("dpop", "a.proof")];
            assert_eq!(call(&url, &headers, "seen").await, "seen");
        }
    }
    let seen = seen.lock().expect("no panic").join("\n");
    assert!(seen.contains("Bearer of-the-gateway"), "{seen}");
    for secret in [&jwt, KEY, "a.proof", jwt.rsplit('.').next().expect("a signature")] {
        assert!(!seen.contains(secret), "{seen}");
    }
}

#[tokio::test]
async fn sessions_are_those_of_the_caller_and_not_of_its_token() {
    let issuer = Issuer::start().await;
    let servers = json!({ "math": cast::stdio("arithmetic.py", &[]) });
    let gateway = gateway(&servers, &json!({ "auth": auth(&issuer) })).await;
    let whoami = async |subject: &str, scope: &str| {
        let authorization = bearer(&issuer.token(subject, PUBLIC_URL, scope));
        call(gateway.url(), &[("authorization", &authorization)], "math-whoami").await
    };
    let ada = whoami("ada", "mcp").await;
    assert_eq!(whoami("ada", "mcp more").await, ada, "a refreshed token is the same caller's");
    assert_ne!(whoami("bob", "mcp").await, ada);
}

#[tokio::test]
async fn a_caller_at_the_bound_of_the_file_is_refused_and_others_notice_nothing() {
    let (quickstart, issuer) = (ExampleServer::start("quickstart").await, Issuer::start().await);
    let servers = json!({ "one": cast::http(&quickstart) });
    let settings = json!({ "auth": auth(&issuer), "maxCallsPerCaller": 1 });
    let gateway = gateway(&servers, &settings).await;
    let [ada, bob] = ["ada", "bob"].map(|caller| bearer(&issuer.token(caller, PUBLIC_URL, "mcp")));
    let params = json!({
        "name": "one-countdown", "arguments": {"from": 3000, "interval_ms": 100}, "_meta": {"progressToken": 1},
    });
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
    let mut running = open(gateway.url(), &[("authorization", &ada)], &message).await;
    let progress = running.frame().await.expect("a frame").expect("no error");
    assert!(String::from_utf8_lossy(progress.data_ref().expect("data")).contains("notifications/progress"));

    let add = json!({"name": "one-add", "arguments": {"a": 10, "b": 20}});
    let (refused, answer) = post(gateway.url(), &[("authorization", &ada)], "tools/call", add).await;
    assert_eq!((refused.as_u16(), &answer["error"]["code"]), (429, &json!(-32600)), "{answer}");
    assert_eq!(call(gateway.url(), &[("authorization", &bob)], "one-add").await, "30");
}
