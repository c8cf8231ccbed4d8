//! A bus that is not connected yet, or not any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mcp_stateless::Catalog;
use mcp_stateless::changes::{BusSender, ChangeBus, Changes, Delivering, LocalBus, Reach, Subscription};
use mcp_stateless::registry::Live;
use serde_json::json;
use tokio::time::Instant;

use crate::askers::{accept, askers, call};
use crate::listening::listen;
use crate::site::Site;
use crate::support::{Era, Post};

/// A bus whose connection the test controls.
#[derive(Clone)]
struct Bus {
    senders: Arc<Mutex<Vec<BusSender>>>,
    /// What it says of a message to one subscriber; `None` if it never says anything.
    reach: Arc<Mutex<Option<Reach>>>,
}

impl Bus {
    fn new() -> Self {
        Self { senders: Arc::default(), reach: Arc::new(Mutex::new(Some(Reach::Perhaps))) }
    }

    fn senders(&self) -> Vec<BusSender> {
        self.senders.lock().expect("not poisoned").clone()
    }

    fn connected(&self) {
        self.senders().iter().for_each(BusSender::connected);
    }

    fn set_reach(&self, reach: Option<Reach>) {
        *self.reach.lock().expect("not poisoned") = reach;
    }
}

impl ChangeBus for Bus {
    fn publish(&self, _: &str, message: Bytes) -> Reach {
        self.senders().iter().for_each(|sender| sender.send(message.clone()));
        Reach::Perhaps
    }

    fn subscribe(&self, _: &str) -> Subscription {
        let (sender, subscription) = Subscription::connecting();
        self.senders.lock().expect("not poisoned").push(sender);
        subscription
    }

    fn deliver<'a>(&'a self, topic: &'a str, message: Bytes) -> Delivering<'a> {
        Box::pin(async move {
            let reach = *self.reach.lock().expect("not poisoned");
            match reach {
                Some(Reach::Perhaps) => self.publish(topic, message),
                Some(reach) => reach,
                None => std::future::pending().await,
            }
        })
    }
}

fn live(bus: &Bus) -> Site<Live<Catalog>> {
    let catalog = Catalog::builder().add(askers().0).build().expect("no collisions");
    Site::new(Live::new(catalog, Changes::over(Arc::new(bus.clone()), "ours")))
}

fn asker(bus: &Bus) -> Site<Catalog> {
    Site::with(askers().0, |builder| builder.answer_bus(Arc::new(bus.clone())))
}

fn answer(id: &serde_json::Value) -> Post {
    let result = accept(&json!({"name": "Ada"}));
    Post::raw(json!({"jsonrpc": "2.0", "id": id, "result": result}).to_string())
}

#[tokio::test(start_paused = true)]
async fn a_listener_is_acknowledged_when_its_subscription_is_connected() {
    let bus = Bus::new();
    let site = live(&bus);
    let mut wire = site.open(listen(&json!({"toolsListChanged": true}))).await;
    let acknowledged = async {
        assert_eq!(wire.message().await["method"], "notifications/subscriptions/acknowledged");
        Instant::now()
    };
    let connected = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        bus.connected();
        Instant::now()
    };
    let (acknowledged, connected) = tokio::join!(acknowledged, connected);
    assert_eq!(acknowledged, connected);
    // Nothing was missed.
    site.registry.replace(askers().0);
    assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
    site.manager.shut_down(Duration::ZERO).await;
    assert_eq!(wire.message().await["result"]["resultType"], "complete");
}

#[tokio::test(start_paused = true)]
async fn a_listener_does_not_wait_for_ever_and_is_told_to_look_again_later() {
    let bus = Bus::new();
    let site = live(&bus);
    let start = Instant::now();
    let mut wire = site.open(listen(&json!({"toolsListChanged": true}))).await;
    assert_eq!(wire.message().await["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(start.elapsed().as_secs(), 2);
    for _ in 0..2 {
        bus.connected();
        assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
    }
    bus.senders().iter().for_each(BusSender::miss);
    assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
}

#[tokio::test(start_paused = true)]
async fn a_listener_that_still_waits_ends_at_once_when_the_server_shuts_down() {
    let site = live(&Bus::new());
    let start = Instant::now();
    let mut wire = site.open(listen(&json!({"toolsListChanged": true}))).await;
    let ended = async {
        assert_eq!(wire.message().await["method"], "notifications/subscriptions/acknowledged");
        assert_eq!(wire.message().await["result"]["resultType"], "complete");
    };
    tokio::join!(ended, site.manager.shut_down(Duration::ZERO));
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_question_waits_until_its_answer_can_arrive() {
    let bus = Bus::new();
    let site = asker(&bus);
    let connected = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        bus.connected();
        Instant::now()
    };
    let asked = async {
        let mut wire = site.open(call(Era::Legacy, "greet")).await;
        let id = wire.message().await["id"].take();
        (Instant::now(), wire, id)
    };
    let (connected, (asked, mut wire, id)) = tokio::join!(connected, asked);
    assert_eq!(asked, connected);
    assert_eq!(site.send(answer(&id)).await.status, 202);
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Hello, Ada");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_cannot_ask_for_now_is_invited_to_try_again() {
    let site = asker(&Bus::new());
    let start = Instant::now();
    let refused = site.send(call(Era::Legacy, "greet")).await;
    assert_eq!(start.elapsed().as_secs(), 2);
    assert_eq!(refused.error(), (503, -32603));
    assert_eq!(refused.headers["retry-after"], "1");
    assert!(refused.error_message().contains("`answer_bus` is not connected"), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_passed_on_is_invited_to_come_again() {
    let bus = Bus::new();
    let site = asker(&bus);
    let (mut wire, ()) = tokio::join!(site.open(call(Era::Legacy, "greet")), async {
        tokio::task::yield_now().await;
        bus.connected();
    });
    let id = wire.message().await["id"].take();
    for reach in [Some(Reach::Unavailable), None] {
        bus.set_reach(reach);
        let start = Instant::now();
        let refused = site.send(answer(&id)).await;
        assert_eq!(refused.error(), (503, -32603));
        assert_eq!(refused.headers["retry-after"], "1");
        assert_eq!(refused.json()["id"], id);
        assert_eq!(start.elapsed().as_secs(), if reach.is_none() { 10 } else { 0 });
    }
    bus.set_reach(Some(Reach::Nobody));
    assert_eq!(site.send(answer(&id)).await.error(), (400, -32600));
    bus.set_reach(Some(Reach::Perhaps));
    assert_eq!(site.send(answer(&id)).await.status, 202);
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Hello, Ada");
}

/// An answer in a batch gets no reply, so nobody waits for it.
#[tokio::test]
async fn an_answer_in_a_batch_finds_its_call() {
    let bus = Arc::new(LocalBus::default());
    let site = Site::with(askers().0, |builder| builder.answer_bus(bus));
    let mut wire = site.open(call(Era::Legacy, "greet").header("mcp-protocol-version", "2025-03-26")).await;
    let id = wire.message().await["id"].take();
    let result = accept(&json!({"name": "Ada"}));
    let batch = json!([{"jsonrpc": "2.0", "id": id, "result": result}]).to_string();
    assert_eq!(site.send(Post::raw(batch).header("mcp-protocol-version", "2025-03-26")).await.status, 202);
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Hello, Ada");
}
