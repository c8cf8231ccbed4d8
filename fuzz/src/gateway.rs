//! What must hold of every `mcpServers` file that a gateway is given.

use std::collections::HashSet;

use mcp_gateway::config::Config;

/// Stands for every variable of the environment.
const SECRET: &str = "6d1f0a9be53c";

/// Takes the data for a file: it is read the same way each time, the names of its servers fit and
/// differ, and nothing that is said of it shows what a variable holds.
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
