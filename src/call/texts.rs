//! Deserialises typed values from strings. The arguments of a prompt and the variables of a URI
//! template are strings, but a handler may take numbers or `bool`.

use std::collections::BTreeMap;

use serde::de::value::MapDeserializer;
use serde::de::{DeserializeOwned, Deserializer, Error, IntoDeserializer, Unexpected, Visitor};
use serde::forward_to_deserialize_any;

use super::handler::misfit;

/// Deserialises `A` from a JSON object whose values are strings. The error message says where they
/// are invalid.
pub(crate) fn from_texts<A: DeserializeOwned>(object: &str) -> Result<A, String> {
    let texts: BTreeMap<String, String> = super::handler::from_json(object)?;
    let texts = texts.into_iter().map(|(name, text)| (name, TextArgument(text)));
    let deserializer = MapDeserializer::<_, serde::de::value::Error>::new(texts);
    serde_path_to_error::deserialize(deserializer).map_err(|error| misfit(&error))
}

/// A string that deserialises as the type that is requested.
struct TextArgument(String);

impl<E: Error> IntoDeserializer<'_, E> for TextArgument {
    type Deserializer = TextDeserializer<E>;

    fn into_deserializer(self) -> TextDeserializer<E> {
        TextDeserializer { text: self.0, error: std::marker::PhantomData }
    }
}

struct TextDeserializer<E> {
    text: String,
    error: std::marker::PhantomData<E>,
}

macro_rules! parsed {
    ($($method:ident => $visit:ident as $expected:literal),*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
            match self.text.parse() {
                Ok(value) => visitor.$visit(value),
                Err(_) => Err(E::invalid_value(Unexpected::Str(&self.text), &$expected)),
            }
        }
    )*};
}

impl<'de, E: Error> Deserializer<'de> for TextDeserializer<E> {
    type Error = E;

    parsed! {
        deserialize_bool => visit_bool as "`true` or `false`",
        deserialize_i8 => visit_i8 as "an integer",
        deserialize_i16 => visit_i16 as "an integer",
        deserialize_i32 => visit_i32 as "an integer",
        deserialize_i64 => visit_i64 as "an integer",
        deserialize_u8 => visit_u8 as "a positive integer",
        deserialize_u16 => visit_u16 as "a positive integer",
        deserialize_u32 => visit_u32 as "a positive integer",
        deserialize_u64 => visit_u64 as "a positive integer",
        deserialize_f32 => visit_f32 as "a number",
        deserialize_f64 => visit_f64 as "a number"
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_string(self.text)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, E> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, E> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, E> {
        visitor.visit_enum(self.text.into_deserializer())
    }

    forward_to_deserialize_any! {
        i128 u128 char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::from_texts;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    enum Colour {
        Red,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    struct Arguments {
        name: String,
        count: Option<u32>,
        ratio: f64,
        deep: bool,
        colour: Colour,
    }

    #[test]
    fn texts_become_what_the_type_wants() {
        let read = from_texts::<Arguments>(
            r#"{"name":"7","count":"12","ratio":"-0.5","deep":"true","colour":"red","more":"x"}"#,
        );
        let expected =
            Arguments { name: "7".into(), count: Some(12), ratio: -0.5, deep: true, colour: Colour::Red };
        assert_eq!(read, Ok(expected));
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let misfit = |text| from_texts::<Arguments>(text).expect_err(text);
        let wrong = misfit(r#"{"name":"7","ratio":"much","deep":"true","colour":"red"}"#);
        assert!(wrong.contains("`ratio`") && wrong.contains("a number"), "{wrong}");
        let wrong = misfit(r#"{"name":"7","ratio":"1","deep":"true","colour":"blue"}"#);
        assert!(wrong.contains("`colour`") && wrong.contains("`blue`"), "{wrong}");
        assert!(misfit(r#"{"name":7}"#).contains("`name`"));
        assert!(misfit("{}").contains("missing field"));
    }
}
