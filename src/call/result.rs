//! Writes results straight into the buffer of a reply.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jsonrpc::write;
use crate::protocol::{CacheHint, CacheScope, Era, meta};

/// The result of a method, which writes itself.
pub(crate) trait WriteResult {
    /// Writes the object of the result.
    fn write(&self, writer: &mut ResultWriter<'_>);
}

/// What results say of the server, as JSON.
#[derive(Debug)]
pub(crate) struct ResultTexts {
    /// The server's `Implementation`.
    pub(crate) server_info: String,
    /// What ends a result of the modern era without a `_meta` of its own, from its comma on.
    modern_end: String,
}

impl ResultTexts {
    pub(crate) fn new(server_info: String) -> Self {
        let key = meta::SERVER_INFO;
        let modern_end = format!(r#","resultType":"complete","_meta":{{"{key}":{server_info}}}}}"#);
        Self { server_info, modern_end }
    }
}

/// Writes the object of one result: [opened](Self::open), given its members, and
/// [ended](Self::end) with what its era puts into every result.
pub(crate) struct ResultWriter<'w> {
    pub(crate) buffer: &'w mut Vec<u8>,
    era: Era,
    texts: &'w ResultTexts,
}

impl<'w> ResultWriter<'w> {
    #[inline]
    pub(crate) fn new(buffer: &'w mut Vec<u8>, era: Era, texts: &'w ResultTexts) -> Self {
        Self { buffer, era, texts }
    }

    #[inline]
    pub(crate) fn era(&self) -> Era {
        self.era
    }

    #[inline]
    pub(crate) fn open(&mut self) {
        self.buffer.push(b'{');
    }

    /// Writes a member that is JSON already.
    pub(crate) fn raw(&mut self, name: &str, json: &str) {
        write::key(self.buffer, name);
        self.buffer.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn string(&mut self, name: &str, value: &str) {
        write::key(self.buffer, name);
        write::string(self.buffer, value);
    }

    /// Writes a member whose value is always JSON: made of strings, numbers, lists and
    /// objects with fixed keys.
    pub(crate) fn json(&mut self, name: &str, value: &impl Serialize) {
        write::key(self.buffer, name);
        let _ = write::json(self.buffer, value);
    }

    /// Opens the object with an array as its first member, each element written by
    /// `write_element`. `opening` is what comes before the array.
    #[inline]
    pub(crate) fn open_array<T>(
        &mut self,
        opening: &'static str,
        elements: &[T],
        write_element: impl Fn(&mut Vec<u8>, &T),
    ) {
        self.buffer.extend_from_slice(opening.as_bytes());
        self.buffer.push(b'[');
        for (index, element) in elements.iter().enumerate() {
            if index > 0 {
                self.buffer.push(b',');
            }
            write_element(self.buffer, element);
        }
        self.buffer.push(b']');
    }

    pub(crate) fn cache_hint(&mut self, hint: CacheHint) {
        write::key(self.buffer, "ttlMs");
        write::display(self.buffer, hint.ttl.as_millis());
        self.string(
            "cacheScope",
            match hint.scope {
                CacheScope::Private => "private",
                CacheScope::Public => "public",
            },
        );
    }

    /// Ends the object with what every result of its era carries, and with these members in
    /// its `_meta`.
    #[inline]
    pub(crate) fn end(&mut self, members: Option<&Map<String, Value>>) {
        match members {
            Some(members) => self.end_with(members),
            None => match self.era {
                Era::Legacy => self.buffer.push(b'}'),
                Era::Modern => self.buffer.extend_from_slice(self.texts.modern_end.as_bytes()),
            },
        }
    }

    #[cold]
    fn end_with(&mut self, members: &Map<String, Value>) {
        self.complete();
        self.open_meta();
        for (name, value) in members.iter().filter(|(name, _)| *name != meta::SERVER_INFO) {
            self.raw(name, &value.to_string());
        }
        self.buffer.extend_from_slice(b"}}");
    }

    /// Ends the object with one member in its `_meta`, which is JSON already.
    pub(crate) fn end_tagged(&mut self, name: &str, json: &str) {
        self.complete();
        self.open_meta();
        self.raw(name, json);
        self.buffer.extend_from_slice(b"}}");
    }

    pub(crate) fn complete(&mut self) {
        if self.era == Era::Modern {
            self.string("resultType", "complete");
        }
    }

    /// Begins the `_meta` of the object, with what every result of the modern era has there.
    pub(crate) fn open_meta(&mut self) {
        write::key(self.buffer, "_meta");
        self.open();
        if self.era == Era::Modern {
            self.raw(meta::SERVER_INFO, &self.texts.server_info);
        }
    }
}
