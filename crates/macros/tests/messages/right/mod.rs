//! Handlers that must compile.

mod debug_handler;
mod handlers;
