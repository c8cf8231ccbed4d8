//! Resources that come from data: listed by one handler and read by another.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, RwLock};

use http::request::Parts;
use mcp_stateless::call::{Extension, Tags};
use mcp_stateless::changes::{Change, Changes};
use mcp_stateless::protocol::{ErrorCode, ResourceLink, RpcError};
use mcp_stateless::registry::ResourceRegistryBuilder;
use mcp_stateless::resource::{ListPage, ResourceCollection, ResourceList, ResourceTemplate};
use mcp_stateless::testing::TestClient;
use mcp_stateless::{Catalog, Resource, ResourceRegistry, State, ToolError, ToolRegistry};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::log::Log;

type Notes = Arc<RwLock<BTreeMap<String, String>>>;

#[derive(Deserialize)]
struct Read {
    uri: String,
    rest: String,
}

#[derive(Deserialize)]
struct ById {
    id: u32,
}

#[derive(Clone)]
struct User(&'static str);

fn notes(names: &[&str]) -> Notes {
    Arc::new(RwLock::new(names.iter().map(|name| ((*name).to_owned(), format!("{name}!"))).collect()))
}

/// In pages of two.
async fn list(State(notes): State<Notes>, page: ListPage) -> ResourceList {
    let notes = notes.read().expect("no panic");
    let after = page.cursor.unwrap_or_default();
    let mut names = notes.keys().filter(|name| **name > after);
    let names: Vec<_> = names.by_ref().take(2).cloned().collect();
    let link = |name: &String| ResourceLink::new(format!("note://{name}"), name);
    let list = ResourceList::new(names.iter().map(link));
    match names.last() {
        Some(end) if notes.keys().any(|name| name > end) => list.next_cursor(end.clone()),
        _ => list,
    }
}

async fn read(State(notes): State<Notes>, Read { uri, rest }: Read) -> Result<String, RpcError> {
    let notes = notes.read().expect("no panic");
    notes.get(&rest).cloned().ok_or_else(|| RpcError::resource_not_found(&uri))
}

fn issues() -> ResourceTemplate<Notes> {
    ResourceTemplate::new("issue://{id}", "issue", async |ById { id }: ById| format!("issue {id}"))
        .list(async || vec![ResourceLink::new("issue://1", "one"), ResourceLink::new("issue://2", "two")])
}

fn builder(notes: &Notes) -> ResourceRegistryBuilder<Notes> {
    ResourceRegistry::builder()
        .resource("note://fixed", "fixed", async || "fixed")
        .resource("a:1", "1", async || "1")
        .with_state(Arc::clone(notes))
        .register_template(issues())
        .register_collection(ResourceCollection::new("note://", list, read).mime_type("text/plain"))
}

fn uris(list: &[Value]) -> Vec<&str> {
    list.iter().filter_map(|resource| resource["uri"].as_str()).collect()
}

#[tokio::test]
async fn what_handlers_list_follows_what_is_fixed_on_as_many_pages_as_there_are() {
    let notes = notes(&["a", "b", "c", "d", "fixed"]);
    let expected =
        ["note://fixed", "a:1", "issue://1", "issue://2", "note://a", "note://b", "note://c", "note://d"];
    for size in [None, NonZeroUsize::new(1)] {
        let mut builder = builder(&notes);
        if let Some(size) = size {
            builder = builder.page_size(size);
        }
        let registry = builder.build().expect("valid resources");
        for client in [TestClient::new(registry.clone()), TestClient::new(registry.clone()).legacy()] {
            assert_eq!(uris(&client.list_resources().await), expected);
        }
        let page = TestClient::new(registry).request("resources/list", json!({})).await;
        let first = page.result()["resources"].as_array().expect("a list").len();
        assert_eq!(first, if size.is_some() { 1 } else { 6 }, "clients that ask for one page see the most");
        assert_eq!(page.result()["cacheScope"], "private");
    }
}

#[tokio::test]
async fn every_list_and_every_read_asks_the_data() {
    let notes = notes(&["a"]);
    let client = TestClient::new(builder(&notes).build().expect("valid resources"));
    assert_eq!(client.read("note://a").await.text(), "a!");
    assert_eq!(client.read("NOTE://%61").await.text(), "a!", "in the canonical form of the URI");
    assert_eq!(client.read("note://fixed").await.text(), "fixed", "the resource of the URI itself");
    let contents = client.read("note://a").await;
    assert_eq!(contents.result()["contents"][0]["mimeType"], "text/plain");
    assert_eq!(client.read("note://new").await.error().1, "Resource not found");
    notes.write().expect("no panic").insert("new".to_owned(), "new!".to_owned());
    assert_eq!(client.read("note://new").await.text(), "new!");
    assert!(uris(&client.list_resources().await).contains(&"note://new"));
}

#[tokio::test]
async fn a_cursor_that_was_not_given_out_is_refused() {
    let client = TestClient::new(builder(&notes(&["a"])).build().expect("valid resources"));
    for cursor in ["", "x", "Nzp4", "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk6eA"] {
        let reply = client.request("resources/list", json!({"cursor": cursor})).await;
        assert_eq!(reply.error().0, ErrorCode::INVALID_PARAMS, "{cursor}");
    }
}

#[tokio::test]
async fn a_list_that_fails_is_logged_and_masked_like_a_call() {
    for (message, shown) in
        [(Err::<&str, &str>("secret"), "Internal error (reference "), (Ok("not now"), "not now")]
    {
        let failing = move || async move {
            Err::<Vec<ResourceLink>, _>(message.map_or_else(ToolError::from, ToolError::new))
        };
        let collection = ResourceCollection::new("note://", failing, async || "");
        let registry = ResourceRegistry::builder().register_collection(collection).build();
        let client = TestClient::new(registry.expect("valid resources"));
        let log = Log::default();
        let logging = log.keep();
        let reply = client.request("resources/list", json!({})).await;
        drop(logging);
        assert!(reply.error().1.starts_with(shown), "{reply:?}");
        let log = log.text();
        assert!(log.contains("kind=resource list") && log.contains("name=\"note://\""), "{log}");
    }
    let panics =
        ResourceCollection::new("note://", async || -> ResourceList { panic!("secret") }, async || "");
    let registry = ResourceRegistry::builder().register_collection(panics).build();
    let reply =
        TestClient::new(registry.expect("valid resources")).request("resources/list", json!({})).await;
    assert_eq!(reply.error().0, ErrorCode::INTERNAL_ERROR);
}

#[tokio::test]
async fn handlers_that_list_take_parts_of_the_request() {
    let of_user = async |Extension(User(name)): Extension<User>| {
        vec![ResourceLink::new(format!("home://{name}"), name)]
    };
    let homes =
        ResourceCollection::new("home://", of_user, async |Extension(User(name)): Extension<User>| name);
    let registry = ResourceRegistry::builder().register_collection(homes).build().expect("valid resources");
    for name in ["ada", "bob"] {
        let client = TestClient::new(registry.clone()).extension(User(name));
        assert_eq!(uris(&client.list_resources().await), [format!("home://{name}")]);
    }
}

#[tokio::test]
async fn rights_govern_what_comes_from_data() {
    let is_ada = |head: &Parts| head.extensions.get().is_some_and(|User(name)| *name == "ada");
    let issues = issues().visible_to(is_ada);
    let collection = ResourceCollection::new("note://", list, read).tag("private");
    let registry = ResourceRegistry::builder()
        .with_state(notes(&["a", "b", "c"]))
        .register_template(issues)
        .register_collection(collection)
        .visible_by_tags(move |tags: &Tags, head: &Parts| !tags.has("private") || is_ada(head))
        .changes(Changes::in_process())
        .build()
        .expect("valid resources");
    let ada = TestClient::new(registry.clone()).extension(User("ada"));
    let bob = TestClient::new(registry).extension(User("bob"));
    assert_eq!(ada.list_resources().await.len(), 5);
    assert!(bob.list_resources().await.is_empty() && bob.list_resource_templates().await.is_empty());
    let first = ada.request("resources/list", json!({})).await;
    let cursor = first.result()["nextCursor"].clone();
    let stolen = bob.request("resources/list", json!({"cursor": cursor})).await;
    assert_eq!(stolen.error().0, ErrorCode::INVALID_PARAMS);
    for uri in ["note://a", "issue://1"] {
        assert!(ada.read(uri).await.message.get("result").is_some());
        assert_eq!(bob.read(uri).await.error().1, "Resource not found");
        let wanted = json!({"resourceSubscriptions": [uri]});
        assert_eq!(ada.listen(wanted.clone()).await.acknowledged(), &wanted);
        assert_eq!(bob.listen(wanted).await.acknowledged(), &json!({}));
    }
}

#[tokio::test]
async fn clients_hear_of_changes_while_they_may() {
    use std::sync::atomic::{AtomicBool, Ordering};

    let may_see = Arc::new(AtomicBool::new(true));
    let right = Arc::clone(&may_see);
    let secret =
        Resource::new("a:secret", "secret", async || "").visible_to(move |_| right.load(Ordering::Relaxed));
    let changes = Changes::in_process();
    let registry = builder(&notes(&["a"])).register(secret.with_state(())).changes(changes.clone()).build();
    let client = TestClient::new(registry.expect("valid resources"));
    let wanted = json!({"resourcesListChanged": true, "resourceSubscriptions": ["a:secret", "note://a"]});
    let mut listener = client.listen(wanted.clone()).await;
    assert_eq!(listener.acknowledged(), &wanted);
    changes.publish(Change::Resources);
    let heard = listener.next().await.expect("a change");
    assert_eq!(heard["method"], "notifications/resources/list_changed");
    for (sees, expected) in [(true, "a:secret"), (false, "note://a")] {
        may_see.store(sees, Ordering::Relaxed);
        changes.publish(Change::Resource("a:secret"));
        if !sees {
            changes.publish(Change::Resource("note://a"));
        }
        assert_eq!(listener.next().await.expect("a change")["params"]["uri"], expected);
    }
}

#[tokio::test]
async fn a_catalog_lists_and_reads_what_comes_from_data() {
    let tools = ToolRegistry::builder().tool("t", "", async || "").build().expect("valid tools");
    let other = ResourceRegistry::builder().resource("b:1", "1", async || "1").build();
    let catalog = Catalog::builder()
        .add(tools)
        .add(builder(&notes(&["a", "b", "c"])).build().expect("valid resources"))
        .add(other.expect("valid resources"));
    let client = TestClient::new(catalog.build().expect("no collisions"));
    let listed = client.list_resources().await;
    assert_eq!(listed.len(), 8, "{listed:?}");
    assert!(uris(&listed).contains(&"note://c") && uris(&listed).contains(&"b:1"));
    assert_eq!(client.read("note://c").await.text(), "c!");
    assert_eq!(client.read("issue://7").await.text(), "issue 7");
}
