//! Published servers behind the example `gateway`, and the clients that use them.
//!
//! What the servers are asked for is in `python/published.py`.

mod hanging_up;
mod selecting;
mod servers;
mod stories;
mod troubles;
