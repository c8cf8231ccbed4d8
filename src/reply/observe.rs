//! Requests that are observed, before they are dispatched.

use std::sync::Arc;
use std::task::Context;

use http::request::Parts;

use super::dispatch::{Dispatcher, MAX_URI};
use super::pending::PendingReply;
use crate::jsonrpc::Raw;
use crate::observe::{Counted, Observed, Observer};
use crate::protocol::Offer;
use crate::protocol::method::Method;
use crate::registry::{Has, Item, guarded};
use crate::request::ValidRequest;
use crate::resource::uri;

impl<'r> Dispatcher<'r> {
    /// Starts a request in its span.
    #[inline(never)]
    pub(super) fn observe(
        &self,
        request: &ValidRequest<'_>,
        head: &mut Parts,
        cx: &mut Context<'_>,
    ) -> PendingReply<'r> {
        let observe = &self.settings.observe;
        if let Some(observer) = &observe.observer {
            return self.count(request, head, observer, cx);
        }
        let mut observed = Observed::begin(request, None, observe);
        self.observed_request(request, head, observed.by_ref(), cx)
    }

    /// Starts a request in its span, and tells the observer about it.
    #[inline(never)]
    fn count(
        &self,
        request: &ValidRequest<'_>,
        head: &mut Parts,
        told: &Arc<dyn Observer>,
        cx: &mut Context<'_>,
    ) -> PendingReply<'r> {
        let counted = Counted::begin(request, self.has_target(request), told);
        let mut observed = Observed::begin(request, Some(&counted), &self.settings.observe);
        self.observed_request(request, head, observed.by_ref(), cx)
    }

    /// Returns whether the registry certainly has the target of the request.
    fn has_target(&self, request: &ValidRequest<'_>) -> bool {
        let has = self.registry.capabilities();
        let target = request.method.named_by().and_then(|named_by| request.params.named(named_by));
        let Some(target) = target.and_then(Raw::string) else { return false };
        let canonical;
        let item = match request.method {
            Method::ToolsCall if has.tools != Offer::Nothing => Item::Tool(&target),
            Method::PromptsGet if has.prompts != Offer::Nothing => Item::Prompt(&target),
            Method::ResourcesRead if has.resources != Offer::Nothing && target.len() <= MAX_URI => {
                canonical = uri::canonical(&target);
                Item::Resource(&canonical)
            }
            _ => return false,
        };
        guarded(|| self.registry.has(item)).is_ok_and(|has| has == Has::Yes)
    }
}
