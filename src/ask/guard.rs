//! Accepting answers only once.

use std::collections::{BTreeSet, HashSet};
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::state::now;
use crate::places::{Full, Place, Places};
use crate::principal::Principal;

/// Lets each state of a call be redeemed once, so that a client cannot send the same answers
/// twice; see [`ManagerBuilder::answer_guard`](crate::manager::ManagerBuilder::answer_guard).
///
/// Replicas must agree, so implement this with a shared store that decides atomically. The crate
/// `mcp-stateless-redis` has an implementation; the example shows its principle. A message bus is not
/// sufficient: it does not reply, so two replicas could both believe that they were first. A single process
/// uses [`LocalAnswerGuard`].
///
/// ```
/// use std::error::Error;
/// use mcp_stateless::ask::{AnswerGuard, Redeeming, Redemption};
///
/// # struct Redis;
/// # impl Redis {
/// #     async fn set_nx_ex(&self, _: &str, _: u64) -> Result<bool, std::io::Error> { Ok(true) }
/// # }
/// struct RedisGuard(Redis);
///
/// impl AnswerGuard for RedisGuard {
///     fn redeem<'a>(&'a self, redemption: &'a Redemption) -> Redeeming<'a> {
///         Box::pin(async move {
///             let seconds = redemption.keep_for().as_secs();
///             Ok(self.0.set_nx_ex(redemption.id(), seconds).await?)
///         })
///     }
/// }
/// ```
pub trait AnswerGuard: Send + Sync + 'static {
    /// Redeems a state. Returns `true` the first time, and `false` if this id was redeemed before,
    /// on any replica; the client then gets `-32602`.
    ///
    /// # Errors
    /// Returns an error if it cannot decide, for example because the store is unreachable. The error is
    /// logged, the client gets 503 with `-32603` and `Retry-After`, and the handler is not called. If the
    /// state was redeemed nevertheless, a second try gets `-32602`.
    fn redeem<'a>(&'a self, redemption: &'a Redemption) -> Redeeming<'a>;
}

/// The future of [`AnswerGuard::redeem`]. It has ten seconds to complete.
pub type Redeeming<'a> =
    Pin<Box<dyn Future<Output = Result<bool, Box<dyn Error + Send + Sync>>> + Send + 'a>>;

/// A state that a client sends back together with answers.
#[derive(Clone, Debug)]
pub struct Redemption {
    pub(super) id: String,
    pub(super) expires: u64,
    pub(super) principal: Option<Principal>,
}

impl Redemption {
    /// How many seconds longer than its state is valid an id is kept, because the clocks of
    /// replicas differ.
    const MARGIN: u64 = 60;

    /// Returns the id of the state: 128 random bits in hexadecimal digits. It was sealed, so the
    /// client can neither read nor choose it.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the caller that redeems the state.
    pub fn principal(&self) -> Option<&Principal> {
        self.principal.as_ref()
    }

    /// Returns how long the id must be stored: until the state has expired, and a minute longer because the
    /// clocks of replicas differ.
    pub fn keep_for(&self) -> Duration {
        Duration::from_secs(self.forgotten_at().saturating_sub(now().as_secs()))
    }

    fn forgotten_at(&self) -> u64 {
        self.expires.saturating_add(Self::MARGIN)
    }
}

/// An [`AnswerGuard`] for a server of one process.
///
/// It stores the id of each redeemed state until the state expires. By default it stores at most 65,536
/// states of callers with a [`Principal`], of which each caller may have an eighth, and another 65,536 states
/// of callers without a principal. When a limit is reached, further states are refused with 503 until others
/// have expired. They are not redeemed, so the client may try again. A state takes about 200 bytes.
#[derive(Debug)]
pub struct LocalAnswerGuard {
    places: Places,
    redeemed: Mutex<RedeemedIds>,
}

#[derive(Default)]
struct RedeemedIds {
    ids: HashSet<String>,
    /// When each is forgotten, the earliest first.
    by_end: BTreeSet<Entry>,
    /// States that expired before this time are forgotten. If the clock is set back, they seem
    /// valid again, and are refused.
    forgotten_until: u64,
}

