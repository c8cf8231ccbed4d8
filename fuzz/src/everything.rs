//! Arguments of every kind of type in the data model of `serde`.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Number, Value};

#[derive(Debug, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[derive(Default)]
#[expect(dead_code, reason = "compared as it is shown")]
pub(crate) struct Everything {
    text: String,
    boxed: Box<str>,
    cow: Cow<'static, str>,
    character: char,
    small: i8,
    integer: i64,
    positive: u64,
    large: i128,
    number: f64,
    single: f32,
    any_number: Option<Number>,
    flag: bool,
    nothing: (),
    option: Option<String>,
    #[expect(clippy::option_option, reason = "of every kind")]
    options: Option<Option<u8>>,
    list: Vec<String>,
    bytes: Vec<u8>,
    set: BTreeSet<String>,
    array: [u8; 3],
    pair: (u8, String),
    unit: Unit,
    wrapped: Wrapped,
    clear: Clear,
    tuple: Tuple,
    kind: Kind,
    tagged: Option<Tagged>,
    adjacent: Option<Adjacent>,
    either: Option<Either>,
    map: BTreeMap<String, Everything>,
    numbered: BTreeMap<u8, String>,
    kinds: BTreeMap<Key, String>,
    raw: Option<Box<RawValue>>,
    any: Value,
    strict: Option<Strict>,
    #[serde(alias = "other")]
    another: String,
    #[serde(skip)]
    never: u8,
    #[serde(flatten)]
    known: Known,
    #[serde(flatten)]
    more: BTreeMap<String, Value>,
}

#[derive(Debug, Default, Deserialize)]
#[expect(dead_code, reason = "compared as it is shown")]
struct Known {
    known: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
struct Unit;

#[derive(Debug, Default, Deserialize)]
#[expect(dead_code, reason = "compared as it is shown")]
struct Wrapped(String);

#[derive(Debug, Default, Deserialize)]
#[serde(transparent)]
#[expect(dead_code, reason = "compared as it is shown")]
struct Clear {
    inside: String,
}

#[derive(Debug, Default, Deserialize)]
#[expect(dead_code, reason = "compared as it is shown")]
struct Tuple(String, i8);

#[derive(Debug, Default, Deserialize)]
#[expect(dead_code, reason = "compared as it is shown")]
enum Kind {
    #[default]
    Plain,
    With(String),
    Two(u8, u8),
    Having {
        text: String,
    },
}

#[derive(Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    A,
    B,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type")]
#[expect(dead_code, reason = "compared as it is shown")]
enum Tagged {
    A { text: String },
    B(Known),
    C,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "type", content = "content")]
#[expect(dead_code, reason = "compared as it is shown")]
enum Adjacent {
    A(String),
    B { number: f64 },
    C,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
#[expect(dead_code, reason = "compared as it is shown")]
enum Either {
    Nothing,
    Text(String),
    Number(i64),
    Float(f64),
    List(Vec<u8>),
    Both { text: String, number: f64 },
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "compared as it is shown")]
struct Strict {
    text: String,
    #[serde(default)]
    number: Option<u32>,
}
