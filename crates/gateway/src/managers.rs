//! The managers, one for each way in which the gateway presents itself.

use std::sync::{Arc, Mutex, PoisonError};

use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::LocalBus;
use mcp_stateless::{ConfigError, StatelessSessionManager};

use crate::options::Options;
use crate::servers::Server;

/// What stands for this machine in a `Host` header.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// How many managers are kept. Whoever is served by one that is not goes on being served.
const MOST: usize = 64;

/// How many bytes all bodies that are being read may hold, at least, and how many of the largest.
const LEAST_IN_FLIGHT: usize = 64 << 20;
const BODIES_IN_FLIGHT: usize = 16;

/// How the gateway presents itself to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    name: String,
    version: String,
    instructions: Option<String>,
}

impl Identity {
    /// As one server, as if nothing stood before it.
    pub(crate) fn of(server: &Server) -> Self {
        match server.about() {
            None => Self { name: server.name.clone(), version: String::new(), instructions: None },
            Some(info) => Self {
                name: info.name.clone(),
                version: info.version.clone(),
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
            name: "gateway".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            instructions: (!guide.is_empty()).then(|| guide.join("\n\n")),
        }
    }
}

/// Makes managers, and remembers them. They share the keys of the calls that ask their clients
/// something, and hand each other the answers.
pub(crate) struct Managers {
    key: [u8; 32],
    answers: Arc<LocalBus>,
    hosts: Vec<String>,
    max_body: usize,
    made: Mutex<Vec<(Identity, StatelessSessionManager)>>,
}

impl Managers {
    pub(crate) fn new(options: &Options) -> Result<Self, getrandom::Error> {
        // What waits for a client's answer waits in this process: no other needs the key.
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let (hosts, max_body) = (options.allowed_hosts.clone(), options.max_body);
        Ok(Self { key, answers: Arc::default(), hosts, max_body, made: Mutex::default() })
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

    pub(crate) fn all(&self) -> Vec<StatelessSessionManager> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.iter().map(|(_, manager)| manager.clone()).collect()
    }

    fn make(&self, identity: &Identity) -> Result<StatelessSessionManager, ConfigError> {
        let mut builder = StatelessSessionManager::builder(&identity.name, &identity.version)
            .max_body_size(self.max_body)
            .max_bytes_in_flight(self.max_body.saturating_mul(BODIES_IN_FLIGHT).max(LEAST_IN_FLIGHT))
            .state_keys(StateKeys::new(self.key))
            .answer_bus(Arc::clone(&self.answers) as _);
        if let Some(instructions) = &identity.instructions {
            builder = builder.instructions(instructions);
        }
        if !self.hosts.is_empty() {
            builder = builder.allowed_hosts(self.hosts.iter().map(String::as_str).chain(LOOPBACK));
        }
        builder.build()
    }
}
