//! What the official conformance suite asks of a protected server, scenario by scenario.
//!
//! | scenario | test |
//! |---|---|
//! | the refusal of a request without a token | `unauthorized_response` |
//! | the form of the challenge | `www_authenticate_header` |
//! | protected resource metadata: where it is, and what it says | `metadata_discovery`, `metadata_of_the_resource` |
//! | audience, expiry and signature of tokens | `token_audience_validation` |
//! | step-up: a tool that needs a further scope | `step_up_authorization` |
//! | scope challenges of each kind of call | `scope_challenge` |
//! | scopes for refresh tokens | `no_scope_for_refresh_tokens` |
//! | proofs of possession | `dpop_proof_validation`, `dpop_server_nonces` |
//!
//! The scenarios in which a client goes from the first refusal to a call, with registration and
//! PKCE, are those of `tests/clients/oauth.rs`, with real clients and a real authorization server.

use std::collections::BTreeMap;
use std::time::Duration;

use http::Method;
use mcp_stateless::auth::{ApiKeys, ListedItems, NonceKeys, ResourceServer};
use mcp_stateless::call::Call;
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::{
    Catalog, Prompt, PromptRegistry, Resource, ResourceRegistry, StatelessSessionManager, Tool, ToolRegistry,
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::advance;

use super::dpop::{Client, post};
use super::issuer::{ISSUER, Issuer, RESOURCE, SigningKey};
use super::server::{METADATA_URL, Protected, bearer, challenges};
use crate::support::{Answer, Era, Post};

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// A challenge that has been taken apart.
#[derive(Debug)]
struct Challenge {
    scheme: String,
    parameters: BTreeMap<String, String>,
}

impl Challenge {
    /// Reads the only challenge of an answer: a scheme, and parameters whose values are quoted.
    fn of(answer: &Answer) -> Self {
        let values = challenges(answer);
        let [value] = values[..] else { panic!("not one challenge: {answer:?}") };
        let (scheme, parameters) = value.split_once(' ').unwrap_or((value, ""));
        let read = |parameter: &str| {
            let (name, value) = parameter.split_once('=').unwrap_or_else(|| panic!("{value:?}"));
            let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
            (name.to_owned(), quoted.unwrap_or_else(|| panic!("{value:?}")).to_owned())
        };
        let all: Vec<_> = parameters.split(", ").filter(|text| !text.is_empty()).map(read).collect();
        let parameters: BTreeMap<_, _> = all.iter().cloned().collect();
        assert_eq!(parameters.len(), all.len(), "a parameter appears twice: {value}");
        Self { scheme: scheme.to_owned(), parameters }
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    fn scopes(&self) -> Vec<&str> {
        self.get("scope").into_iter().flat_map(|scopes| scopes.split(' ')).collect()
    }
}

/// What clients send first, in each era.
fn probes() -> [Post; 4] {
    let client = json!({"name": "probe", "version": "1"});
    let initialize = json!({"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client});
    [
        Post::legacy("initialize", &initialize),
        Post::legacy("tools/list", &json!({})),
        Post::modern("server/discover", json!({})),
        Post::modern("tools/list", json!({})),
    ]
}

async fn get(server: &Protected, path: &str) -> Answer {
    let mut request = Post::raw("").method(Method::GET).into_request();
    *request.uri_mut() = path.parse().expect("a path");
    Answer::read(server.handle(request).await).await
}

#[tokio::test]
async fn unauthorized_response() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    for probe in probes() {
        let answer = server.send(probe).await;
        assert_eq!(answer.status, 401);
        assert_eq!(Challenge::of(&answer).scheme, "Bearer");
        assert!(answer.json()["error"]["message"].is_string(), "{answer:?}");
    }
}

#[tokio::test]
async fn www_authenticate_header() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, issuer.verifier(), |server| {
        server.scopes_supported(["tickets:read", "tickets:write"]).expect("scopes")
    });
    let expired = issuer.token(|claims| claims["exp"] = 1.into());
    for (token, error) in
        [(None, None), (Some("a b"), Some("invalid_request")), (Some(&*expired), Some("invalid_token"))]
    {
        for probe in probes() {
            let probe = token.map_or_else(|| probe.clone(), |token| bearer(probe.clone(), token));
            let challenge = Challenge::of(&server.send(probe).await);
            assert_eq!((&*challenge.scheme, challenge.get("error")), ("Bearer", error));
            assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
            assert_eq!(challenge.scopes(), ["tickets:read", "tickets:write"]);
        }
    }
}

#[tokio::test]
async fn metadata_discovery() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, issuer.verifier(), |server| {
        server.scopes_supported(["tickets:read"]).expect("scopes")
    });
    // Where the challenge says, at the path of the endpoint, and at the root.
    let refused = Challenge::of(&server.send(probes()[0].clone()).await);
    let told = refused.get("resource_metadata").expect("a URL").strip_prefix("https://mcp.example.com");
    for path in [told.expect("of the same origin"), &format!("{METADATA}/mcp"), METADATA] {
        let answer = get(&server, path).await;
        assert_eq!((answer.status.as_u16(), answer.content_type()), (200, "application/json"), "{path}");
        let document = answer.json();
        assert!(document.is_object() && document["resource"].is_string());
        let servers = document["authorization_servers"].as_array().expect("a list");
        assert_eq!(servers, &[json!(ISSUER)]);
        assert_eq!(document["scopes_supported"], json!(["tickets:read"]));
    }
    // A server that names no scopes has no empty list of them.
    let document = get(&Protected::new(&issuer), METADATA).await.json();
    assert!(document.get("scopes_supported").is_none(), "{document}");
}

