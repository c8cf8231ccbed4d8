//! A tool: its definition and its handler.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::ToolOutput;
use super::mirror::MirroredParams;
use crate::call::{BoundHandler, Call, CallFuture, Handler, Limit, Rights, StatefulHandler, rights_setters};
#[cfg(feature = "tasks")]
use crate::call::{CallError, TaskMode, TaskPolicy};
use crate::error::RegistryError;
use crate::jsonrpc::{RpcError, write};
use crate::protocol::{ClientCapability, Era, Icon, OwnMeta, ToolAnnotations, meta_setter, write_meta};

/// A tool to add to a [`ToolRegistry`](crate::ToolRegistry): its definition, its handler, and its
/// limits.
///
/// ```
/// use std::time::Duration;
///
/// use mcp_stateless::{Tool, ToolRegistry};
///
/// let now = Tool::new("now", "The time", async || "half past")
///     .title("Clock")
///     .read_only()
///     .time_limit(Some(Duration::from_secs(1)));
/// let tools = ToolRegistry::builder().register(now).build()?;
/// # Ok::<(), mcp_stateless::RegistryError>(())
/// ```
///
/// `S` is the state that the handler takes, which the registry's builder provides. A tool that is
/// added to registries with different states gets its own with [`with_state`](Self::with_state).
#[must_use]
pub struct Tool<S = ()> {
    pub(crate) name: String,
    description: String,
    title: Option<String>,
    input_schema: SchemaText,
    output_schema: Option<SchemaText>,
    /// The schema of the handler's return type.
    returned_schema: Option<SchemaText>,
    annotations: Option<ToolAnnotations>,
    icons: Vec<Icon>,
    meta: OwnMeta,
    requires: Vec<ClientCapability>,
    limit: Limit,
    is_detached: bool,
    #[cfg(feature = "tasks")]
    task_mode: TaskMode,
    pub(crate) rights: Rights,
    #[cfg(feature = "jsonschema")]
    checks: super::validate::Checks,
    handler: StatefulHandler<S, ToolOutput>,
}

impl<S> fmt::Debug for Tool<S> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Tool").field("name", &self.name).finish_non_exhaustive()
    }
}

/// A schema's JSON, or why it could not be serialised.
type SchemaText = Result<Box<RawValue>, serde_json::Error>;

impl<S: Send + Sync + 'static> Tool<S> {
    /// Creates a tool whose input schema is derived from the arguments of its `handler`, and whose
    /// output schema from its return type: the schema of `T` for a [`Json<T>`](crate::Json), alone
    /// or in a `Result`.
    ///
    /// Mark a property that clients must repeat in a header with `#[schemars(extend("x-mcp-header"
    /// = "Region"))]`.
    ///
    /// Arguments are checked by deserialising them. Other constraints of a schema, such as a range,
    /// are checked by the type, the handler, or [`check_arguments`](Self::check_arguments).
    #[cfg(feature = "schemas")]
    pub fn new<M, H>(name: impl Into<String>, description: impl Into<String>, handler: H) -> Self
    where
        // The compiler shows these comments where a bound is not met.
        M: super::TypedArguments, // needs `#[derive(serde::Deserialize, schemars::JsonSchema)]`
        H: Clone, // each call clones a closure: put an `Arc` around captures that are not `Clone`
        H: Handler<M, S, Returned: super::TypedOutput>, // a closure owns what it captures: `async move |…| …`
    {
        let tool = Self::with_schema(name, description, M::input_schema(), handler);
        let returned = <H::Returned as super::TypedOutput>::output_schema();
        Self { returned_schema: returned.map(|schema| serde_json::value::to_raw_value(&schema)), ..tool }
    }

    /// Creates a tool with a given input schema: any value that serialises to a JSON object.
    /// Clients receive the schema unchanged. Arguments are checked only by deserialising them,
    /// unless [`check_arguments`](Self::check_arguments) is set.
    pub fn with_schema<M, H: Handler<M, S>>(
        name: impl Into<String>,
        description: impl Into<String>,
        input_schema: impl Serialize,
        handler: H,
    ) -> Self {
        Self {
            name: name.into(),
            description: description.into(),
            title: None,
            input_schema: serde_json::value::to_raw_value(&input_schema),
            output_schema: None,
            returned_schema: None,
            annotations: None,
            icons: Vec::new(),
            meta: None,
            requires: Vec::new(),
            limit: Limit::OfManager,
            is_detached: false,
            #[cfg(feature = "tasks")]
            task_mode: TaskMode::default(),
            rights: Rights::default(),
            #[cfg(feature = "jsonschema")]
            checks: super::validate::Checks::default(),
            handler: StatefulHandler::new(handler),
        }
    }
}

