//! Subscriptions: streams of changes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use mcp_stateless::changes::{BusSender, Change, ChangeBus, Changes, LocalBus, Reach, Subscription};
use mcp_stateless::registry::{Filtered, Item, Live};
use mcp_stateless::{Catalog, PromptRegistry, ResourceRegistry, ToolRegistry};
use serde_json::{Value, json};

use crate::site::{Site, Wire};
use crate::support::{Era, Post};

const ID: &str = "io.modelcontextprotocol/subscriptionId";

fn tools() -> ToolRegistry {
    ToolRegistry::builder().tool("x", "", async || "").build().expect("valid tools")
}

fn all() -> Catalog {
    let prompts = PromptRegistry::builder().prompt("x", "", async || "").build().expect("valid prompts");
    let resources = ResourceRegistry::builder().resource("a:1", "", async || "").build();
    let resources = resources.expect("valid resources");
    Catalog::builder().add(tools()).add(prompts).add(resources).build().expect("no collisions")
}

fn live() -> Live<Catalog> {
    Live::new(all(), Changes::in_process())
}

pub(crate) fn listen(notifications: &Value) -> Post {
    Post::modern("subscriptions/listen", json!({"notifications": notifications}))
}

fn everything() -> Value {
    json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["a:1", "a:2"]})
}

fn notification(method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({ID: 1});
    json!({"jsonrpc": "2.0", "method": format!("notifications/{method}"), "params": params})
}

fn acknowledged(honoured: &Value) -> Value {
    notification("subscriptions/acknowledged", json!({"notifications": honoured}))
}

fn updated(uri: &str) -> Value {
    notification("resources/updated", json!({"uri": uri}))
}

/// A listener that has been acknowledged.
async fn listener<R: mcp_stateless::Registry>(site: &Site<R>, wanted: &Value) -> Wire {
    let mut wire = site.open(listen(wanted)).await;
    assert_eq!(wire.message().await["method"], "notifications/subscriptions/acknowledged");
    wire
}

#[tokio::test]
async fn a_listener_is_first_told_what_it_will_hear() {
    let site = Site::new(live());
    for (wanted, honoured) in [
        (everything(), everything()),
        (json!({}), json!({})),
        (json!({"toolsListChanged": false, "planetsChanged": true}), json!({})),
        (
            json!({"resourceSubscriptions": ["b:2", "b:1", "b:2"]}),
            json!({"resourceSubscriptions": ["b:1", "b:2"]}),
        ),
    ] {
        let mut wire = site.open(listen(&wanted)).await;
        // Even when something has changed before it is read.
        site.registry.replace(all());
        assert_eq!((wire.status.as_u16(), wire.header("content-type")), (200, "text/event-stream"));
        assert_eq!((wire.header("cache-control"), wire.header("x-accel-buffering")), ("no-store", "no"));
        assert_eq!(wire.message().await, acknowledged(&honoured));
    }
    // Lists that cannot change are not acknowledged.
    let changes = Changes::in_process();
    let prompts = PromptRegistry::builder().prompt("x", "", async || "").build().expect("valid prompts");
    let parts = Catalog::builder().add(Live::new(tools(), changes)).add(prompts);
    let site = Site::new(parts.build().expect("no collisions"));
    let mut wire = site.open(listen(&everything())).await;
    assert_eq!(wire.message().await, acknowledged(&json!({"toolsListChanged": true})));
}

