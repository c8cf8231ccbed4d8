//! What is read of a request: borrowed, and only what is needed to answer it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::params::Params;

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) method: Cow<'a, str>,
    #[serde(borrow, default)]
    pub(super) params: Params<'a>,
}

/// A tool with its arguments.
pub(super) enum Call<'a> {
    Add(Integers),
    Multiply(Integers),
    Echo(Echo<'a>),
    Countdown(Countdown),
}

#[derive(Deserialize)]
pub(super) struct Integers {
    pub(super) a: i64,
    pub(super) b: i64,
}

#[derive(Deserialize)]
pub(super) struct Echo<'a> {
    #[serde(borrow)]
    pub(super) text: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct Countdown {
    pub(super) from: u64,
    pub(super) interval_ms: u64,
}

#[derive(Default, Deserialize)]
pub(super) struct Meta<'a> {
    #[serde(borrow, rename = "progressToken")]
    pub(super) progress_token: Option<&'a RawValue>,
}
