//! `subscriptions/listen`: a stream of changes that lasts until the client disconnects or the
//! server shuts down (2026-07-28, Patterns, "Subscriptions").

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use serde::{Deserialize, Serialize};

use super::draft::Draft;
#[cfg(feature = "tasks")]
use super::message::SingleReply;
#[cfg(feature = "auth")]
use crate::auth::{Access, TokenEnd};
use crate::changes::{CONNECT_LIMIT, Change, ChangeStream, News};
use crate::deadline::Deadline;
use crate::drain::ListenerGuard;
use crate::http::sse::{KEEP_ALIVE, event};
use crate::jsonrpc::{RpcError, write};
use crate::observe::{PendingObserved, RequestEnd, StreamKind};
use crate::protocol::{Offer, meta};
use crate::registry::Registry;
use crate::resource::uri;
use crate::settings::Settings;
#[cfg(feature = "tasks")]
use crate::task::TaskWatch;

/// The maximum number of resources of one subscription, and the maximum total length of their
/// URIs in bytes.
const MAX_RESOURCES: usize = 1024;
const MAX_URI_BYTES: usize = 64 * 1024;
/// The maximum number of tasks of one subscription.
#[cfg(feature = "tasks")]
const MAX_TASKS: usize = 256;
/// The size in bytes at which a frame is sent. Further changes go into the next one.
const MAX_FRAME: usize = 64 * 1024;

/// The changes that a client subscribes to.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SubscriptionFilter {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tools_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    prompts_list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    resources_list_changed: bool,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    resource_subscriptions: BTreeSet<String>,
    /// Of the extension for tasks.
    #[cfg(feature = "tasks")]
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    task_ids: BTreeSet<String>,
}

impl SubscriptionFilter {
    /// Reads the `notifications` parameter.
    pub(crate) fn read(json: &str) -> Result<Self, RpcError> {
        let misfit = |fault| RpcError::invalid_params(format!("`notifications` is not valid: {fault}"));
        // Serde also deserialises a struct from an array.
        if !json.starts_with('{') {
            return Err(misfit("it must be an object".to_owned()));
        }
        let wanted: Self = serde_json::from_str(json).map_err(|error| misfit(error.to_string()))?;
        if wanted.resource_subscriptions.len() > MAX_RESOURCES {
            return Err(misfit(format!("more than {MAX_RESOURCES} resources")));
        }
        if wanted.resource_subscriptions.iter().map(String::len).sum::<usize>() > MAX_URI_BYTES {
            return Err(misfit(format!("URIs of more than {MAX_URI_BYTES} bytes in all")));
        }
        #[cfg(feature = "tasks")]
        if wanted.task_ids.len() > MAX_TASKS {
            return Err(misfit(format!("more than {MAX_TASKS} tasks")));
        }
        Ok(wanted)
    }

    /// Keeps only the changes that the registry can report to this caller.
    pub(crate) fn honoured(mut self, registry: &(impl Registry + ?Sized), head: &Parts) -> Self {
        let has = registry.capabilities();
        self.tools_list_changed &= has.tools == Offer::Changing;
        self.prompts_list_changed &= has.prompts == Offer::Changing;
        self.resources_list_changed &= has.resources == Offer::Changing;
        let may_watch = |uri: &str| registry.may_watch(&uri::canonical(uri), head);
        self.resource_subscriptions.retain(|uri| has.resource_updates && may_watch(uri));
        self
    }

    /// Returns whether the client asks for tasks.
    #[cfg(feature = "tasks")]
    pub(crate) fn has_tasks(&self) -> bool {
        !self.task_ids.is_empty()
    }

    /// Returns every change that the filter contains.
    fn all(&self) -> impl Iterator<Item = Change<'_>> {
        let lists = [Change::Tools, Change::Prompts, Change::Resources].into_iter();
        let resources = self.resource_subscriptions.iter().map(|uri| Change::Resource(uri));
        lists.filter(|change| self.has_list(*change)).chain(resources)
    }

    /// Returns whether the filter contains this change of a list.
    fn has_list(&self, change: Change<'_>) -> bool {
        match change {
            Change::Tools => self.tools_list_changed,
            Change::Prompts => self.prompts_list_changed,
            Change::Resources => self.resources_list_changed,
            Change::Resource(_) => false,
        }
    }
}

