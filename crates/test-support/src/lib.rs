//! Shared support for the tests of several packages: servers as processes, published clients and
//! servers, and hostile clients. It panics to fail a test.
//!
//! It does not depend on the packages under test, but starts their programs and talks to them over
//! sockets.

pub mod client;
#[cfg(target_os = "linux")]
pub mod hostile;
pub mod proxy;
pub mod rmcp_client;
pub mod script;
pub mod server;
#[cfg(unix)]
pub mod services;
pub mod setup;
pub mod suite;
pub mod upstreams;
pub mod wait;
