//! A service in an axum application with its own routes, state and authentication. The middleware passes
//! the user to the tool, and identifies the caller for limits and answers.
//!
//! `cargo run --example axum_app --features serve -- --addr 127.0.0.1:8000`, then send requests with
//! the header `authorization: Bearer ada-secret`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::get;
use mcp_stateless::call::Extension;
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{Principal, StatelessSessionManager, ToolRegistry};

mod common;

/// The application's state: users by token.
type Users = Arc<HashMap<&'static str, User>>;

#[derive(Clone)]
struct User {
    name: &'static str,
}

/// The application's middleware. Only the principal is specific to MCP.
async fn authenticate(
    State(users): State<Users>,
    mut request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let token = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let user = token.and_then(|token| token.strip_prefix("Bearer ")).and_then(|token| users.get(token));
    let user = user.cloned().ok_or(StatusCode::UNAUTHORIZED)?;
    request.extensions_mut().insert(Principal::new(user.name));
    request.extensions_mut().insert(user);
    Ok(next.run(request).await)
}

/// A tool that receives the user.
async fn whoami(Extension(user): Extension<User>) -> &'static str {
    user.name
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let users: Users =
        Arc::new(HashMap::from([("ada-secret", User { name: "Ada" }), ("bob-secret", User { name: "Bob" })]));
    let tools = ToolRegistry::builder().tool("whoami", "Tell who is logged in", whoami).build()?;
    let manager = StatelessSessionManager::builder("axum_app", "1.0.0").build()?;

    let service = manager.service(tools);
    let app = axum::Router::new()
        .route_service("/mcp", service.clone())
        .route_service("/mcp/", service)
        .route_layer(middleware::from_fn_with_state(users.clone(), authenticate))
        .route("/health", get(async || "ok"))
        .route("/users", get(async |State(users): State<Users>| users.len().to_string()))
        .with_state(users);
    serve(common::listen().await?, app).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
