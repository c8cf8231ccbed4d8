//! Deserialises JSON text. The [scanner](super::scan) reads structure and strings, which can be
//! large; `serde_json` reads numbers and rare types.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IntoDeserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::Error;
use serde_json::de::StrRead;

use super::scan::{Items, ScanFault, Scanner};

/// Deserialises a value. If this succeeds, `serde_json` would return the same value.
///
/// # Errors
/// Returns an error if the value is invalid, or of a type that only `serde_json` supports, such as a map
/// whose keys are not strings. The error has no details: to get them, deserialise again with `serde_json`.
pub(crate) fn json<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Error> {
    let mut scanner = Scanner::new(text);
    let value = T::deserialize(Value(&mut scanner))?;
    scanner.end()?;
    Ok(value)
}

impl From<ScanFault> for Error {
    fn from(_: ScanFault) -> Self {
        Self::custom("unexpected JSON")
    }
}

/// Deserialises the next value of a scanner.
struct Value<'s, 'de>(&'s mut Scanner<'de>);

impl<'de> Value<'_, 'de> {
    fn string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        StringDeserializer(self.0.text()?).deserialize_any(visitor)
    }

    fn object<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.items(b'{', b'}', |items| visitor.visit_map(items))
    }

    fn array<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.items(b'[', b']', |items| visitor.visit_seq(items))
    }

    fn items<T>(
        self,
        open: u8,
        close: u8,
        visit: impl FnOnce(&mut Values<'_, 'de>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let items = self.0.enter(open, close)?;
        let mut values = Values { scanner: self.0, items };
        let value = visit(&mut values)?;
        // The visitor must have consumed all items.
        if values.another()? { Err(ScanFault::Unwanted.into()) } else { Ok(value) }
    }

    fn by_serde_json<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'de>>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let text = self.0.value()?;
        let mut deserializer = serde_json::Deserializer::from_str(text.text());
        let read = read(&mut deserializer).and_then(|value| {
            // `serde_json` may have read only the start of a number.
            deserializer.end()?;
            Ok(value)
        });
        if read.is_err() {
            // A type may swallow the error. Go back, so that nothing can follow and this fails as a
            // whole: the outcome is then that of `serde_json`.
            self.0.back_over(text.text().len());
        }
        read
    }

    /// Reads short integers here, because creating a deserializer of `serde_json` costs more.
    fn integer<V: Visitor<'de>>(
        self,
        visitor: V,
        read: impl FnOnce(&mut serde_json::Deserializer<StrRead<'de>>, V) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        let Some((integer, length)) = self.0.short_integer() else {
            return self.by_serde_json(|deserializer| read(deserializer, visitor));
        };
        let visited = visitor.visit_u64(integer);
        if visited.is_err() {
            // As above.
            self.0.back_over(length);
        }
        visited
    }
}

/// The methods for integers of up to 64 bits.
macro_rules! integers {
    ($methods:ident) => {
        $methods! {
            deserialize_i8();
            deserialize_i16();
            deserialize_i32();
            deserialize_i64();
            deserialize_u8();
            deserialize_u16();
            deserialize_u32();
            deserialize_u64();
        }
    };
}

/// The other methods that are left to `serde_json`, for values and for keys.
macro_rules! left_to_serde_json {
    ($methods:ident) => {
        $methods! {
            deserialize_bool();
            deserialize_i128();
            deserialize_u128();
            deserialize_f32();
            deserialize_f64();
            deserialize_bytes();
            deserialize_byte_buf();
            deserialize_newtype_struct(name: &'static str);
        }
    };
}

macro_rules! forward {
    ($($method:ident($($name:ident: $type:ty),*) => $to:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Error> {
            self.$to(visitor)
        }
    )*};
}

macro_rules! by_serde_json {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $($name: $type,)* visitor: V) -> Result<V::Value, Error> {
            self.by_serde_json(|deserializer| deserializer.$method($($name,)* visitor))
        }
    )*};
}

