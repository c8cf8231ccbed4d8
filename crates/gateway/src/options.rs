//! The command line.

use std::path::PathBuf;

use axum::http::HeaderName;
use clap::Parser;

/// The unit of sizes without a unit.
const UNITS: [(&str, usize); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];

const AFTER_HELP: &str = "\
All servers are joined at /mcp, with tools and prompts named SERVER-NAME. Each is also served
separately, with its original names, at /mcp/SERVER. The header `x-mcp-servers: A,B` selects
servers at /mcp.

Callers with different credentials (Authorization, Api-Key, X-Api-Key or X-Litellm-Api-Key)
have separate sessions with each server. Callers without credentials share one session,
including everything that the server stores in it. With \"auth\" in the member \"gateway\" of
the file, only callers with a token are served, each with separate sessions.

Exit status: 0 on success, 1 if a server is down (--check), 2 if the command line, the
configuration or the names of the tools are invalid.";

/// Serves the MCP servers of an mcpServers file at one endpoint, without sessions.
#[derive(Debug, Parser)]
#[command(name = "mcp-gateway", version, after_help = AFTER_HELP)]
pub struct Options {
    /// The mcpServers file that editors and desktop clients read; may have comments
    #[arg(value_name = "CONFIG")]
    pub config: PathBuf,

    /// List what each server offers, and exit
    #[arg(long)]
    pub check: bool,

    /// Listen on this address; port 0 selects a free port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8000")]
    pub addr: String,

    /// Accept this name in Host headers, in addition to loopback names; may be repeated
    #[arg(long = "allow-host", value_name = "NAME")]
    pub allowed_hosts: Vec<String>,

    /// Serve web pages of this origin (the scheme, the host and the port of their URLs), in addition
    /// to those of the accepted hosts; may be repeated
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub allowed_origins: Vec<String>,

    /// Identify callers by this header if it is sent. Set it in a proxy that clients cannot
    /// bypass
    #[arg(long, value_name = "NAME")]
    pub caller_header: Option<HeaderName>,

    /// Refuse larger request bodies; bytes, or a number with KiB, MiB or GiB
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = size)]
    pub max_body: usize,
}

/// Reads a size, such as `16MiB`.
fn size(text: &str) -> Result<usize, String> {
    let ends_with = |unit: &str| {
        text.get(text.len().saturating_sub(unit.len())..)?.eq_ignore_ascii_case(unit).then_some(unit.len())
    };
    let (length, factor) =
        UNITS.iter().find_map(|(unit, factor)| Some((ends_with(unit)?, *factor))).unwrap_or((0, 1));
    let number = text[..text.len() - length].trim().parse::<usize>().ok().filter(|number| *number > 0);
    let bytes = number.and_then(|number| number.checked_mul(factor));
    bytes.ok_or_else(|| "expected a positive number of bytes, KiB, MiB or GiB, such as 16MiB".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Options::command().debug_assert();
    }

    #[test]
    fn sizes_are_read_with_and_without_a_unit() {
        for (text, bytes) in [("1", 1), ("2KiB", 2048), ("16 MiB", 16 << 20), ("4mib", 4 << 20)] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "0", "MiB", "-1", "1.5MiB", "4MB", "99999999999GiB", "é"] {
            assert!(size(text).is_err(), "{text}");
        }
    }
}
