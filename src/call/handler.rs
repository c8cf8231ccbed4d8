//! Functions as handlers.

use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{Call, CallContext, CallFuture, FromCall, HandlerError, IntoOutput, Output};
use crate::jsonrpc::read;
use crate::tool::ToolOutput;

/// An async function that serves a tool, a prompt or a resource; `T` is its output.
///
/// A handler is an `async fn`, an async closure or a method. It takes these arguments, in this
/// order; all of them are optional:
///
/// 1. the state itself, the `S` that was passed to `with_state`. So a method
///    `async fn search(self: Arc<Self>, query: Query)` is a handler if the state is an `Arc<Self>`;
/// 2. up to four parts of the call: [`State`](crate::State),
///    [`Extension`](crate::call::Extension), [`Principal`](crate::Principal), `Access` (feature `auth`),
///    [`CallContext`], [`HeaderMap`](http::HeaderMap), or another type that implements [`FromCall`];
/// 3. the arguments of the call, as one type;
/// 4. a [`CallContext`].
///
/// The arguments are a type that `serde` can deserialise from an object. The members of the object
/// are JSON values for a tool, and strings for a prompt or a resource template (numbers and `bool`
/// are parsed from strings). If the arguments are invalid, the function is not called, and the
/// client learns which argument is wrong and what was expected: from a result with `isError` for a
/// tool, and from an error `-32602` otherwise. [`Valid`](super::Valid) checks more than a type can.
/// A handler without arguments ignores those that a client sends.
///
/// A handler returns a type that implements [`IntoOutput`], and its future is `Send`. A closure must
/// own its captures, `async move |args: Args| db.find(args).await`, and is cloned for each call:
/// capture an `Arc` of anything that is expensive to clone, or take it as [`State`](crate::State).
///
/// If the compiler only reports that a function is not a handler, the attribute `debug_handler`
/// (feature `macros`) makes it report why.
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_stateless::{CallContext, State, ToolRegistry};
///
/// struct Counters { start: i64 }
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Add { n: i64 }
///
/// impl Counters {
///     async fn add(self: Arc<Self>, Add { n }: Add) -> i64 {
///         self.start + n
///     }
/// }
///
/// async fn report(State(counters): State<Arc<Counters>>, cx: CallContext) -> i64 {
///     cx.progress(1.0, Some(1.0), "counted").await;
///     counters.start
/// }
///
/// let tools = ToolRegistry::builder()
///     .with_state(Arc::new(Counters { start: 40 }))
///     .tool("add", "Add to the start", Counters::add)
///     .tool("report", "Tell the start", report)
///     .tool("echo", "Repeat", async |Add { n }: Add| n)
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// `Marker` distinguishes the kinds of functions, and is inferred. Inference fails only for a
/// function whose sole argument is ambiguous: a type that implements both [`FromCall`] and
/// [`Deserialize`], or a state that implements `Deserialize`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a handler",
    label = "not a handler of a call with the state `{S}`",
    note = "a handler takes, in this order: the state itself (as a method does), up to four parts of the call \
            (`State<T>`, `Extension<T>`, `Principal`, `CallContext` or another type that implements \
            `FromCall`), its arguments in one type, a `CallContext`; each is optional",
    note = "`State<T>` and methods need the state of the builder: write `.with_state(state)` before the handler \
            is added, and take exactly that type, or a part of it by `impl FromRef<{S}> for T`",
    note = "the arguments are one type that has `#[derive(serde::Deserialize)]`; `Valid<T>` also needs `impl \
            Validate for T`",
    note = "it returns what implements `IntoOutput`: a string, a number, `Json<T>`, the output type itself, or \
            a `Result` of those whose error becomes a `ToolError`",
    note = "its future is `Send + 'static`: keep no `Rc`, `RefCell` or `MutexGuard` across an `.await`, and let a \
            closure own what it captures, which is `Clone`: `async move |args: Args| …`",
    note = "`#[mcp_stateless::debug_handler]` above the function (feature `macros`) makes the compiler say which of \
            these it is"
)]
pub trait Handler<Marker, S = (), T = ToolOutput>: Send + Sync + 'static {
    /// The output of the function's future.
    #[doc(hidden)]
    type Returned: IntoOutput<T>;

    #[doc(hidden)]
    fn start(&self, call: Call<'_>, state: &S) -> CallFuture<T>;
}

/// The arguments of a handler that takes none. Arguments that a client sends are ignored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct NoArguments {}

/// Marks functions that take only parts of the call.
#[doc(hidden)]
#[derive(Debug)]
pub struct WithoutArguments<Parts>(PhantomData<Parts>);

/// Marks functions that take parts of the call and arguments.
#[doc(hidden)]
#[derive(Debug)]
pub struct WithArguments<Parts, A>(PhantomData<(Parts, A)>);

/// Marks functions that take parts of the call, arguments and a context.
#[doc(hidden)]
#[derive(Debug)]
pub struct WithContext<Parts, A>(PhantomData<(Parts, A)>);

/// Marks functions that take the state itself, and then the arguments of the kind `Rest`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Method<Rest>(PhantomData<Rest>);

