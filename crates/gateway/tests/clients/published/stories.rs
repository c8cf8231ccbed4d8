//! Stories of published clients of both eras with published servers, through the gateway.

use std::path::Path;

use serde_json::json;
use test_support::{
    client::{LEGACY, MODERN, python},
    rmcp_client, script,
    server::ExampleServer,
    setup,
};

use super::servers::{Cast, Server, Workspace};
use crate::gateway::support::{Config, connect, gateway};

/// A Python client in one of its eras.
#[derive(Clone, Copy)]
struct Client {
    interpreter: fn() -> std::path::PathBuf,
    era: &'static str,
    revision: &'static str,
}

const PYTHON_1: Client = Client { interpreter: setup::python_1, era: "legacy", revision: LEGACY };
const PYTHON_2_LEGACY: Client = Client { interpreter: setup::python_2, era: "legacy", revision: LEGACY };
const PYTHON_2_PINNED: Client = Client { interpreter: setup::python_2, era: "pinned", revision: MODERN };

impl Client {
    /// Runs the story of a server whose tools have names with `prefix` at `url`.
    async fn goes_through(self, story: &str, url: &str, prefix: &str, directory: Option<&Path>) {
        let mut command = python((self.interpreter)(), "published.py");
        command.args([self.era, self.revision, url, story, prefix]).args(directory);
        script::succeeds(command).await;
    }

    /// Uses a server alone.
    async fn uses(self, server: Server, story: &str, gateway: &ExampleServer, workspace: &Workspace) {
        let url = format!("{}/{}", gateway.url(), server.name());
        self.goes_through(story, &url, "", server.directory(workspace).as_deref()).await;
    }

    /// Uses a server among all others.
    async fn uses_merged(self, server: Server, gateway: &ExampleServer, workspace: &Workspace) {
        let prefix = format!("{}-", server.name());
        let directory = server.directory(workspace);
        self.goes_through(server.story(), gateway.url(), &prefix, directory.as_deref()).await;
    }
}

async fn each_client_uses(server: Server) {
    let workspace = Workspace::new();
    let cast = Cast::of(&[server], &workspace).await;
    let gateway = gateway(cast.entries.clone()).await;
    for client in [PYTHON_1, PYTHON_2_LEGACY, PYTHON_2_PINNED] {
        client.uses(server, server.story(), &gateway, &workspace).await;
    }
}

/// Nothing of a server is lost or changed for a client that does not reach it directly.
async fn has_the_same_as_directly(server: Server) {
    let workspace = Workspace::new();
    let cast = Cast::of(&[server], &workspace).await;
    let gateway = gateway(cast.entries.clone()).await;
    let entry = workspace.file("entry.json");
    std::fs::write(&entry, cast.entries[server.name()].to_string()).expect("the workspace takes files");
    let url = format!("{}/{}", gateway.url(), server.name());
    PYTHON_1.goes_through("as_directly", &url, "", Some(&entry)).await;
}

macro_rules! published {
    ($($name:ident: $server:ident;)*) => {$(
        mod $name {
            use super::{Server, each_client_uses, has_the_same_as_directly};

            #[tokio::test]
            async fn clients_of_both_eras_use_it() {
                each_client_uses(Server::$server).await;
            }

            #[tokio::test]
            async fn what_it_has_is_listed_as_it_lists_it() {
                has_the_same_as_directly(Server::$server).await;
            }
        }
    )*};
}

published! {
    everything: Everything;
    filesystem: Filesystem;
    memory: Memory;
    time: Time;
    git: Git;
    fastmcp_over_stdio: Fast;
    fastmcp_over_http: FastOverHttp;
}

async fn uses_all_at_one_endpoint(client: Client) {
    let workspace = Workspace::new();
    let cast = Cast::of(&Server::ALL, &workspace).await;
    let gateway = gateway(cast.entries.clone()).await;
    for server in Server::ALL {
        client.uses_merged(server, &gateway, &workspace).await;
    }
}

#[tokio::test]
async fn python_1_uses_all_of_them_at_one_endpoint() {
    uses_all_at_one_endpoint(PYTHON_1).await;
}

#[tokio::test]
async fn python_2_pinned_uses_all_of_them_at_one_endpoint() {
    uses_all_at_one_endpoint(PYTHON_2_PINNED).await;
}

/// It can only ask clients of the legacy era, as when they reach it directly.
#[tokio::test]
async fn fastmcp_asks_the_user_of_a_legacy_client() {
    let workspace = Workspace::new();
    let servers = [Server::Fast, Server::FastOverHttp];
    let cast = Cast::of(&servers, &workspace).await;
    let gateway = gateway(cast.entries.clone()).await;
    for server in servers {
        for client in [PYTHON_1, PYTHON_2_LEGACY] {
            client.uses(server, "fast_asks", &gateway, &workspace).await;
        }
    }
}

#[tokio::test]
async fn a_child_gets_what_its_entry_names_and_no_secret_of_the_gateway() {
    let workspace = Workspace::new();
    let mut cast = Cast::of(&[Server::Everything], &workspace).await;
    cast.entries["everything"]["env"] = json!({ "NAMED": "for the server" });
    let config = Config::of(&cast.entries);
    let mut command = config.command();
    command.args(["--addr", "127.0.0.1:0"]).env("RUST_LOG", "off").env("CLOUD_KEY", "for the gateway alone");
    let gateway = ExampleServer::run(command).await;

    let client = connect(gateway.url()).await;
    let answer = client.call("everything-get-env", json!({})).await.expect("a result");
    let variables: serde_json::Value =
        serde_json::from_str(rmcp_client::text(&answer)).expect("an object of variables");
    assert_eq!(variables["NAMED"], "for the server");
    assert!(variables["PATH"].is_string(), "no PATH");
    assert!(variables.get("CLOUD_KEY").is_none(), "it has a secret that its entry does not name");
    client.leave().await;
}
