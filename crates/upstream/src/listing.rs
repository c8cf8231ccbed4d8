//! Requests for a caller whose session may have to be reopened, and the lists that are fetched with
//! them.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use mcp_stateless::protocol::{Era, RpcError};
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use super::callers::wait_after;
use super::error::UpstreamError;
use super::failure::Failure;
use super::kind::ListKind;
use super::lists::{List, Lists, Refreshed};
use super::pool::Pool;
use super::session::{Lease, Session};
use super::settings::Key;
use super::tasks::Aborting;

/// How long an upstream may take for a list, unless its calls have a limit.
const LIST_LIMIT: Duration = Duration::from_secs(60);
/// How long the background refresh of a failed list continues.
const REFRESH_LIMIT: Duration = Duration::from_secs(300);

impl Pool {
    /// Fetches a list for one caller.
    pub(super) async fn fetch(
        self: &Arc<Self>,
        kind: ListKind,
        key: &Key,
        wanted: Option<Era>,
        headers: &HeaderMap,
    ) -> Result<Arc<List>, UpstreamError> {
        let limit = self.settings.call_timeout.unwrap_or(LIST_LIMIT);
        let list = self.request(key, wanted, headers, |lease| async move {
            let lists = self.lists(key, lease.0.about.era);
            lists.fetch(&lease, &self.settings.target, kind, headers).await
        });
        let list = match timeout(limit, list).await {
            Ok(list) => list?,
            Err(_) => {
                return Err(self.refused(&Failure::failed(format!("it lists nothing within {limit:?}"))));
            }
        };
        self.remember(kind, &list);
        Ok(list)
    }

    /// Sends a request in the session of a caller, and once more in another session if the upstream
    /// has forgotten it.
    pub(super) async fn request<T, F>(
        self: &Arc<Self>,
        key: &Key,
        wanted: Option<Era>,
        headers: &HeaderMap,
        request: impl Fn(Lease) -> F,
    ) -> Result<T, UpstreamError>
    where
        F: Future<Output = Result<T, Failure>>,
    {
        let lease = self.lease(key, wanted, headers).await?;
        let session: Arc<Session> = Arc::clone(&lease.0);
        let outcome = match request(lease).await {
            Err(Failure::Forgotten) => {
                self.forgotten(key, &session);
                request(self.lease(key, wanted, headers).await?).await
            }
            outcome => outcome,
        };
        outcome.map_err(|failure| self.refused(&failure))
    }

    pub(super) fn refused(&self, failure: &Failure) -> UpstreamError {
        let upstream = self.settings.name.to_string();
        UpstreamError::Refused { error: failed(failure, &upstream), upstream }
    }

    /// Returns the progress of the list's refresh, and starts one if none is running.
    pub(super) fn refreshed(
        self: &Arc<Self>,
        lists: &Lists,
        kind: ListKind,
        key: Key,
        wanted: Option<Era>,
        headers: HeaderMap,
    ) -> Refreshed {
        lists.refresh(kind, || refresh(Arc::clone(self), kind, key, wanted, headers))
    }
}

/// Fetches a list in the background. If that fails, retries for a while; listeners are then
/// notified when the list arrives, if a caller had to do without it.
fn refresh(
    pool: Arc<Pool>,
    kind: ListKind,
    key: Key,
    wanted: Option<Era>,
    headers: HeaderMap,
) -> (Refreshed, Aborting) {
    let (sender, refreshed) = watch::channel(None);
    let task = Aborting::spawn(async move {
        let lists = pool.lists(&key, pool.era(wanted));
        let until = Instant::now() + REFRESH_LIMIT;
        for failures in 1.. {
            let outcome = pool.fetch(kind, &key, wanted, &headers).await;
            let is_over = matches!(outcome, Ok(_) | Err(UpstreamError::ShutDown { .. }));
            if outcome.is_ok() && lists.was_late(kind) {
                pool.changes.publish(kind.change());
            }
            sender.send_if_modified(|first| {
                let is_first = first.is_none();
                first.get_or_insert(outcome);
                is_first
            });
            if is_over || Instant::now() > until {
                return;
            }
            sleep(wait_after(failures)).await;
        }
    });
    (refreshed, task)
}

/// Returns the error for a client, and logs the full failure.
pub(super) fn failed(failure: &Failure, upstream: &str) -> RpcError {
    if !matches!(failure, Failure::Rpc(_)) {
        let cause = failure.cause();
        tracing::warn!(upstream, cause = &*cause.words, "a request to an upstream failed");
        tracing::debug!(upstream, detail = cause.detail, "why a request to an upstream failed");
    }
    failure.to_rpc(upstream)
}
