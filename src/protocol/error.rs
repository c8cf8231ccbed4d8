//! Errors whose messages are the same in all registries.

use serde_json::json;

use super::{ClientCapability, Era};
use crate::jsonrpc::{ErrorCode, Raw, RpcError};

/// Returns the error for a method that the server does not have.
pub(crate) fn method_not_found(method: &str) -> RpcError {
    RpcError::new(ErrorCode::METHOD_NOT_FOUND, format!("Method not found: {method}"))
}

/// Requires the client to declare a capability. Requests of the legacy era do not declare any, and
/// always pass.
pub(crate) fn require(
    capability: ClientCapability,
    era: Era,
    declared: Option<Raw<'_>>,
) -> Result<(), RpcError> {
    if era == Era::Legacy || declared.is_some_and(|declared| capability.is_in(declared)) {
        return Ok(());
    }
    Err(missing_capability(capability))
}

/// Requires that the client supports tasks, which clients of the legacy era do not.
#[cfg(feature = "tasks")]
pub(crate) fn require_tasks(era: Era, declared: Option<Raw<'_>>) -> Result<(), RpcError> {
    declares_tasks(era, declared).then_some(()).ok_or_else(|| missing_capability(ClientCapability::Tasks))
}

/// Returns whether the client supports tasks.
#[cfg(feature = "tasks")]
pub(crate) fn declares_tasks(era: Era, declared: Option<Raw<'_>>) -> bool {
    era == Era::Modern && declared.is_some_and(|declared| ClientCapability::Tasks.is_in(declared))
}

fn missing_capability(capability: ClientCapability) -> RpcError {
    let name = capability.as_str();
    let required = capability.to_json();
    let error = RpcError::new(
        ErrorCode::MISSING_CLIENT_CAPABILITY,
        format!("This request requires the client capability `{name}`, which it does not declare"),
    );
    error.with_data(json!({"requiredCapabilities": required}))
}

/// Returns the error for headers that differ from the arguments of a tool.
pub(crate) fn header_mismatch(what: &str) -> RpcError {
    RpcError::new(ErrorCode::HEADER_MISMATCH, format!("Header mismatch: {what}"))
}
