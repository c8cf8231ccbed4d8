//! Changes and answers between replicas.

use mcp_stateless::testing::TestListener;
use serde_json::json;
use test_support::services::RedisServer;
use test_support::wait;
use tokio::time::timeout;

use crate::replica::{HANG, Replica, ada, command, quick};

pub(crate) async fn listener(replica: &Replica) -> TestListener {
    replica.client().listen(json!({"resourceSubscriptions": ["a:1", "a:2"]})).await
}

/// Waits for the next notification, and returns the resource that it is about.
pub(crate) async fn updated(listener: &mut TestListener) -> String {
    let news = timeout(HANG, listener.next()).await.expect("news in time").expect("it is open");
    assert_eq!(news["method"], "notifications/resources/updated");
    news["params"]["uri"].as_str().expect("a URI").to_owned()
}

#[tokio::test]
async fn a_change_on_one_replica_is_heard_on_all_and_once() {
    let server = RedisServer::start().await;
    let replicas = [0; 3].map(|_| Replica::new(quick(server.url())));
    let mut listeners = Vec::new();
    for replica in &replicas {
        listeners.push(listener(replica).await);
    }
    for replica in &replicas {
        replica.registry.resource_updated("a:3");
        for uri in ["a:1", "a:2"] {
            replica.registry.resource_updated(uri);
            for listener in &mut listeners {
                assert_eq!(updated(listener).await, uri);
            }
        }
    }
}

#[tokio::test]
async fn what_changes_after_the_acknowledgement_is_heard() {
    let server = RedisServer::start().await;
    let publisher = Replica::new(quick(server.url()));
    for _ in 0..20 {
        // Neither its connections nor its subscriptions are there yet.
        let replica = Replica::new(quick(server.url()));
        let mut listener = listener(&replica).await;
        publisher.registry.resource_updated("a:1");
        assert_eq!(updated(&mut listener).await, "a:1");
    }
}

#[tokio::test]
async fn servers_with_different_prefixes_do_not_hear_each_other() {
    let server = RedisServer::start().await;
    let (one, other) = (Replica::new(quick(server.url())), Replica::new(quick(server.url()).prefix("other")));
    let mut listener = listener(&other).await;
    one.registry.resource_updated("a:1");
    // The message has reached Redis when this one has.
    let mut own = self::listener(&one).await;
    let third = Replica::new(quick(server.url()));
    third.registry.resource_updated("a:2");
    assert_eq!(updated(&mut own).await, "a:2");
    other.registry.resource_updated("a:2");
    assert_eq!(updated(&mut listener).await, "a:2");
}

#[tokio::test]
async fn the_answer_of_a_legacy_client_finds_its_call_on_any_replica() {
    let server = RedisServer::start().await;
    let replicas = [0; 3].map(|_| Replica::new(quick(server.url())));
    for asked in &replicas {
        for answered in &replicas {
            let (mut call, id) = asked.ask().await;
            let reply = answered.send(&ada(&id)).await;
            assert_eq!(reply.status, 202);
            call.greets_ada().await;
            // Nobody waits for it any more, which Redis may learn a little later.
            wait::until("nobody waits", async || {
                let mut reply = answered.send(&ada(&id)).await;
                reply.status != 202 && reply.error().await == (400, -32600)
            })
            .await;
        }
    }
}

#[tokio::test]
async fn many_calls_ask_at_once() {
    let server = RedisServer::start().await;
    let replicas = [0; 2].map(|_| Replica::new(quick(server.url())));
    let mut calls = Vec::new();
    for at in 0..100 {
        calls.push(replicas[at % 2].ask().await);
    }
    for (at, (_, id)) in calls.iter().enumerate() {
        assert_eq!(replicas[(at + 1) % 2].send(&ada(id)).await.status, 202);
    }
    for (mut call, _) in calls {
        call.greets_ada().await;
    }
}

#[tokio::test]
async fn nothing_remains_of_listeners_and_questions() {
    let server = RedisServer::start().await;
    let replica = Replica::new(quick(server.url()));
    let channels = async || command::<Vec<String>>(&server.url(), &["PUBSUB", "CHANNELS"]).await;
    let listener = listener(&replica).await;
    let (call, _) = replica.ask().await;
    let open = channels().await;
    assert_eq!(open.len(), 3, "{open:?}");
    assert!(open.iter().all(|channel| channel.starts_with("{test}:")), "{open:?}");
    drop((listener, call));
    // The channel of all replicas.
    wait::until("the topics are left", async || channels().await == ["{test}:bus:"]).await;
    assert_eq!(command::<u64>(&server.url(), &["DBSIZE"]).await, 0);

    drop(replica);
    wait::until("the connections are closed", async || channels().await.is_empty()).await;
    wait::until("the connections are closed", async || {
        let clients: String = command(&server.url(), &["CLIENT", "LIST"]).await;
        clients.lines().count() == 1
    })
    .await;
}

#[tokio::test]
async fn a_listener_whose_connection_is_cut_is_told_to_look_again() {
    let server = RedisServer::start().await;
    let replicas = [0; 2].map(|_| Replica::new(quick(server.url())));
    let mut listener = listener(&replicas[0]).await;
    let _: u64 = command(&server.url(), &["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert_eq!([updated(&mut listener).await, updated(&mut listener).await], ["a:1", "a:2"]);
    replicas[1].registry.resource_updated("a:2");
    assert_eq!(updated(&mut listener).await, "a:2");
}

/// The publisher alone loses its connection, and listeners cannot know that by themselves.
#[tokio::test]
async fn listeners_are_told_of_changes_that_could_not_be_published() {
    let server = RedisServer::start().await;
    let url = server.url();
    let set_user = async |state: &str| {
        let rights =
            ["ACL", "SETUSER", "publisher", state, ">secret", "allkeys", "allchannels", "allcommands"];
        assert_eq!(command::<String>(&url, &rights).await, "OK");
    };
    set_user("on").await;
    let publisher = Replica::new(quick(url.replace("://", "://publisher:secret@")));
    let subscriber = Replica::new(quick(&*url));
    let mut listener = listener(&subscriber).await;
    publisher.registry.resource_updated("a:1");
    assert_eq!(updated(&mut listener).await, "a:1");

    set_user("off").await;
    let _: u64 = command(&url, &["CLIENT", "KILL", "USER", "publisher"]).await;
    publisher.registry.resource_updated("a:1");
    // It has waited for as long as the change.
    assert!(publisher.redis.check().await.is_err_and(|error| error.is_temporary()));
    set_user("on").await;
    // Any of them may be among what was lost.
    assert_eq!([updated(&mut listener).await, updated(&mut listener).await], ["a:1", "a:2"]);
    publisher.registry.resource_updated("a:2");
    assert_eq!(updated(&mut listener).await, "a:2");
}
