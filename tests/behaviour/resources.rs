//! Resources and resource templates.

use std::num::NonZeroUsize;
use std::time::Duration;

use mcp_stateless::completion::Completing;
use mcp_stateless::protocol::{CacheHint, RpcError};
use mcp_stateless::resource::{ResourceContent, ResourceOutput, ResourceTemplate};
use mcp_stateless::{CallContext, Resource, ResourceRegistry, ToolError, ToolRegistry};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::askers::{Name, accept, again, request};
use crate::site::Site;
use crate::support::{Era, Post};

#[derive(Deserialize)]
struct Book {
    title: String,
    page: u32,
}

#[derive(Deserialize)]
struct Path {
    path: String,
}

fn resources() -> ResourceRegistry {
    let page = async |Book { title, page }: Book| match page {
        1..=9 => Ok(format!("{title}, page {page}")),
        _ => Err(RpcError::resource_not_found(&format!("book://{title}/{page}"))),
    };
    ResourceRegistry::builder()
        .register(
            Resource::new("memo://today", "today", async || "Buy milk.")
                .title("Today")
                .description("What to do")
                .mime_type("text/plain")
                .size(9)
                .cache_hint(CacheHint::public(Duration::from_secs(60))),
        )
        .resource("memo://picture", "picture", async || vec![1_u8, 2])
        .resource("memo://both", "both", async || {
            ResourceOutput::new([
                ResourceContent::text("a").uri("memo://a").mime_type("text/html"),
                ResourceContent::bytes(b"b"),
            ])
            .cache_hint(CacheHint::private(Duration::from_secs(1)))
        })
        .resource("memo://fail", "fail", async || -> Result<String, std::io::Error> {
            Err(std::io::Error::other("a secret"))
        })
        .resource("memo://panic", "panic", async || -> String { panic!("a secret") })
        .resource("book://exact/1", "exact", async || "the very one")
        .register_template(
            ResourceTemplate::new("book://{title}/{page}", "book", page)
                .mime_type("text/plain")
                .cache_hint(CacheHint::public(Duration::from_secs(5)))
                .complete("title", async |typed: Completing| vec![format!("{}…", typed.value)]),
        )
        .register_template(ResourceTemplate::new("file:///{+path}", "file", async |Path { path }: Path| path))
        .register_template(ResourceTemplate::new("file:///{path}", "later", async |_: Path| "never"))
        .build()
        .expect("valid resources")
}

fn read(era: Era, uri: &str) -> Post {
    era.post("resources/read", json!({"uri": uri}))
}

fn cache(result: &Value) -> (Option<u64>, Option<&str>) {
    (result["ttlMs"].as_u64(), result["cacheScope"].as_str())
}

#[tokio::test]
async fn resources_and_templates_are_listed_as_they_were_described() {
    let site = Site::new(resources());
    for era in Era::BOTH {
        let list = site.result(era.post("resources/list", json!({}))).await;
        let expected = json!({
            "uri": "memo://today", "name": "today", "title": "Today", "description": "What to do",
            "mimeType": "text/plain", "size": 9,
        });
        assert_eq!(list["resources"][0], expected);
        assert_eq!(list["resources"][1], json!({"uri": "memo://picture", "name": "picture"}));
        let templates = site.result(era.post("resources/templates/list", json!({}))).await;
        let expected =
            json!({"uriTemplate": "book://{title}/{page}", "name": "book", "mimeType": "text/plain"});
        assert_eq!(templates["resourceTemplates"][0], expected);
        for list in [list, templates] {
            let expected = if era == Era::Modern { (Some(0), Some("private")) } else { (None, None) };
            assert_eq!(cache(&list), expected);
            assert_eq!(list.get("resultType").is_some(), era == Era::Modern);
        }
    }
}

