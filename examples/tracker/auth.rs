//! Authentication: a bearer token identifies a user.

use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use mcp_stateless::Principal;

/// A user. Handlers receive it as an extension of the request.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) is_maintainer: bool,
}

/// A real server verifies tokens that an authorization server has signed, or looks up their hashes.
pub(crate) fn user(token: &str) -> Option<User> {
    match token {
        "ada-secret" => Some(User { name: "Ada", is_maintainer: true }),
        "bob-secret" => Some(User { name: "Bob", is_maintainer: false }),
        _ => None,
    }
}

/// Inserts the user, and the principal, which identifies the caller for limits and answers. Requests without
/// a valid token get 401.
pub(crate) async fn authenticate(mut request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let Some(user) = header.and_then(|value| value.strip_prefix("Bearer ")).and_then(user) else {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")]).into_response();
    };
    request.extensions_mut().insert(Principal::new(user.name));
    request.extensions_mut().insert(user);
    next.run(request).await
}

/// Returns whether a request comes from a maintainer. Only maintainers can see and call some of the tools.
pub(crate) fn is_maintainer(head: &Parts) -> bool {
    head.extensions.get::<User>().is_some_and(|user| user.is_maintainer)
}
