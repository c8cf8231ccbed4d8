//! The values of a configuration file, each with its place.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::error::{ConfigError, ErrorKind, Fault, Place};
use super::expand::{Variable, expand};

/// The extensions of JSON that are accepted: comments, and trailing commas.
const LENIENT: ParseOptions = ParseOptions {
    allow_comments: true,
    allow_loose_object_property_names: false,
    allow_trailing_commas: true,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

/// A configuration file.
#[derive(Clone, Copy)]
pub(crate) struct File<'t> {
    /// For messages.
    pub(crate) name: &'t str,
    pub(crate) text: &'t str,
}

impl<'t> File<'t> {
    /// Returns the top-level value.
    pub(crate) fn parse(self) -> Result<Value<'t>, ConfigError> {
        let parsed = parse_to_ast(self.text, &CollectOptions::default(), &LENIENT);
        let (offset, fault) = match parsed.map(|result| result.value) {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => (0, "the file has no value".to_owned()),
            Err(error) => (error.range().start, error.kind().to_string()),
        };
        Err(ErrorKind::At { place: self.place(offset, String::new()), fault: Fault::Syntax(fault) }.into())
    }

    /// Returns the place of the value that starts at this byte.
    fn place(self, offset: usize, path: String) -> Place {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            file: self.name.to_owned(),
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
            path,
        }
    }
}

/// A value of the file.
pub(crate) struct Field<'t> {
    file: File<'t>,
    path: String,
    pub(crate) key: String,
    value: &'t Value<'t>,
}

impl<'t> Field<'t> {
    /// The top-level value.
    pub(crate) fn whole(file: File<'t>, value: &'t Value<'t>) -> Self {
        Self { file, path: String::new(), key: String::new(), value }
    }

    pub(crate) fn place(&self) -> Place {
        self.file.place(self.value.range().start, self.path.clone())
    }

    pub(crate) fn fault(&self, fault: Fault) -> ConfigError {
        ErrorKind::At { place: self.place(), fault }.into()
    }

    fn must_be(&self, wanted: &'static str) -> ConfigError {
        self.fault(Fault::Type(wanted))
    }

    pub(crate) fn is_object(&self) -> bool {
        self.value.as_object().is_some()
    }

    pub(crate) fn bool(&self) -> Result<bool, ConfigError> {
        self.value.as_boolean_lit().map(|literal| literal.value).ok_or_else(|| self.must_be("true or false"))
    }

    pub(crate) fn number(&self) -> Result<f64, ConfigError> {
        let number = self.value.as_number_lit().and_then(|literal| literal.value.parse().ok());
        number.ok_or_else(|| self.must_be("a number"))
    }

