//! Faults in a configuration, and their places.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use super::name::NAME_MAX;

/// Where a value is in a configuration file: `mcp.json:3:14: mcpServers.files.command`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) file: String,
    /// Starts at 1.
    pub(crate) line: usize,
    /// Starts at 1, in characters.
    pub(crate) column: usize,
    /// Empty for the whole file.
    pub(crate) path: String,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}:{}", self.file, self.line, self.column)?;
        if !self.path.is_empty() {
            write!(formatter, ": {}", self.path)?;
        }
        Ok(())
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, Error)]
#[error(transparent)]
pub struct ConfigError(#[from] pub(crate) ErrorKind);

#[derive(Debug, Error)]
pub(crate) enum ErrorKind {
    #[error("cannot read {}: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{place}: {fault}")]
    At { place: Place, fault: Fault },
    #[error("{place}: no server is left{}", lines(.warnings))]
    NoServers { place: Place, warnings: Vec<String> },
}

/// A fault in a value.
#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error("not valid JSON: {0}")]
    Syntax(String),
    #[error("must be {0}")]
    Type(&'static str),
    #[error("appears twice")]
    Twice,
    #[error("expected exactly one of \"mcpServers\" and \"servers\"")]
    Lists,
    #[error(
        "a server's name has 1 to {NAME_MAX} of the characters A-Z a-z 0-9 _ . - and is neither . nor .."
    )]
    Name,
    #[error("its name here would be {0:?}, which another server has")]
    NameTaken(String),
    #[error("needs a \"command\" or a \"url\"")]
    NoTransport,
    #[error("cannot be combined with {0:?}")]
    TwoTransports(String),
    #[error("the transport \"sse\" is not supported; use the server's Streamable HTTP address")]
    Sse,
    #[error("{given:?} cannot be combined with a {with:?}; leave it out")]
    TransportType { given: String, with: &'static str },
    #[error("must begin with http:// or https://")]
    Scheme,
    #[error("must be \"legacy\" or \"modern\", not {0:?}")]
    Era(String),
    #[error("must be more than 0")]
    Duration,
    #[error("is not known here")]
    Unknown,
    #[error("must be a whole number, and at least 1")]
    Count,
    #[error("needs a \"publicUrl\": the URL of /mcp as clients write it")]
    NoPublicUrl,
    #[error(
        "must be a URL of https (or of http on a loopback host), without a query, a fragment and user information"
    )]
    PublicUrl,
    #[error("needs an \"issuer\" or \"apiKeys\"")]
    NoCredentials,
    #[error("needs an \"issuer\"")]
    NoIssuer,
    #[error("must be a URL of https (or of http on a loopback host), without a query and a fragment")]
    AuthorizationServer,
    #[error(
        "must be a list of scopes: words without spaces, quotes and backslashes, other than \"offline_access\""
    )]
    Scopes,
    #[error("needs a key for each caller")]
    NoKeys,
    #[error(
        "must have at least 22 of the characters A-Z a-z 0-9 - . _ ~ + /, as 128 random bits in base64 have"
    )]
    Key,
    #[error("is the key of another caller")]
    SameKey,
    #[error("the variable {0} is not set and has no default; set it, or write ${{{0}:-DEFAULT}}")]
    Unset(String),
    #[error("{0:?} is not one of ${{NAME}}, ${{NAME:-default}} and ${{env:NAME}}")]
    Reference(String),
}

fn lines(texts: &[String]) -> String {
    texts.iter().flat_map(|text| ["\n  ", text]).collect()
}
