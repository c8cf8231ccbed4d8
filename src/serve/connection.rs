//! Serves one connection within its bounds.

use std::fmt;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper_util::server::graceful::GracefulConnection;
use tokio::sync::oneshot;

use super::activity::Activity;
use crate::deadline::Deadline;

/// How long a connection that was told to close may be idle before it is cut.
const CLOSING: Duration = Duration::from_secs(1);

/// Serves `connection` to its end. When the sender of `end` is dropped, it finishes the requests in
/// flight and accepts no others.
pub(super) async fn run<C: GracefulConnection<Error: fmt::Display>>(
    connection: C,
    activity: Arc<Activity>,
    end: oneshot::Receiver<()>,
    header_timeout: Duration,
    idle_timeout: Duration,
) {
    let mut connection = pin!(connection);
    let mut end = Some(end);
    let mut watch = Watch::new(header_timeout, idle_timeout);
    poll_fn(|cx| {
        loop {
            if let Poll::Ready(result) = connection.as_mut().poll(cx) {
                if let Err(error) = result {
                    tracing::debug!(%error, "a connection failed");
                }
                return Poll::Ready(());
            }
            let is_told = end.as_mut().is_some_and(|end| Pin::new(end).poll(cx).is_ready());
            if is_told {
                end = None;
                watch.close();
                connection.as_mut().graceful_shutdown();
                continue;
            }
            match ready!(watch.poll(&activity, cx)) {
                Verdict::Close => connection.as_mut().graceful_shutdown(),
                Verdict::Cut => return Poll::Ready(()),
            }
        }
    })
    .await;
}

/// Checks a connection at intervals, which costs its requests nothing.
struct Watch {
    header_timeout: Duration,
    idle_timeout: Duration,
    glance: Deadline,
    /// How many requests had started at the last check.
    requests: usize,
    /// How long no request has started while none was being answered.
    idle: Duration,
    /// How long a request's head has been incomplete.
    partial: Option<Duration>,
    is_closing: bool,
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Close,
    Cut,
}

impl Watch {
    fn new(header_timeout: Duration, idle_timeout: Duration) -> Self {
        Self {
            header_timeout,
            idle_timeout,
            glance: Deadline::new(header_timeout.min(idle_timeout)),
            requests: 0,
            idle: Duration::ZERO,
            partial: None,
            is_closing: false,
        }
    }

    /// From now on the connection is cut as soon as it is idle.
    fn close(&mut self) {
        self.is_closing = true;
        self.idle = Duration::ZERO;
        self.glance = Deadline::new(CLOSING);
    }

    fn poll(&mut self, activity: &Activity, cx: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            ready!(self.glance.poll(cx));
            self.glance.reset();
            if let Some(verdict) = self.judge(activity) {
                if verdict == Verdict::Close {
                    self.close();
                }
                return Poll::Ready(verdict);
            }
        }
    }

    fn judge(&mut self, activity: &Activity) -> Option<Verdict> {
        let before = std::mem::replace(&mut self.requests, activity.requests());
        if activity.is_busy() || self.requests != before {
            self.idle = Duration::ZERO;
            let is_partial = !activity.is_busy() && activity.has_partial_head();
            self.partial = is_partial.then_some(Duration::ZERO);
            return None;
        }
        let passed = self.glance.length();
        self.idle = self.idle.saturating_add(passed);
        let waited = self.partial.map_or(Duration::ZERO, |partial| partial.saturating_add(passed));
        self.partial = activity.has_partial_head().then_some(waited);
        let is_late = |waited| waited >= self.header_timeout;
        if self.is_closing || self.requests == 0 && is_late(self.idle) || self.partial.is_some_and(is_late) {
            return Some(Verdict::Cut);
        }
        (self.idle >= self.idle_timeout).then_some(Verdict::Close)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::{Activity, Verdict, Watch};

    const HEADER: Duration = Duration::from_secs(10);
    const IDLE: Duration = Duration::from_secs(75);

    /// Returns how a connection ended, and after how many seconds, if `happens` runs in each of
    /// them.
    async fn watched(activity: &Arc<Activity>, happens: impl Fn(u64)) -> (Verdict, u64) {
        let mut watch = Watch::new(HEADER, IDLE);
        for second in 0.. {
            happens(second);
            let verdict = std::future::poll_fn(|cx| watch.poll(activity, cx));
            if let Ok(verdict) = tokio::time::timeout(Duration::from_secs(1), verdict).await {
                return (verdict, second + 1);
            }
        }
        unreachable!("it has no end")
    }

    fn request(activity: &Arc<Activity>) {
        activity.read();
        drop(activity.begin(http::Version::HTTP_11));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_sends_no_head_in_time_is_cut() {
        let activity = Arc::default();
        assert_eq!(watched(&activity, |_| ()).await, (Verdict::Cut, 10));
        // Bytes that do not complete a request do not extend the time.
        assert_eq!(watched(&activity, |_| activity.read()).await, (Verdict::Cut, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_stops_within_a_later_head_is_cut() {
        let activity = Arc::default();
        let happens = |second| match second {
            0 => request(&activity),
            15.. => activity.read(),
            _ => (),
        };
        assert_eq!(watched(&activity, happens).await, (Verdict::Cut, 30));
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_connection_is_closed_and_a_busy_one_kept() {
        let activity = Arc::default();
        let happens = |second| {
            if second % 70 == 0 && second < 1000 {
                request(&activity);
            }
        };
        let (verdict, second) = watched(&activity, happens).await;
        assert!(verdict == Verdict::Close && (980 + 75..=980 + 90).contains(&second), "{second}");
        // One long call, and a peer that reads its end slowly.
        let activity: Arc<Activity> = Arc::default();
        let call = std::cell::Cell::new(Some(activity.begin(http::Version::HTTP_11)));
        let happens = |second| match second {
            500 => {
                activity.block(true);
                drop(call.take());
            }
            900 => activity.block(false),
            _ => (),
        };
        let (verdict, second) = watched(&activity, happens).await;
        assert!(verdict == Verdict::Close && (900 + 75..=900 + 90).contains(&second), "{second}");
    }

    #[tokio::test(start_paused = true)]
    async fn signs_of_life_of_http_2_are_no_partial_head() {
        let activity: Arc<Activity> = Arc::default();
        drop(activity.begin(http::Version::HTTP_2));
        let (verdict, second) = watched(&activity, |_| activity.read()).await;
        assert!(verdict == Verdict::Close && (75..=90).contains(&second), "{second}");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_told_to_close_is_cut_when_it_owes_nothing() {
        let activity: Arc<Activity> = Arc::default();
        let call = activity.begin(http::Version::HTTP_11);
        let mut watch = Watch::new(HEADER, IDLE);
        watch.close();
        let limit = Duration::from_secs(100);
        let verdict = std::future::poll_fn(|cx| watch.poll(&activity, cx));
        assert!(tokio::time::timeout(limit, verdict).await.is_err(), "a call is under way");
        drop(call);
        let verdict = std::future::poll_fn(|cx| watch.poll(&activity, cx));
        assert_eq!(tokio::time::timeout(limit, verdict).await, Ok(Verdict::Cut));
    }
}
