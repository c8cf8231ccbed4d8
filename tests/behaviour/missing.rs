//! Lists with a part that is late or down.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use mcp_stateless::protocol::{CacheHint, RpcError, ServerCapabilities};
use mcp_stateless::registry::{Answer, Filtered, Has, Item, ListRequest, Page};
use mcp_stateless::{Catalog, Registry, ResourceRegistry, ToolRegistry};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::listening::listen;
use crate::site::Site;
use crate::support::{Era, Post};

const MISSING: &str = "mcp-stateless/missing";
const HIDDEN: &str = "mcp-stateless/hidden";

/// How a remote list is answered.
#[derive(Clone, Debug)]
enum Mood {
    /// With this list, when the task is polled again.
    Lists(Vec<&'static str>),
    /// Not until the mood changes.
    Hangs,
    Fails,
}

/// A remote registry: its list is never ready at once.
#[derive(Clone)]
struct Remote {
    mood: watch::Sender<Mood>,
    cache: CacheHint,
    /// The callers that asked for the list.
    asked: Arc<Mutex<Vec<String>>>,
}

impl Remote {
    fn new(mood: Mood) -> Self {
        Self { mood: watch::Sender::new(mood), cache: CacheHint::default(), asked: Arc::default() }
    }

    fn lists(names: &[&'static str]) -> Self {
        Self::new(Mood::Lists(names.to_vec()))
    }

    fn set(&self, mood: Mood) {
        self.mood.send_replace(mood);
    }
}

impl Registry for Remote {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        let caller = request.head.headers.get("authorization");
        let caller = caller.map_or("", |caller| caller.to_str().expect("ASCII")).to_owned();
        Answer::later(async move {
            self.asked.lock().expect("not poisoned").push(caller.clone());
            let mut mood = self.mood.subscribe();
            tokio::task::yield_now().await;
            let mood = mood.wait_for(|mood| !matches!(mood, Mood::Hangs)).await.expect("a sender").clone();
            match mood {
                Mood::Lists(names) => {
                    let tools = names.iter().map(|name| json!({"name": format!("{name}{caller}")}));
                    Ok(Page::new(tools).expect("JSON").cache_hint(self.cache))
                }
                _ => {
                    Err(RpcError::new(mcp_stateless::protocol::ErrorCode::INTERNAL_ERROR, "the wire is cut"))
                }
            }
        })
    }
}

fn local() -> ToolRegistry {
    ToolRegistry::builder().tool("here", "", async || "").build().expect("valid tools")
}

/// A site with a local registry and a remote one.
fn site(remote: &Remote) -> Site<Catalog> {
    let catalog = Catalog::builder().add_prefixed("l", local()).add_prefixed("r", remote.clone());
    Site::new(catalog.build().expect("no collisions"))
}

fn names(result: &Value) -> Vec<&str> {
    result["tools"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| it["name"].as_str().expect("a name"))
        .collect()
}

fn list() -> Post {
    Post::modern("tools/list", json!({}))
}

fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test(start_paused = true)]
async fn a_part_that_hangs_is_left_out_after_a_second_and_named() {
    let site = site(&Remote::new(Mood::Hangs));
    for era in Era::BOTH {
        let start = Instant::now();
        let result = site.result(era.post("tools/list", json!({}))).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
        assert_eq!(names(&result), ["l-here"]);
        assert_eq!(result["_meta"][MISSING], json!([{"name": "r", "reason": "no answer within 1s"}]));
    }
    let result = site.result(list()).await;
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("private")));
    assert!(result["_meta"]["io.modelcontextprotocol/serverInfo"].is_object());
}

