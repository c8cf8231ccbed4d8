//! Prompts, and the completion of their arguments.

use std::collections::BTreeMap;

use mcp_stateless::call::NoArguments;
use mcp_stateless::completion::{Completing, Completion};
use mcp_stateless::prompt::{PromptArgument, PromptMessage, PromptOutput};
use mcp_stateless::protocol::Content;
use mcp_stateless::{CallContext, Catalog, Prompt, PromptRegistry};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::site::Site;
use crate::support::{Era, Post};

#[derive(Deserialize, JsonSchema)]
struct Review {
    /// The code to review.
    code: String,
    strict: Option<bool>,
}

fn prompts() -> PromptRegistry {
    let review = async |Review { code, strict }: Review| format!("Review {code}, strictly: {strict:?}");
    let languages = async |typed: Completing| {
        let all = ["python", "perl", "rust"].into_iter();
        all.filter(|name| name.starts_with(&typed.value)).map(String::from).collect::<Vec<_>>()
    };
    PromptRegistry::builder()
        .register(
            Prompt::new("review", "Review code", review)
                .title("Review")
                .complete("code", languages)
                .complete("strict", async |typed: Completing| vec![format!("after {:?}", typed.context)]),
        )
        .prompt("talk", "A conversation", async |_: NoArguments| {
            PromptOutput::new([
                PromptMessage::user(Content::image(b"\x01\x02", "image/png")),
                PromptMessage::assistant("A cat."),
            ])
            .description("About cats")
        })
        .prompt("fail", "Fail", async || -> Result<String, std::io::Error> {
            Err(std::io::Error::other("a secret"))
        })
        .prompt("panic", "Panic", async || -> String { panic!("a secret") })
        .prompt("slow", "Report progress", async |_: NoArguments, cx: CallContext| {
            cx.progress(1.0, None, "").await;
            "done"
        })
        .register(
            Prompt::with_arguments(
                "many",
                "Complete much",
                [PromptArgument::required("few").description("Some"), PromptArgument::optional("many")],
                async |_: BTreeMap<String, String>| "never mind",
            )
            .complete("few", async |_: Completing| Completion::new(["a", "b"]).total(7))
            .complete("many", async |_: Completing| (0..250).map(|it| it.to_string()).collect::<Vec<_>>()),
        )
        .register(
            Prompt::with_arguments("broken", "", [PromptArgument::optional("a")], async || "")
                .complete("a", async |_: Completing| -> Vec<String> { panic!("a secret") }),
        )
        .build()
        .expect("valid prompts")
}

#[expect(clippy::needless_pass_by_value, reason = "the calls read better")]
fn get(era: Era, name: &str, arguments: Value) -> Post {
    era.post("prompts/get", json!({"name": name, "arguments": arguments}))
}

fn complete(era: Era, prompt: &str, argument: &str, value: &str) -> Post {
    let reference = json!({"type": "ref/prompt", "name": prompt});
    let argument = json!({"name": argument, "value": value});
    // The name is in the reference, which no header repeats.
    era.post("completion/complete", json!({"ref": reference, "argument": argument}))
}

#[tokio::test]
async fn prompts_are_listed_with_the_arguments_that_their_handlers_take() {
    let site = Site::new(prompts());
    for era in Era::BOTH {
        let list = site.result(era.post("prompts/list", json!({}))).await;
        let expected = json!({
            "name": "review", "title": "Review", "description": "Review code",
            "arguments": [
                {"name": "code", "description": "The code to review.", "required": true},
                {"name": "strict", "required": false},
            ],
        });
        assert_eq!(list["prompts"][0], expected);
        assert_eq!(list["prompts"][1], json!({"name": "talk", "description": "A conversation"}));
        assert_eq!(list.get("ttlMs").is_some(), era == Era::Modern);
    }
}

#[tokio::test]
async fn arguments_are_listed_in_the_order_of_their_declaration() {
    #[derive(Deserialize, JsonSchema)]
    #[expect(dead_code, reason = "only its fields are looked at")]
    struct Letter {
        to: String,
        from: String,
        #[serde(rename = "about")]
        subject: Option<String>,
        body: String,
    }
    let prompts = PromptRegistry::builder().prompt("letter", "", async |_: Letter| "").prompt(
        "with_context",
        "",
        async |_: Letter, _: CallContext| "",
    );
    let list = Site::new(prompts.build().expect("valid prompts"))
        .result(Post::modern("prompts/list", json!({})))
        .await;
    for prompt in list["prompts"].as_array().expect("prompts") {
        let arguments = prompt["arguments"].as_array().expect("arguments");
        let names: Vec<_> = arguments.iter().map(|it| it["name"].as_str().expect("a name")).collect();
        assert_eq!(names, ["to", "from", "about", "body"]);
        assert_eq!(arguments[2]["required"], false);
    }
}

