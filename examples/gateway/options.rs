//! The command line.

use std::path::PathBuf;

use axum::http::HeaderName;
use thiserror::Error;

const ADDRESS: &str = "127.0.0.1:8000";

pub(crate) const HELP: &str = "\
Serves the MCP servers of an mcpServers file at one endpoint, without sessions.

usage: gateway CONFIG.json [OPTION]...

  --check                  ask all servers what they have, print it, and leave
  --addr HOST:PORT         listen there; 127.0.0.1:8000 by default, port 0 takes a free one
  --allow-host NAME        a name that clients reach the gateway by, besides those of this
                           machine; may be repeated
  --caller-header NAME     a session with each server for each value of this header; set it in
                           a proxy that clients cannot pass by
  --help, --version

All servers are at /mcp, their tools and prompts named SERVER-NAME, and each alone at
/mcp/SERVER. The header x-mcp-servers: A,B chooses servers at /mcp.

Callers who send different credentials (Authorization, Api-Key, X-Api-Key, X-Litellm-Api-Key)
have different sessions. Callers who send none share one, and with it what a server remembers
in it.

Exit status: 0 when all is well, 1 when a server is down (--check), 2 when the command line,
the configuration or the names of the tools are wrong.
";

#[derive(Debug)]
pub(crate) enum Command {
    Help,
    Version,
    Run(Options),
}

#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) config: PathBuf,
    pub(crate) address: String,
    /// Names that clients reach the gateway by, besides those of their own machine.
    pub(crate) hosts: Vec<String>,
    /// The header that tells callers apart.
    pub(crate) caller: Option<HeaderName>,
    pub(crate) action: Action,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Serve,
    /// Looks whether all servers answer, tells what they have, and leaves.
    Check,
}

#[derive(Debug, Error)]
#[error("{0}\nSee gateway --help.")]
pub(crate) struct UsageError(String);

impl Command {
    pub(crate) fn parse(args: impl IntoIterator<Item = String>) -> Result<Self, UsageError> {
        let mut args = args.into_iter();
        let (mut config, mut address, mut hosts) = (None, ADDRESS.to_owned(), Vec::new());
        let (mut caller, mut action) = (None, Action::Serve);
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or_else(|| UsageError(format!("{arg} needs a value")));
            match arg.as_str() {
                "--help" | "-h" => return Ok(Self::Help),
                "--version" | "-V" => return Ok(Self::Version),
                "--check" => action = Action::Check,
                "--addr" => address = value()?,
                "--allow-host" => hosts.push(value()?),
                "--caller-header" => {
                    let name = value()?;
                    let parsed =
                        name.parse().map_err(|_| UsageError(format!("{name:?} is no name of a header")))?;
                    caller = Some(parsed);
                }
                option if option.starts_with('-') => {
                    return Err(UsageError(format!("there is no option {option}")));
                }
                _ if config.is_some() => return Err(UsageError(format!("{arg} is one file too many"))),
                path => config = Some(PathBuf::from(path)),
            }
        }
        let config = config.ok_or_else(|| UsageError("the configuration is missing".to_owned()))?;
        Ok(Self::Run(Options { config, address, hosts, caller, action }))
    }
}
