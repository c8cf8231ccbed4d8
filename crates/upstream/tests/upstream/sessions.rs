//! The owners, the number and the end of sessions.

use std::time::Duration;

use futures_util::{StreamExt, future, stream};
use serde_json::json;

use super::cast::{Member, eventually, is_alive, processes_with, python};
use super::gateway::{Era, Gateway, error};

#[tokio::test]
async fn a_session_lasts_over_the_calls_of_its_caller_and_is_no_other_callers() {
    let member = Member::node("counter", &[]).await;
    let gateway = Gateway::new(member.upstream());
    for (call, era) in [(1, Era::Legacy), (2, Era::Modern), (3, Era::Legacy)] {
        assert_eq!(gateway.client(era, "ada").tool("count", json!({})).await, call.to_string());
    }
    assert_eq!(gateway.client(Era::Modern, "alan").tool("count", json!({})).await, "1");
    assert_eq!(gateway.client(Era::Legacy, "ada").tool("count", json!({})).await, "4");
    assert_eq!(member.stats().await, json!({"initialized": 2, "live": 2}));
    gateway.upstream.shut_down().await;
    assert_eq!(member.stats().await["live"], 0);
}

#[tokio::test]
async fn a_session_is_opened_once_however_many_ask_for_it_at_once() {
    let member = Member::node("counter", &[]).await;
    let gateway = Gateway::new(member.upstream());
    let client = gateway.client(Era::Legacy, "ada");
    let counts = future::join_all((0..30).map(|_| client.tool("count", json!({})))).await;
    let mut counts: Vec<u32> = counts.iter().map(|count| count.parse().expect("a number")).collect();
    counts.sort_unstable();
    assert_eq!(counts, (1..=30).collect::<Vec<_>>());
    assert_eq!(member.stats().await["initialized"], 1);
}

#[tokio::test]
async fn children_are_their_callers_own() {
    let gateway = Gateway::new(python("arithmetic"));
    let ada = gateway.client(Era::Legacy, "ada").tool("whoami", json!({})).await;
    let alan = gateway.client(Era::Legacy, "alan").tool("whoami", json!({})).await;
    assert_ne!(ada, alan);
    assert_eq!(gateway.client(Era::Modern, "ada").tool("whoami", json!({})).await, ada);
    gateway.upstream.shut_down().await;
    assert!(!is_alive(&ada) && !is_alive(&alan));
}

#[tokio::test]
async fn a_child_ends_with_the_last_clone_of_its_upstream() {
    let gateway = Gateway::new(python("arithmetic"));
    let pid = gateway.client(Era::Legacy, "ada").tool("whoami", json!({})).await;
    assert!(is_alive(&pid));
    drop(gateway);
    eventually("the child has ended", async || !is_alive(&pid)).await;
}

#[tokio::test]
async fn a_session_that_nobody_uses_is_closed() {
    let gateway = Gateway::new(python("arithmetic").idle_timeout(Duration::from_millis(100)));
    let client = gateway.client(Era::Legacy, "ada");
    let pid = client.tool("whoami", json!({})).await;
    eventually("the child has ended", async || !is_alive(&pid)).await;
    assert_eq!(gateway.upstream.stats().open, 0);
    assert_ne!(client.tool("whoami", json!({})).await, pid);
}

#[tokio::test]
async fn a_session_that_is_forgotten_is_opened_anew() {
    let member = Member::node("forgetful", &["--forget-after", "2"]).await;
    // At the limit, the new session takes the place of the old one.
    let gateway = Gateway::new(member.upstream().max_sessions(1));
    let client = gateway.client(Era::Legacy, "ada");
    for expected in ["1", "2", "1", "2", "1"] {
        assert_eq!(client.tool("count", json!({})).await, expected);
    }
    assert_eq!(gateway.upstream.stats().reopened, 2);
    assert_eq!(member.stats().await["initialized"], 3);
}

#[tokio::test]
async fn a_thousand_callers_share_a_hundred_sessions_and_leave_nothing() {
    let member = Member::node("counter", &[]).await;
    let gateway = Gateway::new(member.upstream().max_sessions(100));
    let callers: Vec<_> = (0..1_000).map(|number| format!("caller {number}")).collect();
    let calls =
        callers.iter().map(async |caller| gateway.client(Era::Legacy, caller).tool("count", json!({})).await);
    let counts: Vec<_> = stream::iter(calls).buffer_unordered(50).collect().await;
    assert!(counts.iter().all(|count| count == "1"), "{counts:?}");
    let stats = gateway.upstream.stats();
    assert!(stats.open <= 100, "{stats:?}");
    assert_eq!((stats.opened, stats.in_flight), (1_000, 0), "{stats:?}");
    gateway.upstream.shut_down().await;
    assert_eq!(member.stats().await, json!({"initialized": 1_000, "live": 0}));
    drop(gateway);
    eventually("no connection is left", async || member.connections() == 0).await;
}

#[tokio::test]
async fn a_burst_of_calls_leaves_few_connections_behind() {
    /// Shorter than the time for which idle connections are kept.
    const SOON: Duration = Duration::from_secs(4);
    let member = Member::node("counter", &[]).await;
    let gateway = Gateway::new(member.upstream());
    let calls = (0..300).map(async |_| gateway.client(Era::Legacy, "ada").tool("count", json!({})).await);
    future::join_all(calls).await;
    let few = async {
        while member.connections() > 70 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(SOON, few).await.expect("few connections are left");
}

#[tokio::test]
async fn children_make_room_for_one_another_and_none_is_left() {
    let marker = format!("--marker-{}", std::process::id());
    let gateway = Gateway::new(python("flood").arg(&*marker).max_sessions(4));
    let callers: Vec<_> = (0..20).map(|number| format!("caller {number}")).collect();
    let calls = callers.iter().map(async |caller| {
        let answer = gateway.client(Era::Legacy, caller).tool("flood", json!({"n": 1})).await;
        (answer, processes_with(&marker).len())
    });
    let answers: Vec<_> = stream::iter(calls).buffer_unordered(3).collect().await;
    assert!(answers.iter().all(|(answer, children)| answer == "1" && *children <= 4), "{answers:?}");
    drop(gateway);
    eventually("no child is left", async || processes_with(&marker).is_empty()).await;
}

#[tokio::test]
async fn callers_beyond_the_bound_are_told_so() {
    let gateway = Gateway::new(python("crasher").max_sessions(1));
    let (ada, alan) = (gateway.client(Era::Legacy, "ada"), gateway.client(Era::Legacy, "alan"));
    assert_eq!(ada.tool("ok", json!({})).await, "ok");
    let refused = async {
        eventually("a call is under way", async || gateway.upstream.stats().in_flight == 1).await;
        alan.call("ok", json!({})).await
    };
    let refused = tokio::select! {
        answer = ada.call("hang", json!({})) => panic!("it answered: {answer}"),
        refused = refused => refused,
    };
    let (code, message) = error(&refused);
    assert_eq!(code, -32_603);
    assert!(message.contains("no session left"), "{message}");
    // The call has been dropped, so there is room now.
    assert_eq!(alan.tool("ok", json!({})).await, "ok");
}
