//! Calls that hold a place while they are in flight, where the host bounds their number.

use http::request::Parts;

use super::draft::Draft;
use super::pending::PendingReply;
use crate::call::{Call, CallError, CallFuture, Output, TooManyCalls};
use crate::jsonrpc::RpcError;
use crate::observe::ObservedRef;
use crate::places::{Full, Places};
use crate::principal::Principal;
use crate::registry::Answer;
use crate::request::Rejection;
use crate::settings::Settings;

/// Starts a call that holds a place until it ends, or refuses it. Not inlined, so that it costs nothing
/// if calls are not bounded.
#[cold]
#[inline(never)]
pub(super) fn start_bounded<T: Output>(
    calls: &Places,
    call: Call<'_>,
    start: impl FnOnce(Call<'_>) -> CallFuture<T>,
) -> CallFuture<T> {
    match calls.take(Principal::of(call.head)) {
        Ok(place) => start(call).holding(place),
        Err(full) => CallFuture::refused(CallError::TooManyCalls(TooManyCalls(full))),
    }
}

/// Asks a registry, and holds a place until the answer is ready. Without a place, sets `full` instead.
#[cold]
#[inline(never)]
pub(super) fn ask_bounded<'r, T: 'r>(
    calls: &Places,
    head: &Parts,
    full: &mut Option<Full>,
    ask: impl FnOnce() -> Answer<'r, T>,
) -> Answer<'r, T> {
    match calls.take(Principal::of(head)) {
        Ok(place) => ask().holding(place),
        Err(error) => {
            *full = Some(error);
            Answer::ready(Err(RpcError::internal()))
        }
    }
}

#[cold]
#[inline(never)]
pub(super) fn too_many_calls<'r>(
    full: Full,
    draft: Draft,
    observed: ObservedRef<'_, '_>,
    settings: &Settings,
) -> PendingReply<'r> {
    PendingReply::ready(draft.refuse(Rejection::TooManyCalls(full), settings), observed)
}
