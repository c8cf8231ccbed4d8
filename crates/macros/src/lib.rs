//! The macros of `mcp-stateless`, which re-exports them with its feature `macros`. Use them from
//! there.
//!
//! [`macro@tools`], [`macro@prompts`] and [`macro@resources`] turn the methods of an `impl` block into
//! handlers. [`macro@FromRef`] makes the fields of a state available to handlers.
//! [`macro@debug_handler`] makes the compiler say why a function is not a handler.

mod block;
mod debug;
mod docs;
mod errors;
mod expand;
mod from_ref;
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

/// Turns each method of an `impl` block into a tool.
///
/// The method's name is the tool's name, its doc comment the description, and its parameters the
/// arguments. The macro keeps the methods and adds one function, `tools`, which returns a
/// `ToolRegistryBuilder`:
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
/// those with `#[skip]`. A function that is not asynchronous must not block. Return values and errors
/// are those of every handler.
///
/// A method takes `&self`, `self: Arc<Self>`, or no `self`. If one takes `self`, the function that
/// the macro adds takes the value, as a `Self` or an `Arc<Self>`, and the state of the registry is
/// the `Arc<Self>`. Otherwise, if a method takes a `State<T>`, the function takes the `T`, and
/// otherwise nothing.
///
/// # Parameters
///
/// A parameter is either a part of the call, or an argument from the client, in any order. Parts are:
///
/// - parameters whose type is written `CallContext`, `State<…>`, `Extension<…>`, `Principal`, `Access`,
///   `HeaderMap`, `Option<Extension<…>>`, `Option<Principal>` or `Option<Access>`, with any path before it.
///   The macro only sees how a type is written: a `State` without `<…>` is an argument, an alias of
///   `CallContext` with another name needs `#[from_call]`, and the type of an argument must not have one of
///   these names;
/// - parameters with `#[from_call]`, whose type implements `FromCall`.
///
/// A tool takes at most four parts.
///
/// All others are arguments. Their types are owned, and implement `serde::Deserialize` and
/// `schemars::JsonSchema`. A call may omit an `Option<T>`. The doc comment of a parameter becomes
/// part of the schema. `#[serde(…)]` and `#[schemars(…)]` work as on the field of a struct: `#[serde(default)] limit: u32`.
///
/// # Settings of a tool
///
/// `#[tool(…)]` on a method calls the setters of `Tool` with these names:
///
/// | setting | what it sets |
/// |---|---|
/// | `name = "…"` | the name, instead of that of the method |
/// | `description = "…"` | the description, instead of the doc comment |
/// | `title = "…"` | the name for people |
/// | `read_only`, `destructive`, `idempotent`, `open_world`, `closed_world` | single hints |
/// | `annotations = ToolAnnotations { … }` | all hints |
/// | `time_limit = Duration::from_secs(5)`, `no_time_limit` | how long a call may take |
/// | `detached` | calls run to their end even if their client disconnects |
/// | `task_mode = TaskMode::Required` | whether calls run as tasks (feature `tasks`) |
/// | `visible_to = \|head\| …` | who may list and call it |
/// | `scope = "…"` | a scope that the caller's token must grant (feature `auth`); repeatable |
/// | `scopes_by = \|call: &Call<'_>\| …` | scopes that depend on the arguments (feature `auth`) |
/// | `tag = "…"` | a tag for rules and middleware; repeatable |
/// | `with_meta = ("…", value)` | a member of its `_meta`; repeatable |
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
/// The function expands to ordinary calls of the builder, and adds no cost to a call. All arguments
/// of a method are deserialised together.
#[proc_macro_attribute]
pub fn tools(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Tool, options.into(), &item.into()).into()
}

/// Turns each method of an `impl` block into a prompt.
///
/// It works like [`macro@tools`], and adds a function `prompts` that returns a
/// `PromptRegistryBuilder`. The arguments of a prompt are strings; numbers and `bool` are parsed
/// from them.
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
/// # Settings of a prompt
///
/// `#[prompt(…)]` on a method calls the setters of `Prompt` with these names:
///
/// | setting | what it sets |
/// |---|---|
/// | `name = "…"` | the name, instead of that of the method |
/// | `description = "…"` | the description, instead of the doc comment |
/// | `title = "…"` | the name for people |
/// | `icon = Icon::new(…)` | an icon; repeatable |
/// | `visible_to = \|head\| …` | who may list and get it |
/// | `tag = "…"` | a tag for rules and middleware; repeatable |
/// | `with_meta = ("…", value)` | a member of its `_meta`; repeatable |
///
/// `#[complete(…)]` on an argument gives the handler that completes its values, as
/// `Prompt::complete` takes it.
#[proc_macro_attribute]
pub fn prompts(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Prompt, options.into(), &item.into()).into()
}

