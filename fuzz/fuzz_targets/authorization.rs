//! Access tokens and proofs of possession.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| mcp_stateless_fuzz::authorization(data));
