//! The fields of a JSON file, each of which knows its line.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::config::{ConfigError, Fault};

/// Looks up a variable of the environment.
pub(crate) type Variable<'v> = dyn Fn(&str) -> Option<String> + 'v;

/// A value of the file, which knows where it is.
pub(crate) struct Field<'t> {
    /// The whole file.
    text: &'t str,
    pub(crate) key: String,
    /// A part of `text`.
    raw: &'t RawValue,
}

impl<'t> Field<'t> {
    /// The value that all others are in.
    pub(crate) fn whole(text: &'t str) -> Result<Self, serde_json::Error> {
        let raw = serde_json::from_str(text)?;
        Ok(Self { text, key: "the file".to_owned(), raw })
    }

    pub(crate) fn line(&self) -> usize {
        let before = self.raw.get().as_ptr().addr() - self.text.as_ptr().addr();
        1 + self.text[..before].matches('\n').count()
    }

    pub(crate) fn fault(&self, fault: Fault) -> ConfigError {
        ConfigError::File { line: self.line(), fault }
    }

    pub(crate) fn read<T: Deserialize<'t>>(&self, wanted: &'static str) -> Result<T, ConfigError> {
        serde_json::from_str(self.raw.get())
            .map_err(|_| self.fault(Fault::Type { what: self.key.clone(), wanted }))
    }

    pub(crate) fn is_object(&self) -> bool {
        self.raw.get().starts_with('{')
    }

    /// The members of an object, repeated ones too.
    pub(crate) fn entries(&self) -> Result<Vec<Self>, ConfigError> {
        let Entries(entries) = self.read("an object")?;
        Ok(entries.into_iter().map(|(key, raw)| Self { text: self.text, key, raw }).collect())
    }

    /// The members of an object, each there once.
    pub(crate) fn object(&self) -> Result<Vec<Self>, ConfigError> {
        let fields = self.entries()?;
        let mut keys = HashSet::new();
        match fields.iter().find(|field| !keys.insert(&field.key)) {
            Some(twin) => Err(twin.fault(Fault::Twice(twin.key.clone()))),
            None => Ok(fields),
        }
    }

    pub(crate) fn string(&self, variable: &Variable<'_>) -> Result<String, ConfigError> {
        let string: String = self.read("a string")?;
        expand(&string, variable).map_err(|fault| self.fault(fault))
    }

    pub(crate) fn list(&self, variable: &Variable<'_>) -> Result<Vec<String>, ConfigError> {
        let items: Vec<&RawValue> = self.read("a list of strings")?;
        let items = items.into_iter().zip(1..);
        let items = items.map(|(raw, n)| Self { text: self.text, key: format!("{} no. {n}", self.key), raw });
        items.map(|item| item.string(variable)).collect()
    }

    pub(crate) fn map(&self, variable: &Variable<'_>) -> Result<BTreeMap<String, String>, ConfigError> {
        let pair = |field: Self| field.string(variable).map(|value| (field.key, value));
        self.object()?.into_iter().map(pair).collect()
    }
}

pub(crate) fn take<'t>(fields: &mut Vec<Field<'t>>, key: &str) -> Option<Field<'t>> {
    let index = fields.iter().position(|field| field.key == key)?;
    Some(fields.remove(index))
}

/// Those that are there, in the order of `keys`.
pub(crate) fn take_any<'t>(fields: &mut Vec<Field<'t>>, keys: &[&str]) -> Vec<Field<'t>> {
    keys.iter().filter_map(|key| take(fields, key)).collect()
}

pub(crate) fn take_as<'t, T>(
    fields: &mut Vec<Field<'t>>,
    key: &str,
    read: impl FnOnce(&Field<'t>) -> Result<T, ConfigError>,
) -> Result<Option<T>, ConfigError> {
    take(fields, key).map(|field| read(&field)).transpose()
}

/// Puts the values of variables in place of the references to them, which their
/// values may look like but never are.
fn expand(string: &str, variable: &Variable<'_>) -> Result<String, Fault> {
    let mut expanded = String::with_capacity(string.len());
    let mut rest = string;
    while let Some((before, after)) = rest.split_once("${") {
        expanded.push_str(before);
        let (inside, after) = after.split_once('}').ok_or_else(|| Fault::Reference("${".to_owned()))?;
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = name.strip_prefix("env:").unwrap_or(name);
        // Others have `${input:…}`, and defaults with references inside.
        if name.is_empty() || name.contains(':') || inside.contains("${") {
            return Err(Fault::Reference(format!("${{{inside}}}")));
        }
        match (variable(name), default) {
            (Some(value), None) => expanded.push_str(&value),
            (Some(value), Some(_)) if !value.is_empty() => expanded.push_str(&value),
            (_, Some(default)) => expanded.push_str(default),
            (None, None) => return Err(Fault::Unset(name.to_owned())),
        }
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The entries of an object in the file's order, repeated ones too, which a map
/// of `serde_json` would silently drop.
struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de> Deserialize<'de> for Entries<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;

        impl<'de> Visitor<'de> for Pairs {
            type Value = Entries<'de>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Entries(pairs))
            }
        }

        deserializer.deserialize_map(Pairs)
    }
}

/// JSON of the same length: comments, and the commas after the last of a list or an object,
/// become spaces, so that every value stays on its line.
pub(crate) fn plain(text: &str) -> String {
    let mut plain = text.as_bytes().to_vec();
    // Of what is neither space nor comment: the last byte but one, and the last with its place.
    let (mut before, mut last, mut last_at) = (b'[', b'[', 0);
    let mut at = 0;
    while at < plain.len() {
        let rest = &text.as_bytes()[at..];
        let length = match rest {
            [b'"', ..] => string_length(rest),
            [b'/', b'/', ..] => rest.iter().position(|&byte| byte == b'\n').unwrap_or(rest.len()),
            [b'/', b'*', inside @ ..] => {
                inside.windows(2).position(|end| end == b"*/").map_or(1, |end| end + 4)
            }
            _ => 1,
        };
        let part = &mut plain[at..at + length];
        if length > 1 && rest[0] == b'/' {
            part.iter_mut().filter(|byte| !matches!(byte, b'\n' | b'\r')).for_each(|byte| *byte = b' ');
        } else if !rest[0].is_ascii_whitespace() {
            if matches!(rest[0], b'}' | b']') && last == b',' && !b"[{,:".contains(&before) {
                plain[last_at] = b' ';
            }
            (before, last, last_at) = (last, rest[0], at);
        }
        at += length;
    }
    // Comments are replaced whole, from one ASCII character to another.
    String::from_utf8(plain).unwrap_or_else(|_| text.to_owned())
}

/// How long the string is that the text begins with, with its quotes.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|&byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |end| end + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_commas_too_many_become_spaces() {
        let text = "{ // \u{e9}\n\"a\": {/* \n */\"b\": \"/*c//\\\",}\", \"d\": [1, 2 , ],\n\"e\": 5 /**/ , // ,\n},\n}//";
        let read: serde_json::Value = serde_json::from_str(&plain(text)).unwrap();
        assert_eq!(read, serde_json::json!({"a": {"b": "/*c//\",}", "d": [1, 2], "e": 5}}));
        let lines = |text: &str| text.lines().map(str::len).collect::<Vec<_>>();
        assert_eq!(lines(&plain(text)), lines(text));
    }

    #[test]
    fn what_is_wrong_stays_wrong() {
        for bad in ["{,}", "[1,,]", "{\"a\":,}", "{} /*/ x", "/", "{} / x", "\"a", "\"\\"] {
            assert_eq!(plain(bad), bad);
        }
    }
}
