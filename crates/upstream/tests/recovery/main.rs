//! What becomes right again by itself: sessions that are lost, streams that are refused, lists
//! that are stale, questions that are not answered.

mod children;
mod lists;
mod server;
mod sessions;
mod streams;
mod wire;