#[tokio::test]
async fn a_resource_is_read_as_texts_and_blobs_under_its_own_uri() {
    let site = Site::new(resources());
    for era in Era::BOTH {
        for (uri, contents) in [
            ("memo://today", json!([{"uri": "memo://today", "mimeType": "text/plain", "text": "Buy milk."}])),
            ("memo://picture", json!([{"uri": "memo://picture", "blob": "AQI="}])),
            (
                "memo://both",
                json!([
                    {"uri": "memo://a", "mimeType": "text/html", "text": "a"},
                    {"uri": "memo://both", "blob": "Yg=="},
                ]),
            ),
        ] {
            let result = site.result(read(era, uri)).await;
            assert_eq!(result["contents"], contents);
        }
    }
}

#[tokio::test]
async fn contents_carry_their_own_cache_hint_or_that_of_their_definition() {
    let site = Site::new(resources());
    for (uri, expected) in [
        ("memo://today", (Some(60_000), Some("public"))),
        ("memo://both", (Some(1000), Some("private"))),
        ("memo://picture", (Some(0), Some("private"))),
        ("book://b/2", (Some(5000), Some("public"))),
    ] {
        assert_eq!(cache(&site.result(read(Era::Modern, uri)).await), expected, "{uri}");
        assert_eq!(cache(&site.result(read(Era::Legacy, uri)).await), (None, None));
    }
    let list = ResourceRegistry::builder()
        .resource("a:1", "", async || "")
        .resource("a:2", "", async || "")
        .page_size(NonZeroUsize::MIN)
        .cache_hint(CacheHint::public(Duration::from_secs(7)));
    let site = Site::new(list.build().expect("valid resources"));
    let first = site.result(Post::modern("resources/list", json!({}))).await;
    let second = site.result(Post::modern("resources/list", json!({"cursor": first["nextCursor"]}))).await;
    for page in [first, second] {
        assert_eq!(cache(&page), (Some(7000), Some("public")));
    }
}

#[tokio::test]
async fn contents_that_depend_on_answers_or_rights_are_not_shared() {
    let ask = async |cx: CallContext| -> Result<String, ToolError> {
        Ok(cx.elicit::<Name>("name", "Your name?").await?.name)
    };
    let hint = CacheHint::public(Duration::from_secs(60));
    let registry = ResourceRegistry::builder()
        .register(Resource::new("memo:asks", "asks", ask).cache_hint(hint))
        .register(Resource::new("memo:own", "own", async || "own").cache_hint(hint).visible_to(|_| true));
    let site = Site::new(registry.build().expect("valid resources"));
    assert_eq!(cache(&site.result(read(Era::Modern, "memo:own")).await), (Some(60_000), Some("private")));

    let asks = || json!({"uri": "memo:asks"});
    let required = site.result(request(Era::Modern, "resources/read", asks())).await;
    assert_eq!(cache(&required), (None, None));
    let answers = json!({"name": accept(&json!({"name": "Ada"}))});
    let result = site.result(again("resources/read", asks(), &required, answers)).await;
    assert_eq!(result["contents"][0]["text"], "Ada");
    assert_eq!(cache(&result), (Some(0), Some("private")));
}

#[tokio::test]
async fn a_resource_of_a_template_is_read_with_its_variables_decoded() {
    let site = Site::new(resources());
    for era in Era::BOTH {
        for (uri, text) in [
            ("book://a%20b%40c/3", "a b@c, page 3"),
            // Here an encoded character is different from the character.
            ("file:///a/b%3Fc.txt", "a/b%3Fc.txt"),
            // Any spelling of the URI matches.
            ("BOOK://%61/3", "a, page 3"),
            ("file:///a/%2e%2E/b/./c", "b/c"),
            // Not a template that also matches, nor one that was added later.
            ("book://exact/1", "the very one"),
            ("file:///a", "a"),
        ] {
            let result = site.result(read(era, uri)).await;
            assert_eq!(
                (&result["contents"][0]["text"], &result["contents"][0]["uri"]),
                (&json!(text), &json!(uri))
            );
        }
        let answer = site.send(read(era, "book://a/many")).await;
        assert_eq!(answer.error(), (200, -32602));
        assert!(answer.error_message().contains("`page`"), "{answer:?}");
    }
}

