//! The keys of an issuer: fixed, or fetched and cached.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::discovery::{self, jwks_url};
use crate::auth::fetch::{FetchError, HttpClient, TIME_LIMIT, fetch};
use crate::auth::jose::{Algorithm, KeySet, PublicKey};
use crate::auth::verifier::TokenError;
use crate::deadline::within;
use crate::observe::error_line;

/// The pause after a failed fetch while the known keys can still be used.
const SOFT_RETRY: Duration = Duration::from_secs(60);

/// Where the keys of an issuer come from.
pub(super) enum KeySource {
    Fixed(KeySet),
    Fetched(Box<FetchedKeys>),
}

/// How keys are fetched.
pub(super) struct FetchRules {
    /// `None` if the URL is to be discovered.
    pub(super) jwks_url: Option<String>,
    pub(super) client: Arc<dyn HttpClient>,
    /// The age at which keys are fetched again.
    pub(super) refresh_after: Duration,
    /// How much longer the keys may be used while fetching fails.
    pub(super) stale_for: Duration,
    /// The shortest time between two fetches.
    pub(super) retry_after: Duration,
}

/// Keys that are fetched on demand. One request fetches at a time, while the others wait or use the
/// known keys. There is no background task.
pub(super) struct FetchedKeys {
    pub(super) rules: FetchRules,
    known: Mutex<Option<Arc<Known>>>,
    /// Held by the request that fetches.
    turn: tokio::sync::Mutex<Turn>,
}

/// The state that a request that fetches leaves to the next one.
#[derive(Default)]
struct Turn {
    /// When the last fetch began, or failed.
    last: Option<Instant>,
    /// The fetch of a request that was dropped. The next request continues it, so a client that
    /// disconnects does not delay others.
    unfinished: Option<Fetching>,
}

type Fetching = Pin<Box<dyn Future<Output = Result<KeySet, FetchError>> + Send>>;

struct Known {
    keys: KeySet,
    since: Instant,
}

impl KeySource {
    /// Returns the key for a signature, by its id and algorithm.
    pub(super) async fn find(
        &self,
        issuer: &str,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<PublicKey, TokenError> {
        let found = match self {
            Self::Fixed(keys) => keys.find(id, algorithm).cloned(),
            Self::Fetched(keys) => keys.find(issuer, id, algorithm).await?,
        };
        found.ok_or_else(|| TokenError::invalid("the issuer has no such key"))
    }
}

impl FetchedKeys {
    pub(super) fn new(rules: FetchRules) -> Self {
        Self { rules, known: Mutex::new(None), turn: tokio::sync::Mutex::default() }
    }

    async fn find(
        &self,
        issuer: &str,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<Option<PublicKey>, TokenError> {
        let find = |known: &Known| known.keys.find(id, algorithm).cloned();
        let known = self.known();
        let found = known.as_deref().and_then(find);
        let age = known.as_deref().map_or(Duration::MAX, |known| known.since.elapsed());
        if found.is_some() && age < self.rules.refresh_after {
            return Ok(found);
        }
        let is_usable = age < self.rules.refresh_after.saturating_add(self.rules.stale_for);
        let (turn, pause) = if found.is_some() && is_usable {
            // If another request is fetching, use the known key. While the issuer is down, retry
            // less often, so that few requests wait for it.
            match self.turn.try_lock() {
                Ok(turn) => (turn, self.rules.retry_after.max(SOFT_RETRY)),
                Err(_) => return Ok(found),
            }
        } else {
            let turn = within(TIME_LIMIT, self.turn.lock()).await;
            (turn.ok_or_else(|| TokenError::unavailable(FetchError::TimedOut))?, self.rules.retry_after)
        };
        match self.refresh(turn, pause, issuer, known.as_deref()).await {
            Ok(fresh) => Ok(find(&fresh)),
            Err(_) if found.is_some() && is_usable => Ok(found),
            // The known keys are recent and have no such key.
            Err(RefreshError::TooEarly) if is_usable => Ok(None),
            Err(RefreshError::TooEarly) => Err(TokenError::unavailable("the last fetch of keys failed")),
            Err(RefreshError::Failed(error)) => Err(TokenError::unavailable(error)),
        }
    }

    fn known(&self) -> Option<Arc<Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches the keys, unless another request has fetched them since `seen`, or has tried to within
    /// `pause`.
    async fn refresh(
        &self,
        mut turn: tokio::sync::MutexGuard<'_, Turn>,
        pause: Duration,
        issuer: &str,
        seen: Option<&Known>,
    ) -> Result<Arc<Known>, RefreshError> {
        let known = self.known();
        if let Some(known) = known
            && seen.is_none_or(|seen| seen.since < known.since)
        {
            return Ok(known);
        }
        let Turn { last, unfinished } = &mut *turn;
        let age = last.map_or(Duration::MAX, |last| last.elapsed());
        let fetching = match unfinished.take_if(|_| age < TIME_LIMIT) {
            Some(fetching) => fetching,
            None if age < pause => return Err(RefreshError::TooEarly),
            None => {
                *last = Some(Instant::now());
                self.rules.fetch(issuer)
            }
        };
        // Polled in its place, where it stays if this request is dropped.
        let fetched = unfinished.insert(fetching).await;
        *unfinished = None;
        let keys = fetched.inspect_err(|error| {
            // Requests that have waited meanwhile do not wait again.
            *last = Some(Instant::now());
            tracing::warn!(issuer, error = error_line(error), "fetching the keys of an issuer failed");
        })?;
        let known = Arc::new(Known { keys, since: Instant::now() });
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&known));
        Ok(known)
    }
}

impl FetchRules {
    /// Fetches keys that can be used, within the time limit.
    fn fetch(&self, issuer: &str) -> Fetching {
        let (client, url, issuer) = (Arc::clone(&self.client), self.jwks_url.clone(), issuer.to_owned());
        let fetched = async move {
            let client = &*client;
            let url = match url {
                Some(url) => url,
                None => jwks_url(client, &issuer).await?,
            };
            let keys = fetch(client, discovery::get(&url)?).await?;
            let keys =
                KeySet::parse(&keys).map_err(|_| FetchError::Malformed("the response is not a JWK set"))?;
            if keys.is_empty() {
                return Err(FetchError::Malformed("the JWK set has no usable key"));
            }
            Ok(keys)
        };
        Box::pin(async move { within(TIME_LIMIT, fetched).await.unwrap_or(Err(FetchError::TimedOut)) })
    }
}

enum RefreshError {
    /// The last fetch was too recent.
    TooEarly,
    Failed(FetchError),
}

impl From<FetchError> for RefreshError {
    fn from(error: FetchError) -> Self {
        Self::Failed(error)
    }
}
