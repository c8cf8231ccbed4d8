//! This crate in front of a server that is a child process, or that is reached over HTTP.

use std::{error::Error, ffi::OsString, net::SocketAddr};

use hyper::{
    Request, Response,
    body::{Body, Incoming},
    header::{HeaderName, HeaderValue},
    service::{Service, service_fn},
};
use mcp_stateless::manager::Fixed;
use mcp_stateless::{McpService, StatelessSessionManager};
use mcp_stateless_upstream::Upstream;

use crate::catalogue::{SERVER_NAME, SERVER_VERSION};

pub(super) fn service(upstream: Option<SocketAddr>) -> Result<McpService<Fixed<Upstream>>, BoxError> {
    let upstream = if let Some(addr) = upstream {
        Upstream::http(format!("http://{addr}/mcp")).build()?
    } else {
        let program = OsString::from(std::env::current_exe()?);
        Upstream::stdio(program).arg("serve-stdio").build()?
    };
    let manager = StatelessSessionManager::builder(SERVER_NAME, SERVER_VERSION).build()?;
    Ok(manager.service(upstream))
}

type BoxError = Box<dyn Error + Send + Sync>;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");

/// Starts a session for each client that has none. Every session has the same id.
pub(super) fn with_sessions<S, B>(
    service: S,
) -> impl Service<
    Request<Incoming>,
    Response = Response<B>,
    Error = S::Error,
    Future = impl Future<Output = Result<Response<B>, S::Error>> + Send,
> + Clone
where
    S: Service<Request<Incoming>, Response = Response<B>, Error: Into<BoxError>, Future: Send> + Clone,
    B: Body,
{
    service_fn(move |request: Request<Incoming>| {
        let is_in_session = request.headers().contains_key(SESSION);
        let response = service.call(request);
        async move {
            let mut response = response.await?;
            if !is_in_session {
                response.headers_mut().insert(SESSION, HeaderValue::from_static("one"));
            }
            Ok(response)
        }
    })
}
