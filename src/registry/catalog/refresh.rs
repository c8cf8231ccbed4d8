//! Refreshes of late lists, which continue after the request that asked was answered without them.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::Shared;
use super::late::Caller;
use super::part::Part;
use crate::jsonrpc::RpcError;
use crate::observe::line;
use crate::registry::page::LONGEST_REASON;
use crate::registry::source::OwnedListRequest;
use crate::registry::{ItemKind, ListRequest, Page};

/// How long a part may take for a list before it is asked again.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(60);
/// How many refreshes of one list of a part may run, one for each caller.
const MOST_REFRESHES: usize = 4;
/// How long a refresh continues while no client listens to the catalog's changes.
const GRACE: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// A list that was requested from a part.
pub(super) type Listing = Pin<Box<dyn Future<Output = Result<Page, RpcError>> + Send>>;

/// The list that is refreshed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RefreshKey {
    /// The index of the part.
    pub(super) part: usize,
    pub(super) kind: ItemKind,
    pub(super) caller: Caller,
}

/// The state of a refresh: nothing yet while it asks, otherwise the outcome of the latest attempt.
type Outcome = Option<Result<Page, RpcError>>;

/// The running refreshes, one task each. They end with the catalog.
#[derive(Default)]
pub(super) struct Refreshes(Mutex<Vec<Refresh>>);

struct Refresh {
    wanted: RefreshKey,
    outcome: watch::Receiver<Outcome>,
    /// How many of its attempts have failed.
    failures: Arc<AtomicUsize>,
    task: AbortHandle,
}

impl Refreshes {
    fn lock(&self) -> MutexGuard<'_, Vec<Refresh>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list that a refresh is waiting for.
    pub(super) fn join(&self, wanted: RefreshKey) -> Option<Listing> {
        let refreshes = self.lock();
        let refresh = refreshes.iter().find(|refresh| refresh.wanted == wanted)?;
        let mut outcome = refresh.outcome.clone();
        drop(refreshes);
        let is_asking = outcome.borrow().is_none();
        is_asking.then(|| -> Listing {
            Box::pin(async move {
                match outcome.wait_for(Option::is_some).await.as_deref() {
                    Ok(Some(outcome)) => outcome.clone(),
                    _ => Err(RpcError::internal()),
                }
            })
        })
    }

    /// Repeats the request until the list arrives, starting with the request that is already
    /// running. Does nothing if there is a refresh already, or no runtime.
    ///
    /// If the limit is reached, the refresh with the most failures ends, so that callers who are
    /// refused, for example because their credentials were revoked, do not keep others out. Until
    /// each has failed once, no other starts.
    pub(super) fn begin(
        &self,
        shared: &Arc<Shared>,
        wanted: RefreshKey,
        request: &Arc<OwnedListRequest>,
        first: Option<Listing>,
    ) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut refreshes = self.lock();
        let of_list =
            |refresh: &&Refresh| (refresh.wanted.part, refresh.wanted.kind) == (wanted.part, wanted.kind);
        if refreshes.iter().any(|refresh| refresh.wanted == wanted) {
            return;
        }
        if refreshes.iter().filter(of_list).count() >= MOST_REFRESHES {
            let failures = |refresh: &Refresh| refresh.failures.load(Ordering::Relaxed);
            let worst = refreshes.iter().filter(of_list).max_by_key(|refresh| failures(refresh));
            let Some(worst) = worst.filter(|refresh| failures(refresh) > 0).map(|refresh| refresh.wanted)
            else {
                return;
            };
            refreshes.retain(|refresh| {
                let stays = refresh.wanted != worst;
                if !stays {
                    refresh.task.abort();
                }
                stays
            });
        }
        let (progress, outcome) = watch::channel(first.is_none().then(|| Err(RpcError::internal())));
        let request = Arc::clone(request);
        let failures = Arc::<AtomicUsize>::default();
        let progress = RefreshProgress { outcome: progress, failures: Arc::clone(&failures) };
        let task = runtime.spawn(run(Arc::downgrade(shared), wanted, request, first, progress));
        refreshes.push(Refresh { wanted, outcome, failures, task: task.abort_handle() });
    }

    fn end(&self, wanted: RefreshKey) {
        self.lock().retain(|refresh| refresh.wanted != wanted);
    }
}

/// The progress that a refresh reports.
struct RefreshProgress {
    outcome: watch::Sender<Outcome>,
    failures: Arc<AtomicUsize>,
}

impl Drop for Refreshes {
    fn drop(&mut self) {
        for refresh in self.lock().drain(..) {
            refresh.task.abort();
        }
    }
}

/// A list of a part that arrives independently of the request that asked for it.
pub(super) fn listing(
    parts: &Arc<[Part]>,
    part: usize,
    kind: ItemKind,
    request: &Arc<OwnedListRequest>,
    cursor: Option<String>,
) -> Listing {
    let (parts, request) = (Arc::clone(parts), Arc::clone(request));
    Box::pin(async move {
        let request = ListRequest { cursor: cursor.as_deref(), ..request.borrow() };
        parts[part].ask(kind, request).within(Some(ATTEMPT_LIMIT)).await
    })
}

/// Requests a list from a part until it arrives. Holds no reference to the catalog between
/// attempts.
async fn run(
    shared: Weak<Shared>,
    wanted: RefreshKey,
    request: Arc<OwnedListRequest>,
    mut first: Option<Listing>,
    progress: RefreshProgress,
) {
    let start = Instant::now();
    let (mut delay, mut has_failed) = (FIRST_DELAY, false);
    loop {
        let under_way = if let Some(listing) = first.take() {
            listing
        } else {
            sleep(delay).await;
            delay = (delay * 2).min(LONGEST_DELAY);
            let Some(shared) = shared.upgrade() else { return };
            progress.outcome.send_replace(None);
            listing(&shared.parts, wanted.part, wanted.kind, &request, None)
        };
        let outcome = under_way.await;
        let Some(shared) = shared.upgrade() else { return };
        if let Ok(page) = &outcome {
            shared.parts[wanted.part].late(wanted.kind).remember(wanted.caller, page);
        }
        let (part, kind) = (&*shared.parts[wanted.part].name, wanted.kind.noun());
        match &outcome {
            Err(error) if !has_failed => {
                let (code, error) = (error.code().0, &*line(error.message(), LONGEST_REASON));
                tracing::warn!(
                    part,
                    kind,
                    code,
                    "a list of the catalog is missing; retrying until it arrives"
                );
                tracing::debug!(part, kind, error, "why a list of the catalog is missing");
                has_failed = true;
            }
            Ok(_) if has_failed => tracing::info!(part, kind, "a list of the catalog is available again"),
            _ => {}
        }
        let is_there = outcome.is_ok();
        if !is_there {
            progress.failures.fetch_add(1, Ordering::Relaxed);
        }
        progress.outcome.send_replace(Some(outcome));
        if is_there || (start.elapsed() > GRACE && !shared.is_heard()) {
            shared.refreshes.end(wanted);
            if is_there {
                shared.changes.publish(wanted.kind.change());
            }
            return;
        }
    }
}

impl Shared {
    /// Whether any client listens to the catalog's own changes.
    fn is_heard(&self) -> bool {
        self.bus.is_heard(super::TOPIC)
    }
}
