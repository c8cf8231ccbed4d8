//! The `_meta` object of a request.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::rpc::{raw, write};

pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
const PROGRESS_TOKEN: &str = "progressToken";

/// The members of `_meta`, borrowed from the body and not yet judged.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta<'a> {
    pub(crate) protocol_version: Option<&'a RawValue>,
    pub(crate) client_info: Option<&'a RawValue>,
    pub(crate) client_capabilities: Option<&'a RawValue>,
    pub(crate) log_level: Option<&'a RawValue>,
    pub(crate) progress_token: Option<&'a RawValue>,
    /// What this crate reads nothing from, kept for the tool.
    others: Vec<(Cow<'a, str>, &'a RawValue)>,
    /// What is wrong with the object as a whole.
    pub(crate) fault: Option<&'static str>,
}

/// The most members that this crate does not know.
const MAX_OTHERS: usize = 64;

impl<'a> Meta<'a> {
    /// The member of this name.
    pub(crate) fn member(&self, name: &str) -> Option<&'a RawValue> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Writes the object anew, for those who outlive the body.
    pub(crate) fn to_json(&self) -> String {
        let mut buffer = vec![b'{'];
        for (name, value) in self.members() {
            write::key(&mut buffer, name);
            buffer.extend_from_slice(value.get().as_bytes());
        }
        buffer.push(b'}');
        // Every part is a `str`, so this never fails.
        String::from_utf8(buffer).unwrap_or_default()
    }

    fn members(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        let known = [
            (PROTOCOL_VERSION, self.protocol_version),
            (CLIENT_INFO, self.client_info),
            (CLIENT_CAPABILITIES, self.client_capabilities),
            (LOG_LEVEL, self.log_level),
            (PROGRESS_TOKEN, self.progress_token),
        ];
        let known = known.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.chain(self.others.iter().map(|(name, value)| (&**name, *value)))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Meta<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MetaVisitor)
    }
}

struct MetaVisitor;

impl<'de> Visitor<'de> for MetaVisitor {
    type Value = Meta<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Meta<'de>, A::Error> {
        let mut meta = Meta::default();
        while let Some(raw::Key(key)) = map.next_key()? {
            let value: &RawValue = map.next_value()?;
            let member = match &*key {
                PROTOCOL_VERSION => &mut meta.protocol_version,
                CLIENT_INFO => &mut meta.client_info,
                CLIENT_CAPABILITIES => &mut meta.client_capabilities,
                LOG_LEVEL => &mut meta.log_level,
                PROGRESS_TOKEN => &mut meta.progress_token,
                _ if meta.others.len() == MAX_OTHERS => {
                    meta.fault = Some("`_meta` has too many members");
                    continue;
                }
                _ => {
                    meta.others.push((key, value));
                    continue;
                }
            };
            if member.replace(value).is_some() {
                meta.fault = Some("a member of `_meta` is repeated");
            }
        }
        Ok(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::Meta;

    #[test]
    fn members_known_and_unknown_survive_being_written_anew() {
        let text = r#"{"progressToken":"a","com.example/x":{"y":[1, 2]},"traceparent":"00-1"}"#;
        let meta: Meta<'_> = serde_json::from_str(text).expect("an object");
        let anew = meta.to_json();
        let again: Meta<'_> = serde_json::from_str(&anew).expect("an object");
        for name in ["progressToken", "com.example/x", "traceparent"] {
            let value = meta.member(name).expect(name).get();
            assert_eq!(again.member(name).map(serde_json::value::RawValue::get), Some(value));
        }
        assert!(again.member("nothing").is_none());
    }
}