#[tokio::test]
async fn a_uri_that_could_be_taken_for_another_reaches_no_template() {
    let site = Site::new(resources());
    for (era, code) in [(Era::Modern, -32602), (Era::Legacy, -32002)] {
        for uri in [
            "book://a%2Fb/3",
            "book://a%5cb/3",
            "book://a%00/3",
            "book://%2561/3",
            "book://../3",
            "file:///a/..%2Fb",
            "file:///a/..%5cb",
            "file:///a%0d%0ab",
            "file:///%252e%252e/b",
        ] {
            let answer = site.send(read(era, uri)).await;
            assert_eq!(answer.error(), (200, code), "{uri}");
            assert_eq!(answer.json()["error"]["data"], json!({"uri": uri}));
        }
    }
}

#[tokio::test]
async fn a_resource_is_read_by_the_uri_that_it_was_given_and_by_equivalent_ones() {
    let builder = ResourceRegistry::builder()
        .resource("odd://A%2fb/%7e/x%zz", "odd", async || "odd")
        .resource("web+x://Host/a/../b", "dots", async || "dots");
    let site = Site::new(builder.build().expect("valid resources"));
    for era in Era::BOTH {
        for (uri, text) in [
            ("odd://A%2fb/%7e/x%zz", "odd"),
            ("ODD://A%2Fb/~/x%25zz", "odd"),
            ("web+x://Host/a/../b", "dots"),
            ("web+x://Host/b", "dots"),
        ] {
            let result = site.result(read(era, uri)).await;
            assert_eq!(result["contents"], json!([{"uri": uri, "text": text}]));
        }
        assert_eq!(site.send(read(era, "odd://A/b/~/x%25zz")).await.status, 200);
        assert!(site.send(read(era, "odd://A/b/~/x%25zz")).await.json().get("error").is_some());
    }
}

#[tokio::test]
async fn a_template_may_be_served_by_a_handler_that_takes_nothing() {
    let same = ResourceTemplate::new("same:{any}", "same", async || "always the same");
    let site = Site::new(ResourceRegistry::builder().register_template(same).build().expect("valid"));
    let post = Post::legacy("resources/read", &json!({"uri": "same:7"}));
    assert_eq!(site.result(post).await["contents"][0]["text"], "always the same");
}

#[tokio::test]
async fn a_resource_that_is_not_there_is_said_in_the_code_of_its_era() {
    let site = Site::new(resources());
    for uri in ["memo://nothing", "book://a/77", "", "no uri at all"] {
        for (era, code) in [(Era::Modern, -32602), (Era::Legacy, -32002)] {
            let answer = site.send(read(era, uri)).await;
            assert_eq!(answer.error(), (200, code), "{uri}");
            assert_eq!(answer.json()["error"]["data"], json!({"uri": uri}));
        }
    }
}

#[tokio::test]
async fn a_resource_is_named_by_a_uri_and_nothing_else() {
    let site = Site::new(resources());
    for era in Era::BOTH {
        for params in [json!({}), json!({"uri": 7}), json!({"uri": ["a:b"]})] {
            let answer = site.send(era.post("resources/read", params).header("mcp-name", "x")).await;
            let expected = if era == Era::Modern { (400, -32020) } else { (200, -32602) };
            assert_eq!(answer.error(), expected);
        }
        // A resource has no arguments: those that are sent are ignored.
        let params = json!({"uri": "book://a/2", "arguments": {"title": "stolen", "page": "3"}});
        let result = site.result(era.post("resources/read", params)).await;
        assert_eq!(result["contents"][0]["text"], "a, page 2");
    }
}

