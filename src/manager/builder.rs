//! Builds a manager from its settings.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::handle::StatelessSessionManager;
use crate::call::{ErrorMaps, FailedCall, ResultTexts, ShownErrors, ToolError};
use crate::error::ConfigError;
use crate::http::budget::Budget;
use crate::http::origin::{AllowedHost, AllowedOrigin, Hosts, OriginPolicy, Origins};
use crate::http::{AcceptRule, HttpPolicy};
use crate::places::Places;
use crate::protocol::{CacheHint, Era, Icon, Implementation, OwnCapabilities, ServedRevisions};
use crate::settings::Settings;

/// Builds a [`StatelessSessionManager`]; made by
/// [`StatelessSessionManager::builder`].
///
/// Every setting has a default that is safe on a developer's machine: only
/// requests to and from loopback names are served.
#[derive(Clone, Debug)]
#[must_use]
pub struct ManagerBuilder {
    server: Implementation,
    instructions: Option<String>,
    capabilities: OwnCapabilities,
    origin_policy: OriginPolicy,
    /// The first host or origin that could not be read.
    unreadable: Option<String>,
    accept_rule: AcceptRule,
    max_body_size: usize,
    read_timeout: Duration,
    keep_alive: Duration,
    tool_time_limit: Option<Duration>,
    shown_errors: ShownErrors,
    error_maps: ErrorMaps,
    logging: bool,
    cache_hint: CacheHint,
    max_bytes_in_flight: usize,
    max_listeners: usize,
    max_listeners_per_principal: Option<usize>,
    #[cfg(feature = "ask")]
    pub(crate) ask: crate::ask::AskBuilder,
    eras: Vec<Era>,
    joined: Option<StatelessSessionManager>,
}

impl StatelessSessionManager {
    /// Begins a manager of a server with this name and version.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> ManagerBuilder {
        ManagerBuilder::new(name.into(), version.into())
    }
}

impl ManagerBuilder {
    pub(crate) fn new(name: String, version: String) -> Self {
        Self {
            server: Implementation::new(name, version),
            instructions: None,
            capabilities: OwnCapabilities::default(),
            origin_policy: OriginPolicy::default(),
            unreadable: None,
            accept_rule: AcceptRule::default(),
            max_body_size: 4 * 1024 * 1024,
            read_timeout: Duration::from_secs(30),
            keep_alive: Duration::from_secs(15),
            tool_time_limit: Some(Duration::from_secs(300)),
            shown_errors: ShownErrors::default(),
            error_maps: ErrorMaps::default(),
            logging: true,
            cache_hint: CacheHint::default(),
            max_bytes_in_flight: 64 * 1024 * 1024,
            max_listeners: 1024,
            max_listeners_per_principal: None,
            #[cfg(feature = "ask")]
            ask: crate::ask::AskBuilder::default(),
            eras: vec![Era::Modern, Era::Legacy],
            joined: None,
        }
    }

