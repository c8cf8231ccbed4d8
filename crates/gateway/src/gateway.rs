//! Routes paths to servers.

use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, Once, PoisonError};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode};
use axum::routing::any;
use mcp_stateless::manager::{Body, Refusal};
use mcp_stateless::{Catalog, Registry, RegistryError, StatelessSessionManager};

use crate::authorization::{Authorization, METADATA};
use crate::callers::Callers;
use crate::config::Settings;
use crate::error::Kind;
use crate::managers::{Identity, Managers};
use crate::options::Options;
use crate::plain::Plain;
use crate::servers::Server;
use crate::text::shown;

const ROOT: &str = "/mcp";
/// Selects servers by name, separated by commas, like the proxy of `LiteLLM`.
const SERVERS_HEADER: &str = "x-mcp-servers";
/// How long a list may take if no client waits for it.
const WARM_UP_LIMIT: Duration = Duration::from_secs(2);
/// How many selections of several servers are cached.
const MOST_CHOICES: usize = 64;

/// Serves all servers at `/mcp`, and each one below it, where the gateway is invisible.
pub(crate) struct Gateway {
    servers: Vec<Arc<Server>>,
    all: Catalog,
    /// By the indices of the servers, the oldest first.
    choices: Mutex<Vec<(Vec<usize>, Catalog)>>,
    managers: Managers,
    callers: Callers,
    /// Present if callers need a token.
    authorization: Option<Authorization>,
    /// Done once a refused host or origin was logged.
    refused: Once,
}

/// The registry and the manager for a request.
type Chosen = (Identity, Result<Arc<dyn Registry>, Refusal>);

impl Gateway {
    pub(crate) fn new(
        servers: &[Arc<Server>],
        options: &Options,
        settings: &Settings,
        managers: Managers,
    ) -> Result<Self, Kind> {
        let authorize = |auth| Authorization::new(auth, servers, managers.first());
        Ok(Self {
            servers: servers.to_vec(),
            all: joined(servers)?,
            choices: Mutex::default(),
            authorization: settings.auth.as_ref().map(authorize).transpose()?,
            managers,
            callers: Callers::new(options.caller_header.clone()),
            refused: Once::new(),
        })
    }

    /// Each path may end with a slash. Web pages of the origins that are served may call, so that
    /// clients within a browser work.
    pub(crate) fn router(self: &Arc<Self>) -> axum::Router {
        let paths = ["", "/", "/{server}", "/{server}/"].map(|path| format!("{ROOT}{path}"));
        let answer =
            |State(gateway): State<Arc<Self>>, request: Request| async move { gateway.answer(request).await };
        let mut routes =
            paths.iter().fold(axum::Router::new(), |router, path| router.route(path, any(answer)));
        if self.authorization.as_ref().is_some_and(|authorization| authorization.has_metadata) {
            let tell = |State(gateway): State<Arc<Self>>, request: Request| async move {
                gateway.tell_metadata(request).await
            };
            for path in ["", "/", "/{*resource}"] {
                routes = routes.route(&format!("{METADATA}{path}"), any(tell));
            }
        }
        routes.layer(self.managers.first().cors()).with_state(Arc::clone(self))
    }

    /// Returns the manager that shuts down all others.
    pub(crate) fn manager(&self) -> &StatelessSessionManager {
        self.managers.first()
    }

