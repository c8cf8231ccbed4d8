//! The builder of a manager.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::bounds::{Bounds, SharedBounds};
use super::handle::StatelessSessionManager;
use crate::call::{ErrorMaps, FailedCall, ResultTexts, ShownErrors, ToolError};
use crate::error::ConfigError;
use crate::http::origin::{AllowedHost, AllowedOrigin, Hosts, OriginPolicy, Origins};
use crate::http::{AcceptRule, HttpPolicy};
use crate::observe::{ObserveSettings, Observer};
use crate::protocol::{CacheHint, Era, Icon, Implementation, OwnCapabilities, ServedRevisions};
use crate::settings::Settings;

/// A builder of a [`StatelessSessionManager`]. Created by [`StatelessSessionManager::builder`].
///
/// The defaults are safe on a developer's machine: only requests to and from loopback names are
/// served.
#[derive(Clone, Debug)]
#[must_use]
pub struct ManagerBuilder {
    server: Implementation,
    instructions: Option<String>,
    capabilities: OwnCapabilities,
    origin_policy: OriginPolicy,
    /// The first host or origin that could not be parsed.
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
    pub(super) bounds: Bounds,
    #[cfg(feature = "ask")]
    pub(crate) ask: crate::ask::AskBuilder,
    observe: ObserveSettings,
    #[cfg(feature = "tasks")]
    pub(crate) tasks: Option<crate::task::Tasks>,
    eras: Vec<Era>,
    joined: Option<StatelessSessionManager>,
}

