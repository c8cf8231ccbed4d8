//! Registries that are joined, filtered, or replaced while they serve.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_stateless::call::{Call, CallFuture, NoArguments};
use mcp_stateless::changes::Changes;
use mcp_stateless::completion::Completing;
use mcp_stateless::prompt::PromptArgument;
use mcp_stateless::protocol::{CacheHint, RpcError, ServerCapabilities};
use mcp_stateless::registry::{Answer, Filtered, Has, Item, ListRequest, Live, Page};
use mcp_stateless::resource::{ResourceOutput, ResourceTemplate};
use mcp_stateless::{Catalog, Prompt, PromptRegistry, Registry, ResourceRegistry, ToolRegistry};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::site::Site;
use crate::support::{Era, Post};

/// Tools that answer with the name of their registry and their own name.
fn tools(registry: &'static str, names: &'static [&'static str]) -> ToolRegistry {
    build_tools(registry, names, usize::MAX)
}

fn build_tools(registry: &'static str, names: &'static [&'static str], page: usize) -> ToolRegistry {
    let builder = names.iter().fold(ToolRegistry::builder(), |builder, name| {
        builder.tool(*name, registry, move || std::future::ready(format!("{registry}: {name}")))
    });
    let builder = builder.cache_hint(CacheHint::public(Duration::from_secs(60)));
    builder.page_size(NonZeroUsize::new(page).expect("a size")).build().expect("valid tools")
}

fn prompts(names: &'static [&'static str]) -> PromptRegistry {
    let builder = names.iter().fold(PromptRegistry::builder(), |builder, name| {
        let prompt =
            Prompt::with_arguments(*name, "", [PromptArgument::optional("a")], async |_: Value| "said");
        builder.register(prompt.complete("a", move |_: Completing| std::future::ready(vec![*name])))
    });
    builder.build().expect("valid prompts")
}

fn resources(scheme: &'static str) -> ResourceRegistry {
    ResourceRegistry::builder()
        .resource(format!("{scheme}:fixed"), "fixed", async || "fixed")
        .register_template(
            ResourceTemplate::new(format!("{scheme}:t/{{a}}"), "template", async |_: Value| "templated")
                .complete("a", move |_: Completing| std::future::ready(vec![scheme])),
        )
        .build()
        .expect("valid resources")
}

fn complete(era: Era, reference: &Value) -> Post {
    let argument = json!({"name": "a", "value": ""});
    era.post("completion/complete", json!({"ref": reference, "argument": argument}))
}

#[tokio::test]
async fn a_catalog_serves_tools_prompts_and_resources_together() {
    let catalog = Catalog::builder().add(tools("one", &["x"])).add(prompts(&["x"])).add(resources("r"));
    let site = Site::new(catalog.build().expect("no collisions"));
    let result = site.result(Post::modern("server/discover", json!({}))).await;
    let expected = json!({"tools": {}, "prompts": {}, "resources": {}, "completions": {}, "logging": {}});
    assert_eq!(result["capabilities"], expected);
    for era in Era::BOTH {
        assert_eq!(site.send(Post::call(era, "x", json!({}))).await.tool_text(), "one: x");
        let result = site.result(era.post("prompts/get", json!({"name": "x"}))).await;
        assert_eq!(result["messages"][0]["content"]["text"], "said");
        for (uri, text) in [("r:fixed", "fixed"), ("r:t/1", "templated")] {
            let result = site.result(era.post("resources/read", json!({"uri": uri}))).await;
            assert_eq!(result["contents"][0]["text"], text);
        }
        for reference in
            [json!({"type": "ref/prompt", "name": "x"}), json!({"type": "ref/resource", "uri": "r:t/{a}"})]
        {
            site.result(complete(era, &reference)).await;
        }
        for (post, code) in [
            (Post::call(era, "y", json!({})), -32602),
            (era.post("prompts/get", json!({"name": "y"})), -32602),
            (complete(era, &json!({"type": "ref/prompt", "name": "y"})), -32602),
        ] {
            assert_eq!(site.send(post).await.error(), (200, code));
        }
    }
}

#[tokio::test]
async fn a_call_goes_to_the_registry_that_has_its_name() {
    let catalog = Catalog::builder().add(tools("one", &["b", "a"])).add(tools("two", &["c"]));
    let site = Site::new(catalog.build().expect("no collisions"));
    for era in Era::BOTH {
        assert_eq!(site.names(era, "tools/list", |post| post).await, ["b", "a", "c"]);
        assert_eq!(site.send(Post::call(era, "a", json!({}))).await.tool_text(), "one: a");
        assert_eq!(site.send(Post::call(era, "c", json!({}))).await.tool_text(), "two: c");
    }
}

#[tokio::test]
async fn a_prefix_goes_before_names_and_nothing_else() {
    let part = || {
        let parts = Catalog::builder().add(tools("t", &["x"])).add(prompts(&["x"])).add(resources("r"));
        parts.build().expect("no collisions")
    };
    let plain = Site::new(part());
    let catalog = Catalog::builder().add_prefixed("p", part()).add_prefixed("q", tools("q", &["x", "p-x"]));
    let site = Site::new(catalog.build().expect("no collisions"));
    for era in Era::BOTH {
        assert_eq!(site.names(era, "tools/list", |post| post).await, ["p-x", "q-x", "q-p-x"]);
        assert_eq!(site.names(era, "prompts/list", |post| post).await, ["p-x"]);
        assert_eq!(site.names(era, "resources/list", |post| post).await, ["r:fixed"]);
        assert_eq!(site.names(era, "resources/templates/list", |post| post).await, ["r:t/{a}"]);
        // The rest of a definition is unchanged.
        let (before, after) = (
            plain.send(era.post("tools/list", json!({}))).await,
            site.send(era.post("tools/list", json!({}))).await,
        );
        let definition = before.text().split_once(r#"[{"name":"x","#).expect("a tool").1;
        let definition = definition.split_once("}]").expect("one tool").0;
        assert!(after.text().contains(&format!(r#"{{"name":"p-x",{definition}}},"#)), "{after:?}");

        assert_eq!(site.send(Post::call(era, "p-x", json!({}))).await.tool_text(), "t: x");
        assert_eq!(site.send(Post::call(era, "q-p-x", json!({}))).await.tool_text(), "q: p-x");
        site.result(era.post("prompts/get", json!({"name": "p-x"}))).await;
        let result = site.result(complete(era, &json!({"type": "ref/prompt", "name": "p-x"}))).await;
        assert_eq!(result["completion"]["values"], json!(["x"]));
        for stranger in ["x", "p-", "-x", "px", "q-p-p-x"] {
            let answer = site.send(Post::call(era, stranger, json!({}))).await;
            assert_eq!(answer.error(), (200, -32602));
            assert!(answer.error_message().contains(stranger));
        }
    }
}

#[test]
fn equal_names_in_two_registries_are_an_error_when_the_catalog_is_built() {
    for (builder, words) in [
        (Catalog::builder().add(tools("1", &["x", "y"])).add(tools("2", &["z", "y"])), ["tool", "y"]),
        (Catalog::builder().add(build_tools("1", &["x", "y"], 1)).add(tools("2", &["y"])), ["tool", "y"]),
        (Catalog::builder().add(prompts(&["x"])).add(prompts(&["x"])), ["prompt", "x"]),
        (Catalog::builder().add(resources("r")).add_prefixed("p", resources("r")), ["resource", "r:fixed"]),
        (Catalog::builder().add(tools("1", &["p-x"])).add_prefixed("p", tools("2", &["x"])), ["tool", "p-x"]),
        (
            Catalog::builder().add_prefixed("p", tools("1", &["x"])).add_prefixed("p", tools("2", &["x"])),
            ["tool", "p-x"],
        ),
    ] {
        let error = builder.build().expect_err("a collision").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
    let builder = Catalog::builder().add(tools("1", &["x"])).add_prefixed("p", tools("2", &["x"]));
    assert!(builder.build().is_ok());
}

#[tokio::test]
async fn a_cursor_leads_through_the_pages_of_every_part() {
    let catalog = Catalog::builder()
        .add(build_tools("1", &["a", "b", "c"], 2))
        .add(prompts(&["never"]))
        .add_prefixed("p", build_tools("2", &["d", "e", "f", "g"], 3))
        .add(tools("3", &["h"]));
    let site = Site::new(catalog.build().expect("no collisions"));
    let expected = ["a", "b", "c", "p-d", "p-e", "p-f", "p-g", "h"];
    for era in Era::BOTH {
        assert_eq!(site.names(era, "tools/list", |post| post).await, expected);
    }
    // It is not known which page is the last, so all have the scope that is valid for all.
    let first = site.result(Post::modern("tools/list", json!({}))).await;
    assert_eq!(first["cacheScope"], "private");
}

#[tokio::test]
async fn a_cursor_that_was_never_given_out_is_refused() {
    let parts = Catalog::builder()
        .add(build_tools("1", &["a", "b"], 1))
        .add(prompts(&["never"]))
        .add(build_tools("2", &["c", "d"], 1));
    let site = Site::new(parts.build().expect("no collisions"));
    let first = site.result(Post::modern("tools/list", json!({}))).await;
    let given = first["nextCursor"].as_str().expect("a cursor");
    let given = String::from_utf8(URL_SAFE_NO_PAD.decode(given).expect("base64")).expect("UTF-8");
    let inner = given.strip_prefix("0:").expect("the first part");
    for stranger in [
        "",
        "0",
        "0:nonsense",
        "-1:x",
        &format!("1:{inner}"),
        &format!("2:{inner}"),
        &format!("3:{inner}"),
        "99:x",
    ] {
        for cursor in [stranger.to_owned(), URL_SAFE_NO_PAD.encode(stranger)] {
            let answer = site.send(Post::modern("tools/list", json!({"cursor": cursor}))).await;
            assert_eq!(answer.status, 200);
            assert_eq!(answer.json()["error"]["code"], -32602, "{stranger}: {answer:?}");
        }
    }
}

/// A registry whose lists fail in different ways.
#[derive(Clone, Copy)]
enum Down {
    AtOnce,
    Later,
    PanicAtOnce,
    PanicLater,
    /// It never answers.
    Silent,
}

impl Registry for Down {
    fn capabilities(&self) -> ServerCapabilities {
        ServerCapabilities::TOOLS
    }

    fn has(&self, item: Item<'_>) -> Has {
        Has::from(item == Item::Tool("down"))
    }

    fn list_tools(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        assert!(!matches!(self, Self::PanicAtOnce) || !request.head.headers.contains_key("host"), "a secret");
        match self {
            Self::AtOnce => Answer::ready(Err(RpcError::internal())),
            Self::Later => Answer::later(async { Err(RpcError::invalid_params("upside down")) }),
            Self::Silent => Answer::later(std::future::pending()),
            Self::PanicLater | Self::PanicAtOnce => Answer::later(async { panic!("a secret") }),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_part_that_is_down_does_not_take_the_list_of_the_others_with_it() {
    for down in [Down::AtOnce, Down::Later, Down::PanicAtOnce, Down::PanicLater, Down::Silent] {
        let catalog =
            Catalog::builder().add(build_tools("1", &["a", "b"], 1)).add(down).add(tools("2", &["c"]));
        let site = Site::new(catalog.build().expect("no collisions"));
        for era in Era::BOTH {
            assert_eq!(site.names(era, "tools/list", |post| post).await, ["a", "b", "c"]);
            assert_eq!(site.send(Post::call(era, "c", json!({}))).await.tool_text(), "2: c");
            assert_eq!(site.send(Post::call(era, "down", json!({}))).await.error(), (200, -32602));
        }
        // An incomplete list must not be cached.
        let catalog = Catalog::builder().add(down).add(tools("2", &["c"])).build().expect("no collisions");
        let result = Site::new(catalog).result(Post::modern("tools/list", json!({}))).await;
        assert_eq!((&result["ttlMs"], &result["tools"][0]["name"]), (&json!(0), &json!("c")));
    }
}

#[tokio::test]
async fn a_list_of_which_nothing_is_there_is_an_error() {
    let catalog = Catalog::builder().add(Down::AtOnce).add(Down::Later).build().expect("no collisions");
    let answer = Site::new(catalog).send(Post::modern("tools/list", json!({}))).await;
    assert_eq!(answer.error(), (200, -32603));
}

#[tokio::test]
async fn a_registry_that_panics_answers_this_request_with_an_error() {
    for down in [Down::PanicAtOnce, Down::PanicLater] {
        let answer = Site::new(down).send(Post::modern("tools/list", json!({}))).await;
        assert_eq!(answer.error(), (200, -32603));
        assert!(!answer.text().contains("secret"));
    }
}

/// A filter: items with an `x` in their names are visible only to callers with the header.
fn sees(item: Item<'_>, head: &http::request::Parts) -> bool {
    let (Item::Tool(name) | Item::Prompt(name) | Item::Resource(name) | Item::ResourceTemplate(name)) = item
    else {
        return false;
    };
    !name.starts_with('x') || head.headers.contains_key("x-admin")
}

#[tokio::test]
async fn one_filter_governs_lists_and_calls_alike() {
    let parts = Catalog::builder()
        .add(tools("t", &["a", "x"]))
        .add(prompts(&["a", "x"]))
        .add(resources("a"))
        .add(resources("x"));
    let site = Site::new(Filtered::new(parts.build().expect("no collisions"), sees));
    let admin = |post: Post| post.header("x-admin", "yes");
    for era in Era::BOTH {
        for (list, all) in [
            ("tools/list", ["a", "x"]),
            ("prompts/list", ["a", "x"]),
            ("resources/list", ["a:fixed", "x:fixed"]),
            ("resources/templates/list", ["a:t/{a}", "x:t/{a}"]),
        ] {
            assert_eq!(site.names(era, list, |post| post).await, all[..1], "{list}");
            assert_eq!(site.names(era, list, admin).await, all, "{list}");
        }
        let resource = if era == Era::Modern { -32602 } else { -32002 };
        for (post, code) in [
            (Post::call(era, "x", json!({})), -32602),
            (era.post("prompts/get", json!({"name": "x"})), -32602),
            (era.post("resources/read", json!({"uri": "x:fixed"})), resource),
            (era.post("resources/read", json!({"uri": "x:t/1"})), resource),
            (complete(era, &json!({"type": "ref/prompt", "name": "x"})), -32602),
            (complete(era, &json!({"type": "ref/resource", "uri": "x:t/{a}"})), -32602),
        ] {
            // The error is that of an item that does not exist.
            assert_eq!(site.send(post.clone()).await.error(), (200, code));
            site.result(admin(post)).await;
        }
    }
}

/// Resources that return the variables of their URIs: texts of notes, and paths of files.
fn notes() -> ResourceRegistry {
    ResourceRegistry::builder()
        .resource("note://private/fixed", "fixed", async || "private")
        .register_template(ResourceTemplate::new(
            "note://{folder}/{id}",
            "note",
            async |of: BTreeMap<String, String>| format!("note://{}/{}", of["folder"], of["id"]),
        ))
        .register_template(ResourceTemplate::new(
            "file:///{+path}",
            "file",
            async |of: BTreeMap<String, String>| format!("file:///{}", of["path"]),
        ))
        .build()
        .expect("valid resources")
}

/// A filter of private URIs, written by a host that does not think of encoded URIs.
fn is_public(uri: &str) -> bool {
    !uri.starts_with("note://private/") && !uri.starts_with("file:///private/")
}

fn only_public(item: Item<'_>, _: &http::request::Parts) -> bool {
    !matches!(item, Item::Resource(uri) if !is_public(uri))
}

#[tokio::test]
async fn a_filter_judges_a_uri_however_it_is_spelt() {
    let live = Live::new(notes(), Changes::in_process());
    let site = Site::new(Filtered::new(live, only_public));
    for (era, code) in [(Era::Modern, -32602), (Era::Legacy, -32002)] {
        for uri in [
            "note://private/1",
            "note://%70rivate/1",
            "NOTE://private/1",
            "note://private%2F/1",
            "note://private%2f1/1",
            "note://private/%2e/1",
            "note://private/fixed",
            "note://priv%61te/fixed",
            "note://%2570rivate/1",
            "note://%%370rivate/1",
            "file:///a/../private/x",
            "file:///a/%2e%2e/private/x",
            "file:///a/..%2Fprivate/x",
            "file:///a/..%5Cprivate%5cx",
            "file:///./private/x",
            "FILE:///%50/../private/x",
            "file:///a/..%252Fprivate/x",
        ] {
            let answer = site.send(era.post("resources/read", json!({"uri": uri}))).await;
            assert_eq!(answer.error(), (200, code), "{uri}");
            assert_eq!(answer.json()["error"]["data"], json!({"uri": uri}));
            if era == Era::Modern {
                let post = crate::listening::listen(&json!({"resourceSubscriptions": [uri]}));
                let honoured = site.open(post).await.message().await["params"]["notifications"].clone();
                assert_eq!(honoured, json!({}), "{uri}");
            }
        }
        // A URI with a refused spelling is refused, even if another spelling is harmless.
        let answer = site.send(era.post("resources/read", json!({"uri": "file:///private/../a"}))).await;
        assert_eq!(answer.error(), (200, code));
        for uri in ["note://public/1", "note://%70ublic/1", "file:///b/../a", "note://a/private"] {
            site.result(era.post("resources/read", json!({"uri": uri}))).await;
        }
    }
}

/// A registry that serves the resources of another one under different URIs.
struct Renamed<R>(R);

impl<R: Registry> Registry for Renamed<R> {
    fn capabilities(&self) -> ServerCapabilities {
        self.0.capabilities()
    }

    fn read_resource(&self, call: Call<'_>) -> CallFuture<ResourceOutput> {
        let renamed = call.target().replacen("public", "private", 1);
        self.0.read_resource(call.with_target(&renamed))
    }
}

#[tokio::test]
async fn a_filter_judges_what_a_registry_around_it_reads() {
    let site = Site::new(Renamed(Filtered::new(notes(), only_public)));
    for uri in ["note://public/1", "note://%70ublic/1"] {
        let answer = site.send(Post::modern("resources/read", json!({"uri": uri}))).await;
        assert_eq!(answer.error(), (200, -32602), "{uri}");
    }
}

/// Generates private URIs, with each character encoded in one of many ways.
fn disguised() -> impl Strategy<Value = String> {
    let plain = prop::sample::select(vec![
        "note://private/1",
        "note://private//1",
        "file:///private/x",
        "file:///a/../private/x",
        "file:///./private/./x",
        "file:///private\\x",
    ]);
    let ways = prop::collection::vec(0..8_u8, 32);
    (plain, ways).prop_map(|(plain, ways)| {
        let disguise = |(letter, way): (char, &u8)| match way {
            0 => format!("%{:02x}", u32::from(letter)),
            1 => format!("%{:02X}", u32::from(letter)),
            2 => format!("%25{:02x}", u32::from(letter)),
            3 => format!("%%3{:x}{:x}", u32::from(letter) >> 4, u32::from(letter) & 15),
            4 if letter == '/' => "/./".to_owned(),
            5 if letter == '/' => "/x/../".to_owned(),
            6 if letter == '/' => "/x/%2e%2E/".to_owned(),
            _ => letter.to_string(),
        };
        // The scheme is not encoded, because the result would not be a URI.
        let (scheme, rest) = plain.split_at(5);
        format!("{scheme}{}", rest.chars().zip(&ways).map(disguise).collect::<String>())
    })
}

proptest! {
    #[test]
    fn no_handler_sees_what_the_filter_would_refuse_in_plain_form(uri in disguised()) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let site = Site::new(Filtered::new(notes(), only_public));
        let answer = runtime.block_on(site.send(Post::legacy("resources/read", &json!({"uri": uri}))));
        if let Some(seen) = answer.json()["result"]["contents"][0]["text"].as_str() {
            prop_assert!(is_public(seen) && seen != "private", "{} is {}", uri, seen);
        }
    }
}

#[tokio::test]
async fn what_is_filtered_is_for_its_caller_alone() {
    let hint = CacheHint::public(Duration::from_secs(60));
    let fixed = mcp_stateless::Resource::new("a:1", "", async || "").cache_hint(hint);
    let parts = Catalog::builder()
        .add(tools("t", &["a", "x"]))
        .add(ResourceRegistry::builder().register(fixed).cache_hint(hint).build().expect("valid resources"));
    let site = Site::new(Filtered::new(parts.build().expect("no collisions"), sees));
    for post in [
        Post::modern("tools/list", json!({})),
        Post::modern("resources/list", json!({})),
        Post::modern("resources/templates/list", json!({})),
        // A cache might serve it to a caller that may not see it.
        Post::modern("resources/read", json!({"uri": "a:1"})),
    ] {
        assert_eq!(site.result(post).await["cacheScope"], "private");
    }
}

#[tokio::test]
async fn the_cursors_of_a_filtered_list_do_not_name_what_is_hidden() {
    let tools = build_tools("t", &["a", "x_secret", "b"], 2);
    let site = Site::new(Filtered::new(tools, sees));
    let result = site.result(Post::modern("tools/list", json!({}))).await;
    let cursor = URL_SAFE_NO_PAD.decode(result["nextCursor"].as_str().expect("a cursor")).expect("base64");
    assert!(!String::from_utf8_lossy(&cursor).contains("secret"), "{cursor:?}");
    assert_eq!(site.names(Era::Modern, "tools/list", |post| post).await, ["a", "b"]);
    // A replica with the same list continues from there.
    let other = Site::new(build_tools("t", &["a", "x_secret", "b"], 2));
    let next = other.result(Post::modern("tools/list", json!({"cursor": result["nextCursor"]}))).await;
    assert_eq!(next["tools"][0]["name"], "b");
}

#[tokio::test]
async fn a_registry_is_replaced_while_it_serves() {
    let (proceed, wait) = tokio::sync::oneshot::channel::<()>();
    let wait = std::sync::Arc::new(tokio::sync::Mutex::new(Some(wait)));
    let slow = ToolRegistry::builder().tool("slow", "", move |_: NoArguments| {
        let wait = std::sync::Arc::clone(&wait);
        async move {
            let wait = wait.lock().await.take().expect("called once");
            wait.await.expect("told to go on");
            "the old one"
        }
    });
    let live = Live::new(slow.build().expect("valid tools"), Changes::in_process());
    let site = std::sync::Arc::new(Site::new(live.clone()));
    let call = tokio::spawn({
        let site = std::sync::Arc::clone(&site);
        async move { site.send(Post::call(Era::Modern, "slow", json!({}))).await.tool_text() }
    });
    tokio::task::yield_now().await;
    live.replace(tools("new", &["a"]));
    for era in Era::BOTH {
        assert_eq!(site.names(era, "tools/list", |post| post).await, ["a"]);
        assert_eq!(site.send(Post::call(era, "slow", json!({}))).await.error(), (200, -32602));
        assert_eq!(site.send(Post::call(era, "a", json!({}))).await.tool_text(), "new: a");
    }
    proceed.send(()).expect("a call under way");
    assert_eq!(call.await.expect("no panic"), "the old one");
}
