//! [`StatelessSessionManager`], its builder, and the services that wrap it.

#[cfg(feature = "ask")]
mod asking;
#[cfg(feature = "auth")]
mod authorize;
#[cfg(all(feature = "auth", any(feature = "hyper", feature = "tower")))]
mod authorize_service;
mod bounding;
mod bounds;
mod builder;
mod cors;
#[cfg(any(feature = "hyper", feature = "tower"))]
mod cors_service;
mod handle;
mod health;
#[cfg(any(feature = "hyper", feature = "tower"))]
mod service;
#[cfg(feature = "tasks")]
mod tasks;

#[cfg(feature = "auth")]
pub use authorize::Authorize;
#[cfg(all(feature = "auth", any(feature = "hyper", feature = "tower")))]
pub use authorize_service::{AuthorizeBody, AuthorizeFuture, AuthorizeService};
pub use builder::ManagerBuilder;
pub use cors::{Cors, CorsGrant};
#[cfg(any(feature = "hyper", feature = "tower"))]
pub use cors_service::{CorsFuture, CorsService};
pub use handle::StatelessSessionManager;
#[cfg(any(feature = "hyper", feature = "tower"))]
pub use service::{ChooseRegistry, Fixed, McpAt, McpService, ResponseFuture};

pub use crate::http::AcceptRule;
pub use crate::reply::Body;
pub use crate::request::Refusal;
