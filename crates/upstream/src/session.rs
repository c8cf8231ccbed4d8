//! A session with an upstream: a child process, a pair of streams, or the HTTP requests with one
//! session id.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use http::HeaderMap;
use mcp_stateless::protocol::{Era, ErrorCode};
use serde_json::{Map, Value};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::time::{Instant, sleep, timeout};

use super::client::{Client, Pending, Request};
use super::connection::{Closing, Connection, Ends, News};
use super::counters::Counters;
use super::failure::{Cause, Failure};
use super::handshake::{self, About, Attempts, Unopened};
use super::inbox::Next;
use super::message::Params;
use super::settings::{Settings, Target};
use super::transport::{Connections, LastWords, Transport, Work};
use super::watches::{Uris, Watches};

/// The pause before listening is retried, and the longest one.
const FIRST_RETRY: Duration = Duration::from_secs(1);
const LONGEST_RETRY: Duration = Duration::from_secs(60);
/// The maximum number of concurrent subscription requests, and the time limit for each.
const MOST_SUBSCRIBING: usize = 16;
const SUBSCRIBE_LIMIT: Duration = Duration::from_secs(10);

/// An open session. It stays until it ends or is closed.
pub(super) struct Session {
    /// An identifier within this process, unrelated to the protocol's session id.
    pub(super) id: u64,
    pub(super) about: About,
    pub(super) client: Arc<Client>,
    in_use: AtomicUsize,
    last_used: Mutex<Instant>,
    has_ended: watch::Receiver<bool>,
}

/// The arguments for opening a session.
pub(super) struct Opening {
    pub(super) id: u64,
    pub(super) settings: Arc<Settings>,
    pub(super) connections: Option<Connections>,
    pub(super) counters: Arc<Counters>,
    pub(super) news: News,
    /// The resources that the caller watches.
    pub(super) watches: Arc<Watches>,
    /// Changes when the upstream is shut down.
    pub(super) shut: watch::Receiver<Closing>,
    /// The session's permit, released when all its resources are.
    pub(super) place: OwnedSemaphorePermit,
    /// The forwarded headers of the caller.
    pub(super) headers: HeaderMap,
    pub(super) attempts: Attempts,
    /// Receives the output of a child besides its messages.
    pub(super) words: Arc<LastWords>,
}

impl Opening {
    /// Opens the session. `ended` runs when it is over, in every case.
    ///
    /// # Errors
    /// Returns an error if it cannot be opened.
    pub(super) async fn open(self, ended: impl FnOnce() + Send + 'static) -> Result<Arc<Session>, Unopened> {
        let (connection, ends) = Connection::new(Arc::clone(&self.settings.name), self.counters, self.news);
        let Ends { outgoing, abandoned } = ends;
        let (transport, work) = match (&self.settings.target, self.connections) {
            (Target::Stdio(program), _) => Transport::child(program, outgoing, &connection, &self.words)?,
            (Target::Http(endpoint), Some(connections)) => {
                Transport::http(endpoint, connections, self.headers, outgoing, &connection)
            }
            (Target::Http(_), None) => return Err(Cause::new("it has no connections").into()),
            (Target::Streams(streams), _) => {
                let streams = streams.lock().unwrap_or_else(PoisonError::into_inner).take();
                let streams = streams.ok_or_else(|| Cause::new("its streams have ended"))?;
                Transport::streams(streams, outgoing, &connection)
            }
        };
        let client = Client::new(Arc::clone(&connection), transport, Arc::clone(&self.settings));
        let (end, has_ended) = watch::channel(false);
        let guard = CloseOnDrop(Some(Arc::clone(&connection)));
        let (opened, about) = watch::channel(None);
        let (for_task, watches, place) = (Arc::clone(&client), self.watches, self.place);
        let observed = Arc::clone(&client);
        tokio::spawn(async move {
            let (mut place, is_http) = (Some(place), for_task.transport.is_http());
            let listens = listen(for_task, about, watches);
            let beside = async {
                let cancels = connection.cancel(abandoned);
                tokio::join!(cancels, listens, close_with(self.shut, &connection));
            };
            let attending = attend(work, &connection, beside);
            tokio::pin!(attending);
            tokio::select! {
                () = &mut attending => {}
                () = connection.closes(Closing::Retiring) => {
                    // The next session need not wait for the last requests of this one.
                    place.take_if(|_| is_http && connection.closing() == Closing::Retiring);
                    attending.await;
                }
            }
            // Before the end is announced: whoever is notified may need the permit.
            drop(place);
            observed.ended();
            ended();
            end.send_replace(true);
        });
        let about = handshake::open(&client, self.attempts).await?;
        opened.send_replace(Some(Subscribable::of(&about)));
        guard.disarm();
        let (in_use, last_used) = (AtomicUsize::new(0), Mutex::new(Instant::now()));
        Ok(Arc::new(Session { id: self.id, about, client, in_use, last_used, has_ended }))
    }
}

