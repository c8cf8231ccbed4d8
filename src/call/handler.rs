//! Functions as handlers.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Call, CallContext, CallFuture, HandlerError, IntoOutput, Output};
use crate::rpc::read;
use crate::tool::ToolOutput;

/// An asynchronous function that serves a tool, a prompt or a resource, as `T` says: a
/// closure or an `async fn` that takes nothing, or its arguments, or its arguments and a
/// [`CallContext`], and returns what [`IntoOutput`] can make a `T` of.
///
/// The arguments are any type that `serde` deserialises from an object: of JSON for a
/// tool, of texts for a prompt or a resource template (numbers and `bool` are read from
/// theirs). When they do not fit, the function is not called, and the client is told the
/// argument and what was expected: by a result with `isError` of a tool, else by
/// `-32602`.
///
/// `Marker` tells the kinds of functions apart; it is always inferred. A closure
/// that captures must move its captures into the future: `move |args: Args| { let
/// db = db.clone(); async move { … } }`.
pub trait Handler<Marker, T = ToolOutput>: Send + Sync + 'static {
    #[doc(hidden)]
    fn start(&self, call: Call<'_>) -> CallFuture<T>;
}

/// Arguments of a handler that takes none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoArguments {}

impl<F, Fut, T> Handler<(), T> for F
where
    F: Fn() -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoOutput<T>> + Send + 'static,
    T: Output,
{
    fn start(&self, call: Call<'_>) -> CallFuture<T> {
        match T::takes_none(call.arguments()) {
            Ok(()) => CallFuture::new(self()),
            Err(misfit) => CallFuture::refused(HandlerError::misfit(misfit)),
        }
    }
}

impl<F, A, Fut, T> Handler<(A,), T> for F
where
    F: Fn(A) -> Fut + Send + Sync + 'static,
    A: DeserializeOwned,
    Fut: Future<Output: IntoOutput<T>> + Send + 'static,
    T: Output,
{
    fn start(&self, call: Call<'_>) -> CallFuture<T> {
        match T::read_arguments(call.arguments()) {
            Ok(arguments) => CallFuture::new(self(arguments)),
            Err(misfit) => CallFuture::refused(HandlerError::misfit(misfit)),
        }
    }
}

impl<F, A, Fut, T> Handler<(A, CallContext), T> for F
where
    F: Fn(A, CallContext) -> Fut + Send + Sync + 'static,
    A: DeserializeOwned,
    Fut: Future<Output: IntoOutput<T>> + Send + 'static,
    T: Output,
{
    fn start(&self, call: Call<'_>) -> CallFuture<T> {
        match T::read_arguments(call.arguments()) {
            Ok(arguments) => CallFuture::new(self(arguments, call.into_context())),
            Err(misfit) => CallFuture::refused(HandlerError::misfit(misfit)),
        }
    }
}

/// Reads arguments from the text of a JSON object, or says where they do not fit.
pub(crate) fn from_json<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
    read::json(arguments).or_else(|_| {
        // Once more, this time keeping track of where it is.
        let mut deserializer = serde_json::Deserializer::from_str(arguments);
        let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| misfit(&error))?;
        // A type that makes do with a fault may have left the rest unread.
        deserializer.end().map(|()| read).map_err(|_| "Invalid arguments".to_owned())
    })
}

/// Says where arguments do not fit, and why.
pub(crate) fn misfit(error: &serde_path_to_error::Error<impl std::fmt::Display>) -> String {
    let (path, fault) = (error.path().to_string(), error.inner().to_string());
    // Where in the text it stands means nothing to whoever made the call.
    let fault = fault.rsplit_once(" at line ").map_or(fault.as_str(), |(fault, _)| fault);
    if matches!(path.as_str(), "" | ".") {
        format!("Invalid arguments: {fault}")
    } else {
        format!("Invalid arguments: at `{path}`: {fault}")
    }
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Deserializer};

    use super::from_json;

    #[derive(Debug, Default, Deserialize, PartialEq)]
    struct Inner {
        number: u32,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Outer {
        #[serde(deserialize_with = "or_default")]
        inner: Inner,
        #[serde(default)]
        more: u32,
    }

    #[expect(clippy::unnecessary_wraps, reason = "what `serde` calls returns a result")]
    fn or_default<'de, D: Deserializer<'de>>(value: D) -> Result<Inner, D::Error> {
        Ok(Inner::deserialize(value).unwrap_or_default())
    }

    #[test]
    fn nothing_is_left_out_by_a_type_that_makes_do_with_a_fault() {
        let read = |inner: &str| from_json::<Outer>(&format!(r#"{{"inner":{inner},"more":2}}"#));
        let expected = |number| Ok(Outer { inner: Inner { number }, more: 2 });
        assert_eq!(read(r#"{"number":1,"x":1}"#), expected(1));
        assert_eq!(read("5"), expected(0));
        for inner in [r#"{"number":"a","x":1}"#, r#"{"number":[1],"x":1}"#] {
            assert!(read(inner).is_err(), "{inner}: {:?}", read(inner));
        }
    }
}
