//! What can go wrong before anything is served.

use thiserror::Error;

/// A manager's settings are wrong.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct ConfigError(String);

impl ConfigError {
    pub(crate) fn unreadable_origin(text: &str) -> Self {
        Self(format!(
            "{text:?} is neither a host (`example.com`, `example.com:8000`) nor an origin (`https://example.com`)"
        ))
    }
}

/// A registry's tools are wrong. The message names the tool and the fault.
#[derive(Debug, Error)]
#[error("tool {tool:?}: {fault}")]
pub struct RegistryError {
    tool: String,
    fault: String,
}

impl RegistryError {
    pub(crate) fn new(tool: &str, fault: impl Into<String>) -> Self {
        Self { tool: tool.to_owned(), fault: fault.into() }
    }

    /// The name of the tool that is wrong.
    pub fn tool(&self) -> &str {
        &self.tool
    }
}
