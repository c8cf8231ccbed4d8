//! One endpoint without sessions in front of servers that need them: those of the `mcpServers`
//! JSON that editors and desktop clients read.
//!
//! This is the library below the program `mcp-gateway`. [`run`] does all of the program's work;
//! [`config`] reads the file.

pub mod config;

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
