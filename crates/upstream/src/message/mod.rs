//! Reading and writing the JSON-RPC messages of an upstream. No transport, no state.

mod read;
mod write;

pub(super) use read::{
    Incoming, LogMessage, Outcome, Progress, cancelled, each_member, error, id_key, log, members, progress,
    text_member,
};
pub(super) use write::{Members, Message, Meta, Params, notification, request, response};