impl<S> Tool<S> {
    /// Binds the handler to its state, so that the tool fits a registry with any other state.
    pub fn with_state<Other>(self, state: S) -> Tool<Other> {
        Tool {
            handler: StatefulHandler::Bound(self.handler.bind(state)),
            name: self.name,
            description: self.description,
            title: self.title,
            input_schema: self.input_schema,
            output_schema: self.output_schema,
            returned_schema: self.returned_schema,
            annotations: self.annotations,
            icons: self.icons,
            meta: self.meta,
            requires: self.requires,
            limit: self.limit,
            is_detached: self.is_detached,
            #[cfg(feature = "tasks")]
            task_mode: self.task_mode,
            rights: self.rights,
            #[cfg(feature = "jsonschema")]
            checks: self.checks,
        }
    }

    /// Sets the display name.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets hints about what the tool does.
    pub fn annotations(mut self, annotations: ToolAnnotations) -> Self {
        self.annotations = Some(annotations);
        self
    }

    /// Adds an icon.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.icons.push(icon);
        self
    }

    /// Derives the schema of the structured content from `T`, for a handler whose return type does
    /// not determine it, such as [`ToolOutput`](crate::ToolOutput).
    #[cfg(feature = "schemas")]
    pub fn output_schema<T: schemars::JsonSchema>(self) -> Self {
        self.with_output_schema(super::schema::output_schema_of::<T>())
    }

    /// Sets the schema of the structured content, for a handler whose return type does not
    /// determine it. A schema that differs from the one of the return type is an error when the
    /// registry is built. Before 2026-07-28 an output schema had to describe an object, so clients
    /// of earlier revisions do not receive any other.
    pub fn with_output_schema(mut self, schema: impl Serialize) -> Self {
        self.output_schema = Some(serde_json::value::to_raw_value(&schema));
        self
    }

    /// Checks arguments against the input schema after they are deserialised and before the handler
    /// runs (feature `jsonschema`). Arguments that do not match are answered with an `isError`
    /// result that names the place and the expected value. The schema is compiled once. It must not
    /// refer to other documents, and its patterns cannot use look-around or back-references.
    #[cfg(feature = "jsonschema")]
    pub fn check_arguments(mut self) -> Self {
        self.checks.arguments = true;
        self
    }

    /// Checks structured content against the output schema (feature `jsonschema`), under the same
    /// rules. A result that does not match is the server's fault: it is logged and answered with
    /// `-32603`.
    #[cfg(feature = "jsonschema")]
    pub fn check_output(mut self) -> Self {
        self.checks.output = true;
        self
    }

    /// Refuses calls from clients that do not declare `capability` (`-32021`), before the handler
    /// runs. Clients of the legacy era do not declare capabilities with their calls, so those calls
    /// are accepted.
    pub fn requires(mut self, capability: ClientCapability) -> Self {
        self.requires.push(capability);
        self
    }

    meta_setter!(meta);

    rights_setters!(rights);

    /// Marks the tool as read-only (`readOnlyHint`).
    pub fn read_only(self) -> Self {
        self.hint(|hints| hints.read_only_hint = Some(true))
    }

    /// Marks the tool as one that may delete or overwrite data (`destructiveHint`), and therefore
    /// not read-only.
    pub fn destructive(self) -> Self {
        self.hint(|hints| (hints.read_only_hint, hints.destructive_hint) = (Some(false), Some(true)))
    }

    /// Marks the tool as idempotent: repeating a call with the same arguments has no further effect
    /// (`idempotentHint`). If a call runs as a task and its replica dies, another replica restarts it. The
    /// same applies to tools that are read-only.
    pub fn idempotent(self) -> Self {
        self.hint(|hints| hints.idempotent_hint = Some(true))
    }

    /// Marks the tool as one that interacts with an open world, such as a web search
    /// (`openWorldHint`). This is what clients assume by default.
    pub fn open_world(self) -> Self {
        self.hint(|hints| hints.open_world_hint = Some(true))
    }

    /// Marks the tool as one that works within a closed domain, such as its own database
    /// (`openWorldHint` is `false`).
    pub fn closed_world(self) -> Self {
        self.hint(|hints| hints.open_world_hint = Some(false))
    }

    fn hint(mut self, set: impl FnOnce(&mut ToolAnnotations)) -> Self {
        set(self.annotations.get_or_insert_default());
        self
    }

    /// Aborts a call after `limit`, instead of after the manager's
    /// [`tool_time_limit`](crate::manager::ManagerBuilder::tool_time_limit). `None` removes the
    /// limit.
    pub fn time_limit(mut self, limit: Option<Duration>) -> Self {
        self.limit = Limit::from(limit);
        self
    }

    /// Lets a call run to its end or its time limit, even if its client disconnects. Requires a
    /// Tokio runtime.
    pub fn detached(mut self) -> Self {
        self.is_detached = true;
        self
    }

    /// Sets whether calls run as tasks (feature `tasks`); see [`TaskMode`].
    #[cfg(feature = "tasks")]
    pub fn task_mode(mut self, mode: TaskMode) -> Self {
        self.task_mode = mode;
        self
    }

    fn write_definition(&self, input: &RawValue, output: Option<&RawValue>) -> Vec<u8> {
        let mut buffer = write::texts([
            ("name", Some(self.name.as_str())),
            ("title", self.title.as_deref()),
            ("description", Some(&self.description)),
        ]);
        let mut json = |name, value: &str| {
            write::key(&mut buffer, name);
            buffer.extend_from_slice(value.as_bytes());
        };
        json("inputSchema", input.get());
        if let Some(output) = output {
            json("outputSchema", output.get());
        }
        if let Some(annotations) = &self.annotations {
            json("annotations", &serde_json::json!(annotations).to_string());
        }
        if !self.icons.is_empty() {
            json("icons", &serde_json::json!(self.icons).to_string());
        }
        write_meta(&mut buffer, &self.meta);
        buffer.push(b'}');
        buffer
    }
}

