//! Replicas are killed again and again, while Redis is killed, restarted and paused.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use test_support::client::{Client as Published, LEGACY, Library, MODERN};
use test_support::{script, setup, wait};
use tokio::task::{JoinSet, LocalSet};
use tokio::time::{MissedTickBehavior, interval, sleep};

use crate::client::{Client, Message};
use crate::load::{self, Goes, Sums};
use crate::processes::{Fleet, Times};
use crate::report::Report;
use crate::tasks;

/// The scale of a run.
struct Scale {
    seconds: u64,
    tasks: u64,
    /// How long Redis is paused, in seconds.
    pause: u64,
}

impl Scale {
    fn new() -> Self {
        if std::env::var("FLEET").is_ok_and(|fleet| fleet == "long") {
            Self { seconds: 120, tasks: 200, pause: 10 }
        } else {
            Self { seconds: 15, tasks: 24, pause: 3 }
        }
    }
}

/// How many tasks run at the same time.
const TASKS_AT_ONCE: usize = 8;

#[tokio::test]
async fn a_fleet_outlives_its_replicas_and_its_redis() {
    LocalSet::new().run_until(outlive(Scale::new())).await;
}

async fn outlive(scale: Scale) {
    // Install the clients before the time starts.
    let _ = (setup::python_1(), setup::python_2(), setup::node());
    let mut fleet = Fleet::start("outliving", Times { lease: 1, announce: 0 }).await;
    let report = Report::new();
    let (goes, sums) = (Goes::default(), Sums::default());
    let client = |caller| Client::new(fleet.nginx.port, caller, &report);
    let mut clients = JoinSet::new();
    for caller in ["ada", "bob"] {
        clients.spawn_local(load::add(client(caller), goes.clone()));
        clients.spawn_local(load::pause(client(caller), goes.clone()));
        clients.spawn_local(load::order(client(caller), goes.clone()));
        clients.spawn_local(load::order_legacy(client(caller), goes.clone()));
        clients.spawn_local(load::listen(client(caller), sums.clone(), goes.clone()));
    }
    clients.spawn_local(load::count(client("ada"), sums.clone(), goes.clone()));
    let next = Arc::<AtomicU64>::default();
    let mut workers = JoinSet::new();
    for _ in 0..TASKS_AT_ONCE {
        let (client, next, most) = (client("ada"), Arc::clone(&next), scale.tasks);
        // The last tasks start early enough to end in time.
        let begun = Instant::now();
        let pace = Duration::from_secs(scale.seconds) * 8 / 10 / u32::try_from(most).expect("few");
        workers.spawn_local(async move {
            loop {
                let number = next.fetch_add(1, Ordering::SeqCst);
                if number >= most {
                    return;
                }
                let turn = begun + pace * u32::try_from(number).expect("few");
                sleep(turn.saturating_duration_since(Instant::now())).await;
                tasks::one(&client, number).await;
            }
        });
    }
    let published = published(&fleet.url(), scale.seconds);

    trouble(&mut fleet, &report, &scale).await;
    workers.join_all().await;
    goes.stop();
    clients.join_all().await;
    let published = published.await.expect("no panic");
    println!("{report}{published}");
    report.assert_faultless(|| fleet.log());
    assert_eq!(report.tasks_ended(), usize::try_from(scale.tasks).expect("few"), "{report}");
    nothing_is_left_that_does_not_expire(&fleet).await;
    assert!(report.kills() as u64 >= scale.seconds / 2, "{report}");
}

