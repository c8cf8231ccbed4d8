//! The settings of an upstream.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri};
use mcp_stateless::Principal;
use mcp_stateless::protocol::Era;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncWrite};

use super::error::UpstreamError;
use super::observer::UpstreamObserver;
use super::registry::Upstream;
use super::settings::{Endpoint, Program, Settings, Target};
use super::transport::{Connections, connections};

/// Builds an [`Upstream`]; created by [`Upstream::stdio`], [`Upstream::http`] and [`Upstream::io`].
#[must_use]
pub struct UpstreamBuilder {
    settings: Settings,
    /// The first fault.
    fault: Option<String>,
}

impl fmt::Debug for UpstreamBuilder {
    // Not shown: environments and headers hold secrets.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("UpstreamBuilder").field("name", &self.settings.name).finish_non_exhaustive()
    }
}

impl Upstream {
    /// Creates an upstream that is a program, started for each caller and reached over its standard
    /// input and output.
    ///
    /// The program inherits only those variables of the host's environment that it needs to find
    /// programs and the user's files: on Unix `HOME`, `LANG`, `LC_*`, `LOGNAME`, `PATH`, `SHELL`,
    /// `TERM`, `TMPDIR`, `TZ` and `USER`, and their equivalents on Windows. Add others with
    /// [`env`](UpstreamBuilder::env) and [`inherit_env`](UpstreamBuilder::inherit_env).
    pub fn stdio(command: impl Into<OsString>) -> UpstreamBuilder {
        let (args, env, inherit) = Default::default();
        let program = Program { command: command.into(), args, env, inherit, dir: None };
        UpstreamBuilder::new(Target::Stdio(program))
    }

    /// Creates an upstream at a URL, reached over Streamable HTTP.
    ///
    /// Redirections with 307 and 308 to the same origin are followed and remembered for the
    /// session; others are errors.
    pub fn http(url: impl Into<String>) -> UpstreamBuilder {
        let url = url.into();
        let uri = url.parse().unwrap_or_default();
        let (headers, forwarded, roots) = Default::default();
        UpstreamBuilder::new(Target::Http(Endpoint { url, uri, headers, forwarded, roots }))
    }

    /// Creates an upstream at the other end of a pair of streams, with one JSON-RPC message per
    /// line as over standard input and output. Use it for a server within this process, or one that
    /// the host starts or connects to itself.
    ///
    /// There is one session, which all callers share. Its era is that of the first caller. It is
    /// not reopened when it ends.
    ///
    /// ```
    /// use mcp_stateless_upstream::Upstream;
    ///
    /// let (ours, theirs) = tokio::io::duplex(64 * 1024);
    /// let (reader, writer) = tokio::io::split(ours);
    /// let upstream = Upstream::io(reader, writer).name("embedded").build()?;
    /// # drop(theirs);
    /// # Ok::<(), mcp_stateless_upstream::UpstreamError>(())
    /// ```
    pub fn io(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> UpstreamBuilder {
        UpstreamBuilder::new(Target::Streams(Mutex::new(Some((Box::new(reader), Box::new(writer))))))
    }
}

impl UpstreamBuilder {
    fn new(target: Target) -> Self {
        let name = match &target {
            Target::Stdio(program) => program.command.to_string_lossy().into(),
            Target::Http(endpoint) => Arc::from(endpoint.url.split('?').next().unwrap_or_default()),
            Target::Streams(_) => Arc::from("streams"),
        };
        let settings = Settings {
            name,
            target,
            era: None,
            credential: Box::new(|head| head.extensions.get::<Principal>().map(ToString::to_string)),
            max_sessions: 100,
            idle_timeout: Duration::from_secs(600),
            open_timeout: Duration::from_secs(30),
            call_timeout: None,
            client_info: client_info(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")),
            observer: None,
        };
        Self { settings, fault: None }
    }

    /// Sets the label of the upstream in logs and in errors, which clients may see. Defaults to the
    /// command, or the URL without its query.
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Adds an argument of the command.
    pub fn arg(self, arg: impl Into<OsString>) -> Self {
        self.args([arg])
    }

    /// Adds arguments of the command.
    pub fn args(mut self, more: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        match &mut self.settings.target {
            Target::Stdio(program) => program.args.extend(more.into_iter().map(Into::into)),
            _ => self.misplaced("arguments are for upstreams over stdio"),
        }
        self
    }

    /// Sets a variable of the command's environment, in addition to those that it
    /// [inherits](Upstream::stdio).
    pub fn env(mut self, key: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        match &mut self.settings.target {
            Target::Stdio(program) => program.env.push((key.into(), value.into())),
            _ => self.misplaced("an environment is for upstreams over stdio"),
        }
        self
    }

    /// Passes variables of the host's environment to the command, by name, in addition to those
    /// that every command [inherits](Upstream::stdio). Names that are not set are skipped.
    pub fn inherit_env(mut self, names: impl IntoIterator<Item = impl Into<OsString>>) -> Self {
        match &mut self.settings.target {
            Target::Stdio(program) => program.inherit.extend(names.into_iter().map(Into::into)),
            _ => self.misplaced("an environment is for upstreams over stdio"),
        }
        self
    }

    /// Sets the command's working directory. Defaults to the host's.
    pub fn current_dir(mut self, path: impl Into<PathBuf>) -> Self {
        match &mut self.settings.target {
            Target::Stdio(program) => program.dir = Some(path.into()),
            _ => self.misplaced("a directory is for upstreams over stdio"),
        }
        self
    }

    /// Adds a header to every request, for every caller.
    pub fn header(mut self, name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        let parsed = HeaderName::try_from(name.as_ref()).ok().zip(HeaderValue::try_from(value.as_ref()).ok());
        match (&mut self.settings.target, parsed) {
            (Target::Http(_), Some((name, _))) if is_reserved(&name) => {
                self.misplaced(&format!("the header {name} is the protocol's own"));
            }
            (Target::Http(endpoint), Some((name, mut value))) => {
                value.set_sensitive(true);
                endpoint.headers.append(name, value);
            }
            (Target::Http(_), None) => {
                self.misplaced(&format!("the header {:?} or its value is not valid", name.as_ref()));
            }
            _ => self.misplaced("headers are for upstreams over HTTP"),
        }
        self
    }

    /// Forwards a header of the caller; by default none. If `Authorization` or `Cookie` are
    /// forwarded, callers whose values differ do not share a session. Neither do callers without a
    /// [`credential`](Self::credential) whose other forwarded headers differ.
    pub fn forward_header(mut self, name: HeaderName) -> Self {
        match &mut self.settings.target {
            Target::Http(_) if is_reserved(&name) => {
                self.misplaced(&format!("the header {name} is not the caller's to choose"));
            }
            Target::Http(endpoint) => endpoint.forwarded.push(name),
            _ => self.misplaced("headers are for upstreams over HTTP"),
        }
        self
    }

    /// Trusts the certificates in a PEM file in addition to the system's, for this upstream only,
    /// for example those of a private authority.
    pub fn add_root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        match &mut self.settings.target {
            Target::Http(endpoint) => endpoint.roots.push(pem.into()),
            _ => self.misplaced("certificates are for upstreams over HTTP"),
        }
        self
    }

