//! The clients that run during a test, and their assertions.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::client::{Client, Failure, Message, Stream, settled};

/// Whether the clients should continue.
#[derive(Clone, Default)]
pub(crate) struct Goes(Arc<AtomicBool>);

impl Goes {
    pub(crate) fn on(&self) -> bool {
        !self.0.load(Ordering::SeqCst)
    }

    pub(crate) fn stop(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// The pause of a client between two requests.
const PACE: Duration = Duration::from_millis(10);

/// Calls a tool, in both eras.
pub(crate) async fn add(client: Client, goes: Goes) {
    let mut number = 0;
    while goes.on() {
        let arguments = json!({"a": number, "b": 1});
        let message = if number % 2 == 0 {
            Message::call("add", "add", &arguments)
        } else {
            Message::legacy_call("add, legacy", "add", &arguments)
        };
        number += 1;
        let answer = client.send(&message).await;
        require(&client, &answer, &number.to_string());
        tokio::time::sleep(PACE).await;
    }
}

/// Calls a tool that takes a while and streams its progress.
pub(crate) async fn pause(client: Client, goes: Goes) {
    while goes.on() {
        let params = json!({"name": "pause", "arguments": {"milliseconds": 200}});
        let answer = client.send(&Message::modern("pause", "tools/call", params)).await;
        require(&client, &answer, "rested");
    }
}

fn require(client: &Client, answer: &Value, text: &str) {
    if answer["result"]["content"][0]["text"] != text {
        client.report().fault(&format!("expected {text:?}: {answer}"));
    }
}

fn answer_to(message: &str) -> Value {
    let content = if message.contains("how many") { json!({"guests": 4}) } else { json!({"sure": true}) };
    json!({"action": "accept", "content": content})
}

/// Calls a tool that asks, in 2026-07-28. Each round may reach another replica.
pub(crate) async fn order(client: Client, goes: Goes) {
    while goes.on() {
        client
            .persist("order", async || {
                let mut params = json!({"name": "order", "arguments": {"dish": "soup"}});
                loop {
                    let answer = client.once(&Message::modern("order", "tools/call", params.clone())).await?;
                    let result = &answer["result"];
                    if result["resultType"] != "input_required" {
                        require(&client, &answer, "Ordered soup for 4.");
                        return Ok(());
                    }
                    let asked = result["inputRequests"].as_object().cloned().unwrap_or_default();
                    let answers = asked.into_iter().map(|(key, question)| {
                        (key, answer_to(question["params"]["message"].as_str().unwrap_or_default()))
                    });
                    params["inputResponses"] = Value::Object(answers.collect());
                    params["requestState"] = result["requestState"].clone();
                }
            })
            .await;
        tokio::time::sleep(PACE).await;
    }
}

/// Calls a tool that asks, in the legacy era. The answer may reach another replica than the call.
pub(crate) async fn order_legacy(client: Client, goes: Goes) {
    let call = Message::legacy_call("order, legacy", "order", &json!({"dish": "soup"}));
    while goes.on() {
        client
            .persist("order, legacy", async || {
                let mut stream = client.open(&call).await?;
                let mut is_refused = false;
                loop {
                    let Some(message) = stream.next().await? else {
                        return Err(stream.lost("the stream ends early"));
                    };
                    if is_refused {
                        client
                            .report()
                            .fault(&format!("an answer is refused, and its call lives: {message}"));
                    }
                    if message["method"] != "elicitation/create" {
                        let message = settled(message)?;
                        require(&client, &message, "Ordered soup for 4.");
                        return Ok(());
                    }
                    let result = answer_to(message["params"]["message"].as_str().unwrap_or_default());
                    let answer = json!({"jsonrpc": "2.0", "id": message["id"], "result": result});
                    let answer = Message::legacy("answer, legacy", &answer);
                    let (accepted, losses) = bring(&client, &answer, &mut stream).await?;
                    if accepted["error"]["code"] == -32600 {
                        // No call waits for it: an attempt that was lost has reached the call, or the call is lost.
                        is_refused = losses == 0;
                    } else if !accepted.is_null() {
                        client.report().fault(&format!("an answer got {accepted}"));
                    }
                }
            })
            .await;
        tokio::time::sleep(PACE).await;
    }
}

/// Sends an answer until it is accepted, or until the stream of its call shows that it has arrived. Also
/// returns how often it was lost.
///
/// An answer for which no call waits is in flight for a second, in which its replica looks for the call, and
/// may be lost with one replica after another. So a client does not continue longer than necessary.
async fn bring(client: &Client, answer: &Message, stream: &mut Stream) -> Result<(Value, usize), Failure> {
    let (start, mut losses) = (Instant::now(), 0);
    loop {
        let since = Instant::now();
        let sent = tokio::select! {
            sent = client.once(answer) => sent,
            failure = stream.breaks() => return Err(failure),
        };
        match sent {
            Ok(accepted) => {
                client.report().succeeded("answer, legacy", losses, start.elapsed());
                return Ok((accepted, losses));
            }
            Err(failure) => {
                losses += usize::from(matches!(failure, Failure::Lost(_)));
                client.note("answer, legacy", since, &failure);
            }
        }
        tokio::select! {
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
            failure = stream.breaks() => return Err(failure),
        }
        if stream.goes_on() {
            return Ok((Value::Null, losses));
        }
    }
}

/// The values of the counters, and when they have changed.
#[derive(Clone, Default)]
pub(crate) struct Sums(Arc<Mutex<BTreeMap<String, (u64, Instant)>>>);

pub(crate) const COUNTERS: [&str; 3] = ["apples", "pears", "plums"];

/// Increments counters, which changes resources.
pub(crate) async fn count(client: Client, sums: Sums, goes: Goes) {
    for number in 0.. {
        if !goes.on() {
            return;
        }
        let name = COUNTERS[number % COUNTERS.len()];
        let answer = client.send(&Message::call("count", "count", &json!({"name": name}))).await;
        let text = answer["result"]["content"][0]["text"].as_str().unwrap_or_default();
        let Ok(sum) = text.parse::<u64>() else {
            client.report().fault(&format!("expected a sum: {answer}"));
            continue;
        };
        let mut sums = sums.0.lock().await;
        let known = sums.entry(name.to_owned()).or_insert((0, Instant::now()));
        if sum > known.0 {
            *known = (sum, Instant::now());
        }
        drop(sums);
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
}

/// The time within which a listener must be notified of a change: it may have to subscribe again, and
/// Redis may be unavailable.
const HEARD_WITHIN: Duration = Duration::from_secs(20);

/// Subscribes to counters, and reads a counter only when it is notified of a change.
pub(crate) async fn listen(client: Client, sums: Sums, goes: Goes) {
    let uris: Vec<_> = COUNTERS.iter().map(|name| format!("counter://{name}")).collect();
    let wanted = json!({"notifications": {"resourceSubscriptions": uris}});
    let listen = Message::modern("listen", "subscriptions/listen", wanted);
    let mut known: BTreeMap<String, u64> = BTreeMap::new();
    while goes.on() {
        let since = Instant::now();
        let ended: Result<(), Failure> = async {
            let mut stream = client.open(&listen).await?;
            while goes.on() {
                let next = tokio::time::timeout(Duration::from_millis(500), stream.next()).await;
                let Ok(next) = next else {
                    check(&client, &sums, &known).await;
                    continue;
                };
                let Some(message) = next? else { return Err(stream.lost("it ends")) };
                let changed = match message["method"].as_str() {
                    // Changes before the subscription were not reported, so read all counters.
                    Some("notifications/subscriptions/acknowledged") => uris.clone(),
                    Some("notifications/resources/updated") => {
                        vec![message["params"]["uri"].as_str().unwrap_or_default().to_owned()]
                    }
                    _ => return Ok(()),
                };
                for uri in changed {
                    let read = Message::modern("read", "resources/read", json!({"uri": uri}));
                    let answer = client.send(&read).await;
                    let text = answer["result"]["contents"][0]["text"].as_str().unwrap_or_default();
                    let Ok(sum) = text.parse() else {
                        client.report().fault(&format!("expected a sum: {answer}"));
                        continue;
                    };
                    let name = uri.trim_start_matches("counter://").to_owned();
                    if let Some((now, at)) = sums.0.lock().await.get(&name)
                        && *now == sum
                        && known.get(&name) != Some(&sum)
                    {
                        client.report().heard(at.elapsed());
                    }
                    known.insert(name, sum);
                }
                check(&client, &sums, &known).await;
            }
            Ok(())
        }
        .await;
        if let Err(failure) = ended {
            client.note("listen", since, &failure);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

async fn check(client: &Client, sums: &Sums, known: &BTreeMap<String, u64>) {
    for (name, (sum, at)) in sums.0.lock().await.iter() {
        let heard = known.get(name).copied().unwrap_or_default();
        if heard < *sum && at.elapsed() > HEARD_WITHIN {
            client.report().fault(&format!(
                "a listener knows {heard} of {name}, which is {sum} since {:?}",
                at.elapsed()
            ));
        }
    }
}