macro_rules! by_visit {
    ($($method:ident();)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.integer(visitor, |deserializer, visitor| deserializer.$method(visitor))
        }
    )*};
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0.peek() {
            Some(b'"') => self.string(visitor),
            Some(b'{') => self.object(visitor),
            Some(b'[') => self.array(visitor),
            _ => self.by_serde_json(|deserializer| deserializer.deserialize_any(visitor)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if self.0.peek() == Some(b'[') { self.array(visitor) } else { self.object(visitor) }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.peek() != Some(b'n') {
            return visitor.visit_some(self);
        }
        self.0.value()?;
        visitor.visit_none()
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.0.value()?;
        visitor.visit_unit()
    }

    forward! {
        deserialize_str() => string;
        deserialize_string() => string;
        deserialize_identifier() => string;
        deserialize_map() => object;
        deserialize_seq() => array;
        deserialize_tuple(_length: usize) => array;
        deserialize_tuple_struct(_name: &'static str, _length: usize) => array;
    }

    integers! { by_visit }

    left_to_serde_json! { by_serde_json }

    by_serde_json! {
        deserialize_char();
        deserialize_unit();
        deserialize_unit_struct(name: &'static str);
        deserialize_enum(name: &'static str, variants: &'static [&'static str]);
    }
}

/// The members of an object, or the elements of an array.
struct Values<'s, 'de> {
    scanner: &'s mut Scanner<'de>,
    items: Items,
}

impl Values<'_, '_> {
    fn another(&mut self) -> Result<bool, ScanFault> {
        self.scanner.another(&mut self.items)
    }
}

impl<'de> MapAccess<'de> for Values<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if !self.another()? {
            return Ok(None);
        }
        seed.deserialize(StringDeserializer(self.scanner.text()?)).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        self.scanner.take(b':')?;
        seed.deserialize(Value(self.scanner))
    }
}

impl<'de> SeqAccess<'de> for Values<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if !self.another()? {
            return Ok(None);
        }
        seed.deserialize(Value(self.scanner)).map(Some)
    }
}

/// Deserialises a string, which may be the key of a member. Keys of other types are left to
/// `serde_json`.
struct StringDeserializer<'de>(Cow<'de, str>);

macro_rules! unwanted {
    ($($method:ident($($name:ident: $type:ty),*);)*) => {$(
        fn $method<V: Visitor<'de>>(self, $(_: $type,)* _: V) -> Result<V::Value, Error> {
            Err(ScanFault::Unwanted.into())
        }
    )*};
}

