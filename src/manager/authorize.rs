//! A resource server in front of a manager: as a function and as a service.

use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::handle::StatelessSessionManager;
use crate::auth::{DPOP_NONCE, Denial, ResourceServer};
use crate::http::{Fields, retry_after};
use crate::reply::{Body, with_status};
use crate::request::{Refusal, Rejection};

/// How long clients may cache the metadata.
const METADATA_CACHE: HeaderValue = HeaderValue::from_static("max-age=300");

/// Admits only requests with a valid access token. Created by
/// [`StatelessSessionManager::authorize`](crate::StatelessSessionManager::authorize).
///
/// [`wrap`](Self::wrap) puts it around a service. It is also a `tower_layer::Layer` (feature
/// `tower`). A host without services calls [`check`](Self::check) before
/// [`handle`](crate::StatelessSessionManager::handle).
///
/// For each request, in this order:
///
/// 1. Checks `Host` and `Origin` like the manager (403).
/// 2. Responds to a GET of `/.well-known/oauth-protected-resource`, with or without the path of the
///    resource's URL after it, with the resource's metadata (RFC 9728). This needs no token. Route
///    these paths to the service.
/// 3. Reads the token from `Authorization` and verifies it (400, 401, 503), and checks the scopes
///    that every request needs (403).
/// 4. Removes `Authorization`, adds a [`Principal`](crate::Principal) and an
///    [`Access`](crate::auth::Access) to the request's extensions, and passes the request on.
///
/// The body is not read. Wrap the result in [`Cors`](super::Cors), because preflights have no token.
#[derive(Clone, Debug)]
pub struct Authorize {
    manager: StatelessSessionManager,
    server: Arc<ResourceServer>,
    metadata: Option<Bytes>,
}

impl StatelessSessionManager {
    /// Puts a resource server in front of this manager.
    pub fn authorize(&self, server: ResourceServer) -> Authorize {
        let metadata = server.metadata().map(Bytes::from);
        Authorize { manager: self.clone(), server: Arc::new(server), metadata }
    }
}

impl Authorize {
    /// Checks the head of a request, and returns the request with its caller in the extensions.
    ///
    /// ```
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use mcp_stateless::manager::{Authorize, Body};
    /// use mcp_stateless::{StatelessSessionManager, ToolRegistry};
    ///
    /// async fn serve(
    ///     authorize: &Authorize,
    ///     manager: &StatelessSessionManager,
    ///     tools: &ToolRegistry,
    ///     request: Request<String>,
    /// ) -> Response<Body> {
    ///     match authorize.check(request).await {
    ///         Ok(request) => manager.handle(request, tools).await,
    ///         Err(response) => response,
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// Returns the final response of the request: the resource's metadata or a refusal.
    pub async fn check<B>(&self, request: Request<B>) -> Result<Request<B>, Response<Body>> {
        let (mut head, body) = request.into_parts();
        if let Err(fault) = self.manager.settings().http.origin.check(&head, &Fields::read(&head.headers)) {
            return Err(self.manager.refuse(fault.into(), head));
        }
        if let Some(metadata) = &self.metadata
            && self.server.has_metadata_at(&head.uri)
        {
            return Err(respond_metadata(metadata, &head));
        }
        match self.server.authorize(&mut head).await {
            Ok(()) => Ok(Request::from_parts(head, body)),
            Err(denial) => Err(self.manager.refuse(denial.into(), head)),
        }
    }
}

impl From<Denial> for Rejection {
    fn from(denial: Denial) -> Self {
        let mut refusal = Refusal::new(denial.status, denial.message);
        for challenge in denial.challenges {
            refusal = refusal.header(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(nonce) = denial.nonce {
            refusal = refusal.header(DPOP_NONCE, nonce);
        }
        if denial.status == StatusCode::SERVICE_UNAVAILABLE {
            for (name, value) in retry_after("5") {
                refusal = name.into_iter().fold(refusal, |refusal, name| refusal.header(name, value.clone()));
            }
        }
        Self::Refused(Box::new(refusal))
    }
}

fn respond_metadata(metadata: &Bytes, head: &Parts) -> Response<Body> {
    let body = match head.method {
        Method::GET => Body::full(metadata.clone()),
        Method::HEAD => Body::default(),
        _ => {
            let mut response = with_status(StatusCode::METHOD_NOT_ALLOWED, Body::default());
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
    };
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, METADATA_CACHE);
    response
}
