//! Endpoints of the gateway, their callers, and failing servers.

mod authorization;
mod clients;
mod endpoints;
mod passing;
mod running;
mod starting;
pub(crate) mod support;
