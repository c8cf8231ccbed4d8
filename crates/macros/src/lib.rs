//! The attribute macros of `mcp-stateless`, which exports them with its feature `macros`. Use them
//! from there: this crate has no other use.
//!
//! [`macro@tools`], [`macro@prompts`] and [`macro@resources`] turn the methods of an `impl` block into
//! what their names say. [`macro@debug_handler`] makes the compiler say why a function is not a handler.

mod block;
mod debug;
mod docs;
mod errors;
mod expand;
mod kind;
mod known;
mod method;
mod options;
mod parameter;
mod parts;
mod register;
mod settings;
mod uri;

use proc_macro::TokenStream;

use crate::kind::Kind;

/// Makes a tool of each method of an `impl` block.
///
/// A tool has the method's name, its doc comment as the description, and its parameters as the
/// arguments. The macro leaves the methods as they are and adds one function, `tools`, which returns
/// a `ToolRegistryBuilder`:
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_stateless::{CallContext, Json, ToolError, ToolRegistry, tools};
///
/// struct Tracker {
///     titles: Vec<String>,
/// }
///
/// #[derive(serde::Serialize, schemars::JsonSchema)]
/// struct Found {
///     titles: Vec<String>,
/// }
///
/// #[tools]
/// impl Tracker {
///     /// Finds issues.
///     #[tool(title = "Search", read_only)]
///     async fn search(
///         &self,
///         /// Words to look for.
///         query: String,
///         limit: Option<usize>,
///         cx: CallContext,
///     ) -> Result<Json<Found>, ToolError> {
///         cx.progress(1.0, None, "searching").await;
///         let found = self.titles.iter().filter(|title| title.contains(&query));
///         Ok(Json(Found { titles: found.take(limit.unwrap_or(10)).cloned().collect() }))
///     }
///
///     /// Counts all issues.
///     fn count(&self) -> usize {
///         self.total()
///     }
///
///     #[skip]
///     fn total(&self) -> usize {
///         self.titles.len()
///     }
/// }
///
/// let tracker = Arc::new(Tracker { titles: vec!["It crashes".to_owned()] });
/// let tools = Tracker::tools(tracker).tool("ping", "Answers", async || "pong").build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// # Methods
///
/// Each function of the block becomes a tool, asynchronous or not, whatever its visibility, except
/// those with `#[skip]`. A function that is not asynchronous must not block. What it returns, and
/// how its errors are answered, is as with every handler.
///
/// A method takes `&self`, `self: Arc<Self>`, or no `self`. If one takes `self`, the function that
/// the macro adds takes the value, as a `Self` or an `Arc<Self>`, and the state of the registry is
/// the `Arc<Self>`. Otherwise, if a method takes a `State<T>`, the function takes the `T`, and
/// otherwise nothing.
///
/// # Parameters
///
/// A parameter is part of the call, or one of the arguments that a client gives. In any order, the
/// parts are:
///
/// - parameters whose type is written `CallContext`, `State<…>`, `Extension<…>`, `Principal`,
///   `Option<Extension<…>>`, `Option<Principal>` or `HeaderMap`, with any path before it. The macro
///   sees only how a type is written: a `State` without `<…>` is an argument, and an alias of
///   `CallContext` with another name needs `#[from_call]`;
/// - parameters with `#[from_call]`, whose type implements `FromCall`. A tool takes at most four
///   parts.
///
/// All others are arguments. Their types own what they hold, and implement `serde::Deserialize`
/// and `schemars::JsonSchema`. A call may leave out an `Option<T>`. The doc comment of a parameter
/// goes into the schema; `#[serde(…)]` and `#[schemars(…)]` mean what they mean on the field of a
/// struct: `#[serde(default)] limit: u32`.
///
/// # Settings of a tool
///
/// `#[tool(…)]` on a method calls setters of `Tool`, by their names:
///
/// | setting | what it sets |
/// |---|---|
/// | `name = "…"` | the name, instead of that of the method |
/// | `description = "…"` | the description, instead of the doc comment |
/// | `title = "…"` | the name for people |
/// | `read_only`, `destructive`, `idempotent`, `open_world`, `closed_world` | single hints |
/// | `annotations = ToolAnnotations { … }` | all hints |
/// | `time_limit = Duration::from_secs(5)`, `no_time_limit` | how long a call may take |
/// | `detached` | calls run to their end without their client |
/// | `visible_to = \|head\| …` | who may list and call it |
/// | `scope = "…"` | a scope that the caller's token must grant (feature `auth`); repeatable |
/// | `scopes_by = \|call: &Call<'_>\| …` | scopes that depend on the arguments (feature `auth`) |
/// | `requires = ClientCapability::…` | what a client must declare; repeatable |
/// | `icon = Icon::new(…)` | an icon; repeatable |
/// | `output_schema = Type`, `with_output_schema = …` | the schema of a `ToolOutput` |
/// | `check_arguments`, `check_output` | checks against the schemas (feature `jsonschema`) |
///
/// # Options of the block
///
/// | option | what it changes | default |
/// |---|---|---|
/// | `vis = pub` | the visibility of the function that is added; `self` makes it private | `pub(crate)` |
/// | `builder = name` | its name, for a second block of one type | `tools` |
/// | `state = Type` | the state of methods without `self` | that of a `State<T>` |
/// | `crate = path` | the path of `mcp-stateless` | `::mcp_stateless` |
///
/// # Cost
///
/// The function expands to the calls of the builder that one would write, and a call costs what it
/// costs with those. All arguments of one method are deserialised together.
#[proc_macro_attribute]
pub fn tools(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Tool, options.into(), &item.into()).into()
}

