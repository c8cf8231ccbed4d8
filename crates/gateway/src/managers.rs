//! Managers, one for each way the gateway presents itself.

use std::sync::{Arc, Mutex, PoisonError};

use mcp_stateless::ask::StateKeys;
use mcp_stateless::changes::LocalBus;
use mcp_stateless::manager::ManagerBuilder;
use mcp_stateless::protocol::Icon;
use mcp_stateless::{ConfigError, StatelessSessionManager};

use crate::config::Settings;
use crate::error::Kind;
use crate::options::Options;
use crate::servers::Server;

/// The gateway's own name and version.
const GATEWAY: &str = "mcp-gateway";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// The names of this machine in a `Host` header.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];
/// How many managers are cached. Clients of an evicted one are still served.
const MOST: usize = 64;

/// The minimum of `max_bytes_in_flight`, and the minimum number of bodies of the largest size.
const LEAST_IN_FLIGHT: usize = 64 << 20;
const BODIES_IN_FLIGHT: usize = 16;

/// The longest URI of an icon that is passed on. Images in `data:` URIs would be repeated in each
/// modern result.
const MAX_ICON: usize = 1024;

/// How the gateway presents itself to a client.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Identity {
    name: String,
    version: String,
    title: Option<String>,
    description: Option<String>,
    website_url: Option<String>,
    icons: Vec<Icon>,
    instructions: Option<String>,
}

impl Identity {
    /// As the server itself, as if there were no gateway.
    pub(crate) fn of(server: &Server) -> Self {
        match server.about() {
            None => Self { name: server.name.clone(), ..Self::default() },
            Some(info) => Self {
                name: info.name.clone(),
                version: info.version.clone(),
                title: info.title.clone(),
                description: info.description.clone(),
                website_url: info.website_url.clone(),
                icons: info.icons.iter().filter(|icon| icon.src.len() <= MAX_ICON).cloned().collect(),
                instructions: info.instructions.clone(),
            },
        }
    }

    /// As a gateway in front of these servers.
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
            instructions: (!guide.is_empty()).then(|| guide.join("\n\n")),
            ..Self::default()
        }
    }
}

/// Creates and caches managers. All of them are joined to the first, so that they share its bounds,
/// its keys and its shutdown, and evicting one loses nothing.
pub(crate) struct Managers {
    first: StatelessSessionManager,
    hosts: Vec<String>,
    origins: Vec<String>,
    max_body: usize,
    /// The oldest first.
    made: Mutex<Vec<(Identity, StatelessSessionManager)>>,
}

impl Managers {
    /// # Errors
    /// Returns an error if the system has no randomness, or the name of a host or an origin is not
    /// valid.
    pub(crate) fn new(options: &Options, settings: &Settings) -> Result<Self, Kind> {
        // Calls wait for answers only in this process, so no other process needs the key.
        let mut key = [0; 32];
        getrandom::fill(&mut key)?;
        let in_flight = options.max_body.saturating_mul(BODIES_IN_FLIGHT).max(LEAST_IN_FLIGHT);
        let builder = StatelessSessionManager::builder(GATEWAY, VERSION)
            .state_keys(StateKeys::new(key))
            .answer_bus(Arc::new(LocalBus::default()))
            .max_bytes_in_flight(in_flight);
        let builder = settings.max_calls.into_iter().fold(builder, ManagerBuilder::max_calls);
        let each = settings.max_calls_per_caller;
        let builder = each.into_iter().fold(builder, ManagerBuilder::max_calls_per_principal);
        let (mut hosts, max_body) = (options.allowed_hosts.clone(), options.max_body);
        // A proxy may forward the host of the public URL in `Host`.
        hosts.extend(settings.auth.iter().filter_map(|auth| host_of(&auth.public_url)));
        let origins = options.allowed_origins.clone();
        let first = with_settings(builder, &hosts, &origins, max_body).build()?;
        Ok(Self { first, hosts, origins, max_body, made: Mutex::default() })
    }

    /// Returns the manager that all others are joined to.
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
        let Identity { name, version, title, description, website_url, icons, instructions } = identity;
        let builder = StatelessSessionManager::builder(name, version).join(&self.first);
        let builder = title.iter().fold(builder, ManagerBuilder::title);
        let builder = description.iter().fold(builder, ManagerBuilder::description);
        let builder = website_url.iter().fold(builder, ManagerBuilder::website_url);
        let builder = instructions.iter().fold(builder, ManagerBuilder::instructions);
        let builder = icons.iter().cloned().fold(builder, ManagerBuilder::icon);
        with_settings(builder, &self.hosts, &self.origins, self.max_body).build()
    }
}

/// Returns the host of a URL, with its port.
fn host_of(url: &str) -> Option<String> {
    let url: axum::http::Uri = url.parse().ok()?;
    url.authority().map(ToString::to_string)
}

/// Applies the settings that all managers share.
fn with_settings(
    builder: ManagerBuilder,
    hosts: &[String],
    origins: &[String],
    max_body: usize,
) -> ManagerBuilder {
    let builder = builder.max_body_size(max_body).allowed_origins(origins);
    if hosts.is_empty() {
        return builder;
    }
    builder.allowed_hosts(hosts.iter().map(String::as_str).chain(LOOPBACK))
}
