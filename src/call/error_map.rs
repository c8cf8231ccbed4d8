//! Maps the host's errors to errors that clients see.

use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use super::{CallError, ToolError};

type AnyError = Box<dyn Error + Send + Sync>;
type MapError = dyn Fn(AnyError) -> Result<ToolError, AnyError> + Send + Sync;

/// The host's maps of errors. The latest map of a type comes first, and replaces earlier ones.
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

    /// Maps an error, or returns it if there is no map for its type.
    ///
    /// If a map panics, the error is lost, and the result is never shown to clients.
    pub(super) fn map(&self, mut error: AnyError) -> Result<CallError, AnyError> {
        for map in &self.0 {
            error = match catch_unwind(AssertUnwindSafe(|| map(error))) {
                Ok(Ok(mapped)) => return Ok(mapped.into()),
                Ok(Err(error)) => error,
                Err(_) => return Ok(ToolError::internal("the host's error map panicked").into()),
            };
        }
        Err(error)
    }
}
