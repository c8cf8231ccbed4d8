//! Slow and hanging servers, and a good one beside all others.

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use test_support::{
    rmcp_client::{self, Client},
    server::ExampleServer,
    setup, upstreams as cast,
    wait::until,
};
use tokio::{
    task::JoinSet,
    time::{interval, timeout},
};

use super::{
    hanging_up::HangingUp,
    servers::{Cast, Server, Workspace},
};
use crate::gateway::support::{connect, gateway, is_error};

/// Published clients have such a limit for lists, and then give up.
const PATIENCE_FOR_LISTS: Duration = Duration::from_secs(5);
const CALLS: u32 = 150;
const CALL_INTERVAL: Duration = Duration::from_millis(20);
/// How often each of the others is called during that time.
const OTHERS_INTERVAL: Duration = Duration::from_millis(250);
/// How much longer a call may take beside all others than alone.
const ALLOWANCE: Duration = Duration::from_millis(100);
/// How often to measure until it holds, because other tests use the machine as well.
const ROUNDS: usize = 6;

/// The entry of a server whose first answer takes more than ten seconds, like that of a container
/// or package that has to be downloaded. Each start adds a line to the file `starts`.
fn slow(starts: &Path) -> Value {
    let script = r#"echo started >> "$1"; sleep 11; exec "$2" -B "$3""#;
    let arithmetic = setup::source("upstreams").join("arithmetic.py");
    let args = [Path::new("-c"), Path::new(script), Path::new("sh"), starts, &setup::python_1(), &arithmetic];
    json!({ "command": "sh", "args": args })
}

/// The entry of a server that never answers.
fn silent() -> Value {
    cast::stdio("silent.py", &[])
}

async fn adds(client: &Client, tool: &str, (a, b): (u32, u32)) -> bool {
    match client.call(tool, json!({ "a": a, "b": b })).await {
        Ok(answer) if answer.is_error != Some(true) => rmcp_client::text(&answer) == (a + b).to_string(),
        _ => false,
    }
}

#[tokio::test]
async fn a_server_whose_first_answer_takes_eleven_seconds_is_started_once_and_serves() {
    let workspace = Workspace::new();
    let starts = workspace.file("starts");
    let gateway = gateway(json!({ "slow": slow(&starts), "good": cast::stdio("arithmetic.py", &[]) })).await;
    let client = connect(gateway.url()).await;
    assert!(adds(&client, "good-add", (10, 20)).await);
    until("the slow server serves", async || adds(&client, "slow-add", (10, 20)).await).await;
    let tools = client.tools().await;
    assert!(tools.contains(&"slow-add".to_owned()), "{tools:?}");
    let starts = fs::read_to_string(starts).expect("it was started");
    assert_eq!(starts.lines().count(), 1, "it was started anew");
    client.leave().await;
}

#[tokio::test]
async fn a_list_of_all_servers_comes_soon_without_the_one_that_hangs_and_names_it() {
    let gateway = gateway(json!({ "silent": silent(), "good": cast::stdio("arithmetic.py", &[]) })).await;
    let client = connect(gateway.url()).await;
    for _ in 0..3 {
        let page = timeout(PATIENCE_FOR_LISTS, client.page_of_tools()).await;
        let page = page.expect("the list comes before clients give up").expect("a list");
        assert!(page.tools.iter().any(|tool| tool.name == "good-add"), "{page:?}");
        let meta = serde_json::to_string(&page.meta).expect("JSON");
        assert!(meta.contains("silent"), "nothing says that a server is missing: {meta}");
    }
    client.leave().await;
}

/// A gateway in front of all servers, and clients that disturb a good one.
struct Crowd {
    gateway: ExampleServer,
    workspace: Workspace,
    _cast: Cast,
}

impl Crowd {
    async fn gather() -> Self {
        let workspace = Workspace::new();
        let cast = Cast::of(&Server::ALL, &workspace).await;
        let mut entries = cast.entries.clone();
        entries["slow"] = slow(&workspace.file("starts"));
        entries["silent"] = silent();
        entries["left"] = cast::stdio("arithmetic.py", &[]);
        entries["good"] = cast::stdio("arithmetic.py", &[]);
        Self { gateway: gateway(entries).await, workspace, _cast: cast }
    }

    /// Clients that use all other servers, until dropped: one calls the published ones in turn,
    /// others wait for the slow and the silent one, list everything, and disconnect during calls.
    fn others(&self) -> (JoinSet<()>, HangingUp) {
        let mut others = JoinSet::new();
        let waited_for = ["slow", "silent"].map(|name| (format!("{name}-add"), json!({ "a": 1, "b": 2 })));
        let used = Server::ALL.map(|server| server.quick_call(&self.workspace));
        for (tool, arguments) in used.into_iter().chain(waited_for) {
            let url = self.gateway.url().to_owned();
            others.spawn(async move {
                let client = connect(&url).await;
                let mut ticks = interval(OTHERS_INTERVAL);
                loop {
                    ticks.tick().await;
                    // Other tests check whether it is answered.
                    let _ = client.call(&tool, arguments.clone()).await;
                }
            });
        }
        let url = self.gateway.url().to_owned();
        others.spawn(async move {
            let client = connect(&url).await;
            loop {
                let _ = client.page_of_tools().await;
            }
        });
        (others, HangingUp::start(&self.gateway, "left"))
    }
}

/// Returns how long the slowest of many calls of the good server takes; none may fail.
async fn slowest(client: &Client) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut ticks = interval(CALL_INTERVAL);
    for number in 0..CALLS {
        ticks.tick().await;
        let start = Instant::now();
        let answer = client.call("good-add", json!({ "a": number, "b": 1 })).await;
        slowest = slowest.max(start.elapsed());
        assert!(!is_error(&answer), "call {number} failed: {answer:?}");
        assert_eq!(rmcp_client::text(&answer.expect("a result")), (number + 1).to_string());
    }
    slowest
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_a_good_server_are_as_safe_and_quick_beside_all_others_as_alone() {
    let apart = gateway(json!({ "good": cast::stdio("arithmetic.py", &[]) })).await;
    let crowd = Crowd::gather().await;
    let (alone, among_others) = (connect(apart.url()).await, connect(crowd.gateway.url()).await);
    let mut measured = Vec::new();
    for _ in 0..ROUNDS {
        let apart = slowest(&alone).await;
        let others = crowd.others();
        let beside = slowest(&among_others).await;
        drop(others);
        measured.push((apart, beside));
        if beside <= apart + ALLOWANCE {
            alone.leave().await;
            among_others.leave().await;
            return;
        }
    }
    panic!("calls take longer beside all others than alone, each time: {measured:?}");
}
