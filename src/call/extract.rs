//! Parts of a call that handlers take as arguments.

use std::any::type_name;

use super::{Call, CallContext, ToolError};
#[cfg(feature = "auth")]
use crate::auth::Access;
use crate::principal::Principal;

/// A part of a call that a [`Handler`](crate::call::Handler) takes as an argument. `S` is the state
/// of its registry.
///
/// Implement it for your own types: for example, for a user whom the authentication has put into
/// the request's extensions, with the rights that a tool requires:
///
/// ```
/// use mcp_stateless::call::{Call, FromCall};
/// use mcp_stateless::{ToolError, ToolRegistry};
///
/// #[derive(Clone)]
/// struct User { name: String, is_admin: bool }
///
/// /// A user with the rights to change everything.
/// struct Admin(User);
///
/// impl<S> FromCall<S> for Admin {
///     fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
///         let user = call.head().extensions.get::<User>();
///         let admin = user.filter(|user| user.is_admin).cloned();
///         admin.map(Admin).ok_or_else(|| ToolError::new("Only an administrator may do this"))
///     }
/// }
///
/// let tools = ToolRegistry::builder()
///     .tool("reset", "Reset everything", async |Admin(user): Admin| format!("reset by {}", user.name))
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be taken from a call whose state is `{S}`",
    label = "not a part of a call",
    note = "parts of a call are `State<T>` (with the builder's state), `Extension<T>`, `Principal`, `Access`, \
            `CallContext` and `http::HeaderMap`; implement `FromCall<S>` for a part of your own",
    note = "`State<T>` takes the type of the state, or a part of it that implements `FromRef<{S}>`: write \
            `.with_state(state)` before the handler is added",
    note = "the arguments of a handler are one type that comes after all parts: move it to the end, where only a \
            `CallContext` may follow"
)]
pub trait FromCall<S>: Sized {
    /// Extracts the part from a call, before the arguments are read and the handler runs.
    ///
    /// # Errors
    /// The error becomes the reply to the call, as documented for [`ToolError`]. An
    /// [`RpcError`](crate::protocol::RpcError) converts with `?` or `into`.
    fn from_call(call: &mut Call<'_>, state: &S) -> Result<Self, ToolError>;
}

/// The state that was passed to `with_state` of a registry's builder, or a part of it that
/// implements [`FromRef`]. It is cloned for each call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<S, T: FromRef<S>> FromCall<S> for State<T> {
    fn from_call(_: &mut Call<'_>, state: &S) -> Result<Self, ToolError> {
        Ok(Self(T::from_ref(state)))
    }
}

/// A part of a larger state `S`, which a handler takes as [`State`].
///
/// Every state that implements [`Clone`] is a part of itself. With the feature `macros`,
/// `#[derive(FromRef)]` on a struct makes each of its fields a part of it.
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_stateless::call::FromRef;
/// use mcp_stateless::{State, ToolRegistry};
///
/// #[derive(Clone)]
/// struct Pool(Arc<str>);
///
/// #[derive(Clone)]
/// struct App { pool: Pool, greeting: &'static str }
///
/// impl FromRef<App> for Pool {
///     fn from_ref(app: &App) -> Self {
///         app.pool.clone()
///     }
/// }
///
/// let tools = ToolRegistry::builder()
///     .with_state(App { pool: Pool("db".into()), greeting: "Hello" })
///     .tool("where", "Where the data is", async |State(pool): State<Pool>| pool.0.to_string())
///     .tool("greet", "Greet", async |State(app): State<App>| app.greeting)
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a part of the state `{S}`",
    label = "not a part of the builder's state",
    note = "take the state itself, `State<{S}>`, or write `impl FromRef<{S}> for {Self}`; a state must be `Clone`",
    note = "`#[derive(FromRef)]` above `{S}` (feature `macros`) makes each of its fields a part"
)]
pub trait FromRef<S> {
    /// Returns the part, usually a cheap clone: this runs for each call.
    fn from_ref(state: &S) -> Self;
}

impl<S: Clone> FromRef<S> for S {
    fn from_ref(state: &S) -> Self {
        state.clone()
    }
}

/// An extension of the HTTP request, inserted by the host's middleware. It is cloned for the call.
///
/// A missing extension is a bug of the host: its type is logged, and the client gets an internal
/// error. Use `Option<Extension<T>>` if it may be missing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extension<T>(pub T);

impl<S, T: Clone + Send + Sync + 'static> FromCall<S> for Extension<T> {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        extension(call).map(Self).ok_or_else(missing::<T>)
    }
}

impl<S, T: Clone + Send + Sync + 'static> FromCall<S> for Option<Extension<T>> {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        Ok(extension(call).map(Extension))
    }
}

/// A missing principal is a bug of the host, like a missing [`Extension`].
impl<S> FromCall<S> for Principal {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        extension(call).ok_or_else(missing::<Self>)
    }
}

impl<S> FromCall<S> for Option<Principal> {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        Ok(extension(call))
    }
}

/// A missing access is a bug of the host, like a missing [`Extension`]: the request has not passed a
/// [`ResourceServer`](crate::auth::ResourceServer).
#[cfg(feature = "auth")]
impl<S> FromCall<S> for Access {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        extension(call).ok_or_else(missing::<Self>)
    }
}

#[cfg(feature = "auth")]
impl<S> FromCall<S> for Option<Access> {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        Ok(extension(call))
    }
}

impl<S> FromCall<S> for CallContext {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        Ok(call.context())
    }
}

/// A copy of the headers of the HTTP request. [`CallContext::headers`] does not copy.
impl<S> FromCall<S> for http::HeaderMap {
    fn from_call(call: &mut Call<'_>, _: &S) -> Result<Self, ToolError> {
        Ok(call.head().headers.clone())
    }
}

fn extension<T: Clone + Send + Sync + 'static>(call: &Call<'_>) -> Option<T> {
    call.head().extensions.get().cloned()
}

#[cold]
fn missing<T>() -> ToolError {
    let name = type_name::<T>();
    ToolError::internal(format!(
        "the handler takes a `{name}`, which is not among the request's extensions: the host's middleware \
         must insert one"
    ))
}
