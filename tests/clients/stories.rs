//! Every published client, in each of its protocol eras, goes through the same stories.
//!
//! A story's words are in `python/stories.py`, `typescript/stories.mjs` and `rmcp_client.rs`.

use std::collections::BTreeSet;

use hyper::{Method, StatusCode};
use tokio::process::Command;

use crate::{
    proxy::{Exchange, Proxy},
    rmcp_client, script,
    server::ExampleServer,
    setup,
};

pub(crate) const LEGACY: &str = "2025-11-25";
pub(crate) const MODERN: &str = "2026-07-28";
pub(crate) const ALL: [&str; 5] = ["reconnecting", "many_at_once", "progress", "errors", "cancelling"];

pub(crate) enum Library {
    Python1,
    Python2,
    TypeScript1,
    TypeScript2,
    Rmcp,
}

pub(crate) struct Client {
    pub(crate) library: Library,
    /// How the client is told to find the revision: `legacy`, `auto` or `pinned`.
    pub(crate) era: &'static str,
    /// The revision that it has to end up with.
    pub(crate) revision: &'static str,
}

impl Client {
    pub(crate) async fn goes_through(&self, stories: &[&str], url: &str) {
        let mut command = match self.library {
            Library::Python1 => python(setup::python_1(), "mcp1.py"),
            Library::Python2 => python(setup::python_2(), "mcp2.py"),
            Library::TypeScript1 => node("sdk1.mjs"),
            Library::TypeScript2 => node("sdk2.mjs"),
            Library::Rmcp => {
                return rmcp_client::goes_through(stories, self.era, self.revision, url).await;
            }
        };
        command.args([self.era, self.revision, url]).args(stories);
        script::succeeds(command).await;
    }

    async fn alone(&self, story: &str) {
        let server = ExampleServer::start("quickstart").await;
        self.goes_through(&[story], server.url()).await;
    }

    /// In the modern era an answer may reach another replica than the one that asked.
    async fn asked_by_two_replicas(&self) {
        let key = [("STATE_KEYS", "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff")];
        let first = ExampleServer::start_with("ask_the_user", &key).await;
        let second = ExampleServer::start_with("ask_the_user", &key).await;
        let proxy = Proxy::start([first.url(), second.url()]).await;
        self.goes_through(&["asking"], proxy.url()).await;
        let replicas: BTreeSet<usize> = proxy.seen().iter().map(|exchange| exchange.replica).collect();
        assert_eq!(replicas, BTreeSet::from([0, 1]), "both replicas took part");
        assert!(proxy.seen().iter().all(|exchange| !exchange.has_session_id));
    }

    /// In the legacy era the call waits in the process that asked.
    async fn asked_by_one_process(&self) {
        let server = ExampleServer::start("ask_the_user").await;
        self.goes_through(&["asking"], server.url()).await;
    }

    async fn browses_everything(&self) {
        let server = ExampleServer::start("everything").await;
        self.goes_through(&["browsing"], server.url()).await;
    }

    async fn with_hyper_server(&self) {
        let server = ExampleServer::start("hyper_server").await;
        self.goes_through(&ALL, server.url()).await;
    }

    async fn with_two_replicas(&self) {
        let first = ExampleServer::start("quickstart").await;
        let second = ExampleServer::start("quickstart").await;
        let proxy = Proxy::start([first.url(), second.url()]).await;
        self.goes_through(&ALL, proxy.url()).await;

        let seen = proxy.seen();
        let replicas: BTreeSet<usize> = seen.iter().map(|exchange| exchange.replica).collect();
        assert_eq!(replicas, BTreeSet::from([0, 1]), "both replicas took part");
        for exchange in &seen {
            self.assert_stateless(exchange);
        }
        let negotiated = |exchange: &Exchange| exchange.revision.as_deref() == Some(self.revision);
        assert!(seen.iter().any(negotiated), "no request names {}", self.revision);
    }

    pub(crate) fn assert_stateless(&self, exchange: &Exchange) {
        assert!(!exchange.has_session_id, "a reply carries a session: {exchange:?}");
        let expected = match exchange.method {
            Method::POST => [StatusCode::OK, StatusCode::ACCEPTED].as_slice(),
            // A client of the legacy era may ask for a stream that outlives its requests.
            _ => [StatusCode::METHOD_NOT_ALLOWED].as_slice(),
        };
        assert!(expected.contains(&exchange.status), "{exchange:?}");
        // Only `initialize` goes without: the revision is what it asks for.
        let legacy = self.revision == LEGACY && exchange.revision.is_none();
        let as_negotiated = exchange.revision.as_deref() == Some(self.revision);
        assert!(legacy || as_negotiated, "{exchange:?}");
    }
}

pub(crate) fn python(interpreter: std::path::PathBuf, script: &str) -> Command {
    let mut command = Command::new(interpreter);
    // The sources stay free of compiled copies.
    command.arg("-B").arg(setup::source("python").join(script));
    command
}

fn node(script: &str) -> Command {
    let mut command = Command::new(setup::node());
    command.arg(setup::typescript(script));
    command
}

macro_rules! stories {
    ($name:ident: $library:ident, $era:literal, $revision:ident) => {
        mod $name {
            use super::{Client, Library, $revision};

            const CLIENT: Client = Client { library: Library::$library, era: $era, revision: $revision };

            #[tokio::test]
            async fn one_client_after_another_finds_a_fresh_server() {
                CLIENT.alone("reconnecting").await;
            }

            #[tokio::test]
            async fn many_clients_at_once_do_not_disturb_each_other() {
                CLIENT.alone("many_at_once").await;
            }

            #[tokio::test]
            async fn progress_arrives_in_order_before_the_result() {
                CLIENT.alone("progress").await;
            }

            #[tokio::test]
            async fn errors_are_reported_and_leave_the_client_working() {
                CLIENT.alone("errors").await;
            }

            #[tokio::test]
            async fn a_cancelled_call_leaves_the_client_working() {
                CLIENT.alone("cancelling").await;
            }

            #[tokio::test]
            async fn two_replicas_behind_a_proxy_serve_as_one() {
                CLIENT.with_two_replicas().await;
            }

            #[tokio::test]
            async fn the_hyper_server_serves_the_same() {
                CLIENT.with_hyper_server().await;
            }
        }
    };
}

/// Each client in each of its eras, for a macro that makes tests of it.
macro_rules! for_each_client {
    ($each:ident) => {
        $each!(python_1: Python1, "legacy", LEGACY);
        $each!(python_2_auto: Python2, "auto", MODERN);
        $each!(python_2_pinned: Python2, "pinned", MODERN);
        $each!(python_2_legacy: Python2, "legacy", LEGACY);
        $each!(typescript_1: TypeScript1, "legacy", LEGACY);
        $each!(typescript_2_auto: TypeScript2, "auto", MODERN);
        $each!(typescript_2_pinned: TypeScript2, "pinned", MODERN);
        $each!(typescript_2_legacy: TypeScript2, "legacy", LEGACY);
        $each!(rmcp_auto: Rmcp, "auto", MODERN);
        $each!(rmcp_pinned: Rmcp, "pinned", MODERN);
        $each!(rmcp_legacy: Rmcp, "legacy", LEGACY);
    };
}
pub(crate) use for_each_client;

for_each_client!(stories);

macro_rules! single {
    ($($name:ident: $library:ident, $era:literal, $revision:ident, $how:ident;)*) => {$(
        #[tokio::test]
        async fn $name() {
            let client = Client { library: Library::$library, era: $era, revision: $revision };
            client.$how().await;
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
