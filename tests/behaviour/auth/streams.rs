//! Streams and state of a token end with it, and belong only to its caller.

use std::time::Duration;

use http::Method;
use mcp_stateless::ask::StateKeys;
use mcp_stateless::auth::{ApiKeys, CallsAtExpiry, Introspection, ResourceServer, TokenVerifier};
use mcp_stateless::changes::{Change, Changes};
use mcp_stateless::registry::{Filtered, Item, Live};
use mcp_stateless::{
    CallContext, Catalog, Principal, Registry, Resource, ResourceRegistry, StatelessSessionManager,
    ToolRegistry,
};
use serde_json::{Value, json};
use tokio::time::{Instant, advance, timeout};

use super::issuer::{ISSUER, Issuer, RESOURCE};
use super::server::bearer;
use crate::askers::{accept, askers, call, call_again};
use crate::listening::listen;
use crate::site::Wire;
use crate::support::{Answer, Era, Post, Probe};

/// A protected server for any registry.
struct Guarded<R> {
    manager: StatelessSessionManager,
    authorize: mcp_stateless::manager::Authorize,
    registry: R,
}

impl<R: Registry> Guarded<R> {
    fn new(issuer: &Issuer, verifier: impl TokenVerifier, registry: R) -> Self {
        let manager = StatelessSessionManager::builder("test", "0.0.1").state_keys(StateKeys::new([7; 32]));
        let manager = manager.build().expect("valid settings");
        let clock = issuer.clone();
        let server = ResourceServer::new(RESOURCE, verifier).expect("a URL").clock(move || clock.now());
        Self { authorize: manager.authorize(server), manager, registry }
    }

    async fn open(&self, token: &str, post: Post) -> Wire {
        let request = self.authorize.check(bearer(post, token).into_request()).await.expect("a good token");
        Wire::new(self.manager.handle(request, &self.registry).await)
    }

    async fn send(&self, token: &str, post: Post) -> Answer {
        let request = self.authorize.check(bearer(post, token).into_request()).await.expect("a good token");
        Answer::read(self.manager.handle(request, &self.registry).await).await
    }
}

fn live() -> (Live<ToolRegistry>, Changes) {
    let changes = Changes::in_process();
    let tools = ToolRegistry::builder().tool("x", "", async || "").build().expect("valid tools");
    (Live::new(tools, changes.clone()), changes)
}

async fn listener(server: &Guarded<Live<ToolRegistry>>, token: &str) -> Wire {
    let mut wire = server.open(token, listen(&json!({"toolsListChanged": true}))).await;
    assert_eq!(wire.message().await["method"], "notifications/subscriptions/acknowledged");
    wire
}

