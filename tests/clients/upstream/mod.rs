//! Real upstreams behind the manager, driven in this process.

mod calls;
mod canned;
mod cast;
mod failures;
mod gateway;
mod http;
mod own;
mod questions;
mod sessions;
mod streams;
mod wire;
