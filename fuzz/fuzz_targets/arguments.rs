//! Any arguments for a typed tool.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_stateless_fuzz::arguments(data));