impl StatelessSessionManager {
    /// Creates a builder for a server with this name and version.
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
            bounds: Bounds::default(),
            #[cfg(feature = "ask")]
            ask: crate::ask::AskBuilder::default(),
            observe: ObserveSettings::default(),
            #[cfg(feature = "tasks")]
            tasks: None,
            eras: vec![Era::Modern, Era::Legacy],
            joined: None,
        }
    }

    /// Sets the server's display name.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.server.title = Some(title.into());
        self
    }

    /// Sets a description of the server, to show to users.
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.server.description = Some(description.into());
        self
    }

    /// Sets the URL of the server's web site.
    pub fn website_url(mut self, url: impl Into<String>) -> Self {
        self.server.website_url = Some(url.into());
        self
    }

    /// Adds an icon for the server.
    pub fn icon(mut self, icon: Icon) -> Self {
        self.server.icons.push(icon);
        self
    }

    /// Sets instructions for the model that uses the server. They are part of the results of
    /// `initialize` and `server/discover`.
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

    /// Sets the hosts that are served, instead of only loopback names. An entry is `host`, which
    /// matches any port, or `host:port`. A request without a port has the default one, 443 or 80.
    /// Requests to other hosts get 403. Web pages of a served host may call it; for other pages see
    /// [`allowed_origins`](Self::allowed_origins). A second call replaces the first.
    ///
    /// Write `https://host` or `https://host:port` if the pages of the host are served over TLS.
    /// Pages of the same host that were loaded over plain HTTP, and may have been tampered with,
    /// are then refused. The scheme comes from the page's `Origin`, so this works behind a proxy
    /// that terminates TLS. It has no effect on clients that send no `Origin`: the proxy must
    /// refuse plain HTTP. Without a scheme, pages of both schemes are served.
    ///
    /// The checks of `Host` and `Origin` protect against DNS rebinding, which lets a web page reach
    /// servers on the network of its user.
    pub fn allowed_hosts<S: AsRef<str>>(mut self, hosts: impl IntoIterator<Item = S>) -> Self {
        self.origin_policy.hosts = Hosts::Only(self.parse_all(hosts, AllowedHost::parse));
        self
    }

    /// Serves requests with any `Host`, or with none.
    ///
    /// Use this if a proxy has checked the host, or if every request is authenticated. On a
    /// developer's machine it lets any web page call the tools.
    pub fn any_host(mut self) -> Self {
        self.origin_policy.hosts = Hosts::Any;
        self
    }

    /// Serves requests from web pages of these origins, such as `https://app.example.com`, in
    /// addition to pages of the same host. (While only loopback hosts are served, pages of all
    /// loopback origins are.) A second call replaces the first.
    pub fn allowed_origins<S: AsRef<str>>(mut self, origins: impl IntoIterator<Item = S>) -> Self {
        self.origin_policy.origins = Origins::Only(self.parse_all(origins, AllowedOrigin::parse));
        self
    }

    /// Parses the entries, and keeps the first invalid one for `build` to report.
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

    /// Serves requests from web pages of any origin. Use this for a public server, whose tools
    /// everyone may call.
    pub fn any_origin(mut self) -> Self {
        self.origin_policy.origins = Origins::Any;
        self
    }

    /// Sets which types `Accept` must list; [`AcceptRule::Either`] by default. Other requests get
    /// 406.
    pub fn accept_rule(mut self, rule: AcceptRule) -> Self {
        self.accept_rule = rule;
        self
    }

    /// Sets the maximum size of a request's body, in bytes; 4 MiB by default. Larger ones get 413.
    pub fn max_body_size(mut self, bytes: usize) -> Self {
        self.max_body_size = bytes;
        self
    }

    /// Sets how long a request's body may take to arrive; 30 s by default. Slower ones get 408.
    pub fn read_timeout(mut self, timeout: Duration) -> Self {
        self.read_timeout = timeout;
        self
    }

    /// Sets how long a stream may be idle before a comment is sent to keep it alive; 15 s by
    /// default. `Duration::MAX` disables the comments.
    pub fn keep_alive(mut self, interval: Duration) -> Self {
        self.keep_alive = interval;
        self
    }

    /// Sets the time limit of tools that do not set their own; 5 minutes by default. `None` sets no
    /// limit. The limit does not end a tool whose client stops reading its notifications: the
    /// server must close such connections, see [`handle`](StatelessSessionManager::handle).
    pub fn tool_time_limit(mut self, limit: Option<Duration>) -> Self {
        self.tool_time_limit = limit;
        self
    }

    /// Shows clients the message of every error that a handler returns, except of those made by
    /// [`ToolError::internal`].
    ///
    /// By default clients see only errors that [`ToolError::new`] declares safe to show; other
    /// errors are replaced by a reference to the server's log. Messages of libraries may contain
    /// file names, hosts and even passwords, and a model may pass on what it reads. Use this for
    /// development, and for servers whose clients are as trusted as the server itself. It replaces
    /// [`on_error`](Self::on_error). The sources of errors are never shown.
    ///
    /// [`ToolError::internal`]: crate::ToolError::internal
    /// [`ToolError::new`]: crate::ToolError::new
    pub fn show_errors(mut self) -> Self {
        self.shown_errors = ShownErrors::All;
        self
    }

    /// Sets a function that decides what clients see of an error that a handler returns: `Some` of
    /// a message, or `None` for a reference to the server's log, which is the default.
    ///
    /// The function gets only errors that were not declared: those created by [`ToolError::new`]
    /// are always shown, and those created by [`ToolError::internal`] never. The error has already
    /// been logged. The function runs on the thread that serves the request, and must not block. It
    /// replaces [`show_errors`](Self::show_errors).
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

    /// Maps errors of one type, returned by handlers of tools, prompts, resources, lists or
    /// completions. Can be called once for each type; a second call with the same type replaces the
    /// first.
    ///
    /// The function returns a [`ToolError`], or a type that converts into one: the message of
    /// [`ToolError::new`] is shown, that of [`ToolError::internal`] is masked, and an
    /// [`RpcError`](crate::protocol::RpcError) is sent verbatim. The returned error is logged as if
    /// the handler had returned it. The function does not get errors that the handler itself
    /// created with [`ToolError::new`] or [`ToolError::internal`]. It must not block. For errors of
    /// other types see [`on_error`](Self::on_error).
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

    /// Sets an observer, for metrics; by default there is none. A second call replaces the first.
    ///
    /// Spans and logs need no setting: they go to the subscriber of `tracing`. See the guide
    /// "Observing".
    pub fn observer(mut self, observer: impl Observer) -> Self {
        self.observe.observer = Some(Arc::new(observer));
        self
    }

    /// Sets how the traces of other processes are continued. By default they are not continued.
    #[cfg(feature = "otel")]
    pub fn propagation(mut self, propagation: impl crate::observe::Propagation) -> Self {
        self.observe.propagation = Some(Arc::new(propagation));
        self
    }

    /// Disables log messages to clients, and does not declare the `logging` capability.
    pub fn without_logging(mut self) -> Self {
        self.logging = false;
        self
    }

    /// Sets how long clients may cache the result of `server/discover`; not at all by default.
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache_hint = hint;
        self
    }

    /// Serves only this era. By default both are served, on one endpoint.
    pub fn only(mut self, era: Era) -> Self {
        self.eras = vec![era];
        self
    }

    /// Joins the new manager to another one, for a host that serves several names. Both are shut
    /// down together, and share the limits on bytes in flight, calls in flight, listening clients, and
    /// calls that wait for answers.
    ///
    /// The limits, including that of running tasks, the state keys, the answer bus and the answer guard are
    /// those of `other`; setting them here has no effect. All other settings are the new manager's.
    pub fn join(mut self, other: &StatelessSessionManager) -> Self {
        self.joined = Some(other.clone());
        self
    }

    /// Builds the manager.
    ///
    /// # Errors
    /// Returns an error if a host or an origin cannot be parsed, or if tasks are in a shared store but
    /// [`state_keys`](Self::state_keys) is not set.
    #[cfg_attr(not(feature = "tasks"), expect(unused_mut, reason = "nothing is declared by itself"))]
    pub fn build(mut self) -> Result<StatelessSessionManager, ConfigError> {
        if let Some(unreadable) = self.unreadable {
            return Err(ConfigError::unreadable_origin(&unreadable));
        }
        let joined = self.joined.as_ref().map(StatelessSessionManager::settings);
        let SharedBounds { body_budget, listeners, calls } = match joined {
            Some(joined) => SharedBounds::of(joined),
            None => self.bounds.build(),
        };
        let drain = joined.map_or_else(Arc::default, |joined| Arc::clone(&joined.drain));
        #[cfg(feature = "tasks")]
        let tasks = match self.tasks.take().filter(|_| self.eras.contains(&Era::Modern)) {
            None => None,
            Some(tasks) => {
                let has_keys = self.ask.sealer.is_some() || joined.is_some();
                let shared = joined.and_then(|joined| joined.tasks.as_ref());
                let name = crate::protocol::TASKS_EXTENSION.to_owned();
                self.capabilities.extensions.insert(name, Value::Object(Map::new()));
                Some(tasks.build(has_keys, shared)?)
            }
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
            calls,
            drain,
            observe: self.observe,
            #[cfg(feature = "ask")]
            ask: self.ask.build(&self.server.name, &self.eras, joined.map(|joined| &joined.ask)),
            #[cfg(feature = "tasks")]
            tasks,
            instructions: self.instructions,
            capabilities: self.capabilities,
            result_texts: ResultTexts::new(json!(self.server).to_string()),
        }))
    }
}