    async fn answer(&self, mut request: Request) -> Response<Body> {
        if let Some(authorization) = &self.authorization {
            let server = self.find(name_in(request.uri().path()));
            match authorization.check(server, request).await {
                Ok(checked) => request = checked,
                Err(response) => return response,
            }
        } else if let Some(caller) = self.callers.of(request.headers()) {
            request.extensions_mut().insert(caller);
        }
        let (identity, registry) = self.choose(request.uri().path(), request.headers()).await;
        let named = [HOST, ORIGIN].map(|name| request.headers().get(name).cloned());
        match self.managers.get(&identity) {
            Ok(manager) => {
                let response = manager.handle_with(request, |_| ready(registry)).await;
                if response.status() == StatusCode::FORBIDDEN {
                    self.explain_refusal(named);
                }
                response
            }
            Err(error) => {
                // All managers have the same settings as the first, which was valid.
                tracing::error!(%error, "cannot create a manager");
                empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }

    /// Logs once which options accept a host or an origin that was refused. Anyone can send such
    /// requests, so later ones are not logged.
    fn explain_refusal(&self, [host, origin]: [Option<HeaderValue>; 2]) {
        self.refused.call_once(|| {
            let text = |value: HeaderValue| shown(&String::from_utf8_lossy(value.as_bytes())).chars().take(256).collect();
            let [host, origin]: [Option<String>; 2] = [host.map(text), origin.map(text)];
            tracing::warn!(
                host,
                origin,
                "a request was refused because of its Host or Origin; --allow-host and --allow-origin accept others"
            );
        });
    }

    /// Answers a request for the metadata of an endpoint.
    async fn tell_metadata(&self, request: Request) -> Response<Body> {
        let Some(authorization) = &self.authorization else { return empty(StatusCode::NOT_FOUND) };
        authorization.metadata(request).await.unwrap_or_else(|_| empty(StatusCode::NOT_FOUND))
    }

    async fn choose(&self, path: &str, headers: &HeaderMap) -> Chosen {
        let refuse = |status, why: String| (Identity::of_all(&self.servers), Err(Refusal::new(status, why)));
        match name_in(path) {
            "" => match self.named(headers) {
                Ok(None) => (Identity::of_all(&self.servers), Ok(Arc::new(self.all.clone()))),
                Ok(Some(chosen)) => self.some(chosen).await,
                Err(why) => refuse(StatusCode::BAD_REQUEST, why),
            },
            name => match self.find(name) {
                Some(index) => {
                    let server = &self.servers[index];
                    (Identity::of(server), Ok(Arc::clone(&server.registry)))
                }
                None => refuse(StatusCode::NOT_FOUND, self.unknown(name)),
            },
        }
    }

    fn choices(&self) -> MutexGuard<'_, Vec<(Vec<usize>, Catalog)>> {
        self.choices.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Requests all lists once, without a caller, so that they can replace those of callers whose
    /// sessions are not open yet.
    pub(crate) async fn warm_up(&self) {
        self.warm(&self.all).await;
    }

    async fn warm(&self, catalog: &Catalog) {
        let Ok(manager) = self.managers.get(&Identity::of_all(&self.servers)) else { return };
        let list = async |method: &str| {
            let message = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}"}}"#);
            let request = axum::http::Request::post(ROOT)
                .header("host", "localhost")
                .header("content-type", "application/json")
                .body(axum::body::Body::from(message));
            if let Ok(request) = request {
                // Later lists arrive on their own.
                let _ = tokio::time::timeout(WARM_UP_LIMIT, manager.handle(request, catalog)).await;
            }
        };
        tokio::join!(
            list("tools/list"),
            list("prompts/list"),
            list("resources/list"),
            list("resources/templates/list")
        );
    }

    /// Returns the servers that a header selects, in the order of the configuration.
    fn named(&self, headers: &HeaderMap) -> Result<Option<Vec<usize>>, String> {
        let mut chosen = Vec::new();
        for value in headers.get_all(SERVERS_HEADER) {
            let value = value.to_str().map_err(|_| format!("{SERVERS_HEADER} is not readable"))?;
            for name in value.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                chosen.push(self.find(name).ok_or_else(|| self.unknown(name))?);
            }
        }
        chosen.sort_unstable();
        chosen.dedup();
        Ok((!chosen.is_empty()).then_some(chosen))
    }

    /// Finds a server by its exact name, otherwise ignoring case.
    fn find(&self, name: &str) -> Option<usize> {
        let position = |is: &dyn Fn(&str) -> bool| self.servers.iter().position(|server| is(&server.name));
        position(&|other| other == name).or_else(|| position(&|other| other.eq_ignore_ascii_case(name)))
    }

    fn unknown(&self, name: &str) -> String {
        let names: Vec<_> = self.servers.iter().map(|server| server.name.as_str()).collect();
        format!("there is no server {name:?}; available: {}", names.join(", "))
    }

    /// Returns the registry of one server, with plain names as well, or of several.
    async fn some(&self, chosen: Vec<usize>) -> Chosen {
        if let [index] = chosen[..] {
            let server = &self.servers[index];
            let prefix = format!("{}-", server.name);
            let registry = Plain { prefix, registry: Arc::clone(&server.registry) };
            return (Identity::of(server), Ok(Arc::new(registry)));
        }
        let servers: Vec<_> = chosen.iter().map(|index| Arc::clone(&self.servers[*index])).collect();
        let known =
            self.choices().iter().find(|(other, _)| *other == chosen).map(|(_, catalog)| catalog.clone());
        let catalog = match (known, joined(&servers)) {
            (Some(catalog), _) => Ok(catalog),
            (None, Ok(catalog)) => {
                self.warm(&catalog).await;
                let mut choices = self.choices();
                if choices.len() == MOST_CHOICES {
                    choices.remove(0);
                }
                choices.push((chosen, catalog.clone()));
                Ok(catalog)
            }
            (None, error) => error,
        };
        let registry = catalog.map(|catalog| -> Arc<dyn Registry> { Arc::new(catalog) });
        let refuse =
            |error: RegistryError| Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, error.to_string());
        (Identity::of_all(&servers), registry.map_err(refuse))
    }
}

/// Returns the name of the server in a path; empty for all servers.
fn name_in(path: &str) -> &str {
    path.strip_prefix(ROOT).unwrap_or(path).trim_matches('/')
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::default());
    *response.status_mut() = status;
    response
}

/// Joins servers in order, each with its name as the prefix. All callers share their lists.
fn joined(servers: &[Arc<Server>]) -> Result<Catalog, RegistryError> {
    let add = |all: mcp_stateless::registry::CatalogBuilder, server: &Arc<Server>| {
        all.add_prefixed(&server.name, Arc::clone(&server.registry))
    };
    servers.iter().fold(Catalog::builder().share_lists(), add).build()
}
