//! Cross-origin resource sharing (CORS).

use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};

use super::handle::StatelessSessionManager;
use crate::http::Fields;
use crate::reply::with_status;

/// Cross-origin resource sharing for an MCP endpoint. It allows the origins that the manager
/// serves. Created by [`StatelessSessionManager::cors`](crate::StatelessSessionManager::cors).
///
/// It must wrap the host's authentication, because preflights have no credentials. It is a
/// `tower_layer::Layer` (feature `tower`): in axum, add it after the authentication layer. `Cors::wrap`
/// wraps any service. A host without services calls [`preflight`](Self::preflight) first, and
/// [`CorsGrant::apply`] on the response.
///
/// Cookies are never allowed. A page has to send its token in `Authorization`.
#[derive(Clone, Debug)]
pub struct Cors {
    manager: StatelessSessionManager,
}

/// The CORS headers of a response. Created by [`Cors::grant`].
#[derive(Clone, Debug)]
pub struct CorsGrant {
    origin: Option<HeaderValue>,
}

impl StatelessSessionManager {
    /// Returns cross-origin resource sharing for the origins that this manager serves.
    pub fn cors(&self) -> Cors {
        Cors::new(self.clone())
    }
}

impl Cors {
    pub(crate) fn new(manager: StatelessSessionManager) -> Self {
        Self { manager }
    }

    /// Answers a preflight with an empty response: 204 that allows the requested method and
    /// headers, or 403 when the origin is not served. Returns `None` for any other request.
    pub fn preflight<B: Default>(&self, head: &Parts) -> Option<Response<B>> {
        let wanted = &head.headers;
        if head.method != Method::OPTIONS
            || !wanted.contains_key(header::ORIGIN)
            || !wanted.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        let grant = self.grant(head);
        let status = if grant.origin.is_some() { StatusCode::NO_CONTENT } else { StatusCode::FORBIDDEN };
        let mut response = with_status(status, B::default());
        let headers = response.headers_mut();
        if grant.origin.is_some() {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("POST"));
            // Allow all requested headers: the `Mcp-Param-*` headers of tools are not known here.
            if let Some(names) = wanted.get(header::ACCESS_CONTROL_REQUEST_HEADERS) {
                headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
            }
            headers.insert(header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("7200"));
        }
        grant.apply(headers);
        headers.append(header::VARY, HeaderValue::from_static("access-control-request-headers"));
        Some(response)
    }

    /// Returns the CORS headers for the response to a request. Call it before the request is passed
    /// on.
    pub fn grant(&self, head: &Parts) -> CorsGrant {
        let origin =
            self.manager.settings().http.origin.check(head, &Fields::read(&head.headers)).ok().flatten();
        CorsGrant { origin: origin.and_then(|origin| HeaderValue::from_str(origin).ok()) }
    }
}

impl CorsGrant {
    /// Adds the headers to a response.
    pub fn apply(&self, headers: &mut HeaderMap) {
        headers.append(header::VARY, HeaderValue::from_static("origin"));
        if let Some(origin) = &self.origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static("www-authenticate, retry-after, allow, dpop-nonce"),
            );
        }
    }
}
