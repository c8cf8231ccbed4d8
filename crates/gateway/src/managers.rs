//! The managers, one for each way in which the gateway presents itself.

use std::sync::{Arc, Mutex, PoisonError};

use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::LocalBus;
use mcp_stateless::manager::ManagerBuilder;
use mcp_stateless::{ConfigError, StatelessSessionManager};

use crate::error::Kind;
use crate::options::Options;
use crate::servers::Server;

/// The gateway's own name and version.
const GATEWAY: &str = "mcp-gateway";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// What stands for this machine in a `Host` header.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// How many managers are remembered. Clients of one that is not go on being served.
const MOST: usize = 64;

/// How many bytes all bodies that are being read may hold, at least, and how many of the largest.
const LEAST_IN_FLIGHT: usize = 64 << 20;
const BODIES_IN_FLIGHT: usize = 16;

/// How the gateway presents itself to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    name: String,
    version: String,
    title: Option<String>,
    instructions: Option<String>,
}

impl Identity {
    /// As one server, as if nothing stood before it.
    pub(crate) fn of(server: &Server) -> Self {
        match server.about() {
            None => {
                Self { name: server.name.clone(), version: String::new(), title: None, instructions: None }
            }
            Some(info) => Self {
                name: info.name.clone(),
                version: info.version.clone(),
                title: info.title.clone(),
                instructions: info.instructions.clone(),
            },
        }
    }

    /// As a gateway before these servers.
    pub(crate) fn of_all<'s>(servers: impl IntoIterator<Item = &'s Arc<Server>>) -> Self {
        let guide: Vec<_> = servers
            .into_iter()
            .filter_map(|server| {
                let about = server.about()?;
                let instructions = about.instructions.as_deref()?;
                let heading = format!("# Tools and prompts that begin with {}-", server.name);
                Some(format!("{heading}\n\n{instructions}"))
            })
            .collect();
        Self {
            name: GATEWAY.to_owned(),
            version: VERSION.to_owned(),
            title: None,
            instructions: (!guide.is_empty()).then(|| guide.join("\n\n")),
        }
    }
}

/// Makes managers, and remembers some. All of them are joined to the first, so that they share
/// its bounds, its keys and its shut-down, and one that is forgotten leaves nothing behind.
pub(crate) struct Managers {
    first: StatelessSessionManager,
    hosts: Vec<String>,
    max_body: usize,
    /// The oldest first.
    made: Mutex<Vec<(Identity, StatelessSessionManager)>>,
}

impl Managers {
    /// # Errors
    /// When there is no randomness, or the name of a host cannot be read.
    pub(crate) fn new(options: &Options) -> Result<Self, Kind> {
        // Calls wait for a client's answer in this process alone: no other needs the key.
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let in_flight = options.max_body.saturating_mul(BODIES_IN_FLIGHT).max(LEAST_IN_FLIGHT);
        let builder = StatelessSessionManager::builder(GATEWAY, VERSION)
            .state_keys(StateKeys::new(key))
            .answer_bus(Arc::new(LocalBus::default()))
            .max_bytes_in_flight(in_flight);
        let (hosts, max_body) = (options.allowed_hosts.clone(), options.max_body);
        let first = with_settings(builder, &hosts, max_body).build()?;
        Ok(Self { first, hosts, max_body, made: Mutex::default() })
    }

    /// The manager that all others are joined to.
    pub(crate) fn first(&self) -> &StatelessSessionManager {
        &self.first
    }

    pub(crate) fn get(&self, identity: &Identity) -> Result<StatelessSessionManager, ConfigError> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, manager)) = made.iter().find(|(other, _)| other == identity) {
            return Ok(manager.clone());
        }
        let manager = self.make(identity)?;
        if made.len() == MOST {
            made.remove(0);
        }
        made.push((identity.clone(), manager.clone()));
        Ok(manager)
    }

    fn make(&self, identity: &Identity) -> Result<StatelessSessionManager, ConfigError> {
        let mut builder =
            StatelessSessionManager::builder(&identity.name, &identity.version).join(&self.first);
        if let Some(title) = &identity.title {
            builder = builder.title(title);
        }
        if let Some(instructions) = &identity.instructions {
            builder = builder.instructions(instructions);
        }
        with_settings(builder, &self.hosts, self.max_body).build()
    }
}

/// Sets what is the same for all managers.
fn with_settings(builder: ManagerBuilder, hosts: &[String], max_body: usize) -> ManagerBuilder {
    let builder = builder.max_body_size(max_body);
    if hosts.is_empty() {
        return builder;
    }
    builder.allowed_hosts(hosts.iter().map(String::as_str).chain(LOOPBACK))
}
