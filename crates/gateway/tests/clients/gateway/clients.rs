//! The stories of published clients, through the gateway.

use serde_json::json;

use test_support::{
    client::{ALL, Client, LEGACY, Library, MODERN},
    for_each_client,
    proxy::Proxy,
    server::ExampleServer,
    upstreams as cast,
};

use super::support::gateway;

/// Runs a story as the client of `server`, which is behind `gateway`.
async fn without_session(client: &Client, story: &str, gateway: &ExampleServer, server: &str) {
    let url = format!("{}{server}", gateway.url());
    let proxy = Proxy::start([url.as_str()]).await;
    client.goes_through(&[story], proxy.url()).await;
    let seen = proxy.seen();
    assert!(!seen.is_empty());
    for exchange in &seen {
        client.assert_stateless(exchange);
    }
}

async fn with_stdio(client: &Client) {
    let gateway = gateway(json!({ "math": cast::stdio("arithmetic.py", &[]) })).await;
    without_session(client, "reconnecting", &gateway, "/math").await;
    without_session(client, "reconnecting:math-", &gateway, "").await;
}

async fn with_http(client: &Client) {
    let http = cast::arithmetic_over_http(0).await;
    let gateway = gateway(json!({ "math": cast::http(&http) })).await;
    without_session(client, "reconnecting", &gateway, "/math").await;
    without_session(client, "reconnecting:math-", &gateway, "").await;
}

async fn with_both(client: &Client) {
    let http = cast::arithmetic_over_http(0).await;
    let math = cast::stdio("arithmetic.py", &[]);
    let gateway = gateway(json!({ "math": math, "far": cast::http(&http) })).await;
    without_session(client, "merged:math-,far-", &gateway, "").await;
}

/// Progress, errors and cancellation pass through as well.
async fn with_a_server_of_this_crate(client: &Client) {
    let quickstart = ExampleServer::start("quickstart").await;
    let gateway = gateway(json!({ "quickstart": cast::http(&quickstart) })).await;
    let url = format!("{}/quickstart", gateway.url());
    client.goes_through(&ALL, &url).await;
}

/// Servers of either era ask the users of clients of either era.
async fn users_are_asked(client: &Client) {
    let (far, modern) = (cast::arithmetic_over_http(0).await, cast::modern().await);
    let gateway = gateway(json!({
        "math": cast::stdio("arithmetic.py", &[]),
        "far": cast::http(&far),
        "modern": cast::http(&modern),
    }))
    .await;
    without_session(client, "greeting:math-,far-,modern-", &gateway, "").await;
}

macro_rules! asking {
    ($($name:ident: $library:ident, $era:literal, $revision:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            users_are_asked(&Client { library: Library::$library, era: $era, revision: $revision }).await;
        }
    )*};
}

asking! {
    servers_ask_the_user_of_python_1: Python1, "legacy", LEGACY;
    servers_ask_the_user_of_python_2_legacy: Python2, "legacy", LEGACY;
    servers_ask_the_user_of_python_2_auto: Python2, "auto", MODERN;
    servers_ask_the_user_of_python_2_pinned: Python2, "pinned", MODERN;
    servers_ask_the_user_of_typescript_1: TypeScript1, "legacy", LEGACY;
    servers_ask_the_user_of_typescript_2_legacy: TypeScript2, "legacy", LEGACY;
    servers_ask_the_user_of_typescript_2_auto: TypeScript2, "auto", MODERN;
    servers_ask_the_user_of_typescript_2_pinned: TypeScript2, "pinned", MODERN;
}

macro_rules! through_the_gateway {
    ($name:ident: $library:ident, $era:literal, $revision:ident) => {
        mod $name {
            use test_support::client::{Client, Library, $revision};

            const CLIENT: Client = Client { library: Library::$library, era: $era, revision: $revision };

            #[tokio::test]
            async fn a_stdio_server_serves_one_client_after_another() {
                super::with_stdio(&CLIENT).await;
            }

            #[tokio::test]
            async fn a_server_with_sessions_serves_one_client_after_another() {
                super::with_http(&CLIENT).await;
            }

            #[tokio::test]
            async fn two_servers_are_merged_by_prefixes() {
                super::with_both(&CLIENT).await;
            }

            #[tokio::test]
            async fn a_server_of_this_crate_serves_as_if_there_were_no_gateway() {
                super::with_a_server_of_this_crate(&CLIENT).await;
            }
        }
    };
}

for_each_client!(through_the_gateway);