impl Tool {
    /// Checks the definition and compiles it.
    pub(crate) fn compile(self) -> Result<CompiledTool, RegistryError> {
        let error = |fault: String| RegistryError::new("tool", &self.name, fault);
        check_name(&self.name).and_then(|()| self.rights.check()).map_err(error)?;
        let read = |text: &RawValue| -> Value { serde_json::from_str(text.get()).unwrap_or_default() };
        let input = self
            .input_schema
            .as_ref()
            .map_err(|fault| error(format!("the input schema cannot be written as JSON: {fault}")))?;
        let input_value = read(input);
        if input_value.get("type").and_then(Value::as_str) != Some("object") {
            return Err(error("the input schema must be an object whose `type` is \"object\"".to_owned()));
        }
        let mirrored = MirroredParams::from_schema(&self.name, &input_value)?;
        if let (Some(Ok(given)), Some(Ok(returned))) = (&self.output_schema, &self.returned_schema)
            && read(given) != read(returned)
        {
            return Err(error("the output schema differs from that of what the handler returns".to_owned()));
        }
        let output = match self.output_schema.as_ref().or(self.returned_schema.as_ref()) {
            None => None,
            Some(Err(fault)) => {
                return Err(error(format!("the output schema cannot be written as JSON: {fault}")));
            }
            Some(Ok(schema)) => {
                let value = read(schema);
                if !value.is_object() {
                    return Err(error("the output schema must be an object".to_owned()));
                }
                let is_of_object = value.get("type").and_then(Value::as_str) == Some("object");
                Some((schema, is_of_object))
            }
        };
        #[cfg(feature = "jsonschema")]
        let checkers = {
            let output = output.map(|(schema, _)| read(schema));
            super::validate::Checkers::compile(self.checks, &input_value, output.as_ref()).map_err(error)?
        };
        #[cfg(feature = "tasks")]
        let task = {
            let hint = |hint: fn(&ToolAnnotations) -> Option<bool>| {
                self.annotations.as_ref().and_then(hint).unwrap_or_default()
            };
            let is_repeatable = hint(|hints| hints.idempotent_hint) || hint(|hints| hints.read_only_hint);
            TaskPolicy { mode: self.task_mode, is_repeatable }
        };
        let definition = |era| {
            let output = output.filter(|(_, is_of_object)| era == Era::Modern || *is_of_object);
            self.write_definition(input, output.map(|(schema, _)| &**schema))
        };
        Ok(CompiledTool {
            legacy_definition: definition(Era::Legacy),
            modern_definition: definition(Era::Modern),
            mirrored,
            #[cfg(feature = "jsonschema")]
            checkers,
            name: self.name.into(),
            requires: self.requires,
            limit: self.limit,
            is_detached: self.is_detached,
            #[cfg(feature = "tasks")]
            task,
            rights: self.rights,
            handler: self.handler.bind(()),
        })
    }
}

