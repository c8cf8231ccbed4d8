//! Authorization: checks the tokens of requests in front of each endpoint.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::Response;
use mcp_stateless::auth::ResourceServer;
use mcp_stateless::manager::{Authorize, Body};
use mcp_stateless::{ConfigError, StatelessSessionManager};

use crate::config::Auth;
use crate::servers::Server;

/// The prefix of the metadata's path. The path of the resource follows it.
pub(crate) const METADATA: &str = "/.well-known/oauth-protected-resource";

/// Each endpoint is a separate OAuth resource: all servers at the public URL, and each server below it.
/// A token for the public URL is accepted at every endpoint, others only at the endpoint that they were
/// issued for.
pub(crate) struct Authorization {
    /// The path of the public URL.
    path: String,
    all: Authorize,
    /// The names of the servers, in the order of the configuration.
    each: Vec<(String, Authorize)>,
    /// Whether there is metadata, which needs an authorization server.
    pub(crate) has_metadata: bool,
}

impl Authorization {
    pub(crate) fn new(
        auth: &Auth,
        servers: &[Arc<Server>],
        manager: &StatelessSessionManager,
    ) -> Result<Self, ConfigError> {
        let at = |url: &str| -> Result<Authorize, ConfigError> {
            let server = ResourceServer::new(url, Arc::clone(&auth.verifier))?;
            Ok(manager.authorize(server.scopes(auth.scopes.iter().map(String::as_str))?))
        };
        let base = auth.public_url.trim_end_matches('/');
        let one = |server: &Arc<Server>| Ok((server.name.clone(), at(&format!("{base}/{}", server.name))?));
        let path = base.split_once("://").and_then(|(_, rest)| Some(rest.split_once('/')?.1));
        Ok(Self {
            path: path.map_or_else(String::new, |path| format!("/{path}")),
            all: at(&auth.public_url)?,
            each: servers.iter().map(one).collect::<Result<_, ConfigError>>()?,
            has_metadata: !auth.verifier.issuers().is_empty(),
        })
    }

    /// Checks the token of a request to one server, or to all. Returns the request with its caller, and
    /// without the token.
    ///
    /// # Errors
    /// Returns the response that refuses the request.
    pub(crate) async fn check(
        &self,
        server: Option<usize>,
        request: Request,
    ) -> Result<Request, Response<Body>> {
        let authorize = server.and_then(|index| self.each.get(index)).map_or(&self.all, |(_, one)| one);
        authorize.check(request).await
    }

    /// Answers a request for the metadata of a resource.
    ///
    /// # Errors
    /// Returns an error if there is no such resource, and the request has a valid token.
    pub(crate) async fn metadata(&self, request: Request) -> Result<Response<Body>, Request> {
        let resource = request.uri().path().strip_prefix(METADATA).unwrap_or_default();
        let name = resource.strip_prefix(&self.path).and_then(|rest| rest.strip_prefix('/'));
        let index = name.and_then(|name| self.each.iter().position(|(other, _)| other == name));
        match self.check(index, request).await {
            Ok(request) => Err(request),
            Err(response) => Ok(response),
        }
    }
}
