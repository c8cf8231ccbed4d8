//! Failures of handlers: how they are logged, and what clients see.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::{CallError, ErrorMaps, Output};
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::line;

/// The maximum length of a logged error, in bytes.
const MAX_LOGGED: usize = 4096;
/// The maximum length of a logged name, in bytes.
pub(crate) const MAX_NAME: usize = 256;

/// Why a handler failed: with an error, a panic, its time limit, or invalid arguments. Created by a
/// [`ToolError`](crate::ToolError).
///
/// Its `Display` is for the host: it may contain details that clients must not see.
#[derive(Debug)]
pub struct HandlerError {
    error: Box<dyn Error + Send + Sync>,
    cause: Cause,
    /// Replaces the message where it is not shown. `None` until the failure is logged.
    reference: Option<ErrorReference>,
}

/// Decides how a failure is logged, and whether it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// An error that is declared safe to show.
    Declared,
    /// An error that may or may not be safe to show.
    Undeclared,
    /// An error that is never shown.
    Internal,
    /// The arguments are invalid.
    Misfit,
    /// The time limit was exceeded.
    TimedOut,
    /// The handler panicked. The panic hook has its message.
    Panicked,
}

/// The kind of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// `tools/call`.
    Tool,
    /// `prompts/get`.
    Prompt,
    /// `resources/read`.
    Resource,
    /// `completion/complete`. Reported only when it fails.
    Completion,
    /// `resources/list` of resources that a handler lists. Reported only when it fails.
    ResourceList,
}

impl fmt::Display for CallKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tool => "tool",
            Self::Prompt => "prompt",
            Self::Resource => "resource",
            Self::Completion => "completion",
            Self::ResourceList => "resource list",
        })
    }
}

/// A call whose handler failed with an error that was not declared safe to show. Passed to the hook
/// of [`ManagerBuilder::on_error`](crate::manager::ManagerBuilder::on_error).
#[derive(Debug)]
pub struct FailedCall<'a> {
    kind: CallKind,
    name: &'a str,
    error: &'a HandlerError,
}

impl<'a> FailedCall<'a> {
    /// Returns the kind of the call.
    pub fn kind(&self) -> CallKind {
        self.kind
    }

    /// Returns the name of the tool, the prompt or the resource. If the host's own registry sets no
    /// name, this is the name or URI that the client sent.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the error that the handler returned; `downcast_ref` finds its type.
    pub fn error(&self) -> &'a (dyn Error + Send + Sync + 'static) {
        &*self.error.error
    }

    /// Returns the reference that identifies the error in the log.
    pub fn reference(&self) -> &'a str {
        self.error.reference.as_ref().map_or("", ErrorReference::as_str)
    }
}

/// Which undeclared errors are shown to clients.
#[derive(Clone, Default)]
pub(crate) enum ShownErrors {
    #[default]
    None,
    All,
    /// The host's hook decides.
    Chosen(Arc<ErrorHook>),
}

pub(crate) type ErrorHook = dyn Fn(&FailedCall<'_>) -> Option<String> + Send + Sync;

impl fmt::Debug for ShownErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::None => "None",
            Self::All => "All",
            Self::Chosen(_) => "Chosen",
        })
    }
}

impl HandlerError {
    fn new(error: impl Into<Box<dyn Error + Send + Sync>>, cause: Cause) -> Self {
        Self { error: error.into(), cause, reference: None }
    }

    /// Creates an error with a message that is safe to show.
    pub(crate) fn declared(message: String) -> Self {
        Self::new(message, Cause::Declared)
    }

    pub(super) fn undeclared(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::new(error, Cause::Undeclared)
    }

    pub(super) fn internal(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::new(error, Cause::Internal)
    }

    /// Creates an error for invalid arguments, with a message that says where the fault is.
    pub(crate) fn misfit(message: String) -> Self {
        Self::new(message, Cause::Misfit)
    }

    pub(super) fn timed_out(limit: Duration) -> Self {
        let message = format!("The call was stopped: it took longer than its limit of {limit:?}");
        Self::new(message, Cause::TimedOut)
    }

    pub(super) fn panicked() -> Self {
        Self::new("a handler panicked", Cause::Panicked)
    }

    /// Returns the error that the handler returned. A middleware can find its type with
    /// `downcast_ref`.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// Returns whether the host decides what clients see.
    pub(super) fn is_undeclared(&self) -> bool {
        self.cause == Cause::Undeclared
    }

    /// Applies the host's maps to an undeclared error.
    pub(super) fn mapped(self, maps: &ErrorMaps) -> CallError {
        let Self { error, cause, reference } = self;
        maps.map(error).unwrap_or_else(|error| Self { error, cause, reference }.into())
    }

