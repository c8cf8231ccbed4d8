//! Files that list servers.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_stateless_fuzz::mcp_servers(data));
