//! Any spelling of a URI that a filter checks.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_stateless_fuzz::uris(data));
