//! What the tests of several packages share: servers as processes, published clients and
//! servers, and hostile clients. It panics where a test has to fail.
//!
//! It does not depend on the packages under test: it starts their programs and speaks to them
//! over sockets.

pub mod client;
#[cfg(target_os = "linux")]
pub mod hostile;
pub mod proxy;
pub mod rmcp_client;
pub mod script;
pub mod server;
pub mod setup;
pub mod upstreams;
pub mod wait;
