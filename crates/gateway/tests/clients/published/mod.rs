//! Published servers behind the gateway, and the clients that use them.
//!
//! The requests to the servers are in `python/published.py` of `crates/test-support`.

mod hanging_up;
mod selecting;
mod servers;
mod stories;
mod troubles;
