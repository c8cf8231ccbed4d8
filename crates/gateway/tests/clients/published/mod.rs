//! Published servers behind the gateway, and the clients that use them.
//!
//! What the servers are asked for is in `python/published.py` of `crates/test-support`.

mod hanging_up;
mod selecting;
mod servers;
mod stories;
mod troubles;
