//! An OAuth 2.1 resource server in front of a manager (feature `auth`; 2026-07-28, Authorization).
//!
//! A [`ResourceServer`] holds the URL of the resource and the verifier of its tokens.
//! [`StatelessSessionManager::authorize`](crate::StatelessSessionManager::authorize) puts it in
//! front of a service. It refuses requests before their body is read, and adds the caller's
//! [`Principal`](crate::Principal) and [`Access`] to the extensions of those that pass. A scope is
//! set on the definition that needs it, for example with [`Tool::scope`](crate::Tool::scope).
//!
//! ```no_run
//! use mcp_stateless::auth::{Access, JwtVerifier, ResourceServer};
//! use mcp_stateless::{StatelessSessionManager, Tool, ToolRegistry};
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let close = Tool::new("close", "Close a ticket", async |access: Access| {
//!     format!("closed by {}", access.token().subject())
//! });
//! let tools = ToolRegistry::builder().register(close.scope("tickets:write")).build()?;
//! let manager = StatelessSessionManager::builder("tickets", "1.0.0")
//!     .allowed_hosts(["https://mcp.example.com"])
//!     .build()?;
//!
//! let issuer = JwtVerifier::new("https://login.example.com")?;
//! let server = ResourceServer::new("https://mcp.example.com/mcp", issuer)?;
//! let app = axum::Router::new()
//!     .fallback_service(manager.authorize(server).wrap(manager.service(tools)));
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8000").await?;
//! axum::serve(listener, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! See also the [guide](../guide/authorization/index.html).

mod access;
mod api_keys;
mod cache;
mod challenge;
mod credentials;
mod denial;
mod digest;
mod discovery;
mod dpop;
mod fetch;
mod insufficient;
mod introspection;
mod jose;
mod jwt;
mod lifetime;
mod metadata;
mod nonces;
mod policy;
mod replays;
mod resource;
mod server;
mod token;
mod verifier;

pub use access::Access;
pub(crate) use access::TokenEnd;
pub use api_keys::ApiKeys;
pub(crate) use challenge::is_scope;
pub(crate) use denial::Denial;
pub use dpop::DpopPolicy;
pub use fetch::{HttpClient, HttpResponse};
pub use insufficient::InsufficientScope;
pub use introspection::Introspection;
pub use jose::Algorithm;
pub use jwt::JwtVerifier;
pub(crate) use nonces::DPOP_NONCE;
pub use nonces::{NextNonce, NonceKeys};
pub use policy::{CallsAtExpiry, ListedItems};
pub use resource::ResourceUrl;
pub use server::ResourceServer;
#[cfg(feature = "tasks")]
pub(crate) use token::SavedToken;
pub use token::{PresentedToken, VerifiedToken};
pub use verifier::{EitherVerifier, TokenError, TokenVerifier, Verification};
