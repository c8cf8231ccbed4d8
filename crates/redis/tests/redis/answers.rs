//! Answers that are accepted once.

use test_support::services::RedisServer;

use crate::replica::{Replica, command, quick};

#[tokio::test]
async fn a_state_is_redeemed_once_on_all_replicas() {
    let server = RedisServer::start().await;
    let replicas = [0; 3].map(|_| Replica::new(quick(server.url())));
    let state = replicas[0].state().await;
    replicas[1].greet(Some(&state)).await.greets_ada().await;
    for replica in &replicas {
        assert_eq!(replica.greet(Some(&state)).await.error().await, (200, -32602));
    }

    let keys: Vec<String> = command(&server.url(), &["KEYS", "*"]).await;
    assert_eq!(keys.len(), 1);
    assert!(keys[0].starts_with("{test}:redeemed:"), "{keys:?}");
    let left: i64 = command(&server.url(), &["TTL", &keys[0]]).await;
    // Ten minutes, and one for the clocks of replicas.
    assert!((600..=660).contains(&left), "{left}");
}

#[tokio::test]
async fn of_many_requests_with_the_same_state_at_once_one_is_served() {
    let server = RedisServer::start().await;
    let replicas = [0; 3].map(|_| Replica::new(quick(server.url())));
    let state = replicas[0].state().await;
    let all = replicas.iter().cycle().take(30).map(|replica| async {
        replica.greet(Some(&state)).await.next().await.expect("a message").get("result").is_some()
    });
    let all = futures_util::future::join_all(all).await;
    assert_eq!(all.into_iter().filter(|is_greeted| *is_greeted).count(), 1);
}

#[tokio::test]
async fn what_was_redeemed_stays_so_when_redis_is_restarted() {
    let mut server = RedisServer::start().await;
    let replica = Replica::new(quick(server.url()));
    let state = replica.state().await;
    replica.greet(Some(&state)).await.greets_ada().await;
    server.kill().await;
    server.restart().await;
    assert_eq!(replica.greet(Some(&state)).await.error().await, (200, -32602));
}
