//! This crate in front of a server that is a child process.

use std::{error::Error, ffi::OsString};

use mcp_stateless::manager::Fixed;
use mcp_stateless::{McpService, StatelessSessionManager};
use mcp_stateless_upstream::Upstream;

use crate::catalogue::{SERVER_NAME, SERVER_VERSION};

pub(super) fn service() -> Result<McpService<Fixed<Upstream>>, Box<dyn Error + Send + Sync>> {
    let program = OsString::from(std::env::current_exe()?);
    let upstream = Upstream::stdio(program).arg("serve-stdio").build()?;
    let manager = StatelessSessionManager::builder(SERVER_NAME, SERVER_VERSION).build()?;
    Ok(manager.service(upstream))
}
