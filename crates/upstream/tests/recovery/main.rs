//! Recovery without intervention: from lost sessions, refused streams, stale lists, and questions
//! without an answer.

mod children;
mod lists;
mod server;
mod sessions;
mod streams;
mod wire;
