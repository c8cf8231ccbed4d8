//! The params of a `tools/call`. In one pass, arguments after the tool's name are parsed at once,
//! and only those before it are kept and parsed later. In two passes, which is what most servers
//! do, arguments are always kept and parsed later.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

use super::message::{Call, Meta};

/// The params; all empty if the request is not a call.
#[derive(Default)]
pub(super) struct Params<'a> {
    pub(super) call: Option<Call<'a>>,
    pub(super) meta: Meta<'a>,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Key {
    Name,
    Arguments,
    #[serde(rename = "_meta")]
    Meta,
    #[serde(other)]
    Other,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tool {
    Add,
    Multiply,
    Echo,
    Countdown,
}

impl Tool {
    fn next_arguments<'de, A: MapAccess<'de>>(self, map: &mut A) -> Result<Call<'de>, A::Error> {
        match self {
            Self::Add => map.next_value().map(Call::Add),
            Self::Multiply => map.next_value().map(Call::Multiply),
            Self::Echo => map.next_value().map(Call::Echo),
            Self::Countdown => map.next_value().map(Call::Countdown),
        }
    }

    fn arguments(self, json: &str) -> serde_json::Result<Call<'_>> {
        match self {
            Self::Add => serde_json::from_str(json).map(Call::Add),
            Self::Multiply => serde_json::from_str(json).map(Call::Multiply),
            Self::Echo => serde_json::from_str(json).map(Call::Echo),
            Self::Countdown => serde_json::from_str(json).map(Call::Countdown),
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParamsVisitor)
    }
}

/// The params with arguments that have not been parsed.
#[derive(Default, Deserialize)]
pub(super) struct KeptParams<'a> {
    name: Option<Tool>,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "_meta")]
    meta: Meta<'a>,
}

impl<'a> KeptParams<'a> {
    pub(super) fn parse(self) -> Option<Params<'a>> {
        let call = match (self.name, self.arguments) {
            (Some(tool), Some(arguments)) => Some(tool.arguments(arguments.get()).ok()?),
            _ => None,
        };
        Some(Params { call, meta: self.meta })
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the params of a request")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params<'de>, A::Error> {
        let mut params = Params::default();
        let mut tool: Option<Tool> = None;
        let mut early: Option<&'de RawValue> = None;
        while let Some(key) = map.next_key()? {
            match (key, tool) {
                (Key::Name, _) => tool = Some(map.next_value()?),
                (Key::Arguments, Some(tool)) => params.call = Some(tool.next_arguments(&mut map)?),
                (Key::Arguments, None) => early = Some(map.next_value()?),
                (Key::Meta, _) => params.meta = map.next_value()?,
                (Key::Other, _) => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        if let (Some(tool), Some(early)) = (tool, early) {
            params.call = Some(tool.arguments(early.get()).map_err(A::Error::custom)?);
        }
        Ok(params)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::limit::message::Integers;

    #[test]
    fn arguments_are_read_before_and_after_the_name() {
        for params in [
            r#"{"name":"add","arguments":{"a":1,"b":2},"x":{}}"#,
            r#"{"x":[1],"arguments":{"a":1,"b":2},"name":"add"}"#,
        ] {
            let params: Params = serde_json::from_str(params).expect("well-formed params");
            assert!(matches!(params.call, Some(Call::Add(Integers { a: 1, b: 2 }))));
        }
        let kept = r#"{"arguments":{"a":1,"b":2},"name":"add"}"#;
        let kept: KeptParams = serde_json::from_str(kept).expect("well-formed params");
        let params = kept.parse().expect("arguments that fit");
        assert!(matches!(params.call, Some(Call::Add(Integers { a: 1, b: 2 }))));
        {}
    }
}
