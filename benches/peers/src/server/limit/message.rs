//! The parts of a request that are needed to answer it, borrowed.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

#[derive(Deserialize)]
#[serde(bound = "P: Default + Deserialize<'de>")]
pub(super) struct Message<'a, P> {
    #[serde(borrow)]
    pub(super) id: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) method: Cow<'a, str>,
    #[serde(default)]
    pub(super) params: P,
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
