//! URIs that a filter judges, however they are written.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_stateless_fuzz::uris(data));
