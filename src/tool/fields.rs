//! The fields of a struct, in the order of their declaration.
//!
//! A schema does not have this order: its properties are a map of `serde_json`, which sorts its
//! keys unless a crate of the program enables `preserve_order`.

use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// Returns the names of a struct's fields as `serde` reads them, in the order of their declaration.
/// Returns nothing for other types, and for structs with flattened fields.
pub(super) fn field_names<T: DeserializeOwned>() -> &'static [&'static str] {
    match T::deserialize(Probe) {
        Err(Found(fields)) => fields,
        Ok(_) => &[],
    }
}

/// A deserializer without data: what a type first asks of it shows the type's fields.
struct Probe;

/// The names that were found, returned as an error.
#[derive(Debug)]
struct Found(&'static [&'static str]);

impl fmt::Display for Found {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "the fields are {:?}", self.0)
    }
}

impl std::error::Error for Found {}

impl de::Error for Found {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self(&[])
    }
}

impl<'de> Deserializer<'de> for Probe {
    type Error = Found;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Found> {
        Err(Found(&[]))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Found> {
        Err(Found(fields))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Found> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Found> {
        visitor.visit_some(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    use super::field_names;

    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    #[expect(dead_code, reason = "only its fields are looked at")]
    struct Plain {
        zebra_name: String,
        #[serde(rename = "id")]
        number: u32,
        ape: Option<bool>,
    }

    #[derive(Deserialize)]
    #[serde(transparent)]
    #[expect(dead_code, reason = "only its fields are looked at")]
    struct Outer(Plain);

    #[derive(Deserialize)]
    #[expect(dead_code, reason = "only its fields are looked at")]
    struct Flat {
        z: u8,
        #[serde(flatten)]
        plain: Plain,
    }

    #[test]
    fn fields_are_named_as_they_were_declared() {
        let expected = ["zebraName", "id", "ape"];
        assert_eq!(field_names::<Plain>(), expected);
        assert_eq!(field_names::<Outer>(), expected);
        assert_eq!(field_names::<Option<Box<Plain>>>(), expected);
        assert!(field_names::<Flat>().is_empty());
        assert!(field_names::<BTreeMap<String, String>>().is_empty());
        assert!(field_names::<String>().is_empty());
    }
}