/// Closes a connection if its opening is cancelled.
struct CloseOnDrop(Option<Arc<Connection>>);

impl CloseOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(connection) = &self.0 {
            connection.close(Closing::Now);
        }
    }
}

/// Runs the background work of a session until it ends.
async fn attend(work: Work, connection: &Connection, beside: impl Future<Output = ()>) {
    tokio::select! {
        () = work => {}
        () = beside => {}
    }
    connection.end(&Cause::new("its session was closed"));
    connection.close(Closing::Now);
}

/// Closes a session in the way in which its upstream is shut down.
async fn close_with(mut shut: watch::Receiver<Closing>, connection: &Connection) {
    loop {
        connection.close(*shut.borrow_and_update());
        if shut.changed().await.is_err() {
            return;
        }
    }
}

/// The change notifications that an upstream supports.
#[derive(Clone, Debug)]
struct Subscribable {
    era: Era,
    /// The members of the modern filter, except resources.
    lists: Map<String, Value>,
    has_resources: bool,
}

impl Subscribable {
    fn of(about: &About) -> Self {
        let has = &about.capabilities;
        let lists =
            ["tools", "prompts", "resources"].into_iter().filter(|kind| has[kind]["listChanged"] == true);
        Self {
            era: about.era,
            lists: lists.map(|kind| (format!("{kind}ListChanged"), true.into())).collect(),
            has_resources: has["resources"]["subscribe"] == true,
        }
    }
}

/// Listens to changes while the session lasts. The connection receives the notifications.
async fn listen(
    client: Arc<Client>,
    mut opened: watch::Receiver<Option<Subscribable>>,
    watches: Arc<Watches>,
) {
    let subscribable = match opened.wait_for(Option::is_some).await {
        Ok(subscribable) => subscribable.clone(),
        Err(_) => None,
    };
    if let Some(subscribable) = subscribable {
        let listening = async {
            match subscribable.era {
                Era::Modern => listen_modern(&client, &subscribable, &watches).await,
                Era::Legacy if subscribable.has_resources => subscribe(&client, &watches).await,
                Era::Legacy => {}
            }
        };
        // These requests must not keep a retiring session open.
        tokio::select! {
            () = listening => {}
            () = client.connection.closes(Closing::Retiring) => {}
        }
    }
    std::future::pending::<()>().await;
}

/// Keeps one subscription open, and replaces it when the watched resources change.
async fn listen_modern(client: &Arc<Client>, subscribable: &Subscribable, watches: &Watches) {
    let mut uris = watches.subscribe();
    let mut wait = FIRST_RETRY;
    loop {
        let mut filter = subscribable.lists.clone();
        let wanted = uris.borrow_and_update().clone();
        if subscribable.has_resources && !wanted.is_empty() {
            filter.insert("resourceSubscriptions".to_owned(), wanted.into_iter().collect());
        }
        if filter.is_empty() {
            if uris.changed().await.is_err() {
                return;
            }
            continue;
        }
        let since = Instant::now();
        let request = Request::new("subscriptions/listen", Params::new().with("notifications", filter));
        let pending = client.send(request).await;
        let outcome = tokio::select! {
            outcome = pending.outcome() => outcome,
            changed = uris.changed(), if subscribable.has_resources => {
                if changed.is_err() {
                    return;
                }
                continue;
            }
        };
        if let Err(failure) = outcome {
            let (upstream, cause) = (&client.connection.upstream, failure.cause().full());
            tracing::debug!(%upstream, cause, "the subscription to an upstream has failed");
            // Any other error may be temporary.
            if matches!(failure, Failure::Rpc(error) if error.code() == ErrorCode::METHOD_NOT_FOUND) {
                return;
            }
        }
        wait = if since.elapsed() > LONGEST_RETRY { FIRST_RETRY } else { (wait * 2).min(LONGEST_RETRY) };
        sleep(wait).await;
    }
}

