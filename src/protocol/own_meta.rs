//! The `_meta` that a host puts beside what it sends.

use serde_json::{Map, Value};

use crate::jsonrpc::write;

/// Members of a `_meta` (2026-07-28, Base Protocol, "`_meta`"); nearly always there are none.
pub(crate) type OwnMeta = Option<Box<Map<String, Value>>>;

/// Adds a member, in place of one of the same name.
pub(crate) fn add_meta(meta: &mut OwnMeta, key: impl Into<String>, value: impl Into<Value>) {
    meta.get_or_insert_default().insert(key.into(), value.into());
}

/// Writes `_meta` as the next member of an object, if there is any.
pub(crate) fn write_meta(buffer: &mut Vec<u8>, meta: &OwnMeta) {
    if let Some(meta) = meta {
        write::key(buffer, "_meta");
        // A map of JSON values is always JSON.
        let _ = write::json(buffer, meta);
    }
}

/// The setter of members of `_meta`, which are kept in the place `$($field).+`.
macro_rules! meta_setter {
    ($(#[$attribute:meta])* $($field:ident).+) => {
        /// Adds a member to its `_meta` (2026-07-28, Base Protocol, "`_meta`"), in place of one of
        /// the same name. Names of a host's own have a prefix, such as `com.example/owner`.
        $(#[$attribute])*
        pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
            $crate::protocol::add_meta(&mut self.$($field).+, key, value);
            self
        }
    };
}
pub(crate) use meta_setter;
