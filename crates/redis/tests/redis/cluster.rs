//! Nodes of a Cluster.

use test_support::services::RedisServer;
use test_support::wait;

use crate::changes::{listener, updated};
use crate::replica::{Replica, ada, command, quick};
use crate::tasks::keeps_its_contract;

/// The number of slots in any Cluster.
const SLOTS: usize = 16_384;

async fn cluster() -> Vec<RedisServer> {
    let mut nodes = Vec::new();
    for _ in 0..3 {
        nodes.push(RedisServer::start_with(&["--cluster-enabled", "yes"]).await);
    }
    for (at, node) in nodes.iter().enumerate() {
        let (first, last) = ((SLOTS * at / 3).to_string(), (SLOTS * (at + 1) / 3 - 1).to_string());
        let _: String = command(&node.url(), &["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await;
        let port = nodes[0].port().to_string();
        let _: String = command(&node.url(), &["CLUSTER", "MEET", "127.0.0.1", &port]).await;
    }
    for node in &nodes {
        wait::until("the cluster is up", async || {
            let info: String = command(&node.url(), &["CLUSTER", "INFO"]).await;
            info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:3")
        })
        .await;
    }
    nodes
}

#[tokio::test]
async fn all_is_on_the_node_of_the_prefix_whichever_is_asked_first() {
    let nodes = cluster().await;
    let replicas: Vec<_> = nodes.iter().map(|node| Replica::new(quick(node.url()))).collect();
    let mut listeners = Vec::new();
    for replica in &replicas {
        listeners.push(listener(replica).await);
    }
    for replica in &replicas {
        replica.registry.resource_updated("a:1");
        for listener in &mut listeners {
            assert_eq!(updated(listener).await, "a:1");
        }
    }
    for asked in &replicas {
        for answered in &replicas {
            let (mut call, id) = asked.ask().await;
            assert_eq!(answered.send(&ada(&id)).await.status, 202);
            call.greets_ada().await;
        }
    }
    let state = replicas[0].state().await;
    replicas[1].greet(Some(&state)).await.greets_ada().await;
    assert_eq!(replicas[2].greet(Some(&state)).await.error().await, (200, -32602));
    for node in &nodes {
        keeps_its_contract(&node.url()).await;
    }
}

#[tokio::test]
async fn the_node_of_the_prefix_may_change() {
    let nodes = cluster().await;
    let slot: usize = command(&nodes[0].url(), &["CLUSTER", "KEYSLOT", "{test}:"]).await;
    let from = slot * 3 / SLOTS;
    let to = (from + 1) % 3;
    let replica = Replica::new(quick(nodes[0].url()));
    let mut listener = listener(&replica).await;
    let other = Replica::new(quick(nodes[1].url()));
    other.redis.check().await.expect("a cluster");

    // The slot is empty, so it can be given away at once.
    let id: String = command(&nodes[to].url(), &["CLUSTER", "MYID"]).await;
    for node in [to, from, 3 - to - from] {
        let words = ["CLUSTER", "SETSLOT", &slot.to_string(), "NODE", &id];
        let _: String = command(&nodes[node].url(), &words).await;
    }
    let state = other.state().await;
    other.greet(Some(&state)).await.greets_ada().await;
    let keys: Vec<String> = command(&nodes[to].url(), &["KEYS", "*"]).await;
    assert_eq!(keys.len(), 1);
    // Published on the new node, heard by who still listens on the old one or has moved as well.
    other.registry.resource_updated("a:2");
    while updated(&mut listener).await != "a:2" {}
    let (mut call, id) = replica.ask().await;
    replica.greet(Some(&replica.state().await)).await.greets_ada().await;
    assert_eq!(other.send(&ada(&id)).await.status, 202);
    call.greets_ada().await;
}