#[tokio::test]
async fn metadata_of_the_resource() {
    let issuer = Issuer::new();
    let resource = get(&Protected::new(&issuer), METADATA).await.json()["resource"].clone();
    // The URL of the endpoint, as clients write it.
    assert_eq!(resource, RESOURCE);
    let verifier = || ApiKeys::new("keys");
    for unusable in [
        "https://mcp.example.com/mcp#fragment",
        "https://mcp.example.com/mcp?query",
        "http://mcp.example.com/mcp",
        "mcp.example.com/mcp",
        "/mcp",
    ] {
        assert!(ResourceServer::new(unusable, verifier()).is_err(), "{unusable}");
    }
}

#[tokio::test]
async fn token_audience_validation() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let forged = SigningKey::es256().sign(json!({"typ": "at+jwt", "kid": "first"}), &issuer.claims());
    let with = |claim: &str, value: Value| issuer.token(|claims| claims[claim] = value);
    for probe in probes() {
        // The first shows that the others are not refused for being tokens.
        for (token, status) in [
            (issuer.token(|_| {}), 200),
            (with("aud", json!("https://another-resource.example.com/mcp")), 401),
            (issuer.token(|claims| _ = claims.as_object_mut().expect("claims").remove("aud")), 401),
            (with("exp", json!(issuer.seconds() - 600)), 401),
            (forged.clone(), 401),
        ] {
            assert_eq!(server.send(bearer(probe.clone(), &token)).await.status, status);
        }
        assert_eq!(server.send(probe).await.status, 401);
    }
}