#[tokio::test]
async fn every_message_carries_the_id_of_the_request_byte_for_byte() {
    let site = Site::new(live());
    for id in ["1", r#""1""#, r#""\u0061\/b""#, "-7", "123456789012345678901234567890", r#""é""#] {
        let post = listen(&everything()).edit(r#""id":1"#, &format!(r#""id":{id}"#));
        let mut wire = site.open(post).await;
        site.registry.replace(all());
        site.registry.resource_updated("a:1");
        let tag = format!(r#""_meta":{{"{ID}":{id}}}"#);
        for _ in 0..5 {
            let message = wire.raw().await.expect("a message");
            assert!(message.contains(&tag), "{message}");
        }
    }
}

#[tokio::test]
async fn an_id_that_every_message_repeats_has_at_most_a_kibibyte() {
    let site = Site::new(live());
    for (length, status) in [(1024, 200), (1025, 400)] {
        let id = format!(r#""id":"{}""#, "x".repeat(length - 2));
        let wire = site.open(listen(&everything()).edit(r#""id":1"#, &id)).await;
        assert_eq!(wire.status, status, "{length}");
    }
}

#[tokio::test]
async fn a_listener_hears_what_it_asked_for_and_nothing_else() {
    let site = Site::new(live());
    let mut wires = Vec::new();
    for (wanted, expected) in [
        (json!({"toolsListChanged": true}), vec![notification("tools/list_changed", json!({}))]),
        (json!({"promptsListChanged": true}), vec![notification("prompts/list_changed", json!({}))]),
        (json!({"resourcesListChanged": true}), vec![notification("resources/list_changed", json!({}))]),
        (json!({"resourceSubscriptions": ["a:2", "a:3"]}), vec![updated("a:3"), updated("a:2")]),
        (json!({}), vec![]),
    ] {
        wires.push((listener(&site, &wanted).await, expected));
    }
    site.registry.replace(all());
    for uri in ["a:1", "a:3", "a:22", "a:2"] {
        site.registry.resource_updated(uri);
    }
    site.manager.shut_down(Duration::ZERO).await;
    for (mut wire, expected) in wires {
        for expected in expected {
            assert_eq!(wire.message().await, expected);
        }
        assert_eq!(wire.message().await["result"]["resultType"], "complete");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_on_which_nothing_happens_is_kept_alive() {
    let site = Site::new(live());
    let mut wire = listener(&site, &everything()).await;
    let start = tokio::time::Instant::now();
    for times in 1..4 {
        assert_eq!(wire.block().await.as_deref(), Some(":\n\n"));
        assert_eq!(start.elapsed().as_secs(), 15 * times);
    }
    site.registry.resource_updated("a:1");
    assert_eq!(wire.message().await, updated("a:1"));
}

#[tokio::test]
async fn no_more_clients_listen_than_may() {
    let site = Site::with(live(), |builder| builder.max_listeners(2));
    let (first, second) = (listener(&site, &json!({})).await, listener(&site, &json!({})).await);
    let refused = site.send(listen(&json!({}))).await;
    assert_eq!(refused.error(), (503, -32603));
    assert_eq!(refused.headers["retry-after"], "10");
    assert_eq!(refused.json()["id"], 1);
    assert!(refused.error_message().contains("`max_listeners` setting allows 2"), "{refused:?}");
    // Other requests are still served.
    site.result(Post::modern("tools/list", json!({}))).await;
    drop(first);
    let third = listener(&site, &json!({})).await;
    assert_eq!(site.send(listen(&json!({}))).await.status, 503);
    drop((second, third));
    listener(&site, &json!({})).await;
}

#[tokio::test]
async fn no_caller_takes_the_places_of_all_listeners() {
    let site = Site::with(live(), |builder| builder.max_listeners(8).max_listeners_per_principal(2));
    let open = async |principal| {
        let mut wire = site.open(listen(&json!({})).of(principal)).await;
        wire.message().await;
        wire
    };
    let (first, second) = (open("ada").await, open("ada").await);
    let refused = site.send(listen(&json!({})).of("ada")).await;
    assert_eq!(refused.error(), (429, -32600));
    assert_eq!(refused.headers["retry-after"], "10");
    assert!(refused.error_message().contains("`max_listeners_per_principal`"), "{refused:?}");
    // Anonymous callers have a separate limit, and do not take the places of others.
    let mut anonymous = Vec::new();
    for _ in 0..8 {
        anonymous.push(listener(&site, &json!({})).await);
    }
    assert_eq!(site.send(listen(&json!({}))).await.error(), (503, -32603));
    let bob = open("bob").await;
    drop(first);
    let ada = open("ada").await;
    drop((second, ada, bob));
}

#[tokio::test]
async fn a_listener_must_take_a_stream() {
    let site = Site::new(live());
    let answer = site.send(listen(&everything()).header("accept", "application/json")).await;
    assert_eq!(answer.error(), (406, -32600));
}

#[tokio::test]
async fn what_is_wanted_must_make_sense() {
    let site = Site::new(live());
    let many: Vec<String> = (0..1025).map(|number| format!("a:{number}")).collect();
    for wanted in [
        json!(null),
        json!([]),
        json!([true]),
        json!("all"),
        json!({"toolsListChanged": "yes"}),
        json!({"resourceSubscriptions": "a:1"}),
        json!({"resourceSubscriptions": [7]}),
        json!({"resourceSubscriptions": many}),
    ] {
        let answer = site.send(listen(&wanted)).await;
        assert_eq!(answer.error(), (200, -32602), "{wanted}");
        assert!(answer.error_message().contains("`notifications`"));
    }
    let answer = site.send(Post::modern("subscriptions/listen", json!({}))).await;
    assert_eq!(answer.error(), (200, -32602));
}

#[tokio::test]
async fn there_is_nothing_to_listen_to_where_nothing_changes() {
    let site = Site::new(all());
    assert_eq!(site.send(listen(&everything())).await.error(), (404, -32601));
    let discover = site.result(Post::modern("server/discover", json!({}))).await;
    let expected = json!({"tools": {}, "prompts": {}, "resources": {}, "logging": {}});
    assert_eq!(discover["capabilities"], expected);
}

#[tokio::test]
async fn changes_are_promised_to_those_alone_who_can_hear_of_them() {
    let site = Site::new(live());
    let discover = site.result(Post::modern("server/discover", json!({}))).await;
    let changing = json!({"listChanged": true});
    let expected = json!({"tools": changing, "prompts": changing, "logging": {},
        "resources": {"listChanged": true, "subscribe": true}});
    assert_eq!(discover["capabilities"], expected);
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}});
        let result = site.result(Post::legacy("initialize", &params)).await;
        let expected = json!({"tools": {}, "prompts": {}, "resources": {}, "logging": {}});
        assert_eq!(result["capabilities"], expected);
    }
    let answer = site.send(Post::legacy("subscriptions/listen", &json!({"notifications": {}}))).await;
    assert_eq!(answer.error(), (200, -32601));
}

#[tokio::test]
async fn a_filter_governs_what_may_be_watched() {
    let live = live();
    let filtered = Filtered::new(live.clone(), |item: Item<'_>, head: &http::request::Parts| {
        assert!(!head.headers.contains_key("x-panic"), "a secret");
        !matches!(item, Item::Resource(uri) if uri.starts_with("secret:"))
    });
    let site = Site::new(filtered);
    let wanted = json!({"resourceSubscriptions": ["secret:1", "a:1"]});
    let mut wire = site.open(listen(&wanted)).await;
    assert_eq!(wire.message().await, acknowledged(&json!({"resourceSubscriptions": ["a:1"]})));
    live.resource_updated("secret:1");
    live.resource_updated("a:1");
    assert_eq!(wire.message().await, updated("a:1"));
    let answer = site.send(listen(&wanted).header("x-panic", "yes")).await;
    assert_eq!(answer.error(), (200, -32603));
}

#[tokio::test]
async fn a_right_that_is_withdrawn_ends_what_an_open_stream_delivers() {
    let live = live();
    let revoked = Arc::new(AtomicBool::new(false));
    let filtered = Filtered::new(live.clone(), {
        let revoked = Arc::clone(&revoked);
        move |item: Item<'_>, head: &http::request::Parts| {
            assert_eq!(head.headers["x-user"], "ann");
            item != Item::Resource("a:1") || !revoked.load(Ordering::SeqCst)
        }
    });
    let site = Site::new(Catalog::builder().add(filtered).build().expect("no collisions"));
    let wanted = json!({"resourceSubscriptions": ["a:1", "a:2"]});
    let mut wire = site.open(listen(&wanted).header("x-user", "ann")).await;
    assert_eq!(wire.message().await, acknowledged(&wanted));
    live.resource_updated("a:1");
    assert_eq!(wire.message().await, updated("a:1"));
    revoked.store(true, Ordering::SeqCst);
    live.resource_updated("a:1");
    live.resource_updated("a:2");
    assert_eq!(wire.message().await, updated("a:2"));
    // It is not named among the changes that may have been lost either.
    for _ in 0..1000 {
        live.resource_updated("a:1");
    }
    assert_eq!(wire.message().await, updated("a:2"));
    revoked.store(false, Ordering::SeqCst);
    live.resource_updated("a:1");
    assert_eq!(wire.message().await, updated("a:1"));
}

#[tokio::test]
async fn a_listener_hears_of_a_resource_under_the_uri_that_it_wrote() {
    let site = Site::new(live());
    let wanted = json!({"resourceSubscriptions": ["A:%31", "a:1"]});
    let mut wire = site.open(listen(&wanted)).await;
    assert_eq!(wire.message().await, acknowledged(&wanted));
    site.registry.resource_updated("a:%31");
    assert_eq!(wire.message().await, updated("A:%31"));
    assert_eq!(wire.message().await, updated("a:1"));
}

#[tokio::test]
async fn a_change_on_one_replica_is_heard_on_all() {
    let bus = Arc::new(LocalBus::default());
    let live = |topic: &str| Live::new(all(), Changes::over(Arc::clone(&bus) as Arc<dyn ChangeBus>, topic));
    let (one, other, stranger) =
        (Site::new(live("ours")), Site::new(live("ours")), Site::new(live("theirs")));
    let mut wires = Vec::new();
    for site in [&one, &other, &stranger] {
        wires.push(listener(site, &everything()).await);
    }
    stranger.registry.resource_updated("a:1");
    assert_eq!(wires[2].message().await, updated("a:1"));
    one.registry.resource_updated("a:2");
    other.registry.replace(all());
    for wire in &mut wires[..2] {
        assert_eq!(wire.message().await, updated("a:2"));
        for list in ["tools", "prompts", "resources"] {
            assert_eq!(wire.message().await, notification(&format!("{list}/list_changed"), json!({})));
        }
    }
}

#[tokio::test]
async fn a_change_is_told_once_whatever_a_catalog_is_made_of() {
    let changes = Changes::in_process();
    let resources = ResourceRegistry::builder().resource("a:1", "", async || "").build();
    let parts = Catalog::builder()
        .add(Live::new(tools(), changes.clone()))
        .add(Live::new(resources.expect("valid resources"), changes.clone()));
    let site = Site::new(parts.build().expect("no collisions"));
    let mut wire = listener(&site, &everything()).await;
    changes.publish(Change::Tools);
    changes.publish(Change::Resource("a:1"));
    site.manager.shut_down(Duration::ZERO).await;
    assert_eq!(wire.message().await, notification("tools/list_changed", json!({})));
    assert_eq!(wire.message().await, updated("a:1"));
    assert_eq!(wire.message().await["result"]["resultType"], "complete");
}

#[tokio::test]
async fn a_slow_listener_is_told_of_all_it_watches_when_something_is_lost() {
    let site = Site::new(live());
    let mut wire = listener(&site, &everything()).await;
    for number in 0..1000 {
        site.registry.resource_updated(if number == 900 { "a:2" } else { "a:1" });
    }
    site.manager.shut_down(Duration::ZERO).await;
    let mut messages = Vec::new();
    while let Some(message) = wire.next().await {
        messages.push(message);
    }
    // The changes that were kept, those that may have been lost, and the end.
    let lists = ["tools", "prompts", "resources"];
    let lost = lists.map(|list| notification(&format!("{list}/list_changed"), json!({})));
    let end = messages.pop().expect("an end");
    assert_eq!(end["result"]["resultType"], "complete");
    assert!(
        messages.ends_with(&[lost.as_slice(), &[updated("a:1"), updated("a:2")]].concat()),
        "{messages:?}"
    );
    let kept = messages.len() - 5;
    assert!((1..200).contains(&kept) && messages[..kept].iter().all(|it| *it == updated("a:1")), "{kept}");
}

/// A bus that shows its subscriptions, and can close them.
#[derive(Clone, Default)]
struct Bus(Arc<Mutex<Vec<BusSender>>>);

impl ChangeBus for Bus {
    fn publish(&self, _: &str, message: Bytes) -> Reach {
        self.0.lock().expect("not poisoned").iter().for_each(|sender| sender.send(message.clone()));
        Reach::Perhaps
    }

    fn subscribe(&self, _: &str) -> Subscription {
        let (sender, subscription) = Subscription::new();
        self.0.lock().expect("not poisoned").push(sender);
        subscription
    }
}

#[tokio::test]
async fn nothing_remains_of_a_listener_that_leaves() {
    let bus = Bus::default();
    let site = Site::new(Live::new(all(), Changes::over(Arc::new(bus.clone()), "ours")));
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    // A listener may leave before it has read anything, or later.
    drop(site.open(listen(&everything())).await);
    drop(listener(&site, &everything()).await);
    let kept = listener(&site, &everything()).await;
    let is_closed: Vec<_> = bus.0.lock().expect("not poisoned").iter().map(BusSender::is_closed).collect();
    assert_eq!(is_closed, [true, true, false]);
    assert_eq!(tasks(), before);
    drop(kept);
    assert_eq!(site.manager.shut_down(Duration::ZERO).await, 0);
}

#[tokio::test]
async fn a_stream_ends_with_its_result_when_its_bus_gives_up() {
    let bus = Bus::default();
    let site = Site::new(Live::new(all(), Changes::over(Arc::new(bus.clone()), "ours")));
    let mut wire = listener(&site, &everything()).await;
    site.registry.resource_updated("a:1");
    bus.0.lock().expect("not poisoned").clear();
    assert_eq!(wire.message().await, updated("a:1"));
    assert_eq!(wire.message().await["result"]["_meta"][ID], 1);
    assert_eq!(wire.next().await, None);
}

#[tokio::test]
async fn a_registry_within_one_that_is_replaced_is_heard_as_well() {
    let inner = Changes::in_process();
    let live = Live::new(Live::new(tools(), inner.clone()), Changes::in_process());
    let site = Site::new(live);
    let mut wire = listener(&site, &json!({"toolsListChanged": true})).await;
    inner.publish(Change::Tools);
    assert_eq!(wire.message().await, notification("tools/list_changed", json!({})));
    assert_eq!(site.names(Era::Modern, "tools/list", |post| post).await, ["x"]);
}

#[tokio::test]
async fn a_registry_that_takes_the_place_of_another_is_heard_by_those_who_listen_already() {
    let (old, new) = (Changes::in_process(), Changes::in_process());
    let live = Live::new(Live::new(all(), old.clone()), Changes::in_process());
    // Also inside another registry.
    let site = Site::new(Catalog::builder().add(live.clone()).build().expect("no collisions"));
    let mut wire = listener(&site, &json!({"resourceSubscriptions": ["a:1", "a:2"]})).await;
    live.replace(Live::new(all(), new.clone()));
    // Changes before the subscription may be lost, so everything may have changed.
    assert_eq!(wire.message().await, updated("a:1"));
    assert_eq!(wire.message().await, updated("a:2"));
    old.publish(Change::Resource("a:1"));
    new.publish(Change::Resource("a:2"));
    site.manager.shut_down(Duration::ZERO).await;
    assert_eq!(wire.message().await, updated("a:2"));
    assert_eq!(wire.message().await["result"]["resultType"], "complete");
}

#[tokio::test]
async fn a_filter_governs_what_is_heard_of_a_registry_that_is_put_in_later() {
    let (new, revoked) = (Changes::in_process(), Arc::new(AtomicBool::new(false)));
    let live = Live::new(Live::new(all(), Changes::in_process()), Changes::in_process());
    let filtered = Filtered::new(live.clone(), {
        let revoked = Arc::clone(&revoked);
        move |item: Item<'_>, _: &http::request::Parts| {
            item != Item::Resource("a:1") || !revoked.load(Ordering::SeqCst)
        }
    });
    let site = Site::new(filtered);
    let mut wire = listener(&site, &json!({"resourceSubscriptions": ["a:1", "a:2"]})).await;
    live.replace(Live::new(all(), new.clone()));
    assert_eq!(wire.message().await, updated("a:1"));
    assert_eq!(wire.message().await, updated("a:2"));
    revoked.store(true, Ordering::SeqCst);
    new.publish(Change::Resource("a:1"));
    new.publish(Change::Resource("a:2"));
    assert_eq!(wire.message().await, updated("a:2"));
}
