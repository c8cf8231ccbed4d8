//! Invariants for `mcpServers` files.

use std::collections::HashSet;

use mcp_gateway::config::Config;

/// The value of every environment variable.
const SECRET: &str = "6d1f0a9be53c";

/// Uses the data as a file. Reading it must be deterministic, the names of its servers must be valid
/// and unique, and no output may contain the value of a variable.
pub fn mcp_servers(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if text.contains(SECRET) {
        return;
    }
    let read = || Config::parse("mcp.json", text, |_| Some(SECRET.to_owned()));
    match (read(), read()) {
        (Ok(config), Ok(again)) => {
            assert!(!config.servers.is_empty());
            let mut names = HashSet::new();
            for (server, other) in config.servers.iter().zip(&again.servers) {
                assert_eq!(server.name, other.name);
                let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
                assert!(
                    (1..=64).contains(&server.name.len()) && server.name.bytes().all(fits),
                    "{:?}",
                    server.name
                );
                assert!(
                    ![".", ".."].contains(&&*server.name) && names.insert(&server.name),
                    "{:?}",
                    server.name
                );
            }
            assert_eq!(config.warnings, again.warnings);
            assert!(config.warnings.iter().all(|warning| !warning.contains(SECRET)), "{:?}", config.warnings);
        }
        (Err(error), Err(again)) => {
            assert_eq!(error.to_string(), again.to_string());
            assert!(!error.to_string().contains(SECRET), "{error}");
        }
        _ => panic!("it is read in two ways"),
    }
}
