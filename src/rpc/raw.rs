//! Small readings of borrowed JSON text.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// The value of a JSON string; `None` when `raw` is something else, or a string
/// that no Rust string can hold (a lone surrogate).
///
/// Borrows unless the string has escapes.
pub(crate) fn string(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw.get()).ok().map(Cow::Owned)
}

/// Whether the value is an object.
pub(crate) fn is_object(raw: &RawValue) -> bool {
    raw.get().starts_with('{')
}

/// The value unless it is `null`, which this protocol's optional members mean
/// no differently from an absent one.
pub(crate) fn present(raw: Option<&RawValue>) -> Option<&RawValue> {
    raw.filter(|raw| raw.get() != "null")
}

/// A key, borrowed when it has no escapes (`Cow` alone always copies).
#[derive(Deserialize)]
pub(crate) struct Key<'a>(#[serde(borrow)] pub(crate) Cow<'a, str>);

/// One member of an object; `None` without it, or when the text is no object.
///
/// # Errors
/// When the member is there twice: another reader might pick the other one.
pub(crate) fn member<'a>(object: &'a str, name: &str) -> Result<Option<&'a RawValue>, Repeated> {
    if !object.starts_with('{') {
        return Ok(None);
    }
    Member(name).deserialize(&mut serde_json::Deserializer::from_str(object)).map_err(|_| Repeated)
}

/// A member is there twice.
#[derive(Debug)]
pub(crate) struct Repeated;

/// Reads one member of an object and skips the rest.
struct Member<'n>(&'n str);

impl<'de> DeserializeSeed<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Member<'_> {
    type Value = Option<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object that names a key once")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(Key(key)) = map.next_key()? {
            if key != self.0 {
                map.next_value::<IgnoredAny>()?;
            } else if found.replace(map.next_value()?).is_some() {
                return Err(serde::de::Error::custom("repeated"));
            }
        }
        Ok(found)
    }
}
