//! Tasks.

mod record;
mod scripts;
mod store;

pub use store::RedisTaskStore;