/// The body of a subscription: an acknowledgement, then changes, then the result.
pub(crate) struct SubscriptionStream {
    wanted: SubscriptionFilter,
    /// The URIs in `wanted`: canonical forms, each with the client's own spellings.
    spellings: BTreeMap<String, Vec<String>>,
    /// The head of the request, which decides whether the caller may see a change.
    head: Parts,
    /// The JSON of the request's id, which tags every message.
    id: String,
    changes: ChangeStream,
    #[cfg(feature = "tasks")]
    tasks: Option<TaskWatch>,
    listener: ListenerGuard,
    /// `None` once the final result has been written.
    draft: Option<Draft>,
    observed: PendingObserved,
    settings: Arc<Settings>,
    keep_alive: Deadline,
    /// How long to wait for a connection of the bus before the acknowledgement; `None` from then on.
    connecting: Option<Deadline>,
    /// When the token that opened the stream is no longer accepted.
    #[cfg(feature = "auth")]
    token_end: Option<TokenEnd>,
}

impl SubscriptionStream {
    #[expect(clippy::too_many_arguments, reason = "created in one place")]
    pub(crate) fn new(
        #[cfg_attr(not(feature = "tasks"), expect(unused_mut, reason = "tasks are removed"))]
        mut wanted: SubscriptionFilter,
        head: Parts,
        id: String,
        changes: ChangeStream,
        listener: ListenerGuard,
        draft: Draft,
        observed: PendingObserved,
        settings: Arc<Settings>,
    ) -> Self {
        settings.observe.tell(|observer| observer.stream_opened(StreamKind::Subscription));
        let mut spellings: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for written in &wanted.resource_subscriptions {
            spellings.entry(uri::canonical(written).into_owned()).or_default().push(written.clone());
        }
        #[cfg(feature = "tasks")]
        if settings.tasks.is_none() {
            wanted.task_ids.clear();
        }
        #[cfg(feature = "auth")]
        let token_end = Access::of(&head).map(Access::end);
        Self {
            wanted,
            spellings,
            #[cfg(feature = "auth")]
            token_end,
            head,
            id,
            changes,
            #[cfg(feature = "tasks")]
            tasks: None,
            listener,
            draft: Some(draft),
            observed,
            keep_alive: Deadline::new(settings.keep_alive),
            settings,
            connecting: Some(Deadline::new(CONNECT_LIMIT)),
        }
    }

    /// Returns whether the client asks for tasks, where there are any.
    #[cfg(feature = "tasks")]
    pub(crate) fn has_tasks(&self) -> bool {
        self.wanted.has_tasks()
    }

    /// Watches the tasks that the client asks for, those that are its own. The error is the reply if
    /// they cannot be read.
    #[cfg(feature = "tasks")]
    pub(crate) async fn with_tasks(mut self) -> Result<Self, SingleReply> {
        let wanted = std::mem::take(&mut self.wanted.task_ids);
        match TaskWatch::new(wanted, &self.head, &self.settings).await {
            Ok((tasks, honoured)) => (self.tasks, self.wanted.task_ids) = (Some(tasks), honoured),
            Err(fault) => {
                if let Some(draft) = self.draft.take() {
                    let reply = draft.task_fault(&fault);
                    self.observed.note(reply.end());
                    return Err(reply);
                }
            }
        }
        Ok(self)
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.draft.is_none()
    }