    /// The server's name for people.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.server.title = Some(title.into());
        self
    }

    /// What the server does, for people.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.server.description = Some(description.into());
        self
    }

    /// Where people read more about the server.
    pub fn website_url(mut self, url: impl Into<String>) -> Self {
        self.server.website_url = Some(url.into());
        self
    }

    /// Adds an icon of the server.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.server.icons.push(icon);
        self
    }

    /// What a model should know to use the server well; sent with `initialize`
    /// and `server/discover`.
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Declares an extension of the protocol that the server supports, in place of one of the same
    /// name (2026-07-28, Schema, `ServerCapabilities.extensions`). `settings` are the extension's
    /// own; an empty object if it has none.
    ///
    /// ```
    /// use mcp_stateless::StatelessSessionManager;
    /// use serde_json::Map;
    ///
    /// let manager = StatelessSessionManager::builder("charts", "1.0.0")
    ///     .extension("io.modelcontextprotocol/ui", Map::new())
    ///     .build()?;
    /// # Ok::<(), mcp_stateless::ConfigError>(())
    /// ```
    pub fn extension(mut self, name: impl Into<String>, settings: Map<String, Value>) -> Self {
        self.capabilities.extensions.insert(name.into(), settings.into());
        self
    }

    /// Declares a capability that is not part of the protocol, in place of one of the same name
    /// (2026-07-28, Schema, `ServerCapabilities.experimental`).
    pub fn experimental(mut self, name: impl Into<String>, settings: Map<String, Value>) -> Self {
        self.capabilities.experimental.insert(name.into(), settings.into());
        self
    }

    /// Serves requests whose `Host` is one of these, instead of only loopback
    /// names: `host` for any port, or `host:port`. A request that names no port has the default
    /// one, 443 or 80. Pages of the same host may call; for others see
    /// [`allowed_origins`](Self::allowed_origins). A second call replaces the first.
    ///
    /// Write `https://host` or `https://host:port` where the pages of the host are served over
    /// TLS: a page of the same host that came over plain HTTP, which anybody on the way may
    /// have written, is then refused. The page's scheme is read from its `Origin`, so this
    /// works behind a proxy that ends TLS, where the server itself sees plain HTTP. It demands
    /// nothing of clients that send no `Origin`: keeping them from plain HTTP is the proxy's
    /// part. Without a scheme, pages of both are admitted.
    ///
    /// `Host` and `Origin` are checked against DNS rebinding, by which a web page
    /// reaches servers on its reader's own network. Others get 403.
    pub fn allowed_hosts<S: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.origin_policy.hosts = Hosts::Only(self.parse_all(hosts, AllowedHost::parse));
        self
    }

    /// Serves requests whatever their `Host`, even without one.
    ///
    /// Right when something in front of this server has checked it, or when
    /// every request is authenticated; on a developer's machine it lets any web
    /// page call the tools.
    pub fn any_host(mut self) -> Self {
        self.origin_policy.hosts = Hosts::Any;
        self
    }

    /// Serves requests from web pages of these origins, such as
    /// `https://app.example.com`, besides those of the same host (and, while only
    /// loopback hosts are served, of all loopback ones). A second call replaces the
    /// first.
    pub fn allowed_origins<S: AsRef<str>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origin_policy.origins = Origins::Only(self.parse_all(origins, AllowedOrigin::parse));
        self
    }

    /// Keeps the first that cannot be parsed, for `build` to report.
    fn parse_all<S: AsRef<str>, T>(
        &mut self,
        texts: impl IntoIterator<Item = S>,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Vec<T> {
        let mut parsed = Vec::new();
        for text in texts {
            match parse(text.as_ref()) {
                Some(entry) => parsed.push(entry),
                None => self.unreadable = self.unreadable.take().or(Some(text.as_ref().to_owned())),
            }
        }
        parsed
    }

    /// Serves requests from web pages of any origin: right for a public server
    /// whose tools anybody may call.
    pub fn any_origin(mut self) -> Self {
        self.origin_policy.origins = Origins::Any;
        self
    }

    /// What `Accept` must list; by default one type that fits.
    pub fn accept_rule(mut self, rule: AcceptRule) -> Self {
        self.accept_rule = rule;
        self
    }

    /// The largest body that is read, in bytes; 4 MiB by default. Larger ones get 413.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// How long a body may take to arrive; 30 s by default. Slower ones get 408.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// How long a stream stays silent before a comment keeps it alive; 15 s by
    /// default. `Duration::MAX` sends none.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// How long a tool may take unless it says otherwise itself, or `None` for
    /// ever; 5 minutes by default. A tool that waits for a client which does not read
    /// its notifications is only ended with its connection, which the server must bound: see
    /// [`handle`](StatelessSessionManager::handle).
    pub fn tool_time_limit(mut self, limit: Option<Duration>) -> Self {
        self.tool_time_limit = limit;
        self
    }

    /// Shows clients the message of every error that a handler returns, except of those made by
    /// [`ToolError::internal`].
    ///
    /// By default clients read only what [`ToolError::new`] declares safe to show; in place of
    /// other errors there is a reference to the server's log. Messages of libraries name
    /// files, hosts and at times passwords, and what a model reads goes further than its user.
    /// So this is for development, and for servers whose clients are as trusted as the server
    /// itself. It replaces [`on_error`](Self::on_error). Sources of errors are never shown.
    ///
    /// [`ToolError::internal`]: crate::ToolError::internal
    /// [`ToolError::new`]: crate::ToolError::new
    pub fn show_errors(mut self) -> Self {
        self.shown_errors = ShownErrors::All;
        self
    }

    /// Decides by a function what clients read of an error that a handler returns, whether of
    /// a tool, a prompt or a resource: `Some` of a message, or `None` for no more than a
    /// reference to the server's log, as by default.
    ///
    /// It is asked about errors that were not declared safe to show: neither about those made
    /// by [`ToolError::new`], which are shown, nor by [`ToolError::internal`], which never are.
    /// It replaces [`show_errors`](Self::show_errors), runs on the thread that serves the
    /// request, and must not block. The error has been logged already.
    ///
    /// ```
    /// use mcp_stateless::StatelessSessionManager;
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// #[error("issue {0} is closed")]
    /// struct IssueIsClosed(u32);
    ///
    /// let manager = StatelessSessionManager::builder("tracker", "1.0.0")
    ///     .on_error(|failed| failed.error().downcast_ref::<IssueIsClosed>().map(ToString::to_string))
    ///     .build()?;
    /// # Ok::<(), mcp_stateless::ConfigError>(())
    /// ```
    ///
    /// [`ToolError::internal`]: crate::ToolError::internal
    /// [`ToolError::new`]: crate::ToolError::new
    pub fn on_error(
        mut self,
        show: impl Fn(&FailedCall<'_>) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.shown_errors = ShownErrors::Chosen(Arc::new(show));
        self
    }

    /// Turns errors of one type, which handlers return, into what clients read: in one place, for
    /// tools, prompts, resources, lists and completions alike. A second call with another type adds
    /// to the first; with the same type it replaces it.
    ///
    /// The function returns a [`ToolError`], or what becomes one: [`ToolError::new`] shows its
    /// message, [`ToolError::internal`] masks it, and an
    /// [`RpcError`](crate::protocol::RpcError) is answered as it is. What it returns is logged as if
    /// the handler had returned it. Errors that were declared safe already, or made by
    /// [`ToolError::internal`], do not come here, nor do errors of other types: for those see
    /// [`on_error`](Self::on_error). It must not block.
    ///
    /// ```
    /// use mcp_stateless::{StatelessSessionManager, ToolError};
    ///
    /// #[derive(Debug, thiserror::Error)]
    /// enum TrackerError {
    ///     #[error("there is no issue {0}")]
    ///     NotFound(u32),
    ///     #[error("the database is gone")]
    ///     Database(#[from] std::io::Error),
    /// }
    ///
    /// let manager = StatelessSessionManager::builder("tracker", "1.0.0")
    ///     .map_errors(|error: TrackerError| match error {
    ///         TrackerError::NotFound(_) => ToolError::new(error),
    ///         TrackerError::Database(_) => ToolError::internal(error),
    ///     })
    ///     .build()?;
    /// # Ok::<(), mcp_stateless::ConfigError>(())
    /// ```
    pub fn map_errors<E, T>(mut self, map: impl Fn(E) -> T + Send + Sync + 'static) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
        T: Into<ToolError>,
    {
        self.error_maps.add(map);
        self
    }

    /// Declares no `logging` capability and sends no log messages.
    pub fn without_logging(mut self) -> Self {
        self.logging = false;
        self
    }

    /// How long clients may cache what `server/discover` says; by default not at all.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache_hint = hint;
        self
    }

    /// The most bytes that all bodies being read may hold together; 64 MiB by default, which
    /// is sixteen of the largest. What goes beyond gets 503 with `Retry-After`.
    ///
    /// A body counts with what has arrived of it while more is to come, whatever length it
    /// declares. One that is there at once in one piece, as nearly all are, does not count:
    /// it is served even while slow ones use up the bound. So this is what clients that send
    /// large bodies slowly can make the server hold for the length of the
    /// [`read_timeout`](Self::read_timeout). Raise it where many clients send bodies of
    /// megabytes at the same time.
    pub fn max_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.max_bytes_in_flight = bytes;
        self
    }

    /// How many clients may listen to changes at the same time; 1024 by default. The next
    /// gets 503 with `Retry-After`.
    ///
    /// Callers without a [`Principal`](crate::Principal) cannot be told apart. They are counted
    /// separately, all together, with the same bound, so that they do not lock out the callers
    /// that are known.
    pub fn max_listeners(mut self, listeners: usize) -> Self {
        self.max_listeners = listeners;
        self
    }

    /// How many clients of one [`Principal`](crate::Principal) may listen to changes at the
    /// same time; an eighth of [`max_listeners`](Self::max_listeners) by default, and at
    /// least one. The next gets 429 with `Retry-After`.
    pub fn max_listeners_per_principal(mut self, listeners: usize) -> Self {
        self.max_listeners_per_principal = Some(listeners);
        self
    }

    /// Serves only this era; by default both are, on one endpoint.
    pub fn only(mut self, era: Era) -> Self {
        self.eras = vec![era];
        self
    }

    /// Joins another manager, for a host that presents itself under several names: the two are
    /// shut down together, and count the bytes in flight, the clients that listen and the calls
    /// that wait for an answer together.
    ///
    /// The bounds, the state keys, the answer bus and the answer guard are those of `other`, and
    /// what is set here of them has no effect. Everything else is the new manager's.
    pub fn join(mut self, other: &StatelessSessionManager) -> Self {
        self.joined = Some(other.clone());
        self
    }

    /// Builds the manager.
    ///
    /// # Errors
    /// When a host or an origin cannot be read.
    pub fn build(self) -> Result<StatelessSessionManager, ConfigError> {
        if let Some(unreadable) = self.unreadable {
            return Err(ConfigError::unreadable_origin(&unreadable));
        }
        let joined = self.joined.as_ref().map(StatelessSessionManager::settings);
        let (body_budget, listeners, drain) = if let Some(joined) = joined {
            (Arc::clone(&joined.http.body_budget), joined.listeners.clone(), Arc::clone(&joined.drain))
        } else {
            let each = self.max_listeners_per_principal.unwrap_or((self.max_listeners / 8).max(1));
            let listeners = Places::new(self.max_listeners, each);
            (Arc::new(Budget::new(self.max_bytes_in_flight)), listeners, Arc::default())
        };
        Ok(StatelessSessionManager::new(Settings {
            http: HttpPolicy {
                origin: self.origin_policy,
                accept: self.accept_rule,
                max_body_size: self.max_body_size,
                read_timeout: self.read_timeout,
                body_budget,
            },
            revisions: ServedRevisions::of(&self.eras),
            keep_alive: self.keep_alive,
            tool_time_limit: self.tool_time_limit,
            shown_errors: self.shown_errors,
            error_maps: (!self.error_maps.is_empty()).then(|| Arc::new(self.error_maps)),
            logging: self.logging,
            cache_hint: self.cache_hint,
            listeners,
            drain,
            #[cfg(feature = "ask")]
            ask: self.ask.build(&self.server.name, &self.eras, joined.map(|joined| &joined.ask)),
            instructions: self.instructions,
            capabilities: self.capabilities,
            result_texts: ResultTexts::new(json!(self.server).to_string()),
        }))
    }
}
