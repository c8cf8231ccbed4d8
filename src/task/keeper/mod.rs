//! Keeps a task that runs in this process: stores the reports and questions of its handler, delivers the
//! answers, renews the lease, and stores the end.

mod steps;

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};
use tracing::Instrument as _;

use super::TaskRecord;
use super::config::TaskSettings;
use super::data::TaskData;
use super::work::{Ended, Work};
use crate::ask::{InputRequired, TaskLink};
#[cfg(feature = "auth")]
use crate::auth::TokenEnd;
use crate::changes::Subscription;
use crate::drain::Serving;
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::ObservedTask;
use crate::places::Place;
use crate::settings::Settings;

/// The minimum interval between two stored status messages.
const STATUS_EVERY: Duration = Duration::from_secs(1);
/// The time after which a step is repeated if the store was not available.
const RETRY: Duration = Duration::from_secs(1);
/// How long cancelled work may take to stop before its lease is released.
const STOPPING: Duration = Duration::from_secs(1);
/// Ten years in milliseconds: more than any task is kept.
const FAR: u64 = 10 * 365 * 86_400_000;

/// Keeps one task.
pub(super) struct Keeper {
    settings: Arc<Settings>,
    /// The task, as it is in the store as far as this process knows.
    record: TaskRecord,
    data: TaskData,
    link: Arc<TaskLink>,
    /// Notifies when another replica has changed the task.
    news: Subscription,
    /// Notifies when the server shuts down.
    ending: Subscription,
    is_closing: bool,
    /// When the lease is to be renewed.
    renew_at: Instant,
    /// When a report is to be stored, if there is one.
    store_at: Option<Instant>,
    stored_at: Instant,
    /// When the task is no longer in the store, even if it was never reached again.
    ends_at: Instant,
    #[cfg(feature = "auth")]
    token_end: Option<TokenEnd>,
    observed: ObservedTask,
    _place: Place,
    /// Counts the task as in flight.
    _serving: Serving,
}

/// What a keeper reacts to.
enum Event {
    Ended(Ended),
    /// The handler has reported progress or asked a question.
    Reported,
    /// A report is to be stored.
    Store,
    /// The lease is to be renewed, or another replica has changed the task.
    Renew,
    Closing,
    GivingUp,
    /// The process is about to end, as if it died.
    RuntimeEnds,
    #[cfg(feature = "auth")]
    TokenExpired,
}

impl Keeper {
    /// Keeps a task. `news` was subscribed to before the task was created or taken, so that no change is
    /// missed.
    pub(super) fn new(
        record: TaskRecord,
        data: TaskData,
        link: Arc<TaskLink>,
        place: Place,
        news: Subscription,
        settings: &Arc<Settings>,
        tasks: &TaskSettings,
    ) -> Self {
        let now = Instant::now();
        Self {
            news,
            ending: settings.drain.watch(),
            is_closing: false,
            // At once, because an answer may have come before the subscription.
            renew_at: if record.token == 1 { now + tasks.lease / 3 } else { now },
            store_at: None,
            stored_at: now,
            ends_at: now
                + Duration::from_millis(record.expires_at.saturating_sub(record.created_at).min(FAR)),
            observed: ObservedTask::begin(&data.tool, &settings.observe),
            record,
            data,
            link,
            #[cfg(feature = "auth")]
            token_end: None,
            _place: place,
            _serving: settings.drain.hold_task(),
            settings: Arc::clone(settings),
        }
    }

    /// Ends the task together with the token of its caller.
    #[cfg(feature = "auth")]
    pub(super) fn until(self, token_end: Option<TokenEnd>) -> Self {
        Self { token_end, ..self }
    }

    /// Spawns the work and the keeper, each on its own, so that a handler that blocks its thread does
    /// not stop the keeper.
    pub(super) fn spawn(self, work: Work) {
        let span = self.observed.span();
        let work = tokio::spawn(work.instrument(span.clone()));
        tokio::spawn(self.keep(work).instrument(span));
    }

    async fn keep(mut self, mut work: JoinHandle<Ended>) {
        let settings = Arc::clone(&self.settings);
        let Some(tasks) = &settings.tasks else { return };
        loop {
            let outcome = match self.next(&mut work).await {
                Event::Ended(Ended::Asked(required)) => match self.ask(*required, tasks) {
                    Ok(_) if self.is_closing => return self.hand_over(tasks).await,
                    Ok(answers) => {
                        work = tokio::spawn(answers.instrument(self.observed.span()));
                        Ok(())
                    }
                    Err(error) => return self.end(Ended::Error(error), tasks).await,
                },
                Event::Ended(Ended::Answered) => return self.hand_over(tasks).await,
                Event::Ended(ended) => return self.end(ended, tasks).await,
                Event::Reported => {
                    self.note_report();
                    Ok(())
                }
                Event::Store => self.store_report(tasks).await,
                Event::Renew => self.renew(tasks).await,
                Event::Closing if self.can_hand_over(tasks) => {
                    self.link.freeze();
                    stop(work).await;
                    return self.hand_over(tasks).await;
                }
                Event::Closing => Ok(()),
                Event::RuntimeEnds => return,
                Event::GivingUp => {
                    stop(work).await;
                    return self.end(Ended::Error(shut_down()), tasks).await;
                }
                #[cfg(feature = "auth")]
                Event::TokenExpired => {
                    stop(work).await;
                    return self.end(Ended::Error(token_expired()), tasks).await;
                }
            };
            if let Err(why) = outcome {
                tracing::info!(tool = self.data.tool, why, "a task no longer belongs to this process");
                return stop(work).await;
            }
        }
    }