    /// Polls for the next frame: changes, the result, or a keep-alive comment. `None` after the
    /// result.
    // Not inlined, so that `Body::poll_frame` stays small enough to be inlined itself.
    #[inline(never)]
    pub(crate) fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.is_complete() {
            return Poll::Ready(None);
        }
        let mut events = Vec::new();
        let mut is_over = self.listener.end.poll_next(cx).is_ready();
        #[cfg(feature = "auth")]
        if let Some(end) = &mut self.token_end {
            is_over |= end.as_mut().poll(cx).is_ready();
        }
        if let Some(deadline) = &mut self.connecting {
            // Changes that follow the acknowledgement must not be missed.
            if self.changes.poll_connected(cx).is_pending() && !is_over {
                std::task::ready!(deadline.poll(cx));
            }
            self.connecting = None;
            self.acknowledge(&mut events);
        }
        is_over |= self.add_changes(&mut events, cx);
        #[cfg(feature = "tasks")]
        self.add_tasks(&mut events, cx);
        if is_over && let Some(draft) = self.draft.take() {
            let message = draft.listened(&self.id, &self.settings).into_vec();
            self.observed.note(RequestEnd::Success);
            event(&mut events, |buffer| buffer.extend_from_slice(&message));
        }
        if !events.is_empty() {
            self.keep_alive.reset();
            if events.len() > MAX_FRAME {
                // The rest goes into the next frame.
                cx.waker().wake_by_ref();
            }
            return Poll::Ready(Some(events.into()));
        }
        if self.keep_alive.poll(cx).is_ready() {
            self.keep_alive.reset();
            return Poll::Ready(Some(Bytes::from_static(KEEP_ALIVE)));
        }
        Poll::Pending
    }

    /// Adds the changes that have arrived, as far as they fit into the frame. Returns whether there will
    /// be no more.
    fn add_changes(&mut self, events: &mut Vec<u8>, cx: &mut Context<'_>) -> bool {
        while events.len() <= MAX_FRAME
            && let Poll::Ready(news) = self.changes.poll_next(cx)
        {
            // The bus has closed. End the stream: the client can subscribe again, perhaps on a
            // replica whose bus still works.
            let Some((from, news)) = news else { return true };
            let mut tell = |change| {
                if self.changes.may_hear(from, change, &self.head) {
                    tell(events, &self.id, change);
                }
            };
            match news {
                News::Message(message) => match Change::from_message(&message) {
                    Some(Change::Resource(uri)) => {
                        let spellings = self.spellings.get(&*uri::canonical(uri)).into_iter().flatten();
                        spellings.for_each(|uri| tell(Change::Resource(uri)));
                    }
                    Some(list) if self.wanted.has_list(list) => tell(list),
                    _ => {}
                },
                // Any of them may be among the lost messages.
                News::Missed => self.wanted.all().for_each(tell),
            }
        }
        false
    }

    /// Adds the tasks that have changed, as far as they fit into the frame.
    #[cfg(feature = "tasks")]
    fn add_tasks(&mut self, events: &mut Vec<u8>, cx: &mut Context<'_>) {
        let Some(tasks) = &mut self.tasks else { return };
        while events.len() <= MAX_FRAME
            && let Poll::Ready(task) = tasks.poll_next(cx)
        {
            notify(events, &self.id, "notifications/tasks", |buffer| task.write_detailed(buffer));
        }
    }

    fn acknowledge(&self, events: &mut Vec<u8>) {
        notify(events, &self.id, "notifications/subscriptions/acknowledged", |buffer| {
            write::key(buffer, "notifications");
            // Serialising booleans and strings cannot fail.
            let _ = write::json(buffer, &self.wanted);
        });
    }
}

impl Drop for SubscriptionStream {
    fn drop(&mut self) {
        self.settings.observe.tell(|observer| observer.stream_closed(StreamKind::Subscription));
    }
}

fn tell(events: &mut Vec<u8>, id: &str, change: Change<'_>) {
    let method = match change {
        Change::Tools => "notifications/tools/list_changed",
        Change::Prompts => "notifications/prompts/list_changed",
        Change::Resources => "notifications/resources/list_changed",
        Change::Resource(_) => "notifications/resources/updated",
    };
    notify(events, id, method, |buffer| {
        if let Change::Resource(uri) = change {
            write::key(buffer, "uri");
            write::string(buffer, uri);
        }
    });
}

/// Writes a notification, tagged with the request's id.
fn notify(events: &mut Vec<u8>, id: &str, method: &str, write: impl FnOnce(&mut Vec<u8>)) {
    event(events, |buffer| {
        write::notification(buffer, method, |buffer| {
            buffer.extend_from_slice(br#"{"_meta":{"#);
            write::key(buffer, meta::SUBSCRIPTION_ID);
            buffer.extend_from_slice(id.as_bytes());
            buffer.push(b'}');
            write(buffer);
            buffer.push(b'}');
        });
    });
}