/// Kills a replica each second and starts it again a second later. Kills, restarts and pauses Redis.
async fn trouble(fleet: &mut Fleet, report: &Report, scale: &Scale) {
    let start = Instant::now();
    let mut dead: Option<usize> = None;
    // The times at which Redis fails, as parts of the whole run.
    let at = |part: u64| Duration::from_secs(scale.seconds) * u32::try_from(part).expect("small") / 10;
    let mut events = [(at(2), "killed"), (at(4), "restarted"), (at(6), "paused")].into_iter().peekable();
    let mut seconds = interval(Duration::from_secs(1));
    // Time that was spent with Redis is not made up for.
    seconds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    for turn in 0.. {
        seconds.tick().await;
        if start.elapsed() >= Duration::from_secs(scale.seconds) {
            break;
        }
        if let Some(dead) = dead.take() {
            fleet.replicas[dead].start().await;
        }
        let victim = turn % fleet.replicas.len();
        let replica = &fleet.replicas[victim];
        report.killing(replica.process(), replica.port);
        fleet.replicas[victim].kill().await;
        report.killed();
        dead = Some(victim);
        if let Some((_, event)) = events.next_if(|(at, _)| start.elapsed() >= *at) {
            report.redis_leaves();
            match event {
                "killed" => {
                    fleet.redis.kill().await;
                    fleet.redis.restart().await;
                }
                "restarted" => {
                    fleet.redis.stop().await;
                    fleet.redis.restart().await;
                }
                _ => {
                    fleet.redis.pause();
                    sleep(Duration::from_secs(scale.pause)).await;
                    fleet.redis.resume();
                }
            }
            report.redis_returns();
        }
    }
    if let Some(dead) = dead {
        fleet.replicas[dead].start().await;
    }
}

/// Asserts that every key in Redis has an expiry, and that no replica is subscribed to changes and answers.
/// (A task whose id was lost with its response may still wait for an answer, until it expires.)
async fn nothing_is_left_that_does_not_expire(fleet: &Fleet) {
    let client = redis::Client::open(fleet.redis.url()).expect("a URL");
    let mut connection = client.get_multiplexed_async_connection().await.expect("a connection");
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.expect("keys");
    assert!(!keys.is_empty());
    for key in keys {
        assert!(key.starts_with("{fleet}:"), "{key}");
        let left: i64 = redis::cmd("PTTL").arg(&key).query_async(&mut connection).await.expect("a time");
        assert!(left > 0 || left == -2, "{key} never expires: {left}");
    }
    wait::until("nobody listens", async || {
        let channels: Vec<String> = redis::cmd("PUBSUB")
            .arg("CHANNELS")
            .query_async(&mut connection.clone())
            .await
            .expect("channels");
        !channels.iter().any(|channel| channel.ends_with(":counters") || channel.contains(".ask-"))
    })
    .await;
}

/// Starts published clients of both eras, which send calls for this time. Returns their report.
fn published(url: &str, seconds: u64) -> tokio::task::JoinHandle<String> {
    let url = url.to_owned();
    tokio::spawn(async move {
        let clients = [
            (Library::Python1, "legacy", LEGACY, "Python, mcp 1"),
            (Library::Python2, "pinned", MODERN, "Python, mcp 2"),
            (Library::TypeScript1, "legacy", LEGACY, "TypeScript, sdk 1"),
            (Library::TypeScript2, "pinned", MODERN, "TypeScript, client 2"),
        ];
        let runs = clients.map(|(library, era, revision, name)| {
            let client = Published { library, era, revision };
            let command = client.command(&[&format!("outliving:{seconds}")], &url);
            async move {
                let output = script::run_for(command, Duration::from_secs(seconds + 60)).await;
                let said = script::said(&output);
                assert!(output.status.success(), "{name}: {said}");
                let figures = said.lines().find(|line| line.starts_with("outlived: ")).unwrap_or("");
                format!(
                    "| {name}, calls, and most tries of one | {} |\n",
                    figures.trim_start_matches("outlived: ")
                )
            }
        });
        futures_util::future::join_all(runs).await.concat()
    })
}

#[tokio::test]
async fn a_fleet_without_trouble_loses_nothing() {
    let fleet = Fleet::start("calm", Times { lease: 30, announce: 0 }).await;
    let report = Report::new();
    let client = Client::new(fleet.nginx.port, "ada", &report);
    for number in 0..30 {
        let answer = client.send(&Message::call("add", "add", &json!({"a": number, "b": 1}))).await;
        assert_eq!(answer["result"]["content"][0]["text"], (number + 1).to_string());
    }
    let tasks = (0..4).map(|number| tasks::one(&client, number));
    futures_util::future::join_all(tasks).await;
    report.assert_faultless(|| fleet.log());
    assert_eq!(report.tasks_ended(), 4);
}
