//! Handlers that must compile.
#![allow(clippy::unused_async)]

mod debug_handler;
mod handlers;
