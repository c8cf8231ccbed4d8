//! The `_meta` that a host adds to definitions and results.

use serde_json::{Map, Value};

use crate::jsonrpc::write;

/// The members of a `_meta` (2026-07-28, Base Protocol, "`_meta`"). Boxed, because it is rare.
pub(crate) type OwnMeta = Option<Box<Map<String, Value>>>;

/// Adds a member. Replaces one of the same name.
pub(crate) fn add_meta(meta: &mut OwnMeta, key: impl Into<String>, value: impl Into<Value>) {
    meta.get_or_insert_default().insert(key.into(), value.into());
}

/// Writes `_meta` as the next member of an object, if it is set.
pub(crate) fn write_meta(buffer: &mut Vec<u8>, meta: &OwnMeta) {
    if let Some(meta) = meta {
        write::key(buffer, "_meta");
        // Serialising a map of JSON values cannot fail.
        let _ = write::json(buffer, meta);
    }
}

/// The setter of a type whose `_meta` is in the field `$($field).+`.
macro_rules! meta_setter {
    ($(#[$attribute:meta])* $($field:ident).+) => {
        /// Adds a member to its `_meta` (2026-07-28, Base Protocol, "`_meta`"). Replaces a member of
        /// the same name. Custom names need a prefix, such as `com.example/owner`.
        $(#[$attribute])*
        pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<serde_json::Value>) -> Self {
            $crate::protocol::add_meta(&mut self.$($field).+, key, value);
            self
        }
    };
}
pub(crate) use meta_setter;
