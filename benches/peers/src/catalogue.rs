//! The tools that every server offers: names, descriptions and schemas.

use std::fmt::Write as _;

use serde_json::Value;

pub(crate) const SERVER_NAME: &str = "peers";
pub(crate) const SERVER_VERSION: &str = "1.0.0";

/// Which tools a server offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum ToolSet {
    /// `add` and `multiply`.
    Two,
    /// `add`, `multiply`, `echo` and `countdown`.
    Four,
    /// A hundred tools, each with about 500 bytes of schema.
    Hundred,
    /// `wait`.
    Wait,
}

impl ToolSet {
    /// The name on the command line of a server.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Two => "two",
            Self::Four => "four",
            Self::Hundred => "hundred",
            Self::Wait => "wait",
        }
    }
}

/// A tool as `tools/list` describes it.
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) description: String,
    /// The JSON of its input schema.
    pub(crate) schema: String,
}

impl Entry {
    fn new(name: &str, description: &str, schema: String) -> Self {
        Self { name: name.to_owned(), description: description.to_owned(), schema }
    }

    pub(crate) fn schema_value(&self) -> Value {
        serde_json::from_str(&self.schema).expect("the catalogue's schemas are JSON")
    }
}

/// The tools of a set, in the order of a list sorted by name.
pub(crate) fn tools(set: ToolSet) -> Vec<Entry> {
    match set {
        ToolSet::Two => vec![add(), multiply()],
        ToolSet::Four => vec![add(), countdown(), echo(), multiply()],
        ToolSet::Hundred => (0..100).map(generated).collect(),
        ToolSet::Wait => vec![wait()],
    }
}

fn add() -> Entry {
    let schema = object("Add", &[("a", INTEGER), ("b", INTEGER)]);
    Entry::new("add", "Add two integers", schema)
}

fn multiply() -> Entry {
    let schema = object("Multiply", &[("a", INTEGER), ("b", INTEGER)]);
    Entry::new("multiply", "Multiply two integers", schema)
}

fn echo() -> Entry {
    let schema = object("Echo", &[("text", r#"{"type":"string"}"#)]);
    Entry::new("echo", "Return the text", schema)
}

fn countdown() -> Entry {
    let schema = object("Countdown", &[("from", UNSIGNED), ("interval_ms", UNSIGNED)]);
    Entry::new("countdown", "Count down to zero, reporting progress", schema)
}

fn wait() -> Entry {
    let schema = object("Wait", &[("ms", UNSIGNED)]);
    Entry::new("wait", "Answer after some milliseconds", schema)
}

const INTEGER: &str = r#"{"format":"int64","type":"integer"}"#;
const UNSIGNED: &str = r#"{"format":"uint64","minimum":0,"type":"integer"}"#;

/// Returns an object schema like one derived from a Rust type. All properties are required.
fn object(title: &str, properties: &[(&str, &str)]) -> String {
    let mut described = String::new();
    let mut required = String::new();
    for (index, (name, schema)) in properties.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        write!(described, r#"{comma}"{name}":{schema}"#).expect("writing to a string cannot fail");
        write!(required, r#"{comma}"{name}""#).expect("writing to a string cannot fail");
    }
    format!(
        r#"{{"$schema":"https://json-schema.org/draft/2020-12/schema","properties":{{{described}}},"required":[{required}],"title":"{title}","type":"object"}}"#
    )
}

/// Returns one of the hundred: a search tool, as servers for business data have.
fn generated(number: usize) -> Entry {
    let schema = object(
        &format!("SearchRecords{number:03}"),
        &[
            (
                "query",
                r#"{"description":"Words that a record has to contain, in any order","type":"string"}"#,
            ),
            (
                "limit",
                r#"{"description":"How many of the records found to return","format":"uint32","maximum":100,"minimum":1,"type":"integer"}"#,
            ),
            (
                "order",
                r#"{"description":"In which order to return the records","enum":["newest","oldest","relevance"],"type":"string"}"#,
            ),
        ],
    );
    Entry::new(
        &format!("search_records_{number:03}"),
        &format!("Search the records of collection {number:03}"),
        schema,
    )
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn generated_schemas_have_about_500_bytes() {
        for tool in tools(ToolSet::Hundred) {
            assert!((480..=520).contains(&tool.schema.len()), "{}", tool.schema.len());
        }
    }

    #[test]
    fn every_schema_is_json() {
        for &set in ToolSet::value_variants() {
            for tool in tools(set) {
                assert!(tool.schema_value().is_object());
            }
        }
    }
}
