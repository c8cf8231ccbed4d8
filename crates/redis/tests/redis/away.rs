//! Redis is away, hangs, or comes back.

use std::time::{Duration, Instant};

use serde_json::json;
use test_support::services::RedisServer;

use crate::changes::{listener, updated};
use crate::replica::{Replica, Reply, ada, greeting, quick};

/// Longer than what a request waits for Redis: the command's limit, and once that of a response.
const LIMIT: Duration = Duration::from_secs(4);

#[track_caller]
fn assert_invites_retry(reply: &Reply) {
    assert_eq!(reply.status, 503);
    assert_eq!(reply.headers["retry-after"], "1");
}

/// Calls that need nothing of Redis are served, others get 503 in time, and succeed afterwards.
async fn goes_on(replica: &Replica, back: impl AsyncFnOnce()) {
    let state = replica.state().await;
    let client = replica.client();
    let start = Instant::now();
    let sum = client.call("add", json!({"a": 1, "b": 2})).await;
    assert_eq!(sum.text(), "3");
    assert!(start.elapsed() < LIMIT / 4, "{:?}", start.elapsed());

    for _ in 0..2 {
        let start = Instant::now();
        let mut refused = replica.greet(Some(&state)).await;
        assert_invites_retry(&refused);
        assert_eq!(refused.error().await, (503, -32603));
        // A question to a client of the legacy era.
        let mut refused = replica.send(&greeting()).await;
        assert_invites_retry(&refused);
        assert_eq!(refused.error().await, (503, -32603));
        assert!(start.elapsed() < 2 * LIMIT, "{:?}", start.elapsed());
    }
    back().await;
    replica.is_back().await;
    let (mut call, id) = replica.ask().await;
    assert_eq!(replica.send(&ada(&id)).await.status, 202);
    call.greets_ada().await;
    // It may have been redeemed when the response was lost; then the client starts again.
    let mut again = replica.greet(Some(&state)).await;
    assert_eq!(again.status, 200);
    if again.next().await.expect("a message").get("error").is_some() {
        replica.greet(Some(&replica.state().await)).await.greets_ada().await;
    }
}

#[tokio::test]
async fn while_redis_is_down_calls_go_on_that_need_none_of_it() {
    let mut server = RedisServer::start().await;
    let replica = Replica::new(quick(server.url()));
    replica.redis.check().await.expect("Redis is there");
    server.kill().await;
    goes_on(&replica, async || server.restart().await).await;
}

#[tokio::test]
async fn a_server_starts_before_its_redis() {
    let mut server = RedisServer::start().await;
    server.stop().await;
    let replica = Replica::new(quick(server.url()));
    goes_on(&replica, async || server.restart().await).await;
}

#[tokio::test]
async fn nothing_waits_longer_than_its_limit_for_a_redis_that_hangs() {
    let server = RedisServer::start().await;
    let replica = Replica::new(quick(server.url()));
    replica.redis.check().await.expect("Redis is there");
    server.pause();
    goes_on(&replica, async || server.resume()).await;
}

#[tokio::test]
async fn a_short_absence_is_not_noticed() {
    let mut server = RedisServer::start().await;
    let replica = Replica::new(quick(server.url()).command_timeout(Duration::from_secs(20)));
    let state = replica.state().await;
    replica.redis.check().await.expect("Redis is there");
    server.kill().await;
    let (mut greeted, ()) = tokio::join!(replica.greet(Some(&state)), server.restart());
    greeted.greets_ada().await;
}

#[tokio::test]
async fn listeners_are_told_to_look_again_when_redis_is_back() {
    let mut server = RedisServer::start().await;
    let replicas = [0; 2].map(|_| Replica::new(quick(server.url())));
    let mut listener = listener(&replicas[0]).await;
    for round in 0..2 {
        server.kill().await;
        // The one is published in vain, the other has a local listener.
        replicas[1].registry.resource_updated("a:1");
        replicas[0].registry.resource_updated("a:2");
        assert_eq!(updated(&mut listener).await, "a:2", "{round}");
        assert!(replicas[1].redis.check().await.is_err());
        server.restart().await;
        assert_eq!([updated(&mut listener).await, updated(&mut listener).await], ["a:1", "a:2"]);
        // The publisher tells of what it has lost as soon as it is connected, which may be later.
        replicas[1].is_back().await;
        replicas[1].registry.resource_updated("a:1");
        while updated(&mut listener).await != "a:1" {}
        replicas[1].registry.resource_updated("a:2");
        while updated(&mut listener).await != "a:2" {}
    }
}

#[tokio::test]
async fn a_stream_of_changes_begins_while_redis_is_away_and_hears_of_it_later() {
    let mut server = RedisServer::start().await;
    server.kill().await;
    let replicas = [0; 2].map(|_| Replica::new(quick(server.url())));
    let start = Instant::now();
    let mut listener = listener(&replicas[0]).await;
    assert!(start.elapsed() < LIMIT, "{:?}", start.elapsed());
    server.restart().await;
    assert_eq!([updated(&mut listener).await, updated(&mut listener).await], ["a:1", "a:2"]);
    replicas[1].registry.resource_updated("a:2");
    assert_eq!(updated(&mut listener).await, "a:2");
}

#[tokio::test]
async fn an_answer_is_refused_while_redis_is_away_and_taken_afterwards() {
    let mut server = RedisServer::start().await;
    let replicas = [0; 2].map(|_| Replica::new(quick(server.url())));
    let (mut call, id) = replicas[0].ask().await;
    // On the replica that asks, an answer needs no Redis.
    let (mut own_call, own_id) = replicas[0].ask().await;
    server.kill().await;
    let mut refused = replicas[1].send(&ada(&id)).await;
    assert_invites_retry(&refused);
    assert_eq!(refused.error().await, (503, -32603));
    assert_eq!(replicas[0].send(&ada(&own_id)).await.status, 202);
    own_call.greets_ada().await;
    server.restart().await;
    replicas[1].is_back().await;
    // The replica that asks may not have subscribed again yet, which is waited for.
    assert_eq!(replicas[1].send(&ada(&id)).await.status, 202);
    call.greets_ada().await;
}
