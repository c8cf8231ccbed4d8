//! The parts that take their time, or fail: what is known of their lists from before, and
//! the refreshes that go on when the request that asked has been answered without them.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::HeaderName;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use super::Shared;
use super::part::Part;
use crate::jsonrpc::RpcError;
use crate::principal::Principal;
use crate::protocol::CacheScope;
use crate::registry::source::OwnedListRequest;
use crate::registry::{ItemKind, ListRequest, Page};

/// How long a part may take for one list after which it is asked anew.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(60);
/// How many refreshes of one list of one part may be under way: one for each caller.
const MOST_REFRESHES: usize = 4;
/// How long a refresh goes on when nobody listens to the catalog's changes.
const GRACE: Duration = Duration::from_secs(60);
const FIRST_DELAY: Duration = Duration::from_secs(1);
const LONGEST_DELAY: Duration = Duration::from_secs(30);
/// Of one list of one part, for how many callers it is remembered, and how much in all.
const MOST_CALLERS: usize = 64;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The headers that say nothing of who calls, and differ from request to request.
const OF_THE_MESSAGE: [&str; 15] = [
    "accept",
    "accept-encoding",
    "baggage",
    "connection",
    "content-length",
    "content-type",
    "date",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "x-correlation-id",
    "x-request-id",
];

/// A list that a part has been asked for.
pub(super) type Listing = Pin<Box<dyn Future<Output = Result<Page, RpcError>> + Send>>;

/// A fingerprint of who calls, with keys of this process that nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller([u64; 2]);

/// Makes the fingerprints of one catalog; `None` where lists are the same for every caller.
pub(super) struct Callers(Option<[RandomState; 2]>);

impl Callers {
    /// Tells callers apart, unless they share the lists.
    pub(super) fn new(share_lists: bool) -> Self {
        Self((!share_lists).then(<[RandomState; 2]>::default))
    }

    /// The caller of a request. It is known by what the host's authentication says, and by
    /// all headers that may say something of it.
    pub(super) fn of(&self, request: &ListRequest<'_>) -> Caller {
        let Some(keys) = &self.0 else { return Caller([0; 2]) };
        let says = |name: &HeaderName| !OF_THE_MESSAGE.contains(&name.as_str());
        Caller(keys.each_ref().map(|keys| {
            let mut hasher = keys.build_hasher();
            Principal::of(request.head).hash(&mut hasher);
            request.revision.as_str().hash(&mut hasher);
            request.head.uri.hash(&mut hasher);
            for (name, value) in request.head.headers.iter().filter(|(name, _)| says(name)) {
                name.hash(&mut hasher);
                value.as_bytes().hash(&mut hasher);
            }
            hasher.finish()
        }))
    }
}

/// One list of one part.
#[derive(Default)]
pub(super) struct Late {
    /// Whether it was not there at once when it was asked for: only then anything is
    /// remembered of it.
    is_late: AtomicBool,
    /// The latest list of each caller, the oldest first. Without a caller it is everybody's.
    known: Mutex<Vec<(Option<Caller>, Page)>>,
}

impl Late {
    pub(super) fn is_late(&self) -> bool {
        self.is_late.load(Ordering::Relaxed)
    }

    pub(super) fn set_late(&self) {
        if !self.is_late() {
            self.is_late.store(true, Ordering::Relaxed);
        }
    }

    /// The list that was known last, as this caller may see it.
    pub(super) fn known(&self, caller: Caller) -> Option<Page> {
        let known = self.lock();
        let of = |wanted| known.iter().find(|(caller, _)| *caller == wanted);
        of(Some(caller)).or_else(|| of(None)).map(|(_, page)| page.clone())
    }

    pub(super) fn remember(&self, caller: Caller, page: &Page) {
        let caller = (page.cache.scope == CacheScope::Private).then_some(caller);
        let mut known = self.lock();
        known.retain(|(other, _)| *other != caller);
        known.push((caller, page.clone()));
        let size = |known: &[(_, Page)]| known.iter().map(|(_, page)| page.definitions.len()).sum::<usize>();
        while known.len() > MOST_CALLERS || size(&known) > MOST_BYTES {
            known.remove(0);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(Option<Caller>, Page)>> {
        // Nothing in here panics half-way, so the lists are whole even if poisoned.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which list a refresh is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    /// The index of the part.
    pub(super) part: usize,
    pub(super) kind: ItemKind,
    pub(super) caller: Caller,
}

/// What a refresh has come to: nothing yet while it asks, else the outcome of the latest
/// attempt.
type Outcome = Option<Result<Page, RpcError>>;

/// The refreshes under way, one task each. They end with the catalog.
#[derive(Default)]
pub(super) struct Refreshes(Mutex<Vec<Refresh>>);

struct Refresh {
    wanted: Wanted,
    outcome: watch::Receiver<Outcome>,
    task: AbortHandle,
}

impl Refreshes {
    fn lock(&self) -> MutexGuard<'_, Vec<Refresh>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The list that a refresh is asking for now.
    pub(super) fn join(&self, wanted: Wanted) -> Option<Listing> {
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

    /// Goes on until the list is there, beginning with what is under way. Does nothing when
    /// there is a refresh already, or there are as many as may be, or no runtime.
    pub(super) fn begin(
        &self,
        shared: &Arc<Shared>,
        wanted: Wanted,
        request: &Arc<OwnedListRequest>,
        first: Option<Listing>,
    ) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let mut refreshes = self.lock();
        let of_list =
            |refresh: &&Refresh| (refresh.wanted.part, refresh.wanted.kind) == (wanted.part, wanted.kind);
        let is_there = refreshes.iter().any(|refresh| refresh.wanted == wanted);
        if is_there || refreshes.iter().filter(of_list).count() >= MOST_REFRESHES {
            return;
        }
        let (progress, outcome) = watch::channel(first.is_none().then(|| Err(RpcError::internal())));
        let request = Arc::clone(request);
        let task = runtime.spawn(run(Arc::downgrade(shared), wanted, request, first, progress));
        refreshes.push(Refresh { wanted, outcome, task: task.abort_handle() });
    }

    fn end(&self, wanted: Wanted) {
        self.lock().retain(|refresh| refresh.wanted != wanted);
    }
}

impl Drop for Refreshes {
    fn drop(&mut self) {
        for refresh in self.lock().drain(..) {
            refresh.task.abort();
        }
    }
}

/// A part's list, on its way independently of the request that asked for it.
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

/// Asks a part for a list until it comes. Between the attempts it holds nothing of the
/// catalog.
async fn run(
    shared: Weak<Shared>,
    wanted: Wanted,
    request: Arc<OwnedListRequest>,
    mut first: Option<Listing>,
    progress: watch::Sender<Outcome>,
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
            progress.send_replace(None);
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
                tracing::warn!(part, kind, %error, "a list of the catalog is missing; it is asked for until it comes");
                has_failed = true;
            }
            Ok(_) if has_failed => tracing::info!(part, kind, "a list of the catalog is back"),
            _ => {}
        }
        let is_there = outcome.is_ok();
        progress.send_replace(Some(outcome));
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
    /// Whether anybody listens to what the catalog says itself.
    fn is_heard(&self) -> bool {
        self.bus.is_heard(super::TOPIC)
    }
}
