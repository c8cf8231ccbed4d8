//! Results that are already JSON, such as those of another server.

use thiserror::Error;

use super::result::ResultWriter;
use crate::jsonrpc::scan::Scanner;
use crate::jsonrpc::{Raw, write};
use crate::protocol::{CacheHint, Era, meta};

/// The JSON object of a result, sent to the client verbatim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RawOutput(Box<str>);

/// The error for a text that is not the JSON of a result. See
/// [`ToolOutput::from_json`](crate::tool::ToolOutput::from_json).
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct InvalidOutput(String);

impl InvalidOutput {
    pub(crate) fn new(fault: impl Into<String>) -> Self {
        Self(fault.into())
    }
}

/// The name and the type of a result's main member.
#[derive(Clone, Copy)]
pub(crate) enum Main {
    /// An array of this name.
    Array(&'static str),
    /// An object of this name.
    Object(&'static str),
}

impl RawOutput {
    /// Parses the JSON of a result, and passes each member to the closure, in one pass. The main
    /// member may be missing, because some servers omit empty members.
    ///
    /// # Errors
    /// Returns an error if the text is not a JSON object or is nested too deeply, or if its main member is
    /// repeated or has another type.
    pub(crate) fn read(
        json: String,
        main: Main,
        mut look: impl FnMut(&str, Raw<'_>),
    ) -> Result<Self, InvalidOutput> {
        let (name, start, kind) = match main {
            Main::Array(name) => (name, '[', "an array"),
            Main::Object(name) => (name, '{', "an object"),
        };
        let (mut is_there, mut fault) = (false, None);
        let mut scanner = Scanner::new(&json);
        let read = scanner.members(|scanner, key| {
            let value = scanner.value()?;
            let key = key.string().unwrap_or_default();
            if key == name {
                if std::mem::replace(&mut is_there, true) {
                    fault = Some(format!("`{name}` is repeated"));
                } else if !value.text().starts_with(start) {
                    fault = Some(format!("`{name}` must be {kind}"));
                }
            }
            look(&key, value);
            Ok(())
        });
        if read.and_then(|()| scanner.end()).is_err() {
            return Err(InvalidOutput::new("a result must be a JSON object"));
        }
        match fault {
            Some(fault) => Err(InvalidOutput(fault)),
            None => Ok(Self(json.into())),
        }
    }

    /// Passes the members to `take`, in their order.
    pub(crate) fn members<'a>(&'a self, mut take: impl FnMut(Raw<'a>, Raw<'a>)) {
        // The text was checked when this was created, so scanning it cannot fail.
        let _ = Scanner::new(&self.0).members(|scanner, key| {
            take(key, scanner.value()?);
            Ok(())
        });
    }
}

impl RawOutput {
    /// Writes the members that `keeps` accepts. Members that depend on the era are written as the
    /// client's era requires. `cache` is the hint of a result that has one.
    pub(crate) fn write(
        &self,
        writer: &mut ResultWriter<'_>,
        cache: Option<CacheHint>,
        keeps: impl Fn(&str, Raw<'_>) -> bool,
    ) {
        let era = writer.era();
        let mut own_meta = None;
        writer.open();
        self.members(|key, value| match key.string().as_deref().unwrap_or_default() {
            "resultType" => {}
            "ttlMs" | "cacheScope" if era == Era::Legacy || cache.is_some() => {}
            "_meta" => own_meta = Some(value),
            name if keeps(name, value) => write_member(writer.buffer, key, value),
            _ => {}
        });
        if era == Era::Modern {
            if let Some(cache) = cache {
                writer.cache_hint(cache);
            }
            writer.complete();
        }
        if era == Era::Modern || own_meta.is_some() {
            write_meta(writer, own_meta.filter(|own| own.is_object()));
        }
        writer.buffer.push(b'}');
    }

    /// Replaces a member, or adds it. `json` must be valid JSON. Copies the text.
    pub(crate) fn set(&mut self, name: &str, json: &str) {
        let mut buffer = Vec::with_capacity(self.0.len() + name.len() + json.len() + 4);
        buffer.push(b'{');
        self.members(|key, value| {
            if !key.is_key(name) {
                write_member(&mut buffer, key, value);
            }
        });
        write::key(&mut buffer, name);
        buffer.extend_from_slice(json.as_bytes());
        buffer.push(b'}');
        // The buffer consists of whole strings, so it is valid UTF-8.
        self.0 = String::from_utf8(buffer).unwrap_or_default().into();
    }
}

fn write_meta(writer: &mut ResultWriter<'_>, own: Option<Raw<'_>>) {
    let start = writer.open_meta();
    if let Some(own) = own {
        // The text was checked with the result, so scanning it cannot fail.
        let _ = Scanner::new(own.text()).members(|scanner, key| {
            let value = scanner.value()?;
            if !key.is_key(meta::SERVER_INFO) {
                write_member(writer.buffer, key, value);
            }
            Ok(())
        });
    }
    writer.close_meta(start);
}

fn write_member(buffer: &mut Vec<u8>, key: Raw<'_>, value: Raw<'_>) {
    write::raw_key(buffer, key);
    buffer.extend_from_slice(value.text().as_bytes());
}

#[cfg(test)]
mod tests {
    use super::{Main, RawOutput};

    #[test]
    fn what_is_not_the_json_of_a_result_is_refused_with_the_reason() {
        let read = |text: &str| RawOutput::read(text.to_owned(), Main::Array("content"), |_, _| {});
        assert!(read(r#" {"content": [], "more": {"a": 1.0}} "#).is_ok());
        assert!(read("{}").is_ok());
        for (text, fault) in [
            ("", "a result must be a JSON object"),
            ("[]", "a result must be a JSON object"),
            ("{}{}", "a result must be a JSON object"),
            (r#"{"content":"text"}"#, "`content` must be an array"),
            (r#"{"content":[],"content":[]}"#, "`content` is repeated"),
        ] {
            assert_eq!(read(text).expect_err(text).to_string(), fault);
        }
        let deep = format!(r#"{{"content":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
        assert!(read(&deep).is_err());
    }
}
