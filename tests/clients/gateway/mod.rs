//! The example `gateway`: published clients through it to published servers, and what it does when
//! those servers fail.

mod clients;
mod endpoints;
mod running;
mod starting;
mod support;

pub(crate) use support::Config;
