//! This crate in front of a server that is a child process, or that is reached over HTTP.

use std::{error::Error, ffi::OsString, net::SocketAddr};

use mcp_stateless::manager::Fixed;
use mcp_stateless::{McpService, StatelessSessionManager};
use mcp_stateless_upstream::Upstream;

use crate::catalogue::{SERVER_NAME, SERVER_VERSION};

pub(super) fn service(
    upstream: Option<SocketAddr>,
) -> Result<McpService<Fixed<Upstream>>, Box<dyn Error + Send + Sync>> {
    let upstream = match upstream {
        Some(addr) => Upstream::http(format!("http://{addr}/mcp")).build()?,
        None => {
            let program = OsString::from(std::env::current_exe()?);
            Upstream::stdio(program).arg("serve-stdio").build()?
        }
    };
    let manager = StatelessSessionManager::builder(SERVER_NAME, SERVER_VERSION).build()?;
    Ok(manager.service(upstream))
}
