//! Lists that were not ready in time, and the latest one that each caller got.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use http::HeaderName;

use crate::principal::Principal;
use crate::protocol::CacheScope;
use crate::registry::{ListRequest, Page};

/// How many callers' lists, and how many bytes, are kept for one list of a part.
const MOST_CALLERS: usize = 64;
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// Headers that do not identify the caller, and differ between requests.
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

/// A fingerprint of a caller, keyed with random keys of this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Caller([u64; 2]);

/// Creates the fingerprints of a catalog; `None` if lists do not depend on the caller.
pub(super) struct Callers(Option<[RandomState; 2]>);

impl Callers {
    /// Distinguishes callers, unless they share lists.
    pub(super) fn new(share_lists: bool) -> Self {
        Self((!share_lists).then(<[RandomState; 2]>::default))
    }

    /// Returns the caller of a request, identified by the host's authentication and by all headers
    /// that may identify it.
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
    /// Whether the list was ever not ready at once. Only then are lists kept.
    is_late: AtomicBool,
    /// The latest list of each caller, the oldest first. Without a caller, the list is for
    /// everyone.
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

    /// Returns the latest known list, as this caller may see it.
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
        // No code panics while it holds the lock, so the lists are consistent even if it is
        // poisoned.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
