//! What the gateway serves, at which path and to whom, and what it does when servers fail.

mod clients;
mod endpoints;
mod running;
mod starting;
pub(crate) mod support;