impl<'de> Deserializer<'de> for StringDeserializer<'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.0 {
            Cow::Borrowed(text) => visitor.visit_borrowed_str(text),
            Cow::Owned(text) => visitor.visit_string(text),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        char str string identifier ignored_any unit unit_struct seq tuple tuple_struct map struct
    }

    integers! { unwanted }

    left_to_serde_json! { unwanted }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fmt;

    use proptest::prelude::*;
    use serde::de::Visitor;
    use serde::{Deserialize, Deserializer};
    use serde_json::value::RawValue;

    use super::json;

    /// Has a field of each kind of type.
    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    #[expect(dead_code, reason = "compared by their `Debug` output")]
    struct Everything {
        text: String,
        borrowed: Option<Box<str>>,
        character: char,
        integer: i64,
        large: u128,
        number: f64,
        flag: bool,
        nothing: (),
        list: Vec<String>,
        pair: (u8, String),
        wrapped: Wrapped,
        tuple: Tuple,
        kind: Kind,
        either: Either,
        map: BTreeMap<String, Everything>,
        numbered: BTreeMap<u8, String>,
        keyed: BTreeMap<Key, String>,
        #[serde(deserialize_with = "lenient")]
        lenient: u32,
        #[serde(deserialize_with = "lenient")]
        lenient_object: Option<Box<Everything>>,
        raw: Option<Box<RawValue>>,
        any: serde_json::Value,
        #[serde(flatten)]
        more: BTreeMap<String, serde_json::Value>,
    }

    #[derive(Debug, Default, Deserialize)]
    #[expect(dead_code, reason = "compared by their `Debug` output")]
    struct Wrapped(String);

    #[derive(Debug, Default, Deserialize)]
    #[expect(dead_code, reason = "compared by their `Debug` output")]
    struct Tuple(String, i8);

    #[derive(Debug, Default, Deserialize)]
    #[expect(dead_code, reason = "compared by their `Debug` output")]
    enum Kind {
        #[default]
        Plain,
        With(String),
        Having {
            text: String,
        },
    }

    #[derive(Debug, Deserialize)]
    #[serde(untagged)]
    #[expect(dead_code, reason = "compared by their `Debug` output")]
    enum Either {
        StringDeserializer(String),
        Number(f64),
        Both { text: String, number: f64 },
    }

    impl Default for Either {
        fn default() -> Self {
            Self::Number(0.0)
        }
    }

    /// Swallows an error.
    #[expect(clippy::unnecessary_wraps, reason = "the signature that `serde` expects")]
    fn lenient<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(value: D) -> Result<T, D::Error> {
        Ok(T::deserialize(value).unwrap_or_default())
    }

    /// Asks for a number, but also accepts a string.
    #[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
    struct Key(String);

    impl<'de> Deserialize<'de> for Key {
        fn deserialize<D: Deserializer<'de>>(key: D) -> Result<Self, D::Error> {
            struct Either;

            impl Visitor<'_> for Either {
                type Value = Key;

                fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                    formatter.write_str("a number or a text")
                }

                fn visit_u64<E>(self, number: u64) -> Result<Key, E> {
                    Ok(Key(format!("the number {number}")))
                }

                fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                    Ok(Key(format!("the text {text}")))
                }
            }

            key.deserialize_u64(Either)
        }
    }

    const NAMES: [&str; 23] = [
        "text",
        "borrowed",
        "character",
        "integer",
        "large",
        "number",
        "flag",
        "nothing",
        "list",
        "pair",
        "wrapped",
        "tuple",
        "kind",
        "either",
        "map",
        "numbered",
        "keyed",
        "lenient",
        "lenient_object",
        "raw",
        "any",
        "more",
        "t\\u0065xt",
    ];

    const VALUES: [&str; 24] = [
        "null",
        "true",
        "0",
        "-1",
        "1.5",
        "1e400",
        "18446744073709551616",
        r#""""#,
        r#""a""#,
        r#""\n\u00e9""#,
        r#""\ud83d\ude00""#,
        r#""\ud83d""#,
        r#""Plain""#,
        "[]",
        r#"["a","b"]"#,
        r#"[1,"a"]"#,
        r#"["a",1]"#,
        r#"[1,"a",2]"#,
        "{}",
        r#"{"With":"a"}"#,
        r#"{"Having":{"text":"\t"}}"#,
        r#"{"text":"a","number":1}"#,
        r#"{"1":"a"}"#,
        r#"{"a":{"text":"b"}}"#,
    ];

    /// Requires the same value as that of `serde_json`, or an error if only `serde_json` supports it.
    fn compare(members: &[(&str, &str)], space: &str) -> Result<(), TestCaseError> {
        let left_to_it = ["numbered", "keyed", "lenient", "lenient_object"];
        let may_fail = members.iter().any(|(name, _)| left_to_it.contains(name));
        let member = |(name, value): &(&str, &str)| format!("{space}\"{name}\"{space}:{value}");
        let text = format!("{{{}{space}}}", members.iter().map(member).collect::<Vec<_>>().join(","));
        let shown = |value: serde_json::Result<Everything>| value.map(|value| format!("{value:?}"));
        let theirs = shown(serde_json::from_str(&text));
        match shown(json(&text)) {
            Ok(ours) => prop_assert_eq!(Some(&ours), theirs.as_ref().ok(), "{}: {:?}", text, theirs),
            Err(error) if !may_fail => prop_assert!(theirs.is_err(), "{}: {}", text, error),
            Err(_) => {}
        }
        Ok(())
    }

    #[test]
    fn each_kind_of_value_is_read_as_each_kind_of_type() {
        for name in NAMES {
            for value in VALUES {
                compare(&[(name, value)], "").expect("the same");
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_serde_json_reads(
            members in prop::collection::vec((prop::sample::select(&NAMES), prop::sample::select(&VALUES)), 0..5),
            space in "[ \n]?",
        ) {
            compare(&members, &space)?;
        }

        #[test]
        fn any_json_is_read_as_serde_json_reads_it(text in r#"([ \t\[\]{}:,0-9.eE-]|true|null|"[a-z]?","[a-z\\]{0,3}"|"a":|\\u00e9|é){0,12}"#) {
            let ours = json::<serde_json::Value>(&text);
            prop_assert_eq!(ours.ok(), serde_json::from_str(&text).ok());
        }

        #[test]
        fn strings_are_read_as_serde_json_reads_them(text in r#"([a-z ]{0,40}|é|\\["\\/bfnrt]|\\u[0-9a-f]{4}|\\ud83d\\ude[0-9a-f]{2}|\\.|[\x00-\x1f]){0,12}"#) {
            let text = format!("\"{text}\"");
            prop_assert_eq!(json::<String>(&text).ok(), serde_json::from_str(&text).ok());
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = "[".repeat(1_000_000);
        assert!(json::<serde_json::Value>(&deep).is_err());
    }
}
