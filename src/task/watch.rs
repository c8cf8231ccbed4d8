//! The tasks that a client listens to.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::request::Parts;

use super::data::TaskView;
use super::requests::{TaskFault, TaskRequest};
use super::seal::topic;
use crate::changes::Subscription;
use crate::deadline::Deadline;
use crate::settings::Settings;

/// The time after which a task that could not be read is read again.
const RETRY: Duration = Duration::from_secs(1);

/// The tasks of a subscription.
pub(crate) struct TaskWatch {
    tasks: Vec<WatchedTask>,
    /// When all are read again, in case news got lost.
    look_again: Deadline,
    retry: Deadline,
    needs_retry: bool,
}

struct WatchedTask {
    request: Arc<TaskRequest>,
    news: Subscription,
    /// The version that the client knows.
    told: u64,
    /// Whether there may be something new.
    is_stale: bool,
    /// The first notification for the client.
    first: Option<TaskView>,
    reading: Option<Reading>,
}

type Reading = Pin<Box<dyn Future<Output = Result<TaskView, TaskFault>> + Send>>;

impl TaskWatch {
    /// Watches those of `ids` that are tasks of the caller. Each is read once.
    ///
    /// # Errors
    /// Returns an error if the store is not available.
    pub(crate) async fn new(
        ids: BTreeSet<String>,
        head: &Parts,
        settings: &Arc<Settings>,
    ) -> Result<(Self, BTreeSet<String>), TaskFault> {
        let Some(settled) = &settings.tasks else { return Err(TaskFault::NotFound) };
        let (mut tasks, mut honoured) = (Vec::new(), BTreeSet::new());
        for id in ids {
            let request = Arc::new(TaskRequest::new(&id, head, settings));
            // Before the task is read, so that no change is missed in between.
            let news = settled.bus.subscribe(&topic(&request.names().key));
            let first = match request.get().await {
                Ok(view) => Some(view),
                Err(TaskFault::NotFound) => continue,
                Err(fault) => return Err(fault),
            };
            tasks.push(WatchedTask { request, news, told: 0, is_stale: false, first, reading: None });
            honoured.insert(id);
        }
        let look_again = Deadline::new(settled.lease);
        Ok((Self { tasks, look_again, retry: Deadline::new(RETRY), needs_retry: false }, honoured))
    }

    /// Polls for the next task that has changed.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<TaskView> {
        if self.tasks.is_empty() {
            return Poll::Pending;
        }
        if self.look_again.poll(cx).is_ready() {
            self.look_again.reset();
            self.tasks.iter_mut().for_each(|task| task.is_stale = true);
            // A deadline that was reset must be polled before it can wake anything.
            let _ = self.look_again.poll(cx);
        }
        if self.needs_retry && self.retry.poll(cx).is_ready() {
            self.needs_retry = false;
        }
        let mut at = 0;
        while let Some(task) = self.tasks.get_mut(at) {
            match task.poll(cx, self.needs_retry) {
                Poll::Ready(Ok(view)) => {
                    if view.is_final() {
                        self.tasks.swap_remove(at);
                    }
                    return Poll::Ready(view);
                }
                Poll::Ready(Err(TaskFault::NotFound)) => drop(self.tasks.swap_remove(at)),
                Poll::Ready(Err(_)) => {
                    self.needs_retry = true;
                    self.retry.reset();
                    // A deadline that was reset must be polled before it can wake anything.
                    let _ = self.retry.poll(cx);
                }
                Poll::Pending => at += 1,
            }
        }
        Poll::Pending
    }
}

impl WatchedTask {
    fn poll(&mut self, cx: &mut Context<'_>, is_paused: bool) -> Poll<Result<TaskView, TaskFault>> {
        if let Some(first) = self.first.take() {
            self.told = first.version();
            return Poll::Ready(Ok(first));
        }
        while let Poll::Ready(Some(news)) = self.news.poll_next(cx) {
            self.is_stale |= super::is_newer(&news, self.told);
        }
        loop {
            if let Some(reading) = &mut self.reading {
                let read = std::task::ready!(reading.as_mut().poll(cx));
                self.reading = None;
                match read {
                    Ok(view) if view.version() > self.told => {
                        self.told = view.version();
                        return Poll::Ready(Ok(view));
                    }
                    Ok(_) => {}
                    Err(fault) => {
                        self.is_stale = true;
                        return Poll::Ready(Err(fault));
                    }
                }
            }
            if !self.is_stale || is_paused {
                return Poll::Pending;
            }
            self.is_stale = false;
            let request = Arc::clone(&self.request);
            self.reading = Some(Box::pin(async move { request.get().await }));
        }
    }
}