/// Implements `Handler` for the functions of one kind.
macro_rules! handler {
    ($marker:ty: [$($state:ident)?] [$($part:ident)*] [$($arguments:ident)?] [$($context:ident)?]) => {
        impl<F, Fut, S, T, $($part,)* $($arguments,)?> Handler<$marker, S, T> for F
        where
            F: FnOnce($($state,)? $($part,)* $($arguments,)? $($context,)?) -> Fut + Clone + Send + Sync + 'static,
            $($state: Clone,)?
            $($part: FromCall<S>,)*
            $($arguments: DeserializeOwned,)?
            Fut: Future<Output: IntoOutput<T>> + Send + 'static,
            T: Output,
        {
            type Returned = Fut::Output;

            #[allow(non_snake_case, unused_mut, unused_variables, reason = "not every kind takes everything")]
            fn start(&self, mut call: Call<'_>, state: &S) -> CallFuture<T> {
                $(let $part = match $part::from_call(&mut call, state) {
                    Ok(part) => part,
                    Err(error) => return CallFuture::refused(error),
                };)*
                $(let $arguments = match T::read_arguments::<$arguments>(call.arguments()) {
                    Ok(arguments) => arguments,
                    Err(misfit) => return CallFuture::refused(HandlerError::misfit(misfit)),
                };)?
                if let Some(misfit) = call.misfit() {
                    return CallFuture::refused(HandlerError::misfit(misfit));
                }
                CallFuture::new(self.clone()(
                    $($state::clone(state),)?
                    $($part,)*
                    $($arguments,)?
                    $($context::from(call),)?
                ))
            }
        }
    };
}

/// Implements `Handler` for functions of every kind with these parts.
macro_rules! handlers {
    ($($part:ident)*) => {
        handler!(WithoutArguments<($($part,)*)>: [] [$($part)*] [] []);
        handler!(WithArguments<($($part,)*), A>: [] [$($part)*] [A] []);
        handler!(WithContext<($($part,)*), A>: [] [$($part)*] [A] [CallContext]);
        handler!(Method<WithoutArguments<($($part,)*)>>: [S] [$($part)*] [] []);
        handler!(Method<WithArguments<($($part,)*), A>>: [S] [$($part)*] [A] []);
        handler!(Method<WithContext<($($part,)*), A>>: [S] [$($part)*] [A] [CallContext]);
    };
}

handlers!();
handlers!(P1);
handlers!(P1 P2);
handlers!(P1 P2 P3);
handlers!(P1 P2 P3 P4);

/// Deserialises arguments from a JSON object. The error message says where they are invalid.
pub(crate) fn from_json<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
    read::json(arguments).or_else(|_| {
        from_json_with_path(arguments).or_else(|fault| {
            // `1.0` is an integer in JSON Schema, but not for `serde`.
            let integers = fault.contains(FLOATING_POINT).then(|| integers_without_fraction(arguments));
            integers.and_then(|arguments| from_json_with_path(&arguments).ok()).ok_or(fault)
        })
    })
}

/// The start of `serde`'s message about a number with a fraction in place of an integer.
const FLOATING_POINT: &str = "invalid type: floating point";

/// Deserialises arguments, and keeps track of the path for error messages.
fn from_json_with_path<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
    let mut deserializer = serde_json::Deserializer::from_str(arguments);
    let read = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| misfit(&error))?;
    // A type whose `Deserialize` swallows an error may have left the rest unread.
    deserializer.end().map(|()| read).map_err(|_| "Invalid arguments".to_owned())
}

/// Replaces every number such as `1.0` in a JSON text with `1`.
fn integers_without_fraction(text: &str) -> String {
    let mut written = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '.']) {
        let (before, from) = rest.split_at(at);
        written.push_str(before);
        let length = if from.starts_with('"') {
            let length = string_length(from);
            written.push_str(&from[..length]);
            length
        } else {
            // Outside strings, a point is always part of a number.
            let length = from.find(|letter: char| !matches!(letter, '.' | '0'..='9')).unwrap_or(from.len());
            let has_exponent = from[length..].starts_with(['e', 'E']);
            if has_exponent || from[1..length].contains(|digit| digit != '0') {
                written.push_str(&from[..length]);
            }
            length
        };
        rest = &from[length..];
    }
    written.push_str(rest);
    written
}

/// Returns the length of the JSON string at the start of a text, including its quotes.
fn string_length(text: &str) -> usize {
    let mut is_escaped = false;
    let end = text.bytes().skip(1).position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

/// Returns a message that says where arguments are invalid, and why.
pub(crate) fn misfit(error: &serde_path_to_error::Error<impl std::fmt::Display>) -> String {
    let (path, fault) = (error.path().to_string(), error.inner().to_string());
    // The position in the text means nothing to a client, which may not have written the text.
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

    #[expect(clippy::unnecessary_wraps, reason = "the signature that `serde` expects")]
    fn or_default<'de, D: Deserializer<'de>>(value: D) -> Result<Inner, D::Error> {
        Ok(Inner::deserialize(value).unwrap_or_default())
    }

    #[test]
    fn an_integer_may_be_written_with_a_fraction_of_zero() {
        #[derive(Debug, Deserialize, PartialEq)]
        struct Arguments {
            count: i64,
            ratio: f64,
            text: String,
        }
        let read = |count: &str, text: &str| {
            from_json::<Arguments>(&format!(r#"{{"text":"{text}","count":{count},"ratio":0.5}}"#))
        };
        for (count, expected) in [("1.0", 1), ("-20.00", -20), ("0.0", 0), ("7", 7)] {
            for text in ["1.0", r#"\"1.0\\"#, "é.0"] {
                let read = read(count, text).expect(count);
                let unescaped: String = serde_json::from_str(&format!("\"{text}\"")).expect("a string");
                assert_eq!(read, Arguments { count: expected, ratio: 0.5, text: unescaped });
            }
        }
        for count in ["1.5", "1.0e3", "1.05", "1e400", r#""1.0""#] {
            assert!(read(count, "").is_err(), "{count}");
        }
        let twice = from_json::<Arguments>(r#"{"count":1.0,"count":2,"ratio":1,"text":""}"#);
        assert!(twice.is_err_and(|fault| fault.contains("floating point")));
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
