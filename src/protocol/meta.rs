//! The `_meta` object of a request.

use std::borrow::Cow;

use crate::jsonrpc::scan::{Scan, ScanFault, Scanner};
use crate::jsonrpc::{Raw, write};

pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(crate) const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";
const PROGRESS_TOKEN: &str = "progressToken";

/// The members of `_meta`, borrowed from the body, and not checked yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta<'a> {
    pub(crate) protocol_version: Option<Raw<'a>>,
    pub(crate) client_info: Option<Raw<'a>>,
    pub(crate) client_capabilities: Option<Raw<'a>>,
    pub(crate) log_level: Option<Raw<'a>>,
    pub(crate) progress_token: Option<Raw<'a>>,
    /// Members that this crate does not know, kept for the handler.
    others: Vec<(Cow<'a, str>, Raw<'a>)>,
    /// A fault of the object as a whole.
    pub(crate) fault: Option<&'static str>,
}

/// The maximum number of members that this crate does not know.
const MAX_OTHERS: usize = 64;

impl<'a> Meta<'a> {
    /// Reads the text of an object; `None` when it is something else.
    pub(crate) fn from_json(text: &'a str) -> Option<Self> {
        let mut meta = Self::default();
        meta.scan(&mut Scanner::new(text)).ok()?;
        Some(meta)
    }

    /// Returns the member with this name.
    pub(crate) fn member(&self, name: &str) -> Option<Raw<'a>> {
        self.members().find(|(key, _)| *key == name).map(|(_, value)| value)
    }

    /// Returns the object as JSON text, for use after the body has been dropped.
    pub(crate) fn to_json(&self) -> String {
        // The quotes, the colon and the comma of each member, and the braces.
        let length =
            self.members().map(|(name, value)| name.len() + value.text().len() + 4).sum::<usize>() + 2;
        let mut buffer = Vec::with_capacity(length);
        buffer.push(b'{');
        for (name, value) in self.members() {
            write::key(&mut buffer, name);
            buffer.extend_from_slice(value.text().as_bytes());
        }
        buffer.push(b'}');
        // Every part is a `str`, so this cannot fail.
        String::from_utf8(buffer).unwrap_or_default()
    }

    fn members(&self) -> impl Iterator<Item = (&str, Raw<'a>)> {
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

impl<'a> Scan<'a> for Meta<'a> {
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Result<(), ScanFault> {
        let meta = self;
        scanner.members(|scanner, key| {
            let value = scanner.value()?;
            // A key with a lone surrogate matches no name.
            let Some(key) = key.string() else { return Ok(()) };
            let member = match &*key {
                PROTOCOL_VERSION => &mut meta.protocol_version,
                CLIENT_INFO => &mut meta.client_info,
                CLIENT_CAPABILITIES => &mut meta.client_capabilities,
                LOG_LEVEL => &mut meta.log_level,
                PROGRESS_TOKEN => &mut meta.progress_token,
                _ if meta.others.len() == MAX_OTHERS => {
                    meta.fault = Some("`_meta` has too many members");
                    return Ok(());
                }
                _ => {
                    meta.others.push((key, value));
                    return Ok(());
                }
            };
            if member.replace(value).is_some() {
                meta.fault = Some("a member of `_meta` is repeated");
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Meta;

    #[test]
    fn members_known_and_unknown_survive_being_written_anew() {
        let text = r#"{"progressToken":"a","com.example/x":{"y":[1, 2]},"traceparent":"00-1"}"#;
        let read = |text| Meta::from_json(text).expect("an object");
        let meta = read(text);
        let anew = meta.to_json();
        let again = read(&anew);
        for name in ["progressToken", "com.example/x", "traceparent"] {
            assert!(meta.member(name).is_some());
            assert_eq!(again.member(name), meta.member(name));
        }
        assert!(again.member("nothing").is_none());
    }
}
