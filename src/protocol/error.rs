//! Errors that every server of the protocol answers in the same words.

use serde_json::json;

use super::{ClientCapability, Era};
use crate::jsonrpc::{ErrorCode, Raw, RpcError};

/// A method that the server does not have.
pub(crate) fn method_not_found(method: &str) -> RpcError {
    RpcError::new(ErrorCode::METHOD_NOT_FOUND, format!("Method not found: {method}"))
}

/// Demands a capability of the client's. In the legacy era no request tells, and
/// nothing is demanded.
pub(crate) fn require(
    capability: ClientCapability,
    era: Era,
    declared: Option<Raw<'_>>,
) -> Result<(), RpcError> {
    if era == Era::Legacy || declared.is_some_and(|declared| capability.is_in(declared)) {
        return Ok(());
    }
    let name = capability.as_str();
    let required = capability.to_json();
    let error = RpcError::new(
        ErrorCode::MISSING_CLIENT_CAPABILITY,
        format!("This request needs the client capability `{name}`, which it does not declare"),
    );
    Err(error.with_data(json!({"requiredCapabilities": required})))
}

/// The tool's headers and arguments disagree.
pub(crate) fn header_mismatch(what: &str) -> RpcError {
    RpcError::new(ErrorCode::HEADER_MISMATCH, format!("Header mismatch: {what}"))
}
