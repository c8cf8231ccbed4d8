//! Writes results directly into the buffer of a reply.

use serde::Serialize;
use serde_json::{Map, Value};

use crate::jsonrpc::write;
use crate::protocol::{CacheHint, CacheScope, Era, meta};

/// A result that can write itself.
pub(crate) trait WriteResult {
    /// Writes the object of the result.
    fn write(&self, writer: &mut ResultWriter<'_>);
}

/// The parts of every result that describe the server, as JSON.
#[derive(Debug)]
pub(crate) struct ResultTexts {
    /// The server's `Implementation`.
    pub(crate) server_info: String,
    /// The end of a modern result that adds nothing to `_meta`: everything after its last member.
    modern_end: String,
}

impl ResultTexts {
    pub(crate) fn new(server_info: String) -> Self {
        let key = meta::SERVER_INFO;
        let modern_end = format!(r#","resultType":"complete","_meta":{{"{key}":{server_info}}}}}"#);
        Self { server_info, modern_end }
    }
}

/// Writes the object of one result: [`open`](Self::open) first, then its members, then
/// [`end`](Self::end), which adds the members that every result of the era has.
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

    /// Writes a member whose value is JSON text.
    pub(crate) fn raw(&mut self, name: &str, json: &str) {
        write::key(self.buffer, name);
        self.buffer.extend_from_slice(json.as_bytes());
    }

    pub(crate) fn string(&mut self, name: &str, value: &str) {
        write::key(self.buffer, name);
        write::string(self.buffer, value);
    }

    /// Writes a member. `value` must be of a type that always serialises, made of strings, numbers,
    /// lists, and objects with fixed keys.
    pub(crate) fn json(&mut self, name: &str, value: &impl Serialize) {
        write::key(self.buffer, name);
        let _ = write::json(self.buffer, value);
    }

    /// Opens the object, with an array as its first member. `opening` is the text before the array;
    /// `write_element` writes each element.
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

    /// Ends the object with the members that every result of the era has. `members` are added to
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
        let start = self.open_meta();
        for (name, value) in members.iter().filter(|(name, _)| *name != meta::SERVER_INFO) {
            self.raw(name, &value.to_string());
        }
        self.close_meta(start);
        self.buffer.push(b'}');
    }

    /// Ends the object with one more member in its `_meta`, whose value is JSON text.
    pub(crate) fn end_tagged(&mut self, name: &str, json: &str) {
        self.complete();
        let start = self.open_meta();
        self.raw(name, json);
        self.close_meta(start);
        self.buffer.push(b'}');
    }

    pub(crate) fn complete(&mut self) {
        if self.era == Era::Modern {
            self.string("resultType", "complete");
        }
    }

    /// Opens the `_meta` of the object, with the members that every modern result has there. Returns
    /// its start in the buffer, for [`close_meta`](Self::close_meta).
    pub(crate) fn open_meta(&mut self) -> usize {
        let start = self.buffer.len();
        write::key(self.buffer, "_meta");
        self.open();
        if self.era == Era::Modern {
            self.raw(meta::SERVER_INFO, &self.texts.server_info);
        }
        start
    }

    /// Closes the `_meta` that starts at `start`, or removes it if it is empty.
    pub(crate) fn close_meta(&mut self, start: usize) {
        // No member ends with an opening brace.
        if self.buffer.last() == Some(&b'{') {
            self.buffer.truncate(start);
        } else {
            self.buffer.push(b'}');
        }
    }
}
