//! Checks what goes into a tool and what comes out against its JSON schemas.

use std::sync::Arc;

use jsonschema::{PatternOptions, ValidationError, Validator};
use serde_json::Value;

use super::ToolOutput;
use crate::call::CallFuture;
use crate::jsonrpc::RpcError;

/// The most faults of a value that are told.
const MAX_FAULTS: usize = 5;

/// The most bytes that are told of one fault.
const MAX_TOLD: usize = 500;

/// What is to be checked.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Checks {
    pub(super) arguments: bool,
    pub(super) output: bool,
}

/// The schemas of a tool that are checked, compiled.
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
            arguments: checks.arguments.then(|| compile("input", input)).transpose()?,
            output: output
                .filter(|_| checks.output)
                .map(|schema| compile("output", schema).map(Arc::new))
                .transpose()?,
        })
    }

    /// Where the arguments, a JSON text, do not fit.
    pub(super) fn misfit(&self, arguments: &str) -> Option<String> {
        let checker = self.arguments.as_ref()?;
        let misfit = match serde_json::from_str(arguments) {
            Ok(arguments) => checker.misfit(&arguments)?,
            Err(error) => error.to_string(),
        };
        Some(format!("Invalid arguments: {misfit}"))
    }

    /// Checks what comes out.
    pub(super) fn check_output(&self, future: CallFuture<ToolOutput>) -> CallFuture<ToolOutput> {
        let Some(checker) = self.output.clone() else { return future };
        future.map_outcome(move |outcome| {
            let output = outcome?;
            // A tool that failed has no structured content to show.
            if output.is_error {
                return Ok(output);
            }
            let structured = output.structured_json().unwrap_or("null");
            let value = serde_json::from_str(structured).unwrap_or_default();
            match checker.misfit(&value) {
                None => Ok(output),
                Some(misfit) => {
                    tracing::error!(misfit, "the result of a tool does not fit its output schema");
                    Err(RpcError::internal().into())
                }
            }
        })
    }
}

/// A JSON schema, compiled (2020-12, unless it names another dialect). It refers to
/// nothing outside itself, and its patterns take time in proportion to what they match.
struct SchemaChecker(Validator);

impl SchemaChecker {
    fn new(schema: &Value) -> Result<Self, String> {
        let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
        options.build(schema).map(Self).map_err(|error| error.to_string())
    }

    /// Where a value does not fit, and what was expected; of many faults, the first few.
    fn misfit(&self, value: &Value) -> Option<String> {
        let mut faults = self.0.iter_errors(value).take(MAX_FAULTS).map(|error| tell(&error));
        let first = faults.next()?;
        Some(faults.fold(first, |all, fault| format!("{all}; {fault}")))
    }
}

/// One fault in words, which hold the value as well, unless that is large.
fn tell(error: &ValidationError<'_>) -> String {
    let mut fault = error.to_string();
    if fault.len() > MAX_TOLD {
        fault = error.masked().to_string();
    }
    let path = error.instance_path().to_string();
    if !path.is_empty() {
        fault = format!("at `{path}`: {fault}");
    }
    if fault.len() > MAX_TOLD {
        let end = (0..=MAX_TOLD).rev().find(|&at| fault.is_char_boundary(at)).unwrap_or_default();
        fault.truncate(end);
        fault.push('…');
    }
    fault
}
