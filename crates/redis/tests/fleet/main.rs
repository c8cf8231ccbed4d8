//! A fleet under attack: three replicas as processes behind nginx, and a real Redis.
//!
//! ```sh
//! FLEET=long cargo test -p mcp-stateless-redis --test fleet -- --nocapture
//! ```
//!
//! runs the long form: two minutes, 200 tasks, and Redis paused for ten seconds; and prints its
//! figures. Without `FLEET=long` it is the same in little.
//!
//! A request may be lost only if the replica that had it, as nginx says, was killed while it was in
//! flight. One that is sent again is a new request, which may be lost with another replica.

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
