//! Runs the same stories with every published client, in each of its protocol eras.
//!
//! The stories are in `crates/test-support`: `python/stories.py`, `typescript/stories.mjs` and
//! `src/rmcp_client.rs`.

use std::collections::BTreeSet;

use test_support::{
    client::{ALL, Client, LEGACY, Library, MODERN},
    for_each_client,
    proxy::{Exchange, Proxy},
    server::ExampleServer,
};

async fn alone(client: &Client, story: &str) {
    let server = ExampleServer::start("quickstart").await;
    client.goes_through(&[story], server.url()).await;
}

/// In the modern era an answer may reach a different replica from the one that asked.
async fn asked_by_two_replicas(client: &Client) {
    let key = [("STATE_KEYS", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")];
    let first = ExampleServer::start_with("ask_the_user", &key).await;
    let second = ExampleServer::start_with("ask_the_user", &key).await;
    let proxy = Proxy::start([first.url(), second.url()]).await;
    client.goes_through(&["asking"], proxy.url()).await;
    let replicas: BTreeSet<usize> = proxy.seen().iter().map(|exchange| exchange.replica).collect();
    assert_eq!(replicas, BTreeSet::from([0, 1]), "both replicas took part");
    assert!(proxy.seen().iter().all(|exchange| !exchange.has_session_id));
}

/// In the legacy era the call waits in the process that asked.
async fn asked_by_one_process(client: &Client) {
    let server = ExampleServer::start("ask_the_user").await;
    client.goes_through(&["asking"], server.url()).await;
}

async fn browses_everything(client: &Client) {
    let server = ExampleServer::start("everything").await;
    client.goes_through(&["browsing"], server.url()).await;
}

async fn with_hyper_server(client: &Client) {
    let server = ExampleServer::start("hyper_server").await;
    client.goes_through(&ALL, server.url()).await;
}

async fn with_two_replicas(client: &Client) {
    let first = ExampleServer::start("quickstart").await;
    let second = ExampleServer::start("quickstart").await;
    let proxy = Proxy::start([first.url(), second.url()]).await;
    client.goes_through(&ALL, proxy.url()).await;

    let seen = proxy.seen();
    let replicas: BTreeSet<usize> = seen.iter().map(|exchange| exchange.replica).collect();
    assert_eq!(replicas, BTreeSet::from([0, 1]), "both replicas took part");
    for exchange in &seen {
        client.assert_stateless(exchange);
    }
    let negotiated = |exchange: &Exchange| exchange.revision.as_deref() == Some(client.revision);
    assert!(seen.iter().any(negotiated), "no request names {}", client.revision);
}

macro_rules! stories {
    ($name:ident: $library:ident, $era:literal, $revision:ident) => {
        mod $name {
            use test_support::client::{Client, Library, $revision};

            const CLIENT: Client = Client { library: Library::$library, era: $era, revision: $revision };

            #[tokio::test]
            async fn one_client_after_another_finds_a_fresh_server() {
                super::alone(&CLIENT, "reconnecting").await;
            }

            #[tokio::test]
            async fn many_clients_at_once_do_not_disturb_each_other() {
                super::alone(&CLIENT, "many_at_once").await;
            }

            #[tokio::test]
            async fn progress_arrives_in_order_before_the_result() {
                super::alone(&CLIENT, "progress").await;
            }

            #[tokio::test]
            async fn errors_are_reported_and_leave_the_client_working() {
                super::alone(&CLIENT, "errors").await;
            }

            #[tokio::test]
            async fn a_cancelled_call_leaves_the_client_working() {
                super::alone(&CLIENT, "cancelling").await;
            }

            #[tokio::test]
            async fn two_replicas_behind_a_proxy_serve_as_one() {
                super::with_two_replicas(&CLIENT).await;
            }

            #[tokio::test]
            async fn the_hyper_server_serves_the_same() {
                super::with_hyper_server(&CLIENT).await;
            }
        }
    };
}

for_each_client!(stories);

macro_rules! single {
    ($($name:ident: $library:ident, $era:literal, $revision:ident, $how:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let client = Client { library: Library::$library, era: $era, revision: $revision };
            $how(&client).await;
        }
    )*};
}

single! {
    python_1_browses: Python1, "legacy", LEGACY, browses_everything;
    python_2_legacy_browses: Python2, "legacy", LEGACY, browses_everything;
    python_2_pinned_browses: Python2, "pinned", MODERN, browses_everything;
    the_user_of_python_1_is_asked: Python1, "legacy", LEGACY, asked_by_one_process;
    the_user_of_python_2_legacy_is_asked: Python2, "legacy", LEGACY, asked_by_one_process;
    the_user_of_python_2_auto_is_asked_by_two_replicas: Python2, "auto", MODERN, asked_by_two_replicas;
    the_user_of_python_2_pinned_is_asked_by_two_replicas: Python2, "pinned", MODERN, asked_by_two_replicas;
    the_user_of_typescript_1_is_asked: TypeScript1, "legacy", LEGACY, asked_by_one_process;
    the_user_of_typescript_2_legacy_is_asked: TypeScript2, "legacy", LEGACY, asked_by_one_process;
    the_user_of_typescript_2_auto_is_asked_by_two_replicas: TypeScript2, "auto", MODERN, asked_by_two_replicas;
    the_user_of_typescript_2_pinned_is_asked_by_two_replicas: TypeScript2, "pinned", MODERN, asked_by_two_replicas;
}