#[tokio::test]
async fn step_up_authorization() {
    let issuer = Issuer::new();
    let server = Protected::with(&issuer, issuer.verifier(), |server| server.listed(ListedItems::All));
    let basic = issuer.token(|_| {});
    for era in Era::BOTH {
        // The tool is listed, so that a client can call it, and learn which scope it lacks.
        let listed = server.send(bearer(era.post("tools/list", json!({})), &basic)).await;
        assert!(listed.text().contains(r#""name":"close""#), "{listed:?}");
        let call = || Post::call(era, "close", json!({}));
        let refused = server.send(bearer(call(), &basic)).await;
        assert_eq!(refused.status, 403);
        let challenge = Challenge::of(&refused);
        assert_eq!(challenge.get("error"), Some("insufficient_scope"));
        assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
        let union = [vec!["tickets:read"], challenge.scopes()].concat().join(" ");
        let stepped_up = issuer.token(|claims| claims["scope"] = union.into());
        assert_eq!(server.send(bearer(call(), &stepped_up)).await.tool_text(), "closed");
    }
}

#[derive(Deserialize, JsonSchema)]
struct ById {
    #[expect(dead_code, reason = "only the scopes depend on it")]
    id: String,
}

/// A tool, a prompt, a resource and a template, each of which needs two scopes.
fn scoped() -> Catalog {
    let tool = Tool::new("text", "", async || "text").scope("tools:call").scope("tools:text");
    let prompt = Prompt::new("text", "", async || "text").scope("prompts:get").scope("prompts:text");
    let fixed =
        Resource::new("test://text", "text", async || "text").scope("resources:read").scope("resources:text");
    let template = ResourceTemplate::new("test://items/{id}", "item", async |_: ById| "item")
        .scope("resources:read")
        .scopes_by(|call: &Call<'_>| {
            vec![format!("resources:item:{}", call.target().rsplit('/').next().unwrap_or_default())]
        });
    Catalog::builder()
        .add(ToolRegistry::builder().register(tool).build().expect("valid tools"))
        .add(PromptRegistry::builder().register(prompt).build().expect("valid prompts"))
        .add(
            ResourceRegistry::builder()
                .register(fixed)
                .register_template(template)
                .build()
                .expect("valid resources"),
        )
        .build()
        .expect("no collisions")
}

#[tokio::test]
async fn scope_challenge() {
    let catalog = scoped();
    let operations = [
        ("tools/call", json!({"name": "text"}), ["tools:call", "tools:text"]),
        ("resources/read", json!({"uri": "test://text"}), ["resources:read", "resources:text"]),
        ("resources/read", json!({"uri": "test://items/123"}), ["resources:read", "resources:item:123"]),
        ("prompts/get", json!({"name": "text"}), ["prompts:get", "prompts:text"]),
    ];
    let all: Vec<&str> = operations.iter().flat_map(|(_, _, scopes)| scopes).copied().collect();
    let keys = ApiKeys::new("keys").key("low", "ada", ["baseline"]).key("full", "ada", all);
    let manager = StatelessSessionManager::builder("test", "0.0.1").build().expect("valid settings");
    let server = ResourceServer::new(RESOURCE, keys).expect("a URL").authorization_server(ISSUER);
    let authorize = manager.authorize(server);
    let send = async |post: Post, key: &str| {
        let request = authorize.check(bearer(post, key).into_request()).await.expect("a good key");
        Answer::read(manager.handle(request, &catalog).await).await
    };
    for era in Era::BOTH {
        for (method, params, needed) in &operations {
            let operation = || era.post(method, params.clone());
            let refused = send(operation(), "low").await;
            assert_eq!(refused.status, 403, "{method} {params}");
            let challenge = Challenge::of(&refused);
            assert_eq!((&*challenge.scheme, challenge.get("error")), ("Bearer", Some("insufficient_scope")));
            // All that the operation needs, in one challenge.
            assert_eq!(challenge.scopes(), *needed, "{method} {params}");
            assert_eq!(challenge.get("resource_metadata"), Some(METADATA_URL));
            let granted = send(operation(), "full").await;
            assert_eq!(granted.status, 200);
            assert!(granted.json()["result"].is_object(), "{granted:?}");
        }
    }
}

#[test]
fn no_scope_for_refresh_tokens() {
    let server = || ResourceServer::new(RESOURCE, ApiKeys::new("keys")).expect("a URL");
    assert!(server().scopes(["mcp", "offline_access"]).is_err());
    assert!(server().scopes_supported(["offline_access"]).is_err());
    let tool = Tool::new("text", "", async || "text").scope("offline_access");
    assert!(ToolRegistry::builder().register(tool).build().is_err());
}

/// A claim of a proof, and what it is replaced with; `null` removes it.
fn edited(mut object: Value, member: &str, value: Value) -> Value {
    let members = object.as_object_mut().expect("an object");
    match value {
        Value::Null => _ = members.remove(member),
        value => _ = members.insert(member.to_owned(), value),
    }
    object
}

#[tokio::test]
async fn dpop_proof_validation() {
    let issuer = Issuer::new();
    let server = Protected::new(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let token = client.token();
    let send = async |token: &str, proof: &str| server.send(post(token, proof)).await;
    // What shows that the others are refused for their fault.
    assert_eq!(send(&token, &client.proof(&token, "valid")).await.status, 200);

    let now = issuer.seconds();
    let (claims, header) = (client.claims(&token, "1"), client.header());
    let claim = |name: &str, value: Value| {
        client.key.sign(header.clone(), &edited(client.claims(&token, "2"), name, value))
    };
    let member = |name: &str, value: Value| client.key.sign(edited(client.header(), name, value), &claims);
    let mut private = client.key.jwk();
    private["d"] = "AAAA".into();
    let signed = client.proof(&token, "3");
    let (text, signature) = signed.rsplit_once('.').expect("a signature");
    let tampered =
        format!("{text}.{}", if signature.starts_with('A') { "B" } else { "A" }.to_owned() + &signature[1..]);
    let proofs = [
        ("tampered signature", tampered),
        ("no jti", claim("jti", Value::Null)),
        ("wrong typ", member("typ", json!("jwt"))),
        ("another URL", claim("htu", json!("https://wrong.example.com/mcp"))),
        ("another method", claim("htm", json!("GET"))),
        ("private key", member("jwk", private)),
        ("wrong ath", claim("ath", json!("not-the-right-hash"))),
        ("no ath", claim("ath", Value::Null)),
        ("no htm", claim("htm", Value::Null)),
        ("no htu", claim("htu", Value::Null)),
        ("no iat", claim("iat", Value::Null)),
        ("no jwk", member("jwk", Value::Null)),
        ("not a JWT", "this-is-not-a-jwt".to_owned()),
        ("five minutes old", claim("iat", json!(now - 303))),
        ("five minutes ahead", claim("iat", json!(now + 303))),
        ("alg none", member("alg", json!("none"))),
        ("symmetric alg", member("alg", json!("HS256"))),
    ];
    let assert_refused = |case: &str, answer: &Answer, error: &str| {
        assert_eq!(answer.status, 401, "{case}");
        let challenge = Challenge::of(answer);
        assert_eq!((&*challenge.scheme, challenge.get("error")), ("DPoP", Some(error)), "{case}");
        assert!(challenge.get("algs").is_some_and(|algorithms| !algorithms.contains("HS")), "{case}");
    };
    for (case, proof) in &proofs {
        assert_refused(case, &send(&token, proof).await, "invalid_dpop_proof");
    }
    let twice = post(&token, &client.proof(&token, "4")).line("dpop", &client.proof(&token, "5"));
    assert_refused("two proofs", &server.send(twice).await, "invalid_dpop_proof");
    let as_bearer = bearer(post(&token, &client.proof(&token, "6")), &token);
    assert_refused("bearer", &server.send(as_bearer).await, "invalid_token");
    let foreign = issuer.token(|claims| claims["cnf"] = json!({"jkt": SigningKey::es256().thumbprint()}));
    let answer = send(&foreign, &client.proof(&foreign, "7")).await;
    assert_refused("token of another key", &answer, "invalid_dpop_proof");
    // The audience counts with a good proof as well.
    let elsewhere = issuer.token(|claims| {
        claims["cnf"] = json!({"jkt": client.key.thumbprint()});
        claims["aud"] = "https://not-this-server.example.com/mcp".into();
    });
    let answer = send(&elsewhere, &client.proof(&elsewhere, "8")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(Challenge::of(&answer).get("error"), Some("invalid_token"));
}

/// Two replicas that share their keys.
fn replicas(issuer: &Issuer) -> [Protected; 2] {
    let keys = NonceKeys::new([7; 32]);
    [(); 2].map(|()| Protected::with(issuer, issuer.verifier(), |server| server.dpop_nonces(keys.clone())))
}

#[tokio::test(start_paused = true)]
async fn dpop_server_nonces() {
    let issuer = Issuer::new();
    let [server, replica] = replicas(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let token = issuer.token(|claims| {
        claims["cnf"] = json!({"jkt": client.key.thumbprint()});
        claims["exp"] = (issuer.seconds() + 3600).into();
    });
    let proof = |id: &str, nonce: Option<&str>| {
        let claims = edited(client.claims(&token, id), "nonce", nonce.map_or(Value::Null, Value::from));
        client.key.sign(client.header(), &claims)
    };
    let nonce_of = |answer: &Answer| answer.headers["dpop-nonce"].to_str().expect("ASCII").to_owned();

    let asked = server.send(post(&token, &proof("1", None))).await;
    assert_eq!(asked.status, 401);
    let challenge = Challenge::of(&asked);
    assert_eq!((&*challenge.scheme, challenge.get("error")), ("DPoP", Some("use_dpop_nonce")));
    let nonce = nonce_of(&asked);

    // The very request again, with the nonce; on any replica, and with one nonce often.
    for (number, server) in [&server, &replica, &replica].into_iter().enumerate() {
        let answer = server.send(post(&token, &proof(&format!("2 {number}"), Some(&nonce)))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    // It is no licence to send a proof twice.
    let again = server.send(post(&token, &proof("2 0", Some(&nonce)))).await;
    assert_eq!(Challenge::of(&again).get("error"), Some("invalid_dpop_proof"));

    // Others are refused, each time with one that is accepted.
    let foreign = NonceKeys::new([8; 32]);
    let foreign = Protected::with(&issuer, issuer.verifier(), |server| server.dpop_nonces(foreign));
    let foreign = nonce_of(&foreign.send(post(&token, &proof("3", None))).await);
    for (number, wrong) in ["definitely-not-a-nonce", "", "é", &foreign].into_iter().enumerate() {
        let answer = server.send(post(&token, &proof(&format!("4 {number}"), Some(wrong)))).await;
        assert_eq!(answer.status, 401);
        assert_eq!(Challenge::of(&answer).get("error"), Some("use_dpop_nonce"), "{wrong:?}");
        assert_eq!(nonce_of(&answer), nonce);
    }

    // After a while it is no longer accepted.
    advance(Duration::from_secs(180)).await;
    let late = server.send(post(&token, &proof("5", Some(&nonce)))).await;
    assert_eq!(Challenge::of(&late).get("error"), Some("use_dpop_nonce"));
    let next = nonce_of(&late);
    assert_ne!(next, nonce);
    assert_eq!(server.send(post(&token, &proof("6", Some(&next)))).await.status, 200);
}

#[tokio::test(start_paused = true)]
async fn dpop_server_nonces_are_replaced_while_they_are_accepted() {
    let issuer = Issuer::new();
    let [server, _] = replicas(&issuer);
    let client = Client::new(&issuer, SigningKey::es256());
    let service = server.authorize.clone().wrap(server.manager.service(server.tools.clone()));
    let mut nonce = String::new();
    let mut refusals = 0;
    for number in 0..60 {
        let token = client.token();
        let claims = edited(client.claims(&token, &number.to_string()), "nonce", json!(nonce));
        let request = post(&token, &client.key.sign(client.header(), &claims)).into_request();
        let response = hyper::service::Service::call(&service, request).await.expect("infallible");
        refusals += usize::from(response.status() == 401);
        if let Some(next) = response.headers().get("dpop-nonce") {
            nonce = next.to_str().expect("ASCII").to_owned();
        }
        advance(Duration::from_secs(10)).await;
    }
    // Only the first request had none.
    assert_eq!(refusals, 1);
    // A host without services finds the next nonce in the request.
    advance(Duration::from_secs(50)).await;
    let token = client.token();
    let claims = edited(client.claims(&token, "last"), "nonce", json!(nonce));
    let request = post(&token, &client.key.sign(client.header(), &claims)).into_request();
    let request = server.authorize.check(request).await.expect("a good proof");
    let next = request.extensions().get::<mcp_stateless::auth::NextNonce>().expect("the next nonce");
    assert_ne!(next.value(), nonce.as_str());
}