/// Turns each method of an `impl` block into a resource or a resource template.
///
/// It works like [`macro@tools`], and adds a function `resources` that returns a
/// `ResourceRegistryBuilder`. Each method sets its URI. A URI with variables is a template (feature
/// `templates`), and the variables are the arguments.
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
/// # Settings of a resource
///
/// `#[resource(…)]` on a method calls the setters of `Resource` or `ResourceTemplate` with these
/// names:
///
/// | setting | what it sets |
/// |---|---|
/// | `uri = "…"` | the URI, which must be a literal; required |
/// | `name = "…"` | the name, instead of that of the method |
/// | `description = "…"` | the description, instead of the doc comment, which may be missing |
/// | `title = "…"` | the name for people |
/// | `mime_type = "…"` | the MIME type |
/// | `size = 1024` | the size in bytes; not of a template |
/// | `list = handler` | the handler that lists the resources of a template |
/// | `annotations = Annotations::new()…` | whom it is for, and how much it matters |
/// | `cache_hint = CacheHint::private(…)` | how long, and for whom, clients may cache the contents |
/// | `icon = Icon::new(…)` | an icon; repeatable |
/// | `visible_to = \|head\| …` | who may list and read it |
/// | `tag = "…"` | a tag for rules and middleware; repeatable |
/// | `with_meta = ("…", value)` | a member of its `_meta`; repeatable |
///
/// `#[complete(…)]` on an argument gives the handler that completes its values.
#[proc_macro_attribute]
pub fn resources(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::expand(Kind::Resource, options.into(), &item.into()).into()
}

/// Makes the compiler say why a function is not a handler.
///
/// Without it, a function that is not a handler gets one error that lists everything that a handler
/// must be. With it, each fault gets a separate error at its place: a parameter in the wrong position,
/// arguments that cannot be deserialised, a wrong return type, a future that is not `Send`. The
/// function itself is unchanged.
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
/// - `tool`, `prompt` or `resource`: the kind of handler; by default a tool.
/// - `state = Type`: the state of the registry, needed if a custom part of the call depends on it or
///   the function takes the state itself. By default it is that of a `State<T>` or of `self`.
/// - `crate = path`: the path of `mcp-stateless`.
///
/// Functions with type parameters and closures cannot be checked. An associated function
/// without `self` must name `Self` in its signature.
#[proc_macro_attribute]
pub fn debug_handler(options: TokenStream, item: TokenStream) -> TokenStream {
    debug::expand(options.into(), &item.into()).into()
}

/// Makes each field of a state available to handlers as `State<T>`.
///
/// It implements `FromRef<Self>` for the type of each field. Pass the struct to `with_state`; a
/// handler then takes only the part that it uses, which is cloned for each call.
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_stateless::call::FromRef;
/// use mcp_stateless::{State, ToolRegistry};
///
/// struct Database;
///
/// #[derive(Clone, FromRef)]
/// struct App {
///     database: Arc<Database>,
///     greeting: &'static str,
///     #[from_ref(skip)]
///     farewell: &'static str,
/// }
///
/// let app = App { database: Arc::new(Database), greeting: "Hello", farewell: "Bye" };
/// let tools = ToolRegistry::builder()
///     .with_state(app)
///     .tool("greet", "Greets", async |State(greeting): State<&'static str>| greeting)
///     .tool("clients", "Counts", async |State(database): State<Arc<Database>>| Arc::strong_count(&database))
///     .tool("part", "Says goodbye", async |State(app): State<App>| app.farewell)
///     .build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// Each type may occur once. `#[from_ref(skip)]` leaves a field out, and fields that are not skipped
/// must be `Clone`. `#[from_ref(crate = path)]` on the struct sets the path of `mcp-stateless`. Enums,
/// unions and generic structs are refused.
#[proc_macro_derive(FromRef, attributes(from_ref))]
pub fn from_ref(item: TokenStream) -> TokenStream {
    from_ref::expand(item.into()).into()
}

/// Compiles and runs the example of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
