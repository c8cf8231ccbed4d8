//! The tests that are in the sources of the example `gateway`. As a test of its own the example
//! would not be built as the program that `clients` runs.
#![allow(dead_code, reason = "the rest of the program uses it")]

#[path = "../../examples/gateway/config.rs"]
mod config;
#[path = "../../examples/gateway/entry.rs"]
mod entry;
#[path = "../../examples/gateway/fields.rs"]
mod fields;
#[path = "../../examples/gateway/rules.rs"]
mod rules;