    /// Always uses this era with the upstream.
    ///
    /// By default, the era of each client is used if the upstream supports it, so that clients can
    /// do everything they could do directly. Otherwise the other era is used, and questions are
    /// translated. A caller then has up to two sessions. The first sessions show which eras the
    /// upstream supports. An upstream over HTTP without sessions is used in the modern era if
    /// possible, because without a session only that era lets it ask.
    pub fn era(mut self, era: impl Into<Option<Era>>) -> Self {
        self.settings.era = era.into();
        self
    }

    /// Sets how callers are distinguished: calls with the same key share a session, and calls without
    /// a key count as one caller, unless their forwarded headers differ. Defaults to the request's
    /// [`Principal`](mcp_stateless::Principal).
    ///
    /// Over stdio, a question from the upstream does not name its call. It goes to the only call of
    /// the session, or to the latest of several. Callers with separate keys never receive each
    /// other's questions, and are not affected if a server fails while serving another.
    pub fn credential(mut self, key: impl Fn(&Parts) -> Option<String> + Send + Sync + 'static) -> Self {
        self.settings.credential = Box::new(key);
        self
    }

    /// Sets how many sessions or children may be open at the same time; 100 by default. When the limit is
    /// reached, the session that was idle the longest is closed.
    pub fn max_sessions(mut self, sessions: usize) -> Self {
        self.settings.max_sessions = sessions;
        self
    }

    /// Sets how long an unused session stays open; 10 minutes by default.
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.settings.idle_timeout = timeout;
        self
    }

    /// Sets how long opening a session may take; 30 seconds by default.
    pub fn open_timeout(mut self, timeout: Duration) -> Self {
        self.settings.open_timeout = timeout;
        self
    }

    /// Sets how long the upstream may take for one call. By default only the manager's
    /// [`tool_time_limit`](mcp_stateless::manager::ManagerBuilder::tool_time_limit) applies.
    pub fn call_timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.settings.call_timeout = timeout.into();
        self
    }

    /// Sets the client name and version that the upstream receives. Defaults to
    /// those of this crate.
    pub fn client_info(mut self, name: &str, version: &str) -> Self {
        self.settings.client_info = client_info(name, version);
        self
    }

    /// Sets an observer, for metrics; by default there is none.
    pub fn observer(mut self, observer: impl UpstreamObserver) -> Self {
        self.settings.observer = Some(Arc::new(observer));
        self
    }

    /// Builds the upstream. Nothing is started or sent before the first call.
    ///
    /// # Errors
    /// Returns an error if a setting is not valid or does not apply to the transport. The error names the
    /// first one.
    pub fn build(self) -> Result<Upstream, UpstreamError> {
        let Self { mut settings, mut fault } = self;
        if settings.max_sessions == 0 {
            fault.get_or_insert_with(|| "an upstream needs at least one session".to_owned());
        }
        if settings.target.is_single() {
            settings.max_sessions = 1;
        }
        let mut made = None;
        if let Target::Http(endpoint) = &settings.target {
            match connect(endpoint) {
                Ok(connections) => made = Some(connections),
                Err(error) => {
                    fault.get_or_insert(error);
                }
            }
        }
        match fault {
            None => Ok(Upstream::new(settings, made)),
            Some(fault) => Err(UpstreamError::Config { upstream: settings.name.to_string(), fault }),
        }
    }

    fn misplaced(&mut self, fault: &str) {
        self.fault.get_or_insert_with(|| fault.to_owned());
    }
}

/// Whether a header belongs to the protocol or to the connection.
fn is_reserved(name: &HeaderName) -> bool {
    let name = name.as_str();
    let of_message = [
        "accept",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "last-event-id",
        "origin",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ];
    of_message.contains(&name) || name.starts_with("mcp-")
}

fn client_info(name: &str, version: &str) -> String {
    json!({"name": name, "version": version}).to_string()
}

fn connect(endpoint: &Endpoint) -> Result<Connections, String> {
    let uri: &Uri = &endpoint.uri;
    if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
        return Err("its URL is not a valid one of http:// or https://".to_owned());
    }
    connections(endpoint).map_err(|error| error.to_string())
}
