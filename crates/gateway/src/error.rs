//! Errors of the gateway.

use std::io;

use mcp_stateless::RegistryError;
use thiserror::Error;

use crate::config::ConfigError;
use crate::names::Collision;

/// Why the gateway cannot run. The message is for the user, and names what to fix.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct Error(#[from] pub(crate) Kind);

#[derive(Debug, Error)]
pub(crate) enum Kind {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("no server is left; the warnings say why")]
    NoServers,
    #[error(transparent)]
    Collision(#[from] Collision),
    #[error(transparent)]
    Hosts(#[from] mcp_stateless::ConfigError),
    #[error(transparent)]
    Catalog(#[from] RegistryError),
    #[error("cannot generate a random key: {0}")]
    Random(#[from] getrandom::Error),
    #[error("cannot listen on {address}: {source}; choose another HOST:PORT with --addr")]
    Listen { address: String, source: io::Error },
    #[error("cannot tell the address of the gateway: {0}")]
    Address(io::Error),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
}
