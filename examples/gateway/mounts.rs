//! What is served at which path.

use std::cmp::Reverse;

use mcp_stateless::{Catalog, StateKeys, StatelessSessionManager, Upstream};

use crate::Error;
use crate::options::Options;
use crate::report::Finding;
use crate::servers::Server;

/// What stands for this machine in a `Host` header.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// What is served at one path.
pub(crate) struct Mount {
    pub(crate) path: String,
    pub(crate) manager: StatelessSessionManager,
    registry: Mounted,
}

enum Mounted {
    All(Catalog),
    One(Upstream),
}

/// All servers at `/mcp`, and each alone below it, where it looks as if nothing stood
/// before it.
pub(crate) fn all(servers: &[Server], findings: &[Finding], options: &Options) -> Result<Vec<Mount>, Error> {
    // What waits for a client's answer waits in this process: no other needs the key.
    let mut key = [0; 32];
    getrandom::fill(&mut key)?;
    let manager = |name: &str, version: &str, instructions: Option<&str>| {
        let mut builder = StatelessSessionManager::builder(name, version).state_keys(StateKeys::new(key));
        if let Some(instructions) = instructions {
            builder = builder.instructions(instructions);
        }
        if !options.hosts.is_empty() {
            builder = builder.allowed_hosts(options.hosts.iter().map(String::as_str).chain(LOOPBACK));
        }
        builder.build()
    };

    let mut all = Catalog::builder();
    let mut mounts = Vec::new();
    let mut guide = Vec::new();
    for (server, finding) in servers.iter().zip(findings) {
        let info = finding.as_ref().ok();
        let (name, version) = info.map_or((&*server.name, ""), |info| (&*info.name, &*info.version));
        let instructions = info.and_then(|info| info.instructions.as_deref());
        if let Some(instructions) = instructions {
            let heading = format!("# Tools and prompts that begin with {}-", server.name);
            guide.push(format!("{heading}\n\n{instructions}"));
        }
        mounts.push(Mount {
            path: format!("/mcp/{}", server.name),
            manager: manager(name, version, instructions)?,
            registry: Mounted::One(server.upstream.clone()),
        });
    }
    // Where the name of one begins the name of another, the longer one is asked first.
    let mut by_length: Vec<_> = servers.iter().collect();
    by_length.sort_by_key(|server| Reverse(server.name.len()));
    for server in by_length {
        all = all.add_prefixed(&server.name, server.upstream.clone());
    }
    let guide = (!guide.is_empty()).then(|| guide.join("\n\n"));
    mounts.push(Mount {
        path: "/mcp".to_owned(),
        manager: manager("gateway", env!("CARGO_PKG_VERSION"), guide.as_deref())?,
        registry: Mounted::All(all.build()?),
    });
    Ok(mounts)
}

pub(crate) fn router(mounts: &[Mount]) -> axum::Router {
    mounts.iter().fold(axum::Router::new(), |router, Mount { path, manager, registry }| match registry {
        Mounted::All(catalog) => router.route_service(path, manager.service(catalog.clone())),
        Mounted::One(upstream) => router.route_service(path, manager.service(upstream.clone())),
    })
}