#[tokio::test]
async fn a_prompt_answers_messages_and_texts_become_what_its_type_wants() {
    let site = Site::new(prompts());
    for era in Era::BOTH {
        let result = site.result(get(era, "review", json!({"code": "x", "strict": "true"}))).await;
        let text = "Review x, strictly: Some(true)";
        assert_eq!(result["messages"], json!([{"role": "user", "content": {"type": "text", "text": text}}]));

        let result = site.result(get(era, "talk", json!({}))).await;
        let expected = json!([
            {"role": "user", "content": {"type": "image", "data": "AQI=", "mimeType": "image/png"}},
            {"role": "assistant", "content": {"type": "text", "text": "A cat."}},
        ]);
        assert_eq!((&result["messages"], &result["description"]), (&expected, &json!("About cats")));
        let is_modern = era == Era::Modern;
        assert_eq!(result.get("resultType").is_some_and(|it| it == "complete"), is_modern);
        assert_eq!(result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"] == "site", is_modern);
    }
}

#[tokio::test]
async fn a_prompt_that_is_called_wrongly_says_what_is_wrong() {
    let site = Site::new(prompts());
    for era in Era::BOTH {
        for (name, arguments, words) in [
            ("nobody", json!({}), ["Unknown prompt", "nobody"]),
            ("review", json!({}), ["missing", "`code`"]),
            ("review", json!({"code": "x", "strict": "perhaps"}), ["`strict`", "`true` or `false`"]),
            ("review", json!({"code": 7}), ["`code`", "string"]),
            ("review", json!([]), ["`arguments`", "object"]),
            // The type does not require it here, but the definition does.
            ("many", json!({"many": "x"}), ["missing", "`few`"]),
        ] {
            let answer = site.send(get(era, name, arguments)).await;
            assert_eq!(answer.error(), (200, -32602), "{name}");
            let message = answer.error_message();
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
    }
}

#[tokio::test]
async fn the_failure_of_a_prompt_stays_on_the_server() {
    let site = Site::new(prompts());
    for era in Era::BOTH {
        for name in ["fail", "panic"] {
            let answer = site.send(get(era, name, json!({}))).await;
            assert_eq!(answer.error(), (200, -32603));
            assert!(!answer.text().contains("secret"), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_prompt_may_report_progress() {
    let site = Site::new(prompts());
    for era in Era::BOTH {
        let params = json!({"name": "slow", "_meta": {"progressToken": "p"}});
        let events = site.send(era.post("prompts/get", params)).await.events();
        assert_eq!(events[0]["params"]["progressToken"], "p");
        assert_eq!(events[1]["result"]["messages"][0]["content"]["text"], "done");
    }
}

#[tokio::test]
async fn lists_of_prompts_come_in_pages() {
    let names = ["a", "b", "c", "d", "e"];
    let builder = names
        .into_iter()
        .fold(PromptRegistry::builder(), |builder, name| builder.prompt(name, "", async || ""));
    let two = std::num::NonZeroUsize::new(2).expect("two");
    let site = Site::new(builder.page_size(two).build().expect("valid prompts"));
    for era in Era::BOTH {
        assert_eq!(site.names(era, "prompts/list", |post| post).await, names);
        let first = site.result(era.post("prompts/list", json!({}))).await;
        assert_eq!(first["prompts"].as_array().map(Vec::len), Some(2));
        let answer = site.send(era.post("prompts/list", json!({"cursor": "nonsense"}))).await;
        assert_eq!(answer.error(), (200, -32602));
    }
}

#[test]
fn a_prompt_that_cannot_be_right_is_refused_when_the_registry_is_built() {
    let prompt = |name: &str| Prompt::new(name, "", async |_: Review| "");
    let twice = [PromptArgument::required("a"), PromptArgument::optional("a")];
    for (builder, words) in [
        (PromptRegistry::builder().register(prompt("x")).register(prompt("x")), ["x", "taken"]),
        (PromptRegistry::builder().register(prompt("")), ["prompt", "empty"]),
        (PromptRegistry::builder().register(prompt("a\u{0}")), ["prompt", "control"]),
        (PromptRegistry::builder().register(prompt(&"x".repeat(257))), ["xxx", "256 bytes"]),
        (
            PromptRegistry::builder().register(Prompt::with_arguments("x", "", twice, async || "")),
            ["`a`", "twice"],
        ),
        (
            PromptRegistry::builder().register(prompt("x").complete("other", async |_: Completing| vec![""])),
            ["x", "`other`"],
        ),
    ] {
        let error = builder.build().expect_err("not valid").to_string();
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
    }
}

#[tokio::test]
async fn arguments_are_completed() {
    let site = Site::new(prompts());
    for era in Era::BOTH {
        let result = site.result(complete(era, "review", "code", "p")).await;
        let expected = json!({"values": ["python", "perl"], "total": 2, "hasMore": false});
        assert_eq!(result["completion"], expected);
        assert_eq!(result.get("resultType").is_some(), era == Era::Modern);
        // An argument without a completion is not an error.
        let result = site.result(complete(era, "talk", "more", "p")).await;
        assert_eq!(result["completion"]["values"], json!([]));
    }
}

#[tokio::test]
async fn what_else_is_known_goes_into_a_completion() {
    let site = Site::new(prompts());
    let params = json!({
        "ref": {"type": "ref/prompt", "name": "review"},
        "argument": {"name": "strict", "value": ""},
        "context": {"arguments": {"code": "fn"}},
    });
    for era in Era::BOTH {
        let result = site.result(era.post("completion/complete", params.clone())).await;
        assert_eq!(result["completion"]["values"], json!([r#"after {"code": "fn"}"#]));
    }
}

#[tokio::test]
async fn no_more_than_a_hundred_suggestions_are_sent_and_all_are_counted() {
    let site = Site::new(prompts());
    let result = site.result(complete(Era::Modern, "many", "many", "")).await;
    let completion = &result["completion"];
    assert_eq!(completion["values"].as_array().map(Vec::len), Some(100));
    assert_eq!((&completion["total"], &completion["hasMore"]), (&json!(250), &json!(true)));
    let result = site.result(complete(Era::Modern, "many", "few", "")).await;
    assert_eq!(result["completion"], json!({"values": ["a", "b"], "total": 7, "hasMore": true}));
}

#[tokio::test]
async fn a_completion_that_makes_no_sense_is_refused() {
    let site = Site::new(prompts());
    let argument = json!({"name": "code", "value": ""});
    let reference = json!({"type": "ref/prompt", "name": "review"});
    for era in Era::BOTH {
        for params in [
            json!({"ref": {"type": "ref/prompt", "name": "nobody"}, "argument": argument}),
            json!({"ref": {"type": "ref/resource", "uri": "no://{such}"}, "argument": argument}),
            json!({"ref": {"type": "ref/planet", "name": "review"}, "argument": argument}),
            json!({"ref": "review", "argument": argument}),
            json!({"argument": argument}),
            json!({"ref": reference, "argument": ["code", ""]}),
            json!({"ref": reference}),
            json!({"ref": reference, "argument": {"name": "code", "value": 7}}),
            json!({"ref": reference, "argument": argument, "context": {"arguments": {"a": 1}}}),
        ] {
            let answer = site.send(era.post("completion/complete", params.clone())).await;
            assert_eq!(answer.error(), (200, -32602), "{params}");
        }
        let answer = site.send(complete(era, "broken", "a", "")).await;
        assert_eq!(answer.error(), (200, -32603));
        assert!(!answer.text().contains("secret"), "{answer:?}");
    }
}

#[tokio::test]
async fn what_nobody_offers_is_neither_declared_nor_answered() {
    let plain = PromptRegistry::builder().prompt("greet", "", async || "Hi").build().expect("valid prompts");
    let (nothing, plain) = (Site::new(Catalog::builder().build().expect("nothing")), Site::new(plain));
    let discover = async |site: &Site<_>| site.result(Post::modern("server/discover", json!({}))).await;
    assert_eq!(discover(&nothing).await["capabilities"], json!({"logging": {}}));
    let answer = plain.send(Post::modern("server/discover", json!({}))).await;
    assert_eq!(answer.json()["result"]["capabilities"], json!({"logging": {}, "prompts": {}}));
    let answer = Site::new(prompts()).send(Post::modern("server/discover", json!({}))).await;
    let expected = json!({"logging": {}, "prompts": {}, "completions": {}});
    assert_eq!(answer.json()["result"]["capabilities"], expected);

    for (era, status) in [(Era::Modern, 404), (Era::Legacy, 200)] {
        for post in [
            get(era, "review", json!({})),
            era.post("prompts/list", json!({})),
            era.post("resources/list", json!({})),
            era.post("resources/templates/list", json!({})),
            era.post("resources/read", json!({"uri": "a:b"})),
            era.post("tools/list", json!({})),
            complete(era, "review", "code", ""),
        ] {
            assert_eq!(nothing.send(post).await.error(), (status, -32601));
        }
        assert_eq!(plain.send(complete(era, "greet", "a", "")).await.error(), (status, -32601));
    }
}
