//! Each tenant has its own tools: the head of each request determines its registry. A layer identifies the
//! caller by the tenant, so that no tenant can use up shared resources.
//!
//! `cargo run --example per_tenant --features serve -- --addr 127.0.0.1:8000`, then send requests
//! with the header `x-tenant: bakery` or `x-tenant: garage`.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::Request;
use axum::middleware;
use http::StatusCode;
use http::request::Parts;
use mcp_stateless::manager::Refusal;
use mcp_stateless::serve::{self, serve};
use mcp_stateless::{Principal, RegistryError, StatelessSessionManager, ToolRegistry};

mod common;

#[derive(Clone)]
struct Tenants(Arc<HashMap<&'static str, ToolRegistry>>);

impl Tenants {
    fn load() -> Result<Self, RegistryError> {
        let bakery = ToolRegistry::builder().tool("bake", "Bake a loaf", async || "one loaf").build()?;
        let garage = ToolRegistry::builder().tool("repair", "Repair a car", async || "as new").build()?;
        Ok(Self(Arc::new(HashMap::from([("bakery", bakery), ("garage", garage)]))))
    }

    #[expect(clippy::unused_async, reason = "a real one would ask a database")]
    async fn find(self, name: Option<String>) -> Result<ToolRegistry, Refusal> {
        let name = name.ok_or_else(|| Refusal::new(StatusCode::UNAUTHORIZED, "x-tenant is missing"))?;
        let tools = self.0.get(name.as_str()).cloned();
        tools.ok_or_else(|| Refusal::new(StatusCode::FORBIDDEN, "there is no such tenant"))
    }
}

/// The tenant of a request. A real server would verify a token instead of trusting a header.
fn tenant(request: &Request) -> Option<String> {
    request.headers().get("x-tenant").and_then(|name| name.to_str().ok()).map(str::to_owned)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let signals = serve::signals()?;
    let tenants = Tenants::load()?;
    let manager = StatelessSessionManager::builder("per_tenant", "1.0.0").build()?;
    let service = manager.service_with(move |head: &Parts| {
        let name = head.extensions.get::<Principal>().map(|tenant| tenant.as_str().to_owned());
        tenants.clone().find(name)
    });

    let app = axum::Router::new()
        .route_service("/mcp", service.clone())
        .route_service("/mcp/", service)
        .layer(middleware::map_request(async |mut request: Request| {
            if let Some(tenant) = tenant(&request) {
                request.extensions_mut().insert(Principal::new(tenant));
            }
            request
        }));
    serve(common::listen().await?, app).shutdown_on(signals).drain(&manager).await;
    Ok(())
}