/// Makes a prompt of each method of an `impl` block.
///
/// It is written as [`macro@tools`] is, and adds a function `prompts` that returns a
/// `PromptRegistryBuilder`. The arguments of a prompt are texts; numbers and `bool` are read from
/// theirs.
///
/// ```
/// use mcp_stateless::completion::Completing;
/// use mcp_stateless::prompts;
///
/// struct Reviewer;
///
/// #[prompts]
/// impl Reviewer {
///     /// Reviews code.
///     #[prompt(title = "Review")]
///     fn review(
///         /// The code to review.
///         code: String,
///         #[complete(languages)] language: Option<String>,
///     ) -> String {
///         format!("Please review this {}:\n{code}", language.as_deref().unwrap_or("code"))
///     }
/// }
///
/// async fn languages(typed: Completing) -> Vec<&'static str> {
///     ["python", "rust"].into_iter().filter(|name| name.starts_with(&typed.value)).collect()
/// }
///
/// let prompts = Reviewer::prompts().build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// `#[prompt(…)]` sets the `name`, the `description`, the `title` and, repeatedly, an `icon`.
/// `#[complete(…)]` on an argument gives what completes its values, as `Prompt::complete` takes it.
#[proc_macro_attribute]
pub fn prompts(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Prompt, options.into(), &item.into()).into()
}

/// Makes a resource, or a resource template, of each method of an `impl` block.
///
/// It is written as [`macro@tools`] is, and adds a function `resources` that returns a
/// `ResourceRegistryBuilder`. Each method says its URI; one with variables makes a template
/// (feature `templates`), and the variables are the arguments.
///
/// ```
/// use mcp_stateless::call::CallError;
/// use mcp_stateless::protocol::RpcError;
/// use mcp_stateless::resources;
///
/// struct Notes {
///     texts: Vec<String>,
/// }
///
/// #[resources]
/// impl Notes {
///     /// All notes.
///     #[resource(uri = "note://all", mime_type = "text/plain")]
///     fn all(&self) -> String {
///         self.texts.join("\n")
///     }
///
///     /// One note.
///     #[resource(uri = "note://{number}", name = "note")]
///     async fn note(&self, number: usize) -> Result<String, RpcError> {
///         let text = self.texts.get(number).cloned();
///         text.ok_or_else(|| RpcError::resource_not_found(&format!("note://{number}")))
///     }
/// }
///
/// let resources = Notes::resources(Notes { texts: vec!["Buy milk.".to_owned()] }).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// The name is that of the method, and the doc comment, if there is one, the description.
/// `#[resource(…)]` sets the `uri`, which must be a literal, the `name`, the `description`, the
/// `title`, the `mime_type`, `annotations`, a `cache_hint`, the `size` (not of a template) and,
/// repeatedly, an `icon`. `#[complete(…)]` on an argument gives what completes its values.
#[proc_macro_attribute]
pub fn resources(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Resource, options.into(), &item.into()).into()
}

/// Makes the compiler say why a function is not a handler.
///
/// Without it, a function that is not a handler gets one error that lists all that a handler must
/// be. With it, each thing that is wrong gets an error of its own where it stands: a parameter in
/// the wrong place, arguments that cannot be deserialised, what the function returns, a future that
/// is not `Send`. The function itself stays as it is.
///
/// ```
/// use mcp_stateless::{State, ToolRegistry, debug_handler};
///
/// #[derive(serde::Deserialize, schemars::JsonSchema)]
/// struct Search {
///     text: String,
/// }
///
/// #[debug_handler]
/// async fn search(State(prefix): State<String>, Search { text }: Search) -> String {
///     format!("{prefix}{text}")
/// }
///
/// let tools = ToolRegistry::builder().with_state("> ".to_owned()).tool("search", "Searches", search).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// It takes options:
///
/// - `tool`, `prompt` or `resource`: what the function serves; by default a tool.
/// - `state = Type`: the state of the registry, where a part of the host's own needs it or the
///   function takes the state itself. By default it is that of a `State<T>` or of `self`.
/// - `crate = path`: the path of `mcp-stateless`.
///
/// A function with type parameters cannot be examined, nor can a closure. An associated function
/// without `self` must name `Self` in its signature.
#[proc_macro_attribute]
pub fn debug_handler(options: TokenStream, item: TokenStream) -> TokenStream {
    debug::expand(options.into(), &item.into()).into()
}

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