    /// Waits for the next event.
    async fn next(&mut self, work: &mut JoinHandle<Ended>) -> Event {
        let drain = Arc::clone(&self.settings.drain);
        let link = Arc::clone(&self.link);
        let mut reported = pin!(link.changed());
        let timer_at = self.store_at.map_or(self.renew_at, |at| at.min(self.renew_at));
        let mut timer = pin!(sleep_until(timer_at));
        poll_fn(|cx| {
            if let Poll::Ready(ended) = Pin::new(&mut *work).poll(cx) {
                return Poll::Ready(match ended {
                    Ok(ended) => Event::Ended(ended),
                    // Only the keeper cancels the work, and the runtime when it ends.
                    Err(error) if error.is_cancelled() => Event::RuntimeEnds,
                    Err(_) => Event::Ended(Ended::Error(RpcError::internal())),
                });
            }
            while let Poll::Ready(Some(_)) = self.ending.poll_next(cx) {}
            if drain.gives_up() {
                return Poll::Ready(Event::GivingUp);
            }
            if drain.is_closing() && !std::mem::replace(&mut self.is_closing, true) {
                return Poll::Ready(Event::Closing);
            }
            #[cfg(feature = "auth")]
            if self.token_end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
                return Poll::Ready(Event::TokenExpired);
            }
            let mut is_news = false;
            while let Poll::Ready(Some(news)) = self.news.poll_next(cx) {
                is_news |= super::is_newer(&news, self.record.version);
            }
            if is_news {
                return Poll::Ready(Event::Renew);
            }
            // Before the reports: a handler may report without end.
            if timer.as_mut().poll(cx).is_ready() {
                return Poll::Ready(match self.store_at {
                    Some(at) if at <= self.renew_at => Event::Store,
                    _ => Event::Renew,
                });
            }
            reported.as_mut().poll(cx).map(|()| Event::Reported)
        })
        .await
    }

    /// Decides when to store what the handler has reported: questions at once.
    fn note_report(&mut self) {
        let now = Instant::now();
        if self.link.open() != self.record.open {
            self.store_at = Some(now);
        } else if self.link.has_other_status(self.data.status.as_deref()) {
            let at = (self.stored_at + STATUS_EVERY).max(now);
            self.store_at = Some(self.store_at.map_or(at, |other| other.min(at)));
        }
    }

    /// Asks questions that the handler has returned. Returns the work that waits for the answers.
    fn ask(&mut self, required: InputRequired, tasks: &TaskSettings) -> Result<Work, RpcError> {
        if !tasks.takes_up() {
            tracing::error!(
                tool = self.data.tool,
                "a task returned questions: only a server that calls `run_tasks` can restart it"
            );
            return Err(RpcError::internal());
        }
        let (questions, returned) = required.into_parts()?;
        self.link.reopen();
        let mut numbers = Vec::new();
        for (key, question) in questions {
            let number = self
                .link
                .ask_returned(&key, question)
                .map_err(|error| RpcError::new(ErrorCode::INTERNAL_ERROR, error.to_string()))?;
            numbers.push(number);
        }
        self.link.withdraw_unused();
        self.data.returned = returned;
        self.data.begins_again = true;
        self.store_at = Some(Instant::now());
        let (link, pause) = (Arc::clone(&self.link), tasks.poll_interval);
        Ok(Box::pin(async move {
            if numbers.is_empty() {
                // The time after which a client would call again with such a result.
                tokio::time::sleep(pause).await;
            }
            for number in numbers {
                if link.answer(number).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
            Ended::Answered
        }))
    }

    /// Returns whether another replica can continue the task.
    fn can_hand_over(&self, tasks: &TaskSettings) -> bool {
        tasks.is_shared && (self.data.is_repeatable || self.data.begins_again)
    }
}

/// Cancels the work, and waits a moment until it has stopped.
async fn stop(work: JoinHandle<Ended>) {
    work.abort();
    let _ = timeout(STOPPING, work).await;
}

fn shut_down() -> RpcError {
    let message = "The server was shut down before the call had ended. It may have taken effect in part";
    RpcError::new(ErrorCode::INTERNAL_ERROR, message)
}

#[cfg(feature = "auth")]
fn token_expired() -> RpcError {
    let message = "Unauthorized: the access token of this call is no longer valid";
    RpcError::new(ErrorCode::INVALID_REQUEST, message)
}
