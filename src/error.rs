//! Errors from setting up a server.

use thiserror::Error;

/// A setting is not valid.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    #[cfg(feature = "auth")]
    pub(crate) fn new(fault: String) -> Self {
        Self(fault)
    }

    pub(crate) fn unreadable_origin(text: &str) -> Self {
        Self(format!(
            "{text:?} is neither a host (`example.com`, `example.com:8000`, `https://example.com`) nor an origin (`https://example.com`)"
        ))
    }

    #[cfg(feature = "tasks")]
    pub(crate) fn tasks_without_keys() -> Self {
        let fault = "tasks in a shared store need `state_keys`, which all replicas must share";
        Self(fault.to_owned())
    }

    #[cfg(any(feature = "ask", feature = "auth"))]
    pub(crate) fn keys(kind: &str) -> Self {
        Self(format!("{kind} must be 64 hexadecimal digits each, with commas between them"))
    }
}

/// A tool, prompt or resource is not valid. The message names it and the fault.
#[derive(Debug, Error)]
#[error("{kind} {name:?}: {fault}")]
pub struct RegistryError {
    kind: &'static str,
    name: String,
    fault: String,
}

impl RegistryError {
    /// `kind` is what the name belongs to, such as `tool`.
    pub(crate) fn new(kind: &'static str, name: &str, fault: impl Into<String>) -> Self {
        Self { kind, name: name.to_owned(), fault: fault.into() }
    }

    /// Returns the name of the tool or prompt, or the URI of the resource, that is not valid.
    pub fn name(&self) -> &str {
        &self.name
    }
}