/// Checks a name against the specification (2026-07-28, Server, "Tool Names").
fn check_name(name: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    if name.is_empty() || name.len() > 128 || !name.bytes().all(allowed) {
        return Err("the name must be 1 to 128 of the characters A-Z a-z 0-9 _ - .".to_owned());
    }
    Ok(())
}

/// A checked tool, ready to be called.
pub(crate) struct CompiledTool {
    pub(crate) name: Arc<str>,
    pub(crate) legacy_definition: Vec<u8>,
    pub(crate) modern_definition: Vec<u8>,
    mirrored: MirroredParams,
    #[cfg(feature = "jsonschema")]
    checkers: super::validate::Checkers,
    requires: Vec<ClientCapability>,
    limit: Limit,
    is_detached: bool,
    #[cfg(feature = "tasks")]
    task: TaskPolicy,
    pub(crate) rights: Rights,
    handler: BoundHandler<ToolOutput>,
}

impl CompiledTool {
    pub(crate) fn call(&self, call: Call<'_>) -> CallFuture<ToolOutput> {
        if !self.rights.allow(call.head()) {
            return CallFuture::refused(RpcError::unknown_tool(call.target()));
        }
        if let Err(missing) = self.rights.check_scopes(&call) {
            return CallFuture::refused(missing);
        }
        let checked = self.requires.iter().try_for_each(|&capability| call.require(capability));
        if let Err(error) = checked.and_then(|()| call.check_headers(&self.mirrored)) {
            return CallFuture::refused(error);
        }
        #[cfg(feature = "tasks")]
        if self.task.mode == TaskMode::Required
            && let Err(error) = require_tasks(&call, &self.name)
        {
            return CallFuture::refused(error);
        }
        // These may end inside another registry's call, where the target is not known.
        let is_ended_inside = self.is_detached || matches!(self.limit, Limit::At(_));
        let name = if is_ended_inside { Some((*self.name).into()) } else { call.other_name(&self.name) };
        let drain = self.is_detached.then(|| Arc::clone(&call.settings.drain));
        #[cfg(feature = "jsonschema")]
        let check = |arguments: &str| self.checkers.misfit(arguments);
        #[cfg(feature = "jsonschema")]
        let call = Call { check: self.checkers.check_arguments().then_some(&check), ..call };
        let mut future = (self.handler)(call);
        #[cfg(feature = "jsonschema")]
        {
            future = self.checkers.check_output(future);
        }
        future.limit = self.limit;
        future.name = name;
        future.detached = drain;
        #[cfg(feature = "tasks")]
        {
            future.task = self.task;
        }
        future
    }
}

/// Requires that a call can run as a task, before its handler begins.
#[cfg(feature = "tasks")]
fn require_tasks(call: &Call<'_>, name: &str) -> Result<(), CallError> {
    call.require_tasks()?;
    if call.settings.tasks.is_none() {
        tracing::error!(name, "a tool must run as a task, and the manager has no `tasks` set");
        return Err(RpcError::internal().into());
    }
    Ok(())
}
