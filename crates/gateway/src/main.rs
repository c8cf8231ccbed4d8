//! Serves the servers of an `mcpServers` file at one endpoint without sessions.

use std::io::IsTerminal as _;
use std::process::ExitCode;

use clap::Parser as _;
use mcp_gateway::{Options, Outcome};
use tracing_subscriber::EnvFilter;

const DOWN: u8 = 1;
const WRONG: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    // The report of a check has the reasons.
    let usual = if options.check { "error" } else { "warn,mcp_gateway=info" };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(usual));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    match mcp_gateway::run(options).await {
        Ok(Outcome::Success) => ExitCode::SUCCESS,
        Ok(Outcome::Down) => ExitCode::from(DOWN),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(WRONG)
        }
    }
}
