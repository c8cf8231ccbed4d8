//! Functions as tools.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{IntoToolOutput, ToolCall, ToolContext, ToolFuture, ToolOutput};

/// An asynchronous function that serves a tool: a closure or an `async fn` that
/// takes nothing, or its arguments, or its arguments and a [`ToolContext`], and
/// returns what [`IntoToolOutput`] can answer.
///
/// The arguments are any type that `serde` deserialises from a JSON object. When
/// they do not fit, the function is not called, and the client gets a result with
/// `isError` that names the argument and what was expected.
///
/// `Marker` tells the kinds of functions apart; it is always inferred. A closure
/// that captures must move its captures into the future: `move |args: Args| { let
/// db = db.clone(); async move { … } }`.
pub trait Handler<Marker>: Send + Sync + 'static {
    #[doc(hidden)]
    fn start(&self, call: ToolCall<'_>) -> ToolFuture;
}

/// Arguments of a tool that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoArguments {}

impl<F, Fut> Handler<()> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoToolOutput> + Send + 'static,
{
    fn start(&self, call: ToolCall<'_>) -> ToolFuture {
        match arguments(&call) {
            Ok(NoArguments {}) => ToolFuture::new(self()),
            Err(misfit) => ToolFuture::ready(Ok(ToolOutput::error(misfit))),
        }
    }
}

impl<F, A, Fut> Handler<(A,)> for F
where
    F: Fn(A) -> Fut + Send + Sync + 'static,
    A: DeserializeOwned,
    Fut: Future<Output: IntoToolOutput> + Send + 'static,
{
    fn start(&self, call: ToolCall<'_>) -> ToolFuture {
        match arguments(&call) {
            Ok(arguments) => ToolFuture::new(self(arguments)),
            Err(misfit) => ToolFuture::ready(Ok(ToolOutput::error(misfit))),
        }
    }
}

impl<F, A, Fut> Handler<(A, ToolContext)> for F
where
    F: Fn(A, ToolContext) -> Fut + Send + Sync + 'static,
    A: DeserializeOwned,
    Fut: Future<Output: IntoToolOutput> + Send + 'static,
{
    fn start(&self, call: ToolCall<'_>) -> ToolFuture {
        match arguments(&call) {
            Ok(arguments) => ToolFuture::new(self(arguments, call.into_context())),
            Err(misfit) => ToolFuture::ready(Ok(ToolOutput::error(misfit))),
        }
    }
}

/// Deserialises the arguments, or says where they do not fit.
fn arguments<A: DeserializeOwned>(call: &ToolCall<'_>) -> Result<A, String> {
    serde_json::from_str(call.arguments()).map_err(|_| misfit::<A>(call.arguments()))
}

/// Reads the arguments once more, this time keeping track of where it is.
fn misfit<A: DeserializeOwned>(arguments: &str) -> String {
    let deserializer = &mut serde_json::Deserializer::from_str(arguments);
    let (path, fault) = match serde_path_to_error::deserialize::<_, A>(deserializer) {
        Ok(_) => (String::new(), "they do not fit".to_owned()),
        Err(error) => (error.path().to_string(), error.inner().to_string()),
    };
    // Where in the text it stands means nothing to whoever made the call.
    let fault = fault.rsplit_once(" at line ").map_or(fault.as_str(), |(fault, _)| fault);
    if matches!(path.as_str(), "" | ".") {
        format!("Invalid arguments: {fault}")
    } else {
        format!("Invalid arguments: at `{path}`: {fault}")
    }
}
