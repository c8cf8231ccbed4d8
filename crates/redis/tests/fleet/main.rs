//! Tests of a fleet: three replica processes behind nginx, and Redis.
//!
//! By default the tests take seconds. The long form takes two minutes, runs 200 tasks, pauses Redis for ten
//! seconds, and prints its figures:
//!
//! ```sh
//! FLEET=long cargo test -p mcp-stateless-redis --test fleet -- --nocapture
//! ```
//!
//! A request may only be lost if its replica, which nginx names in the response, was killed while it was in
//! flight. When it is sent again, it is a new request, which may be lost with another replica.

mod callers;
mod client;
mod guide;
mod load;
mod outliving;
mod processes;
mod report;
mod rolling;
mod suite;
mod tasks;
