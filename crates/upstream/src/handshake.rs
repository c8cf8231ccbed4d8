//! Opens a connection in either era (2026-07-28, Versioning, "Backward Compatibility").

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use mcp_stateless::protocol::{Era, ErrorCode, Icon, Revision};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until, timeout};

use super::client::{CAPABILITIES, Client, MODERN, Request};
use super::failure::{Cause, Failure};
use super::message::Params;
use super::meta;

/// How long to wait for the first attempt before the other one is started as well.
const SILENCE: Duration = Duration::from_secs(3);
/// The longest name of a revision.
const MAX_REVISION: usize = 64;

/// The result of opening an upstream.
#[derive(Debug)]
pub(super) struct About {
    pub(super) name: String,
    pub(super) version: String,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) website_url: Option<String>,
    pub(super) icons: Vec<Icon>,
    pub(super) revision: String,
    pub(super) capabilities: Value,
    pub(super) instructions: Option<String>,
    pub(super) era: Era,
    /// Whether it says that it also supports the other era.
    pub(super) has_other_era: bool,
    /// Why the attempt in the preferred era failed, if the failure does not show whether the era is
    /// supported.
    pub(super) undecided: Option<Cause>,
}

/// Why a connection could not be opened.
#[derive(Debug)]
pub(super) struct Unopened {
    pub(super) cause: Cause,
    pub(super) shows: Shows,
}

/// The conclusion from a failed opening about the eras of the upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shows {
    Nothing,
    /// It only lacks the first era.
    LacksEra,
    /// It ended after a request of the modern era, like servers that accept nothing before
    /// `initialize`. Another attempt with `initialize` alone may succeed.
    EndsOnModern,
}

impl From<Cause> for Unopened {
    fn from(cause: Cause) -> Self {
        Self { cause, shows: Shows::Nothing }
    }
}

/// The eras to try, and how.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attempts {
    pub(super) first: Era,
    pub(super) second: Option<Era>,
    /// Whether a refusal of the first era is final, because a session of the second is open.
    pub(super) is_probe: bool,
    /// Whether the upstream may support the modern era.
    pub(super) may_be_modern: bool,
}

impl Attempts {
    /// Tries the legacy era alone.
    pub(super) const LEGACY: Self =
        Self { first: Era::Legacy, second: None, is_probe: false, may_be_modern: false };
}

/// The answer to `initialize` or `server/discover`.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Opened {
    protocol_version: Option<String>,
    #[serde(default)]
    supported_versions: Vec<String>,
    #[serde(default)]
    capabilities: Value,
    #[serde(default)]
    server_info: Value,
    instructions: Option<String>,
    #[serde(default, rename = "_meta")]
    meta: Value,
}

type Attempt = BoxFuture<'static, (Era, Result<About, Failure>)>;

/// Opens a connection in the first of these eras that the upstream supports. The second is tried
/// when the first is refused, or in parallel if there is no answer for a while. In that case the
/// first usable answer decides, and the other is dropped when it arrives.
///
/// An upstream over HTTP that opens no session in the legacy era is used in the modern era, if it
/// supports it.
///
/// # Errors
/// Returns an error if the upstream accepts neither, or the connection fails. Does not end before the
/// upstream answers: the caller limits the time.
pub(super) async fn open(client: &Arc<Client>, allowed: Attempts) -> Result<About, Unopened> {
    let Attempts { first, mut second, is_probe, may_be_modern } = allowed;
    let prefers_modern = second.is_some() && may_be_modern;
    let mut attempts: FuturesUnordered<Attempt> = FuturesUnordered::new();
    attempts.push(attempt(client, first));
    let patience = Instant::now() + SILENCE;
    let mut failures = Vec::new();
    let mut about = loop {
        tokio::select! {
            Some((era, outcome)) = attempts.next() => match outcome {
                Ok(about) => break about,
                Err(failure) => {
                    let has_ended = matches!(failure, Failure::Lost(_)) && !client.transport.is_http();
                    let is_final = has_ended || matches!(failure, Failure::Unreachable(_));
                    failures.push((era, failure));
                    if is_final {
                        let shows = if has_ended { shown_by_end(allowed, second) } else { Shows::Nothing };
                        return Err(Unopened { cause: cause(client, &failures).await, shows });
                    }
                    if is_probe && second.is_some() {
                        let lacks = !failures.iter().any(|(_, failure)| may_pass(client, failure));
                        let shows = if lacks { Shows::LacksEra } else { Shows::Nothing };
                        return Err(Unopened { cause: cause(client, &failures).await, shows });
                    }
                    match second.take() {
                        Some(second) => attempts.push(attempt(client, second)),
                        None if attempts.is_empty() => return Err(cause(client, &failures).await.into()),
                        None => {}
                    }
                }
            },
            () = sleep_until(patience), if second.is_some() => {
                attempts.extend(second.take().map(|second| attempt(client, second)));
            }
        }
    };
    let is_refused = failures.iter().any(|(era, _)| *era == Era::Modern);
    if about.era == Era::Legacy && prefers_modern && !is_refused && client.transport.is_sessionless() {
        // In the legacy era, an answer to a question cannot be delivered without a session.
        if let Ok((_, Ok(modern))) = timeout(SILENCE, attempt(client, Era::Modern)).await {
            about = modern;
        }
    }
    let undecided = failures.iter().find(|(era, failure)| *era == first && may_pass(client, failure));
    about.undecided = undecided.map(|(_, failure)| failure.cause());
    client.adopt(about.era, &about.revision);
    if about.era == Era::Legacy {
        client.notify("notifications/initialized").await.map_err(|failure| failure.cause())?;
    }
    Ok(about)
}

