//! Failures of handlers: what is logged of them, and what is shown.

use std::borrow::Cow;
use std::error::Error;
use std::fmt::{self, Write as _};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::{CallError, ErrorMaps, Output};
use crate::jsonrpc::{ErrorCode, RpcError};

/// The most bytes of an error that are logged.
const MAX_LOGGED: usize = 4096;

/// What went wrong in a handler, or with it: its error, a panic, its time limit, or arguments
/// that do not fit. Made by a [`ToolError`](crate::ToolError).
///
/// Its `Display` is for the host: it may hold what a client must not read.
#[derive(Debug)]
pub struct HandlerError {
    error: Box<dyn Error + Send + Sync>,
    cause: Cause,
    /// What stands for the error where it is not shown; given when it is logged.
    reference: Option<ErrorReference>,
}

/// Decides how a failure is logged, and whether it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    /// An error whose author declares it safe to show.
    Declared,
    /// An error of which nobody has said that it is safe to show.
    Undeclared,
    /// An error that is never shown.
    Internal,
    /// The arguments do not fit.
    Misfit,
    /// The time limit.
    TimedOut,
    /// A panic, whose own message has gone to the panic hook.
    Panicked,
}

/// Which kind of call it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallKind {
    /// `tools/call`.
    Tool,
    /// `prompts/get`.
    Prompt,
    /// `resources/read`.
    Resource,
    /// `completion/complete`; only its failures are told of.
    Completion,
    /// `resources/list`, where a handler lists; only its failures are told of.
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

/// A call whose handler failed with an error that was not declared safe to show, as the hook
/// of [`ManagerBuilder::on_error`](crate::manager::ManagerBuilder::on_error) sees it.
#[derive(Debug)]
pub struct FailedCall<'a> {
    kind: CallKind,
    name: &'a str,
    error: &'a HandlerError,
}

impl<'a> FailedCall<'a> {
    /// Returns what was called.
    pub fn kind(&self) -> CallKind {
        self.kind
    }

    /// Returns the name of the tool, the prompt or the resource. A registry of the host's own
    /// that gives no name is known by what the client called.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// Returns the error that the handler returned; `downcast_ref` finds its type.
    pub fn error(&self) -> &'a (dyn Error + Send + Sync + 'static) {
        &*self.error.error
    }

    /// Returns what stands for the error in the log.
    pub fn reference(&self) -> &'a str {
        self.error.reference.as_ref().map_or("", ErrorReference::as_str)
    }
}

/// Which errors are shown that were not declared safe.
#[derive(Clone, Default)]
pub(crate) enum ShownErrors {
    #[default]
    None,
    All,
    /// What the host's hook makes of them.
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

    /// An error with a message that is safe to show.
    pub(crate) fn declared(message: String) -> Self {
        Self::new(message, Cause::Declared)
    }

    pub(super) fn undeclared(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::new(error, Cause::Undeclared)
    }

    pub(super) fn internal(error: Box<dyn Error + Send + Sync>) -> Self {
        Self::new(error, Cause::Internal)
    }

    /// Arguments that do not fit, with a message that says where.
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

    /// Returns the error that the handler returned, for a middleware that looks for its type by
    /// `downcast_ref`.
    pub fn get_ref(&self) -> &(dyn Error + Send + Sync + 'static) {
        &*self.error
    }

    /// Whether the host decides what clients read of it.
    pub(super) fn is_undeclared(&self) -> bool {
        self.cause == Cause::Undeclared
    }

    /// Returns what the host makes of an undeclared error.
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
        let name = &*escaped(name);
        match self.cause {
            // Both quote what the client sent.
            Cause::Misfit => tracing::debug!(%kind, name, "the arguments of a call do not fit"),
            Cause::Declared => {
                tracing::info!(%kind, name, reference, error = chain(&*self.error), "a handler failed");
            }
            Cause::TimedOut => tracing::warn!(%kind, name, "{}", self.error),
            Cause::Panicked => tracing::error!(%kind, name, reference, "{}", self.error),
            Cause::Undeclared | Cause::Internal => {
                tracing::error!(%kind, name, reference, error = chain(&*self.error), "a handler failed");
            }
        }
    }

    /// The answer to the client.
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
                    tracing::error!("the hook for errors panicked");
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

/// Logs a JSON-RPC error that a call is answered by.
pub(super) fn log_rpc(kind: CallKind, name: &str, error: &RpcError) {
    let (name, code) = (&*escaped(name), error.code().0);
    if error.code() == ErrorCode::INTERNAL_ERROR {
        tracing::warn!(%kind, name, code, error = &*escaped(error.message()), "a call was answered by an error");
    } else {
        tracing::debug!(%kind, name, code, "a call was answered by an error");
    }
}

/// Logs a call whose caller lacks a scope.
#[cfg(feature = "auth")]
pub(super) fn log_refused(kind: CallKind, name: &str, missing: &crate::auth::InsufficientScope) {
    tracing::debug!(%kind, name = &*escaped(name), %missing, "a call was refused");
}

/// Logs a result that says that it is an error.
pub(super) fn log_error_result(kind: CallKind, name: &str) {
    tracing::info!(%kind, name = &*escaped(name), "a handler answered that it failed");
}

fn masked(reference: Option<&ErrorReference>) -> Cow<'static, str> {
    match reference {
        Some(reference) => format!("Internal error (reference {})", reference.as_str()).into(),
        None => "Internal error".into(),
    }
}

/// Stands for an error in what its client reads, and leads to it in the log.
#[derive(Debug)]
struct ErrorReference([u8; 8]);

impl ErrorReference {
    fn new() -> Self {
        // Each state has keys of its own, which nobody can guess; and it takes no dependency.
        let mut random = RandomState::new().build_hasher().finish();
        Self(std::array::from_fn(|_| {
            random = random.rotate_left(4);
            // Within the sixteen digits.
            b"0123456789abcdef"[(random & 15) as usize]
        }))
    }

    fn as_str(&self) -> &str {
        // It is ASCII.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

/// Returns the message of an error of the host's; `None` when the code that writes it panics.
fn message(error: &(dyn Error + Send + Sync)) -> Option<String> {
    catch_unwind(AssertUnwindSafe(|| error.to_string())).ok()
}

/// Returns an error with its sources, on one line of bounded length.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = String::new();
    // The code that writes a message is the host's, and may panic half-way.
    let written = catch_unwind(AssertUnwindSafe(|| {
        let mut next = Some(error);
        while let Some(error) = next
            && text.len() < MAX_LOGGED
        {
            let separator = if text.is_empty() { "" } else { ": " };
            // A string takes all that it is given.
            let _ = write!(text, "{separator}{error}");
            next = error.source();
        }
    }));
    if written.is_err() {
        text.push_str("… (the error panicked while its message was written)");
    }
    escaped(&text).into_owned()
}

/// A text as it may stand in a log: on one line, of bounded length.
fn escaped(text: &str) -> Cow<'_, str> {
    if text.len() <= MAX_LOGGED && !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let mut line = String::with_capacity(text.len().min(MAX_LOGGED) + 16);
    for letter in text.chars() {
        if line.len() >= MAX_LOGGED {
            line.push('…');
            break;
        }
        if letter.is_control() { line.extend(letter.escape_default()) } else { line.push(letter) }
    }
    Cow::Owned(line)
}
