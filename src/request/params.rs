//! The `params` of a request.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::lenient::Lenient;
use crate::protocol::meta::Meta;

/// The parameters of every method that this crate answers, borrowed from the body
/// and judged by the method that uses them. One type for all means one pass
/// whatever the order of `method` and `params`.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) name: Option<&'a RawValue>,
    pub(crate) uri: Option<&'a RawValue>,
    pub(crate) cursor: Option<&'a RawValue>,
    pub(crate) arguments: Option<&'a RawValue>,
    pub(crate) level: Option<&'a RawValue>,
    pub(crate) protocol_version: Option<&'a RawValue>,
    pub(crate) meta: Option<Lenient<Meta<'a>>>,
    pub(crate) is_repeated: bool,
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "camelCase")]
enum Param {
    Name,
    Uri,
    Cursor,
    Arguments,
    Level,
    ProtocolVersion,
    #[serde(rename = "_meta")]
    Meta,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a> Deserialize<'de> for Params<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ParamsVisitor)
    }
}

struct ParamsVisitor;

impl<'de> Visitor<'de> for ParamsVisitor {
    type Value = Params<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Params<'de>, A::Error> {
        let mut params = Params::default();
        while let Some(param) = map.next_key()? {
            let member = match param {
                Param::Name => &mut params.name,
                Param::Uri => &mut params.uri,
                Param::Cursor => &mut params.cursor,
                Param::Arguments => &mut params.arguments,
                Param::Level => &mut params.level,
                Param::ProtocolVersion => &mut params.protocol_version,
                Param::Meta => {
                    params.is_repeated |= params.meta.replace(map.next_value()?).is_some();
                    continue;
                }
                Param::Other => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            params.is_repeated |= member.replace(map.next_value()?).is_some();
        }
        Ok(params)
    }
}
