//! The host's own errors, turned into answers in one place.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{CallError, ToolError};

type AnyError = Box<dyn Error + Send + Sync>;
type MapError = dyn Fn(AnyError) -> Result<ToolError, AnyError> + Send + Sync;

/// What a host makes of its own errors, by their types: the latest map of a type first.
#[derive(Clone, Default)]
pub(crate) struct ErrorMaps(Vec<Arc<MapError>>);

impl fmt::Debug for ErrorMaps {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("ErrorMaps").finish_non_exhaustive()
    }
}

impl ErrorMaps {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn add<E, T>(&mut self, map: impl Fn(E) -> T + Send + Sync + 'static)
    where
        E: Error + Send + Sync + 'static,
        T: Into<ToolError>,
    {
        self.0.insert(0, Arc::new(move |error| error.downcast::<E>().map(|error| map(*error).into())));
    }

    /// Returns what the host makes of an error, or the error where it says nothing of its type.
    ///
    /// A map that panics has used up the error; what is left is never shown.
    pub(super) fn map(&self, mut error: AnyError) -> Result<CallError, AnyError> {
        for map in &self.0 {
            error = match catch_unwind(AssertUnwindSafe(|| map(error))) {
                Ok(Ok(mapped)) => return Ok(mapped.into()),
                Ok(Err(error)) => error,
                Err(_) => return Ok(ToolError::internal("the host's map of errors panicked").into()),
            };
        }
        Err(error)
    }
}