/// Returns what the end of a child during its opening shows. `left` is the era that was not tried.
fn shown_by_end(allowed: Attempts, left: Option<Era>) -> Shows {
    let Attempts { first, second, is_probe, .. } = allowed;
    match (first, second) {
        (Era::Modern, Some(_)) if is_probe => Shows::LacksEra,
        (Era::Modern, Some(_)) => Shows::EndsOnModern,
        (Era::Legacy, Some(_)) if left.is_none() && !is_probe => Shows::EndsOnModern,
        _ => Shows::Nothing,
    }
}

/// Whether a failed attempt does not show whether the era is supported.
fn may_pass(client: &Client, failure: &Failure) -> bool {
    // Some servers answer every unknown method this way. Over HTTP another attempt costs little.
    let is_internal = matches!(failure, Failure::Rpc(error) if error.code() == ErrorCode::INTERNAL_ERROR);
    failure.may_pass() || (is_internal && client.transport.is_http())
}

/// Chooses the failure to report: that of `initialize` is the most telling, unless it was not sent.
async fn cause(client: &Client, failures: &[(Era, Failure)]) -> Cause {
    let legacy = failures.iter().find(|(era, _)| *era == Era::Legacy);
    let Some((_, failure)) = legacy.or(failures.last()) else { return Cause::new("it does not answer") };
    let mut cause = failure.cause();
    // The answers to a POST of servers with the transport that preceded Streamable HTTP.
    let may_be_old = ["HTTP 400", "HTTP 404", "HTTP 405"].iter().any(|status| cause.words.contains(status));
    if may_be_old && let Some(hint) = client.transport.hint().await {
        cause.words = format!("{} ({hint})", cause.words).into();
    }
    cause
}

fn attempt(client: &Arc<Client>, era: Era) -> Attempt {
    let client = Arc::clone(client);
    Box::pin(async move {
        let request = match era {
            Era::Modern => Request::new("server/discover", Params::new()),
            Era::Legacy => {
                let params = Params::new()
                    .with("protocolVersion", Revision::V2025_11_25.as_str())
                    .raw("capabilities", CAPABILITIES)
                    .raw("clientInfo", client.info());
                Request::new("initialize", params)
            }
        };
        let outcome = client.open(era, request).await.outcome().await.map_err(|failure| match failure {
            // There is no other session in which it could be repeated.
            Failure::Forgotten => Failure::lost("it does not read its input"),
            other => other,
        });
        (era, outcome.and_then(|text| read(&text, era)))
    })
}

fn read(text: &str, era: Era) -> Result<About, Failure> {
    let opened: Opened = match serde_json::from_str(text) {
        Ok(opened) if text.trim_start().starts_with('{') => opened,
        _ => return Err(failed("the answer to its opening cannot be read", text)),
    };
    let is_legacy = |name: &String| Revision::from_name(name).is_some_and(|it| it.era() == Era::Legacy);
    let (revision, has_other_era) = match era {
        Era::Modern => {
            if !opened.supported_versions.iter().any(|version| version == MODERN.as_str()) {
                return Err(failed("it does not speak a revision that is known", text));
            }
            (MODERN.as_str().to_owned(), opened.supported_versions.iter().any(is_legacy))
        }
        Era::Legacy => {
            let revision = opened.protocol_version.unwrap_or_default();
            let is_modern = Revision::from_name(&revision).is_some_and(|it| it.era() == Era::Modern);
            if revision.is_empty() || revision.len() > MAX_REVISION || is_modern {
                return Err(failed("it does not speak a revision that is known", text));
            }
            (revision, false)
        }
    };
    let software = opened.meta.get(meta::SERVER_INFO).unwrap_or(&opened.server_info);
    let said = |name: &str| software[name].as_str().map(str::to_owned);
    let icons = software["icons"].as_array().into_iter().flatten();
    Ok(About {
        name: said("name").unwrap_or_default(),
        version: said("version").unwrap_or_default(),
        title: said("title"),
        description: said("description"),
        website_url: said("websiteUrl"),
        icons: icons.filter_map(|icon| Icon::deserialize(icon).ok()).collect(),
        revision,
        capabilities: if opened.capabilities.is_object() { opened.capabilities } else { json!({}) },
        instructions: opened.instructions,
        era,
        has_other_era,
        undecided: None,
    })
}

fn failed(words: &'static str, text: &str) -> Failure {
    Failure::Failed(Cause::new(words).detail(text))
}
