//! Lists that were late: what each caller was last told of them.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderName;

use crate::principal::Principal;
use crate::protocol::CacheScope;
use crate::registry::{ListRequest, Page};

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