struct Entry {
    end: u64,
    id: String,
    _place: Place,
}

impl LocalAnswerGuard {
    /// Creates a guard that stores up to 65,536 states.
    pub fn new() -> Self {
        Self::with_capacity(65_536)
    }

    /// Creates a guard that stores up to this many states, at least one for each caller.
    pub fn with_capacity(states: usize) -> Self {
        Self { places: Places::new(states, (states / 8).max(1)), redeemed: Mutex::default() }
    }

    fn redeem_now(&self, redemption: &Redemption) -> Result<bool, Full> {
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        let mut redeemed = self.redeemed.lock().unwrap_or_else(PoisonError::into_inner);
        redeemed.forget(now().as_secs());
        let end = redemption.forgotten_at();
        if end <= redeemed.forgotten_until || redeemed.ids.contains(&redemption.id) {
            return Ok(false);
        }
        let place = self.places.take(redemption.principal.as_ref())?;
        let id = redemption.id.clone();
        redeemed.ids.insert(id.clone());
        redeemed.by_end.insert(Entry { end, id, _place: place });
        Ok(true)
    }
}

impl Default for LocalAnswerGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl AnswerGuard for LocalAnswerGuard {
    fn redeem<'a>(&'a self, redemption: &'a Redemption) -> Redeeming<'a> {
        Box::pin(std::future::ready(self.redeem_now(redemption).map_err(Into::into)))
    }
}

impl RedeemedIds {
    fn forget(&mut self, now: u64) {
        while self.by_end.first().is_some_and(|entry| entry.end <= now)
            && let Some(entry) = self.by_end.pop_first()
        {
            self.ids.remove(&entry.id);
            self.forgotten_until = self.forgotten_until.max(entry.end);
        }
    }
}

impl fmt::Debug for RedeemedIds {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("RedeemedIds").field("states", &self.ids.len()).finish_non_exhaustive()
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Entry {}

impl PartialOrd for Entry {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Entry {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.end, &self.id).cmp(&(other.end, &other.id))
    }
}

#[cfg(test)]
mod tests {
    use super::{LocalAnswerGuard, Redemption, now};
    use crate::principal::Principal;

    fn redemption(id: usize, caller: Option<&str>, in_seconds: u64) -> Redemption {
        let expires = now().as_secs() + in_seconds - Redemption::MARGIN;
        Redemption { id: id.to_string(), expires, principal: caller.map(Principal::new) }
    }

    #[test]
    fn at_its_bound_a_guard_refuses_rather_than_forgets() {
        let guard = LocalAnswerGuard::with_capacity(16);
        let redeem =
            |id, caller| guard.redeem_now(&redemption(id, caller, 600)).map_err(|full| full.to_string());
        assert_eq!((redeem(1, Some("a")), redeem(2, Some("a"))), (Ok(true), Ok(true)));
        // This caller has no place for a third; others are not affected.
        assert!(redeem(3, Some("a")).is_err_and(|full| full.contains("this caller")));
        assert_eq!(redeem(4, Some("b")), Ok(true));
        for id in 100..116 {
            assert_eq!(redeem(id, None), Ok(true));
        }
        assert!(redeem(116, None).is_err());
        for id in [1, 2, 4, 100] {
            assert_eq!(redeem(id, Some("a")), Ok(false));
        }
    }

    #[test]
    fn a_guard_forgets_what_has_expired_and_is_not_fooled_by_a_clock_that_goes_back() {
        let guard = LocalAnswerGuard::with_capacity(1);
        let first = redemption(1, None, 100);
        assert!(matches!(guard.redeem_now(&first), Ok(true)));
        assert!(guard.redeem_now(&redemption(2, None, 200)).is_err());
        guard.redeemed.lock().expect("not poisoned").forget(now().as_secs() + 150);
        assert!(matches!(guard.redeem_now(&first), Ok(false)));
        assert!(matches!(guard.redeem_now(&redemption(2, None, 200)), Ok(true)));
    }
}
