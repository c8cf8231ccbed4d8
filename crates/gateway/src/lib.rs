//! Serves the servers of an `mcpServers` file, as editors and desktop clients use it, at one
//! endpoint without sessions.
//!
//! This is the library of the program `mcp-gateway`. [`run`] does all of the program's work;
//! [`config`] reads the file.

pub mod config;

mod authorization;
mod callers;
mod error;
mod gateway;
mod managers;
mod names;
mod options;
mod plain;
mod report;
mod run;
mod servers;
mod text;

pub use crate::error::Error;
pub use crate::options::Options;
pub use crate::run::{Outcome, run};
