//! Items for the expansion of the macros. Not part of the public interface: it may change with any
//! version, which is why the version of the macros is fixed.
//!
//! The functions do nothing. They compile where their parameter is what a handler may take or
//! return, and their bounds say what to write where it is not.

use ::schemars::JsonSchema;
use ::serde::de::DeserializeOwned;
pub use {::schemars, ::serde};

pub use crate::prompt::{Prompt, PromptOutput};
pub use crate::registry::{
    PromptRegistry, PromptRegistryBuilder, ResourceRegistry, ResourceRegistryBuilder, ToolRegistry,
    ToolRegistryBuilder,
};
#[cfg(feature = "templates")]
pub use crate::resource::ResourceTemplate;
pub use crate::resource::{Resource, ResourceOutput};
pub use crate::tool::{Tool, ToolOutput};

pub use crate::call::FromRef;
use crate::call::{FromCall, IntoOutput, Output};

/// The type of a block with `self`, which all calls share.
pub fn check_shared<T: Send + Sync + 'static>() {}

/// The state of a registry.
pub fn check_state<S: Clone + Send + Sync + 'static>() {}

/// A part of a call.
pub fn check_part<S, P: FromCall<S>>() {}

/// An argument of a tool or a prompt.
pub fn check_argument<A: Argument<Marker>, Marker>() {}

/// An argument of a resource template.
pub fn check_variable<A: Variable<Marker>, Marker>() {}

/// The last parameter of a handler: a part of the call, or all its arguments.
pub fn check_last<S, A: Last<S, Marker>, Marker>() {}

/// The result of a handler.
pub fn check_output<T: Output, V: IntoOutput<T>>() {}

/// The future of a handler.
pub fn check_future<F: Future + Send>(_: F) {}

/// Never implemented. A trait of which one of several implementations may hold has its own
/// message; of one with a single implementation the compiler names only what that asks for.
pub trait Never {}

/// Marks the implementation that holds.
#[derive(Debug)]
pub struct Holds;

/// Marks the one that never does.
#[derive(Debug)]
pub struct NeverHolds;

/// Marks arguments.
#[derive(Debug)]
pub struct AsArguments;

/// Marks a part of a call.
#[derive(Debug)]
pub struct AsPart;

/// A type of one argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument",
    label = "not an argument",
    note = "write `#[derive(serde::Deserialize, schemars::JsonSchema)]` above `{Self}`; `Valid<T>` also needs `impl \
            Validate for T`",
    note = "if `{Self}` implements `FromCall`, mark the parameter with `#[from_call]`"
)]
pub trait Argument<Marker> {}

impl<A: DeserializeOwned + JsonSchema> Argument<Holds> for A {}
impl<A: Never> Argument<NeverHolds> for A {}

/// A type of one variable of a URI.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be an argument",
    label = "not an argument",
    note = "write `#[derive(serde::Deserialize)]` above `{Self}`",
    note = "if `{Self}` implements `FromCall`, mark the parameter with `#[from_call]`"
)]
pub trait Variable<Marker> {}

impl<A: DeserializeOwned> Variable<Holds> for A {}
impl<A: Never> Variable<NeverHolds> for A {}

/// A type that a handler may take last.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is neither the arguments of a handler nor a part of a call",
    label = "neither arguments nor a part of a call",
    note = "the arguments are one type: write `#[derive(serde::Deserialize, schemars::JsonSchema)]` above `{Self}`; \
            `Valid<T>` also needs `impl Validate for T`",
    note = "a part of the call implements `FromCall`; one that takes the state needs `#[debug_handler(state = …)]`"
)]
pub trait Last<S, Marker> {}

impl<S, A: DeserializeOwned> Last<S, AsArguments> for A {}
impl<S, A: FromCall<S>> Last<S, AsPart> for A {}
