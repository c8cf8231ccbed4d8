//! Runs the OAuth clients of the published SDKs against the example `oauth` and a real authorization
//! server, `oidc-provider`: from the first 401 to a token that has been renewed.
//!
//! The story is `authorizing` in `crates/test-support`: `python/stories.py` and
//! `typescript/stories.mjs`. The server is behind a proxy, so its public URL is not its own.

use std::collections::BTreeSet;

use http::{HeaderMap, Method, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use test_support::{
    client::{Client, LEGACY, Library, MODERN},
    proxy::{Exchange, Proxy},
    server::ExampleServer,
    upstreams,
};
use tokio::net::TcpListener;

use crate::examples::send;

const METADATA: &str = "/.well-known/oauth-protected-resource";

/// The example behind a proxy, and its authorization server.
struct Protected {
    issuer: ExampleServer,
    proxy: Proxy,
    /// Runs until dropped.
    _server: ExampleServer,
}

/// A request to the authorization server.
#[derive(Debug, Deserialize)]
struct Asked {
    /// The endpoint; none for an unknown path.
    route: Option<String>,
    status: u16,
    grant_type: Option<String>,
    scope: Option<String>,
    resource: Option<String>,
    code_challenge_method: Option<String>,
}

impl Protected {
    async fn start() -> Self {
        let issuer = upstreams::typescript("authorization_server.mjs", &[]).await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let public_url = format!("http://{}/mcp", listener.local_addr().expect("a bound address"));
        let settings = [("ISSUER", issuer.url()), ("PUBLIC_URL", &public_url)];
        let server = ExampleServer::start_with("oauth", &settings).await;
        let proxy = Proxy::start_on(listener, [server.url()]);
        Self { issuer, proxy, _server: server }
    }

    /// The URL of a path at the proxy.
    fn url(&self, path: &str) -> String {
        self.proxy.url().replace("/mcp", path)
    }

    /// A challenge with the metadata's URL.
    fn challenge(&self, before: &str, after: &str) -> String {
        format!(r#"Bearer {before}resource_metadata="{}"{after}"#, self.url(&format!("{METADATA}/mcp")))
    }

    /// Returns the requests to the authorization server, without the user's way through its pages.
    async fn asked(&self) -> Vec<Asked> {
        let url = format!("{}/seen", self.issuer.url());
        let (status, _, seen) = send(Method::GET, &url, &[], String::new()).await;
        assert_eq!(status, StatusCode::OK, "{seen}");
        let asked: Vec<Asked> = serde_json::from_str(&seen).expect("a list of requests");
        asked.into_iter().filter(|asked| asked.route.as_deref() != Some("resume")).collect()
    }
}

/// Each step of a client that the authorization server can see, except for its metadata and keys.
fn steps(asked: &[Asked], resource: &str) -> Vec<String> {
    let mut steps = Vec::new();
    for asked in asked {
        assert!(asked.status < 400, "{asked:?}");
        let route = asked.route.as_deref().unwrap_or_else(|| panic!("an unknown path: {asked:?}"));
        steps.push(match (route, &asked.grant_type, &asked.scope) {
            ("discovery" | "jwks", ..) => continue,
            ("registration", ..) => route.to_owned(),
            (_, Some(grant), _) => grant.clone(),
            (_, None, scopes) => {
                assert_eq!(asked.code_challenge_method.as_deref(), Some("S256"), "{asked:?}");
                // Some libraries ask for a refresh token by this scope.
                let scopes = scopes.iter().flat_map(|scopes| scopes.split(' '));
                let scopes: BTreeSet<&str> = scopes.filter(|scope| *scope != "offline_access").collect();
                scopes.into_iter().collect::<Vec<_>>().join(" ")
            }
        });
        if route != "registration" {
            assert_eq!(asked.resource.as_deref(), Some(resource), "{asked:?}");
        }
    }
    steps
}

async fn goes_the_whole_way(client: &Client) {
    let protected = Protected::start().await;
    let resource = protected.proxy.url();
    client.goes_through(&["authorizing"], resource).await;

    let asked = protected.asked().await;
    assert_eq!(asked[0].route.as_deref(), Some("discovery"));
    let fetches = asked.iter().filter(|asked| asked.route.as_deref() == Some("jwks")).count();
    assert_eq!(fetches, 1, "the server remembers the issuer's keys");
    let registers = matches!(client.library, Library::Python1 | Library::TypeScript1);
    let visits =
        ["notes:read", "authorization_code", "notes:read notes:write", "authorization_code", "refresh_token"];
    let expected: Vec<&str> = registers.then_some("registration").into_iter().chain(visits).collect();
    assert_eq!(steps(&asked, resource), expected);

    let seen = protected.proxy.seen();
    assert_eq!((&*seen[1].path, seen[1].status), (&*format!("{METADATA}/mcp"), StatusCode::OK));
    let expired = r#"error="invalid_token", error_description="The access token has expired", "#;
    let insufficient = r#"error="insufficient_scope", scope="notes:read notes:write", "#;
    let mut refusals = vec![
        (StatusCode::UNAUTHORIZED, protected.challenge("", r#", scope="notes:read""#)),
        (
            StatusCode::FORBIDDEN,
            protected.challenge(
                insufficient,
                r#", error_description="The access token does not grant the scopes that this needs""#,
            ),
        ),
    ];
    // The Python clients renew a token that expires by their own clock.
    if matches!(client.library, Library::TypeScript1 | Library::TypeScript2) {
        refusals.push((StatusCode::UNAUTHORIZED, protected.challenge(expired, r#", scope="notes:read""#)));
    }
    let refused = |exchange: &Exchange| Some((exchange.status, exchange.challenge.clone()?));
    assert_eq!(seen.iter().filter_map(refused).collect::<Vec<_>>(), refusals);
    for exchange in seen.iter().filter(|exchange| exchange.path == "/mcp" && exchange.challenge.is_none()) {
        client.assert_stateless(exchange);
    }
}

/// Sends a request to the proxy.
async fn request(method: Method, url: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, Value) {
    let (status, headers, body) = send(method, url, headers, "not even JSON".to_owned()).await;
    (status, headers, serde_json::from_str(&body).unwrap_or_default())
}

#[tokio::test]
async fn a_caller_without_a_token_reads_where_to_get_one() {
    let protected = Protected::start().await;
    let url = protected.proxy.url();
    let (status, headers, body) = request(Method::POST, url, &[]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(headers[header::WWW_AUTHENTICATE], protected.challenge("", r#", scope="notes:read""#));
    assert!(body["error"]["message"].is_string(), "{body}");

    for path in [METADATA.to_owned(), format!("{METADATA}/mcp")] {
        // What a forwarded request says about its host is not repeated.
        let forwarded = [("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")];
        let (status, headers, metadata) = request(Method::GET, &protected.url(&path), &forwarded).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert_eq!(headers[header::CONTENT_TYPE], "application/json");
        assert_eq!(metadata["resource"], url);
        assert_eq!(metadata["authorization_servers"], json!([protected.issuer.url()]));
        assert_eq!(metadata["scopes_supported"], json!(["notes:read"]));
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
    }
    let (status, ..) = request(Method::GET, &protected.url(&format!("{METADATA}/other")), &[]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let asked = protected.asked().await;
    assert!(asked.is_empty(), "nothing of this needs the authorization server: {asked:?}");
}

macro_rules! authorizing {
    ($($name:ident: $library:ident, $era:literal, $revision:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let client = Client { library: Library::$library, era: $era, revision: $revision };
            goes_the_whole_way(&client).await;
        }
    )*};
}

authorizing! {
    python_1_goes_the_whole_way_to_a_renewed_token: Python1, "legacy", LEGACY;
    python_2_auto_goes_the_whole_way_to_a_renewed_token: Python2, "auto", MODERN;
    python_2_pinned_goes_the_whole_way_to_a_renewed_token: Python2, "pinned", MODERN;
    python_2_legacy_goes_the_whole_way_to_a_renewed_token: Python2, "legacy", LEGACY;
    typescript_1_goes_the_whole_way_to_a_renewed_token: TypeScript1, "legacy", LEGACY;
    typescript_2_auto_goes_the_whole_way_to_a_renewed_token: TypeScript2, "auto", MODERN;
    typescript_2_pinned_goes_the_whole_way_to_a_renewed_token: TypeScript2, "pinned", MODERN;
    typescript_2_legacy_goes_the_whole_way_to_a_renewed_token: TypeScript2, "legacy", LEGACY;
}
