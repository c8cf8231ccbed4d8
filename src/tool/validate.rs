//! Checks the arguments and the structured content of tools against JSON schemas.

use std::sync::Arc;

use jsonschema::error::ValidationErrorKind;
use jsonschema::paths::LocationSegment;
use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::ToolOutput;
use crate::call::CallFuture;
use crate::jsonrpc::RpcError;
use crate::observe::line;

/// The maximum number of faults that are reported for a value.
const MAX_FAULTS: usize = 5;

/// The maximum number of bytes that are reported for one fault.
const MAX_TOLD: usize = 500;

/// The parts of a call that are checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checks {
    pub(super) arguments: bool,
    pub(super) output: bool,
}

/// The compiled schemas of a tool.
pub(super) struct Checkers {
    arguments: Option<SchemaChecker>,
    output: Option<Arc<SchemaChecker>>,
}

impl Checkers {
    pub(super) fn compile(checks: Checks, input: &Value, output: Option<&Value>) -> Result<Self, String> {
        let compile = |what: &str, schema| {
            SchemaChecker::new(schema)
                .map_err(|fault| format!("the {what} schema cannot be checked: {fault}"))
        };
        Ok(Self {
            // Arguments of a tool without parameters are ignored.
            arguments: (checks.arguments && !is_of_nothing(input))
                .then(|| compile("input", input))
                .transpose()?,
            output: output
                .filter(|_| checks.output)
                .map(|schema| compile("output", schema).map(Arc::new))
                .transpose()?,
        })
    }

    /// Whether arguments are checked.
    pub(super) fn check_arguments(&self) -> bool {
        self.arguments.is_some()
    }

    /// Describes where the arguments, a JSON text, do not match.
    pub(super) fn misfit(&self, arguments: &str) -> Option<String> {
        let checker = self.arguments.as_ref()?;
        let misfit = match serde_json::from_str(arguments) {
            Ok(arguments) => checker.misfit(&arguments)?,
            Err(error) => error.to_string(),
        };
        Some(format!("Invalid arguments: {misfit}"))
    }

    /// Checks a result.
    pub(super) fn check_output(&self, future: CallFuture<ToolOutput>) -> CallFuture<ToolOutput> {
        let Some(checker) = self.output.clone() else { return future };
        future.map_outcome(move |outcome| {
            let output = outcome?;
            // A failed tool has no structured content.
            if output.is_error {
                return Ok(output);
            }
            let structured = output.structured_json().unwrap_or("null");
            let value = serde_json::from_str(structured).unwrap_or_default();
            match checker.misfit(&value) {
                None => Ok(output),
                Some(misfit) => {
                    tracing::error!("the result of a tool does not match its output schema");
                    tracing::debug!(
                        misfit = &*line(&misfit, MAX_FAULTS * MAX_TOLD),
                        "why the result of a tool does not match its output schema"
                    );
                    Err(RpcError::internal().into())
                }
            }
        })
    }
}

/// A compiled JSON schema (2020-12, unless it names another dialect). It refers to no other
/// document, and its patterns match in linear time.
struct SchemaChecker(Validator);

impl SchemaChecker {
    fn new(schema: &Value) -> Result<Self, String> {
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        options.build(schema).map(Self).map_err(|error| error.to_string())
    }

    /// Describes where a value does not match and what was expected; at most the first few faults.
    fn misfit(&self, value: &Value) -> Option<String> {
        let mut faults = self.0.iter_errors(value).take(MAX_FAULTS).map(|error| tell(&error));
        let first = faults.next()?;
        Some(faults.fold(first, |all, fault| format!("{all}; {fault}")))
    }
}

/// Whether a schema is that of a tool without parameters.
fn is_of_nothing(schema: &Value) -> bool {
    let has = |name: &str| schema.get(name).is_some();
    let is_empty = |it: &Value| it.as_object().is_some_and(serde_json::Map::is_empty);
    let names_none = schema.get("properties").is_none_or(is_empty);
    let others = ["$ref", "allOf", "anyOf", "oneOf", "not", "patternProperties", "required", "minProperties"];
    names_none
        && schema.get("additionalProperties") == Some(&Value::Bool(false))
        && !others.into_iter().any(has)
}

/// Describes one fault, including the value unless it is large.
fn tell(error: &ValidationError<'_>) -> String {
    let fault = match error.kind() {
        ValidationErrorKind::Required { property: Value::String(name) } => format!("missing field `{name}`"),
        _ => match allowed(error) {
            // The names come from the schema, so they are bounded.
            Some(allowed) => return at(error, format!("{}, expected one of {allowed}", told_value(error))),
            None => shortened(told(error)),
        },
    };
    at(error, fault)
}

/// Describes a fault and its place, in the notation of `serde`'s paths: `items[0].name`.
fn at(error: &ValidationError<'_>, fault: String) -> String {
    let mut path = String::new();
    for segment in error.instance_path() {
        match segment {
            LocationSegment::Index(index) => path.extend(["[", &index.to_string(), "]"]),
            LocationSegment::Property(name) if path.is_empty() => path.push_str(&name),
            LocationSegment::Property(name) => path.extend([".", &name]),
        }
    }
    if path.is_empty() { fault } else { format!("at `{}`: {fault}", shortened(path)) }
}

/// Returns the allowed values if the schema lists them: in an `enum`, or as alternatives that are
/// all constants.
fn allowed(error: &ValidationError<'_>) -> Option<String> {
    fn collect(error: &ValidationError<'_>, values: &mut Vec<String>) -> Option<()> {
        match error.kind() {
            ValidationErrorKind::Enum { options } => {
                values.extend(options.as_array()?.iter().map(Value::to_string));
            }
            ValidationErrorKind::Constant { expected_value } => values.push(expected_value.to_string()),
            ValidationErrorKind::AnyOf { context } | ValidationErrorKind::OneOfNotValid { context } => {
                for alternative in context {
                    let [only] = alternative.as_slice() else { return None };
                    // A part of the value does not determine the whole.
                    if only.instance_path() != error.instance_path() {
                        return None;
                    }
                    collect(only, values)?;
                }
            }
            _ => return None,
        }
        Some(())
    }
    let mut values = Vec::new();
    collect(error, &mut values)?;
    Some(values.join(", "))
}

fn told_value(error: &ValidationError<'_>) -> String {
    let value = error.instance().to_string();
    if value.len() > MAX_TOLD { "the value is unknown".to_owned() } else { format!("unknown value {value}") }
}

fn told(error: &ValidationError<'_>) -> String {
    let fault = error.to_string();
    if fault.len() > MAX_TOLD { error.masked().to_string() } else { fault }
}

fn shortened(mut text: String) -> String {
    if text.len() > MAX_TOLD {
        let end = (0..=MAX_TOLD).rev().find(|&at| text.is_char_boundary(at)).unwrap_or_default();
        text.truncate(end);
        text.push('…');
    }
    text
}
