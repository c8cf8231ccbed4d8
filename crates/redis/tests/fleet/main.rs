//! Tests of a fleet: three replica processes behind nginx, and Redis.
//!
//! By default the tests take seconds. The long form takes two minutes, runs 200 tasks, pauses Redis for ten
//! seconds, and prints its figures:
//!
//! ```sh
//! FLEET=long cargo test -p mcp-stateless-redis --test fleet -- --nocapture
//! ```

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