#[tokio::test(start_paused = true)]
async fn a_part_that_fails_is_named_with_its_reason() {
    let result = site(&Remote::new(Mood::Fails)).result(list()).await;
    assert_eq!(names(&result), ["l-here"]);
    assert_eq!(result["_meta"][MISSING], json!([{"name": "r", "reason": "the wire is cut"}]));
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_whole_says_nothing_of_missing_parts() {
    let result = site(&Remote::lists(&["x"])).result(list()).await;
    assert_eq!(names(&result), ["l-here", "r-x"]);
    assert!(result["_meta"].get(MISSING).is_none(), "{result}");
    let legacy = site(&Remote::lists(&["x"])).result(Era::Legacy.post("tools/list", json!({}))).await;
    assert!(legacy.get("_meta").is_none(), "{legacy}");
}

#[tokio::test(start_paused = true)]
async fn what_was_known_of_a_part_stands_in_for_it() {
    let remote = Remote::lists(&["x"]);
    let site = site(&remote);
    site.result(list()).await;
    for mood in [Mood::Hangs, Mood::Fails] {
        remote.set(mood);
        let result = site.result(list()).await;
        assert_eq!(names(&result), ["l-here", "r-x"]);
        assert_eq!(result["_meta"][MISSING][0]["name"], "r");
    }
}

#[tokio::test(start_paused = true)]
async fn what_one_caller_was_listed_is_never_shown_to_another() {
    let remote = Remote::lists(&["x-of-"]);
    let site = site(&remote);
    let of = |caller: &str| list().header("authorization", caller);
    assert_eq!(names(&site.result(of("ada")).await), ["l-here", "r-x-of-ada"]);
    remote.set(Mood::Hangs);
    for stranger in [of("bob"), list(), of("ada").header("x-tenant", "2"), of("ada").header("cookie", "a=b")]
    {
        assert_eq!(names(&site.result(stranger).await), ["l-here"]);
    }
    // Headers of the message do not identify a caller.
    let again = of("ada").header("traceparent", "00-1-2-03").header("x-request-id", "7");
    assert_eq!(names(&site.result(again).await), ["l-here", "r-x-of-ada"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_is_public_stands_in_for_every_caller() {
    let mut remote = Remote::lists(&["x"]);
    remote.cache = CacheHint::public(Duration::from_secs(60));
    let site = site(&remote);
    site.result(list()).await;
    remote.set(Mood::Hangs);
    let result = site.result(list().header("authorization", "bob")).await;
    assert_eq!(names(&result), ["l-here", "r-x"]);
    // It may be out of date.
    assert_eq!((&result["ttlMs"], &result["cacheScope"]), (&json!(0), &json!("private")));
}

#[tokio::test(start_paused = true)]
async fn a_list_of_one_caller_stands_in_for_that_of_another_where_they_share_lists() {
    let remote = Remote::lists(&["x"]);
    let catalog = Catalog::builder().share_lists().add_prefixed("r", remote.clone()).add(local());
    let site = Site::new(catalog.build().expect("no collisions"));
    site.result(list()).await;
    remote.set(Mood::Hangs);
    for era in Era::BOTH {
        let other = era.post("tools/list", json!({})).header("authorization", "bob");
        assert_eq!(names(&site.result(other).await), ["r-x", "here"]);
    }
    assert_eq!(tasks(), 1);
}

#[tokio::test(start_paused = true)]
async fn listeners_hear_when_a_part_that_was_missing_is_back() {
    for before in [Mood::Hangs, Mood::Fails] {
        let remote = Remote::new(before);
        let site = site(&remote);
        let mut wire = site.open(listen(&json!({"toolsListChanged": true}))).await;
        let acknowledged = wire.message().await;
        assert_eq!(acknowledged["params"]["notifications"]["toolsListChanged"], true);
        site.result(list()).await;
        // It stays silent for longer than any attempt lasts.
        tokio::time::sleep(Duration::from_secs(600)).await;
        remote.set(Mood::Lists(vec!["x"]));
        assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
        assert_eq!(names(&site.result(list()).await), ["l-here", "r-x"]);
        assert_eq!(tasks(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_was_slow_is_not_made_anew() {
    let remote = Remote::new(Mood::Hangs);
    let site = site(&remote);
    for _ in 0..3 {
        site.result(list()).await;
    }
    assert_eq!(remote.asked.lock().expect("not poisoned").len(), 1);
    remote.set(Mood::Lists(vec!["x"]));
    assert_eq!(names(&site.result(list()).await), ["l-here", "r-x"]);
}

#[tokio::test(start_paused = true)]
async fn refreshes_are_bounded_and_end_with_their_catalog() {
    let remote = Remote::new(Mood::Hangs);
    let site = site(&remote);
    for caller in 0..20 {
        site.result(list().header("authorization", &caller.to_string())).await;
    }
    assert_eq!(tasks(), 4);
    drop(site);
    tokio::task::yield_now().await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn callers_who_are_refused_keep_out_no_others() {
    let remote = Remote::new(Mood::Fails);
    let site = site(&remote);
    let _wire = site.open(listen(&json!({"toolsListChanged": true}))).await;
    for caller in 0..4 {
        site.result(list().header("authorization", &format!("revoked-{caller}"))).await;
    }
    assert_eq!(tasks(), 4);
    let asked_by = |caller: &str| {
        let asked = remote.asked.lock().expect("not poisoned");
        asked.iter().filter(|other| *other == caller).count()
    };
    // None of them has failed again yet.
    site.result(list().header("authorization", "early")).await;
    tokio::time::sleep(Duration::from_secs(100)).await;
    assert_eq!((asked_by("early"), tasks()), (1, 4));
    assert!(asked_by("revoked-0") > 2);
    site.result(list().header("authorization", "good")).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!((asked_by("good"), tasks()), (2, 4), "by its request, and by a refresh");
}

#[tokio::test(start_paused = true)]
async fn a_refresh_ends_when_nobody_listens_and_nothing_comes() {
    let site = site(&Remote::new(Mood::Fails));
    site.result(list()).await;
    assert_eq!(tasks(), 1);
    tokio::time::sleep(Duration::from_secs(150)).await;
    assert_eq!(tasks(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_which_nothing_is_there_yet_waits_for_the_first() {
    let remote = Remote::new(Mood::Hangs);
    let catalog = Catalog::builder().add_prefixed("r", remote.clone()).build().expect("no collisions");
    let site = Arc::new(Site::new(catalog));
    let asking = tokio::spawn({
        let site = Arc::clone(&site);
        async move { site.result(list()).await }
    });
    tokio::time::sleep(Duration::from_secs(8)).await;
    remote.set(Mood::Lists(vec!["x"]));
    assert_eq!(names(&asking.await.expect("no panic")), ["r-x"]);
}

#[tokio::test(start_paused = true)]
async fn a_list_of_which_nothing_comes_says_why() {
    let catalog = Catalog::builder()
        .add_prefixed("r", Remote::new(Mood::Fails))
        .add_prefixed("s", Remote::new(Mood::Hangs))
        .build()
        .expect("no collisions");
    let answer = Site::new(catalog).send(list()).await;
    assert_eq!(answer.error(), (200, -32603));
    assert_eq!(answer.error_message(), "No list is available: r: the wire is cut; s: no answer within 15s");
}

#[tokio::test(start_paused = true)]
async fn what_a_catalog_within_a_catalog_lacks_is_told() {
    let inner = Catalog::builder().add_prefixed("in", Remote::new(Mood::Fails)).add(local());
    let inner = inner.build().expect("no collisions");
    let outer = Catalog::builder().add_prefixed("out", inner).add(local()).build().expect("no collisions");
    let result = Site::new(outer).result(list()).await;
    assert_eq!(result["_meta"][MISSING], json!([{"name": "in", "reason": "the wire is cut"}]));
}

/// Remote resources, some with the same URIs as those of another registry.
struct Notes(&'static str);

impl Registry for Notes {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::RESOURCES
    }

    fn has(&self, item: Item<'_>) -> Has {
        Has::from(item == Item::Resource("memo://today"))
    }

    fn list_resources(&self, _: ListRequest<'_>) -> Answer<'_, Page> {
        Answer::later(async {
            tokio::task::yield_now().await;
            let uris = ["memo://today".to_owned(), format!("memo://{}", self.0)];
            let resources = uris.iter().map(|uri| json!({"uri": uri, "name": self.0}));
            Page::new(resources).map_err(|_| RpcError::internal())
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_two_parts_have_is_told() {
    let catalog = || Catalog::builder().add_prefixed("a", Notes("a")).add_prefixed("b", Notes("b"));
    for era in Era::BOTH {
        let site = Site::new(catalog().build().expect("unknown at first"));
        let result = site.result(era.post("resources/list", json!({}))).await;
        let uris: Vec<_> =
            result["resources"].as_array().expect("a list").iter().map(|it| &it["uri"]).collect();
        assert_eq!(uris, ["memo://today", "memo://a", "memo://b"]);
        assert_eq!(result["resources"][0]["name"], "a");
        assert_eq!(result["_meta"][HIDDEN], json!([{"name": "b", "item": "memo://today", "by": "a"}]));
        // A filter that hides it also hides its name.
        let hidden = Filtered::new(site.registry, |item: Item<'_>, _: &http::request::Parts| {
            item != Item::Resource("memo://today")
        });
        let result = Site::new(hidden).result(era.post("resources/list", json!({}))).await;
        assert!(!result.to_string().contains("today"), "{result}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_part_without_such_a_list_is_not_missing() {
    struct NoTemplates;
    impl Registry for NoTemplates {
        fn capabilities(&self) -> ServerCapabilities {
            ServerCapabilities::RESOURCES
        }

        fn list_resource_templates(&self, _: ListRequest<'_>) -> Answer<'_, Page> {
            let error =
                RpcError::new(mcp_stateless::protocol::ErrorCode::METHOD_NOT_FOUND, "Method not found");
            Answer::later(async { Err(error) })
        }
    }
    let resources = ResourceRegistry::builder().build().expect("valid resources");
    let catalog = Catalog::builder().add(NoTemplates).add(resources).build().expect("no collisions");
    let result = Site::new(catalog).result(Post::modern("resources/templates/list", json!({}))).await;
    assert_eq!(result["resourceTemplates"], json!([]));
    assert!(result["_meta"].get(MISSING).is_none(), "{result}");
}