#[tokio::test]
async fn the_failure_of_a_resource_stays_on_the_server() {
    let site = Site::new(resources());
    for era in Era::BOTH {
        for uri in ["memo://fail", "memo://panic"] {
            let answer = site.send(read(era, uri)).await;
            assert_eq!(answer.error(), (200, -32603));
            assert!(!answer.text().contains("secret"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn variables_of_templates_are_completed() {
    let site = Site::new(resources());
    let complete = |era: Era, uri: &str, name: &str| {
        let params =
            json!({"ref": {"type": "ref/resource", "uri": uri}, "argument": {"name": name, "value": "x"}});
        era.post("completion/complete", params).without("mcp-name")
    };
    for era in Era::BOTH {
        let result = site.result(complete(era, "book://{title}/{page}", "title")).await;
        assert_eq!(result["completion"]["values"], json!(["x…"]));
        let result = site.result(complete(era, "book://{title}/{page}", "page")).await;
        assert_eq!(result["completion"]["values"], json!([]));
        let answer = site.send(complete(era, "book://a/2", "title")).await;
        assert_eq!(answer.error(), (200, -32602));
    }
}

#[tokio::test]
async fn a_legacy_client_may_subscribe_to_what_never_comes() {
    let site = Site::new(resources());
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let answer = site.send(Post::legacy(method, &json!({"uri": "memo://today"}))).await;
        assert_eq!(answer.json()["result"], json!({}));
        assert_eq!(site.send(Post::legacy(method, &json!({}))).await.error(), (200, -32602));
        // Since 2026-07-28 there is no such method.
        let post = Post::modern(method, json!({"uri": "memo://today"}));
        assert_eq!(site.send(post).await.error(), (404, -32601));
        let tools = Site::new(ToolRegistry::builder().build().expect("no tools"));
        let answer = tools.send(Post::legacy(method, &json!({"uri": "memo://today"}))).await;
        assert_eq!(answer.error(), (200, -32601));
    }
}

#[test]
fn a_resource_that_cannot_be_right_is_refused_when_the_registry_is_built() {
    let builder = ResourceRegistry::builder;
    let template = |pattern: &str| ResourceTemplate::new(pattern, "", async |_: Path| "");
    for (builder, words) in [
        (builder().resource("a:1", "", async || "").resource("a:1", "", async || ""), ["a:1", "taken"]),
        (builder().resource("a:b", "", async || "").resource("A:%62", "", async || ""), ["A:%62", "taken"]),
        (builder().resource("a:b\u{7}", "", async || ""), [r"a:b\u{7}", "control"]),
        (builder().resource("a:b c", "", async || ""), ["a:b c", "white space"]),
        (builder().resource("a:b", "x\ny", async || ""), ["a:b", "name"]),
        (builder().resource(format!("a:{}", "b".repeat(8192)), "", async || ""), ["a:b", "8192 bytes"]),
        (builder().resource("nowhere", "", async || ""), ["nowhere", "scheme"]),
        (builder().register_template(template("a:{path}\n")), ["a:{path}", "white space"]),
        (
            builder().register_template(template("a:{path}/{path}")),
            ["a:{path}/{path}", "`path` occurs twice"],
        ),
        (builder().register_template(template("a:{path}/{+path}")), ["a:{path}", "`path` occurs twice"]),
        (
            builder().register_template(template("a:b{path}")).register_template(template("A:%62{path}")),
            ["A:%62{path}", "twice"],
        ),
        (builder().resource("1a:b", "", async || ""), ["1a:b", "scheme"]),
        (builder().register_template(template("{path}")), ["{path}", "scheme"]),
        (builder().register_template(template("a:{?path,more}")), ["a:{?path,more}", "level 2"]),
        (builder().register_template(template("a:{path*}")), ["a:{path*}", "level 2"]),
        (builder().register_template(template("a:{path")), ["a:{path", "RFC 6570"]),
        (
            builder().register_template(template("a:{path}")).register_template(template("a:{path}")),
            ["a:{path}", "twice"],
        ),
        (
            builder().register_template(template("a:{path}").complete("b", async |_: Completing| vec![""])),
            ["a:{path}", "`b`"],
        ),
    ] {
        let error = builder.build().expect_err("not valid").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}
