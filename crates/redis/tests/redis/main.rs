//! The public interface over real servers: `redis-server` on ports and in directories of each test.

mod addresses;
mod answers;
mod away;
mod changes;
mod cluster;
mod lost;
mod replica;
mod sentinel;
mod tasks;
