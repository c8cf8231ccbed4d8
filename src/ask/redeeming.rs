//! Redeems the state of a request before the request is served.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;

use super::state::refusal;
use super::{AskSettings, Redemption};
use crate::deadline::Deadline;
use crate::jsonrpc::RpcError;
use crate::observe::error_line;

/// How long a guard may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Marks a request whose state has been redeemed, in its extensions, with the id of the state.
#[derive(Clone)]
pub(super) struct RedeemedMark(pub(super) String);

/// Redeems the state of a request, and marks its head so that the request is served when it is read
/// again.
///
/// # Errors
/// `-32602` if the state was redeemed before, `-32603` with status 503 if the guard cannot
/// decide.
pub(crate) async fn redeem(
    redemption: Redemption,
    head: &mut Parts,
    settings: &AskSettings,
) -> Result<(), RpcError> {
    ask_guard(&redemption, settings).await?;
    head.extensions.insert(RedeemedMark(redemption.id));
    Ok(())
}

async fn ask_guard(redemption: &Redemption, settings: &AskSettings) -> Result<(), RpcError> {
    let unknown = || RpcError::unavailable("The answers cannot be accepted now: try again later");
    let Some(guard) = &settings.guard else { return Err(unknown()) };
    let mut redeeming = pin!(async { guard.redeem(redemption).await });
    let mut deadline = Deadline::new(LIMIT);
    let redeemed = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| redeeming.as_mut().poll(cx))) {
        Ok(Poll::Ready(redeemed)) => Poll::Ready(redeemed),
        Ok(Poll::Pending) => deadline.poll(cx).map(|()| Err(format!("no answer within {LIMIT:?}").into())),
        Err(_) => Poll::Ready(Err("it panicked".into())),
    });
    match redeemed.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(refusal()),
        Err(error) => {
            tracing::error!(error = error_line(&error), "the answer guard could not redeem a state");
            Err(unknown())
        }
    }
}