/// Returns the last message of a stream.
async fn end(wire: &mut Wire) -> Value {
    let last = wire.message().await;
    assert_eq!(wire.next().await, None);
    last
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_with_its_result_when_the_token_that_opened_it_expires() {
    let issuer = Issuer::new();
    let (registry, changes) = live();
    let server = Guarded::new(&issuer, issuer.verifier(), registry);
    let start = Instant::now();
    let mut wire = listener(&server, &issuer.token(|_| {})).await;
    tokio::time::sleep(Duration::from_secs(200)).await;
    changes.publish(Change::Tools);
    assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
    assert_eq!(end(&mut wire).await["result"]["resultType"], "complete");
    let lasted = start.elapsed();
    assert!(lasted >= Duration::from_secs(329) && lasted <= Duration::from_secs(332), "{lasted:?}");
}

fn introspection(issuer: &Issuer) -> Introspection {
    let introspection = Introspection::new(ISSUER, format!("{ISSUER}/introspect"), "mcp", "a secret");
    introspection.expect("URLs").http_client(issuer.clone())
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_when_the_token_that_opened_it_is_revoked() {
    let issuer = Issuer::new();
    let (registry, changes) = live();
    let server = Guarded::new(&issuer, introspection(&issuer), registry);
    issuer.say_of("opaque", json!({"active": true, "sub": "ada", "aud": RESOURCE}));
    let mut wire = listener(&server, "opaque").await;
    tokio::time::sleep(Duration::from_secs(1000)).await;
    changes.publish(Change::Tools);
    assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
    issuer.say_of("opaque", json!({"active": false}));
    let revoked = Instant::now();
    assert!(end(&mut wire).await["result"].is_object());
    assert!(revoked.elapsed() <= Duration::from_secs(61), "{:?}", revoked.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_outlasts_a_short_absence_of_the_issuer_but_no_long_one() {
    let issuer = Issuer::new();
    let (registry, changes) = live();
    let server = Guarded::new(&issuer, introspection(&issuer), registry);
    issuer.say_of("opaque", json!({"active": true, "sub": "ada", "aud": RESOURCE}));
    let mut wire = listener(&server, "opaque").await;
    issuer.go_down(true);
    let waiting = timeout(Duration::from_secs(70), wire.next()).await;
    assert!(waiting.is_err(), "{waiting:?}");
    issuer.go_down(false);
    assert!(timeout(Duration::from_secs(1000), wire.next()).await.is_err());
    changes.publish(Change::Tools);
    assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
    issuer.go_down(true);
    let down = Instant::now();
    assert!(end(&mut wire).await["result"].is_object());
    assert!(down.elapsed() <= Duration::from_secs(200), "{:?}", down.elapsed());
}

/// Makes a call ten seconds before its token expires, which reports its progress. Returns the last
/// message of its stream.
async fn call_over_expiry(rule: CallsAtExpiry) -> (Value, Duration, Probe) {
    let (issuer, probe) = (Issuer::new(), Probe::default());
    let running = probe.clone();
    let slow = move |cx: CallContext| {
        let running = running.run();
        async move {
            cx.progress(1.0, None, "").await;
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(running);
            "done"
        }
    };
    let tools = ToolRegistry::builder().tool("slow", "", slow).build().expect("valid tools");
    let mut server = Guarded::new(&issuer, issuer.verifier(), tools);
    let clock = issuer.clone();
    let resource = ResourceServer::new(RESOURCE, issuer.verifier()).expect("a URL").calls_at_expiry(rule);
    server.authorize = server.manager.authorize(resource.clock(move || clock.now()));
    let token = issuer.token(|_| {});
    advance(Duration::from_secs(320)).await;
    let start = Instant::now();
    let post = Post::call_with_meta(Era::Modern, "slow", json!({}), json!({"progressToken": 1}));
    let mut wire = server.open(&token, post).await;
    assert_eq!(wire.message().await["method"], "notifications/progress");
    (end(&mut wire).await, start.elapsed(), probe)
}

#[tokio::test(start_paused = true)]
async fn a_call_that_has_begun_comes_to_its_end_or_ends_with_its_token() {
    let (last, lasted, _) = call_over_expiry(CallsAtExpiry::Finish).await;
    assert_eq!(last["result"]["content"][0]["text"], "done");
    assert!(lasted >= Duration::from_secs(60));
    let (last, lasted, probe) = call_over_expiry(CallsAtExpiry::End).await;
    assert_eq!((&last["error"]["code"], &last["id"]), (&json!(-32600), &json!(1)));
    assert!(lasted <= Duration::from_secs(12), "{lasted:?}");
    assert_eq!(probe.running(), 0);
}

/// A server whose tools ask their client, and the tokens of two callers.
fn asking() -> (Issuer, Guarded<Catalog>, String, String) {
    let issuer = Issuer::new();
    // The caller of the API key has the same subject at another issuer.
    let verifier = issuer.verifier().or(ApiKeys::new("keys").key("key-of-ada", "ada", []));
    let server = Guarded::new(&issuer, verifier, askers().0);
    let (ada, bob) = (issuer.token(|_| {}), issuer.token(|claims| claims["sub"] = "bob".into()));
    (issuer, server, ada, bob)
}

#[tokio::test]
async fn the_state_of_a_call_is_its_callers_alone() {
    let (issuer, server, ada, bob) = asking();
    let required = server.send(&ada, call(Era::Modern, "greet")).await.json()["result"].clone();
    assert_eq!(required["resultType"], "input_required");
    let answers = || json!({"name": accept(&json!({"name": "Ada"}))});
    for other in [bob.as_str(), "key-of-ada"] {
        let answer = server.send(other, call_again("greet", &required, answers())).await;
        assert_eq!(answer.json()["error"]["code"], -32602, "{answer:?}");
    }
    // The same caller may continue with a new token, such as a refreshed one.
    let refreshed = issuer.token(|claims| claims["jti"] = "another".into());
    assert_eq!(
        server.send(&refreshed, call_again("greet", &required, answers())).await.tool_text(),
        "Hello, Ada"
    );
}

#[tokio::test]
async fn the_question_of_a_call_is_answered_by_its_caller_alone() {
    let (_issuer, server, ada, bob) = asking();
    let mut wire = server.open(&ada, call(Era::Legacy, "greet")).await;
    let question = wire.message().await;
    let result = accept(&json!({"name": "Ada"}));
    let answer = |result: &Value| {
        Post::raw(json!({"jsonrpc": "2.0", "id": question["id"], "result": result}).to_string())
    };
    // The response does not reveal whether the answer belongs to a call. It reaches none.
    for other in [bob.as_str(), "key-of-ada"] {
        server.send(other, answer(&accept(&json!({"name": "Mallory"})))).await;
    }
    assert_eq!(server.send(&ada, answer(&result)).await.status, 202);
    assert_eq!(wire.message().await["result"]["content"][0]["text"], "Hello, Ada");
}

/// A stream belongs to the request that opened it: no id lets another caller join it or end it.
#[tokio::test]
async fn the_stream_of_a_call_is_its_callers_alone() {
    let issuer = Issuer::new();
    let (ada, bob) = (issuer.token(|_| {}), issuer.token(|claims| claims["sub"] = "bob".into()));
    let memo = |name: &str| Resource::new(format!("memo:{name}"), name, async || "memo");
    let memos = ResourceRegistry::builder().register(memo("ada")).register(memo("bob"));
    let live = Live::new(memos.build().expect("valid resources"), Changes::in_process());
    let own = Filtered::new(live.clone(), |item: Item<'_>, head: &http::request::Parts| {
        let principal = head.extensions.get::<Principal>().expect("a caller");
        matches!(item, Item::Resource(uri) if principal.as_str().ends_with(uri.trim_start_matches("memo:")))
    });
    let server = Guarded::new(&issuer, issuer.verifier(), own);
    let both = || listen(&json!({"resourceSubscriptions": ["memo:ada", "memo:bob"]}));
    // Both have the same id.
    let (mut adas, mut bobs) = (server.open(&ada, both()).await, server.open(&bob, both()).await);
    for (wire, uri) in [(&mut adas, "memo:ada"), (&mut bobs, "memo:bob")] {
        let honoured = &wire.message().await["params"]["notifications"];
        assert_eq!(*honoured, json!({"resourceSubscriptions": [uri]}));
    }
    let cancel = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(server.send(&bob, Post::raw(cancel)).await.status, 202);
    for (method, header) in [(Method::GET, "last-event-id"), (Method::DELETE, "mcp-session-id")] {
        let answer = server.send(&bob, Post::raw("").method(method).header(header, "1")).await;
        assert_eq!(answer.status, 405);
    }
    for uri in ["memo:ada", "memo:bob"] {
        live.resource_updated(uri);
    }
    assert_eq!(adas.message().await["params"]["uri"], "memo:ada");
    assert_eq!(bobs.message().await["params"]["uri"], "memo:bob");
}

#[tokio::test]
async fn each_caller_has_its_own_share_of_the_listeners() {
    let issuer = Issuer::new();
    let (registry, _changes) = live();
    let manager = StatelessSessionManager::builder("test", "0.0.1").max_listeners_per_principal(1);
    let mut server = Guarded::new(&issuer, issuer.verifier(), registry);
    server.manager = manager.build().expect("valid settings");
    let (ada, bob) = (issuer.token(|_| {}), issuer.token(|claims| claims["sub"] = "bob".into()));
    let _first = listener(&server, &ada).await;
    let refreshed = issuer.token(|claims| claims["jti"] = "another".into());
    assert_eq!(server.send(&refreshed, listen(&json!({"toolsListChanged": true}))).await.status, 429);
    let _other = listener(&server, &bob).await;
}

#[tokio::test(start_paused = true)]
async fn a_subscription_ends_when_the_token_that_opened_it_comes_to_grant_something_else() {
    let issuer = Issuer::new();
    for changed in [
        json!({"active": true, "sub": "ada", "aud": RESOURCE, "scope": "less"}),
        json!({"active": true, "sub": "bob", "aud": RESOURCE, "scope": "much"}),
    ] {
        let (registry, _changes) = live();
        let server = Guarded::new(&issuer, introspection(&issuer), registry);
        issuer.say_of("opaque", json!({"active": true, "sub": "ada", "aud": RESOURCE, "scope": "much"}));
        let mut wire = listener(&server, "opaque").await;
        issuer.say_of("opaque", changed);
        assert!(end(&mut wire).await["result"].is_object());
    }
}

#[tokio::test(start_paused = true)]
async fn a_subscription_lasts_while_its_token_grants_the_same_in_another_order() {
    let issuer = Issuer::new();
    let (registry, _changes) = live();
    let server = Guarded::new(&issuer, introspection(&issuer), registry);
    let grant = |scope| json!({"active": true, "sub": "ada", "aud": RESOURCE, "scope": scope});
    issuer.say_of("opaque", grant("read write"));
    let mut wire = listener(&server, "opaque").await;
    issuer.say_of("opaque", grant("write read"));
    assert!(timeout(Duration::from_secs(1000), wire.next()).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_subscription_of_a_key_that_does_not_expire_lasts() {
    let issuer = Issuer::new();
    let (registry, changes) = live();
    let server = Guarded::new(&issuer, ApiKeys::new("keys").key("a-key", "ada", []), registry);
    let mut wire = listener(&server, "a-key").await;
    assert!(timeout(Duration::from_secs(100_000), wire.next()).await.is_err());
    changes.publish(Change::Tools);
    assert_eq!(wire.message().await["method"], "notifications/tools/list_changed");
}