/// Subscribes to each resource while it is watched, with the requests of the legacy era.
async fn subscribe(client: &Arc<Client>, watches: &Watches) {
    let mut uris = watches.subscribe();
    let mut subscribed = Uris::default();
    let mut under_way = Uris::default();
    let mut requests = FuturesUnordered::new();
    loop {
        let wanted = uris.borrow_and_update().clone();
        for uri in wanted.symmetric_difference(&subscribed) {
            // One request at a time for each resource, so that requests cannot overtake each other.
            if under_way.len() < MOST_SUBSCRIBING && under_way.insert(uri.clone()) {
                let (uri, is_wanted) = (uri.clone(), wanted.contains(uri));
                requests.push(async move {
                    subscribe_to(client, &uri, is_wanted).await;
                    (uri, is_wanted)
                });
            }
        }
        tokio::select! {
            Some((uri, is_subscribed)) = requests.next() => {
                under_way.remove(&uri);
                if is_subscribed {
                    subscribed.insert(uri);
                } else {
                    subscribed.remove(&uri);
                }
            }
            changed = uris.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// Begins or ends one subscription. A refused request is not retried.
async fn subscribe_to(client: &Arc<Client>, uri: &str, is_wanted: bool) {
    let method = if is_wanted { "resources/subscribe" } else { "resources/unsubscribe" };
    let request = Request::new(method, Params::new().with("uri", uri));
    let outcome = timeout(SUBSCRIBE_LIMIT, async { client.send(request).await.outcome().await });
    let cause = match outcome.await {
        Ok(Ok(_)) => return,
        Ok(Err(failure)) => failure.cause().full(),
        Err(_) => format!("no response within {SUBSCRIBE_LIMIT:?}"),
    };
    tracing::debug!(upstream = %client.connection.upstream, method, cause, "an upstream refused a subscription to a resource");
}

impl Session {
    pub(super) fn close(&self, how: Closing) {
        self.client.connection.close(how);
    }

    /// Accepts no more requests, and lets the open ones finish.
    pub(super) fn retire(&self) {
        self.client.connection.retire();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.client.connection.is_closing()
    }

    /// Whether the session has ended, including its open requests.
    pub(super) fn is_over(&self) -> bool {
        self.client.connection.closing() >= Closing::Gently
    }

    /// Waits until all resources of the session are released.
    pub(super) async fn ended(&self) {
        let mut has_ended = self.has_ended.clone();
        // If the sender is gone, the session's task has ended as well.
        let _ = has_ended.wait_for(|has_ended| *has_ended).await;
    }

    /// Whether a caller has ever received a response.
    pub(super) fn was_good(&self) -> bool {
        self.client.connection.was_good()
    }

    /// Returns the time since which the session is idle; `None` while it is in use.
    pub(super) fn idle_since(&self) -> Option<Instant> {
        let is_idle = self.in_use.load(Ordering::Acquire) == 0;
        is_idle.then(|| *self.last_used.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn touch(&self) {
        *self.last_used.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

/// A lease of a session, which is not closed to make room while there is one.
pub(super) struct Lease(pub(super) Arc<Session>);

impl Lease {
    pub(super) fn new(session: &Arc<Session>) -> Self {
        session.in_use.fetch_add(1, Ordering::AcqRel);
        session.touch();
        Self(Arc::clone(session))
    }

    /// Sends a request.
    pub(super) async fn send(self, request: Request) -> PendingCall {
        self.0.client.connection.counters.in_flight.fetch_add(1, Ordering::Relaxed);
        let counted = InFlight(self);
        let pending = counted.0.0.client.send(request).await;
        PendingCall { pending, counted }
    }

    /// Sends a request and returns the text of the result.
    pub(super) async fn request(&self, request: Request) -> Result<String, Failure> {
        let mut pending = Self::new(&self.0).send(request).await;
        loop {
            if let Next::Outcome(outcome) = pending.next().await {
                return outcome;
            }
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.touch();
        self.0.in_use.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A lease with an open request, which counts as in flight.
struct InFlight(Lease);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.0.client.connection.counters.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A caller's request that waits for its outcome. Dropping it abandons the request.
pub(super) struct PendingCall {
    pending: Pending,
    counted: InFlight,
}

impl PendingCall {
    /// Returns the session of the request.
    pub(super) fn session(&self) -> &Arc<Session> {
        &self.counted.0.0
    }

    /// Whether the outcome has arrived. Events may still be queued before it.
    pub(super) fn is_answered(&mut self) -> bool {
        self.pending.is_answered()
    }

    /// Continues the request in a task.
    pub(super) fn detach(&mut self) {
        self.pending.detach();
    }

    /// Waits for the next event or the outcome.
    pub(super) async fn next(&mut self) -> Next {
        let next = self.pending.next().await;
        if let Next::Outcome(Ok(_) | Err(Failure::Rpc(_))) = next {
            self.session().client.connection.is_good();
        }
        next
    }
}