    /// Returns a string as written.
    pub(crate) fn text(&self) -> Result<&'t str, ConfigError> {
        self.value.as_string_lit().map(|literal| &*literal.value).ok_or_else(|| self.must_be("a string"))
    }

    /// Returns a string with its variables expanded.
    pub(crate) fn string(&self, variable: &Variable<'_>) -> Result<String, ConfigError> {
        expand(self.text()?, variable).map_err(|fault| self.fault(fault))
    }

    /// Returns the elements of a list.
    fn elements(&self, wanted: &'static str) -> Result<Vec<Self>, ConfigError> {
        let array = self.value.as_array().ok_or_else(|| self.must_be(wanted))?;
        let element = |(index, value)| {
            let path = format!("{}[{index}]", self.path);
            Self { file: self.file, path, key: String::new(), value }
        };
        Ok(array.elements.iter().enumerate().map(element).collect())
    }

    /// Returns a list of names as written.
    pub(crate) fn names(&self, wanted: &'static str) -> Result<Vec<String>, ConfigError> {
        self.elements(wanted)?.iter().map(|element| element.text().map(str::to_owned)).collect()
    }

    pub(crate) fn list(&self, variable: &Variable<'_>) -> Result<Vec<String>, ConfigError> {
        self.elements("a list of strings")?.iter().map(|element| element.string(variable)).collect()
    }

    /// Returns the members of an object, including repeated ones.
    pub(crate) fn entries(&self) -> Result<Vec<Self>, ConfigError> {
        let object = self.value.as_object().ok_or_else(|| self.must_be("an object"))?;
        let entry = |property: &'t jsonc_parser::ast::ObjectProp<'t>| {
            let key = property.name.as_str();
            Self {
                file: self.file,
                path: member(&self.path, key),
                key: key.to_owned(),
                value: &property.value,
            }
        };
        Ok(object.properties.iter().map(entry).collect())
    }

    /// Returns the members of an object, and refuses repeated ones.
    pub(crate) fn object(&self) -> Result<Vec<Self>, ConfigError> {
        let fields = self.entries()?;
        let mut keys = HashSet::new();
        match fields.iter().find(|field| !keys.insert(&field.key)) {
            Some(twin) => Err(twin.fault(Fault::Twice)),
            None => Ok(fields),
        }
    }

    pub(crate) fn map(&self, variable: &Variable<'_>) -> Result<BTreeMap<String, String>, ConfigError> {
        let pair = |field: Self| field.string(variable).map(|value| (field.key, value));
        self.object()?.into_iter().map(pair).collect()
    }
}

/// Returns the path of a member. Quotes the key if it is ambiguous.
fn member(path: &str, key: &str) -> String {
    let mut path = path.to_owned();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if key.is_empty() || !key.bytes().all(is_plain) {
        // Writing to a `String` never fails.
        let _ = write!(path, "[{key:?}]");
    } else {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    }
    path
}

pub(crate) fn take<'t>(fields: &mut Vec<Field<'t>>, key: &str) -> Option<Field<'t>> {
    let index = fields.iter().position(|field| field.key == key)?;
    Some(fields.remove(index))
}

/// Returns those that exist, in the order of `keys`.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Value<'_>, String> {
        File { name: "f", text }.parse().map_err(|error| error.to_string())
    }

    #[test]
    fn comments_and_a_comma_after_the_last_item_are_accepted() {
        let text = "{ // \u{e9}\n\"a\": {/* \n */\"b\": \"/*c//\\\",}\", \"d\": [1, 2 , ],\n\"e\": 5 /**/ , // ,\n},\n}//";
        let value = parse(text).unwrap();
        let whole = Field::whole(File { name: "f", text }, &value);
        let a = take(&mut whole.object().unwrap(), "a").unwrap();
        let mut fields = a.object().unwrap();
        assert_eq!(take(&mut fields, "b").unwrap().text().unwrap(), "/*c//\",}");
        assert_eq!(take(&mut fields, "d").unwrap().elements("a list").unwrap().len(), 2);
        let e = take(&mut fields, "e").unwrap();
        assert_eq!((e.number().unwrap(), e.place().to_string()), (5.0, "f:4:6: a.e".to_owned()));
    }

    #[test]
    fn what_is_not_json_is_refused_where_it_is() {
        for (text, place) in [
            ("", "f:1:1"),
            ("{,}", "f:1:2"),
            ("[1,,]", "f:1:4"),
            ("{\"\u{e9}\":\n \"\u{e9}\" ,\"a\":}", "f:2:11"),
            ("{} /*/ x", "f:1:4"),
            ("/", "f:1:1"),
            ("{} x", "f:1:4"),
            ("\"a", "f:1:1"),
            ("\"\\", "f:1:1"),
            ("{a: 1}", "f:1:2"),
            ("{\"a\": 'b'}", "f:1:7"),
            ("[1 2]", "f:1:3"),
        ] {
            let error = parse(text).err().unwrap_or_else(|| panic!("{text} is taken"));
            assert!(error.starts_with(&format!("{place}: not valid JSON: ")), "{text:?}: {error}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }
}