    /// Logs the failure, once.
    pub(super) fn log(&mut self, kind: CallKind, name: &str) {
        if self.reference.is_some() {
            return;
        }
        let reference = self.reference.insert(ErrorReference::new()).as_str();
        let name = &*line(name, MAX_NAME);
        match self.cause {
            // The message is not logged, because it quotes what the client sent.
            Cause::Misfit => tracing::debug!(%kind, name, "the arguments of a call are invalid"),
            Cause::Declared => {
                tracing::info!(%kind, name, reference, "a handler failed with an error for its client");
                // At `debug`, because the message may repeat what the client sent.
                tracing::debug!(%kind, name, reference, error = chain(&*self.error), "the error for the client");
            }
            Cause::TimedOut => {
                tracing::warn!(%kind, name, reference, error = %self.error, "a call exceeded its time limit");
            }
            Cause::Panicked => tracing::error!(%kind, name, reference, "a handler panicked"),
            Cause::Undeclared | Cause::Internal => {
                tracing::error!(%kind, name, reference, error = chain(&*self.error), "a handler failed");
            }
        }
    }

    /// Returns the answer to the client.
    #[cold]
    pub(crate) fn answer<T: Output>(&self, name: &str, shown: &ShownErrors) -> Result<T, CallError> {
        let shown = match (self.cause, shown) {
            (Cause::Misfit, _) => return Ok(T::misfit(self.to_string())?),
            (Cause::Panicked, _) => {
                let message = masked(self.reference.as_ref());
                return Err(RpcError::new(ErrorCode::INTERNAL_ERROR, message).into());
            }
            (Cause::Declared | Cause::TimedOut, _) | (Cause::Undeclared, ShownErrors::All) => {
                message(&*self.error)
            }
            (Cause::Undeclared, ShownErrors::Chosen(hook)) => {
                let failed = FailedCall { kind: T::KIND, name, error: self };
                catch_unwind(AssertUnwindSafe(|| hook(&failed))).unwrap_or_else(|_| {
                    tracing::error!("the error hook panicked");
                    None
                })
            }
            (Cause::Undeclared, ShownErrors::None) | (Cause::Internal, _) => None,
        };
        Ok(T::failed(shown.map_or_else(|| masked(self.reference.as_ref()), Cow::Owned))?)
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(formatter)
    }
}

impl Error for HandlerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.error.source()
    }
}

/// Logs a call that ends with a JSON-RPC error.
pub(super) fn log_rpc(kind: CallKind, name: &str, error: &RpcError) {
    let (name, code) = (&*line(name, MAX_NAME), error.code().0);
    if error.code() == ErrorCode::INTERNAL_ERROR {
        tracing::warn!(%kind, name, code, "a call failed with an internal error");
    }
    let error = &*line(error.message(), MAX_LOGGED);
    tracing::debug!(%kind, name, code, error, "a call failed");
}

/// Logs a call whose caller lacks a scope.
#[cfg(feature = "auth")]
pub(super) fn log_refused(kind: CallKind, name: &str, missing: &crate::auth::InsufficientScope) {
    let missing = missing.to_string();
    let (name, missing) = (&*line(name, MAX_NAME), &*line(&missing, MAX_LOGGED));
    tracing::debug!(%kind, name, missing, "a call was refused");
}

/// Logs a result that reports an error.
pub(super) fn log_error_result(kind: CallKind, name: &str) {
    tracing::info!(%kind, name = &*line(name, MAX_NAME), "a handler returned a result with `isError`");
}

fn masked(reference: Option<&ErrorReference>) -> Cow<'static, str> {
    match reference {
        Some(reference) => format!("Internal error (reference {})", reference.as_str()).into(),
        None => "Internal error".into(),
    }
}

/// A reference that the client sees in place of an error, and that identifies it in the log.
#[derive(Debug)]
struct ErrorReference([u8; 8]);

impl ErrorReference {
    fn new() -> Self {
        // Each `RandomState` has new random keys, so this needs no dependency on a generator.
        let mut random = RandomState::new().build_hasher().finish();
        Self(std::array::from_fn(|_| {
            random = random.rotate_left(4);
            // The index is at most 15.
            b"0123456789abcdef"[(random & 15) as usize]
        }))
    }

    fn as_str(&self) -> &str {
        // The digits are ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Returns the message of the host's error, or `None` if its `Display` panics.
fn message(error: &(dyn Error + Send + Sync)) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| error.to_string())).ok()
}

/// Returns an error with its sources, on one line with a limited length.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    // `Display` and `source` are the host's code, and may panic.
    let written = catch_unwind(AssertUnwindSafe(|| {
        let mut next = Some(error);
        while let Some(error) = next
            && text.len() < MAX_LOGGED
        {
            let separator = if text.is_empty() { "" } else { ": " };
            // Writing to a `String` cannot fail.
            let _ = write!(text, "{separator}{error}");
            next = error.source();
        }
    }));
    if written.is_err() {
        text.push_str("… (the error panicked while its message was written)");
    }
    line(&text, MAX_LOGGED).into_owned()
}
