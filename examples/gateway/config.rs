//! Reads the `mcpServers` JSON that users already have from their editors and
//! desktop clients, which may have comments and commas too many.
//!
//! ```json
//! {"mcpServers": {
//!     "files": {"command": "npx", "args": ["files-server", "${HOME}"], "env": {"LOG": "${LOG:-info}"}},
//!     "issues": {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ${env:TOKEN}"}}
//! }}
//! ```
//!
//! An entry that cannot be understood leaves out its own server and no other. A name that
//! does not fit into a path is made to: each run of other characters becomes a `_`, and those
//! at the ends are dropped. A server whose name is then taken is left out.
//!
//! `${NAME}` and `${env:NAME}` in a string stand for a variable of the
//! environment, `${NAME:-default}` for `default` where it is unset or empty.
//! `serverUrl` and `httpUrl` mean the same as `url`.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::entry::{Entry, is_disabled};
use super::fields::{Field, Variable, plain, take};

const NAME_MAX: usize = 64;

pub(crate) struct Config {
    /// In the file's order; at least one.
    pub(crate) servers: Vec<Server>,
    /// What the user should know, with its line: members without effect, and servers that are
    /// left out or renamed.
    pub(crate) warnings: Vec<String>,
}

pub(crate) struct Server {
    /// Unique; 1 to 64 of `A-Z a-z 0-9 _ . -`, and neither `.` nor `..`: it
    /// becomes a segment of paths and a prefix of names.
    pub(crate) name: String,
    pub(crate) entry: Entry,
}

#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("not JSON: {0}")]
    Json(serde_json::Error),
    #[error("line {line}: {fault}")]
    File { line: usize, fault: Fault },
    #[error("{}line {line}: there is no server, or all are disabled or left out", lines(.warnings))]
    NoServers { line: usize, warnings: Vec<String> },
}

#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error("{what} must be {wanted}")]
    Type { what: String, wanted: &'static str },
    #[error("{0:?} is there twice")]
    Twice(String),
    #[error("exactly one of \"mcpServers\" and \"servers\" must be there")]
    Lists,
    #[error("a name has 1 to {NAME_MAX} of the characters A-Z a-z 0-9 _ . - and is neither . nor ..")]
    Name,
    #[error("it would be named {0:?}, as another server is")]
    NameTaken(String),
    #[error("there is neither a \"command\" nor a \"url\"")]
    NoTransport,
    #[error("there are both a {0:?} and a {1:?}")]
    TwoTransports(String, String),
    #[error("the old transport \"sse\" is not supported; give the server's Streamable HTTP address instead")]
    Sse,
    #[error("the type {given:?} does not go with a {with:?}")]
    TransportType { given: String, with: &'static str },
    #[error("the address must begin with http:// or https://")]
    Scheme,
    #[error("the era is \"legacy\" or \"modern\", not {0:?}")]
    Era(String),
    #[error("{0} must be more than 0")]
    Duration(String),
    #[error("the variable {0} is not set, and there is no default")]
    Unset(String),
    #[error("{0:?} is none of ${{NAME}}, ${{NAME:-default}} and ${{env:NAME}}")]
    Reference(String),
}

fn lines(texts: &[String]) -> String {
    texts.iter().flat_map(|text| [text, "\n"]).collect()
}

impl ConfigError {
    /// What is wrong and at which line, when that is in an entry.
    fn in_entry(self, entry: &Field<'_>) -> (usize, String) {
        match self {
            Self::File { line, fault } => (line, fault.to_string()),
            other => (entry.line(), other.to_string()),
        }
    }
}

impl Config {
    pub(crate) fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        Self::parse(&text, |name| std::env::var(name).ok())
    }

    pub(crate) fn parse(text: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let text = plain(text);
        let whole = Field::whole(&text).map_err(ConfigError::Json)?;
        let mut fields = whole.object()?;
        let list = match (take(&mut fields, "mcpServers"), take(&mut fields, "servers")) {
            (Some(list), None) | (None, Some(list)) => list,
            (Some(_), Some(list)) => return Err(list.fault(Fault::Lists)),
            (None, None) => return Err(whole.fault(Fault::Lists)),
        };

        let mut config = Self { servers: Vec::new(), warnings: Vec::new() };
        config.warnings.extend(fields.iter().map(|f| format!("line {}: {:?} is ignored", f.line(), f.key)));
        let entries = list.entries()?;
        let mut taken: HashSet<&str> =
            entries.iter().map(|entry| &*entry.key).filter(|key| fits(key)).collect();
        let renamed: Vec<_> = entries.iter().map(|entry| fitted(&entry.key)).collect();
        let mut seen = HashSet::new();
        for (entry, name) in entries.iter().zip(&renamed) {
            let read = if seen.insert(&entry.key) {
                config.add(entry, name.as_deref(), &mut taken, &variable)
            } else {
                Err(entry.fault(Fault::Twice(entry.key.clone())))
            };
            if let Err(error) = read {
                let (line, fault) = error.in_entry(entry);
                config.warn(line, &entry.key, &format!("{fault}; the server is left out"));
            }
        }
        if config.servers.is_empty() {
            return Err(ConfigError::NoServers { line: list.line(), warnings: config.warnings });
        }
        Ok(config)
    }

    /// Adds the server of an entry; `renamed` is the name that it gets if its own does not fit.
    fn add<'n>(
        &mut self,
        entry: &Field<'_>,
        renamed: Option<&'n str>,
        taken: &mut HashSet<&'n str>,
        variable: &Variable<'_>,
    ) -> Result<(), ConfigError> {
        let mut fields = entry.object()?;
        if is_disabled(&mut fields)? {
            self.warn(entry.line(), &entry.key, "the server is disabled, and left out");
            return Ok(());
        }
        let warnings = &mut self.warnings;
        let read = Entry::read(entry, fields, variable, |field, what| {
            warnings.push(format!("line {}, server {:?}: {what}", field.line(), entry.key));
        })?;
        let name = if fits(&entry.key) {
            &entry.key
        } else {
            let name = renamed.ok_or_else(|| entry.fault(Fault::Name))?;
            if !taken.insert(name) {
                return Err(entry.fault(Fault::NameTaken(name.to_owned())));
            }
            self.warn(entry.line(), &entry.key, &format!("the server is named {name:?} here"));
            name
        };
        self.servers.push(Server { name: name.to_owned(), entry: read });
        Ok(())
    }

    fn warn(&mut self, line: usize, server: &str, what: &str) {
        self.warnings.push(format!("line {line}, server {server:?}: {what}"));
    }
}

/// Whether a name can be a segment of paths and a prefix of names.
fn fits(name: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    (1..=NAME_MAX).contains(&name.len()) && name.bytes().all(fits) && name != "." && name != ".."
}

/// The name that a server gets whose own does not fit.
fn fitted(name: &str) -> Option<String> {
    let is_kept = |character: char| character.is_ascii_alphanumeric() || "_.-".contains(character);
    let words = name.split(|character| !is_kept(character)).filter(|word| !word.is_empty());
    Some(words.collect::<Vec<_>>().join("_")).filter(|name| fits(name))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::entry::Transport;
    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse(text, |name| match name {
            "HOME" => Some("/home/ada".to_owned()),
            "EMPTY" => Some(String::new()),
            "LOOKS" => Some("${HOME}".to_owned()),
            _ => None,
        })
    }

    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = parse(text).err().expect("it must be refused").to_string();
        assert!(error.starts_with(expected), "{error:?} does not begin with {expected:?}");
    }

    /// That the only server of the file is left out, and why.
    #[track_caller]
    fn left_out(text: &str, expected: &str) {
        let error = parse(text).err().expect("nothing is left").to_string();
        let (warning, rest) = error.split_once('\n').expect("a warning");
        assert!(warning.starts_with(expected), "{warning:?} does not begin with {expected:?}");
        assert!(warning.ends_with("the server is left out"), "{warning}");
        assert!(rest.contains("there is no server"), "{rest}");
    }

    /// One server whose entry has these fields, from line 2 on.
    fn server(fields: &str) -> String {
        format!("{{\"mcpServers\": {{\"one\":\n{{{fields}}}}}}}")
    }

    fn stdio(config: &Config) -> (&str, &[String], &BTreeMap<String, String>, Option<&Path>) {
        match &config.servers[0].entry.transport {
            Transport::Stdio { command, args, env, cwd, .. } => (command, args, env, cwd.as_deref()),
            Transport::Http { url, .. } => panic!("it is at {url}"),
        }
    }

    #[test]
    fn servers_of_both_transports_are_read_in_order() {
        let config = parse(
            r#"{"mcpServers": {
                "z": {"command": "npx", "args": ["-y", "x"], "env": {"A": "1"}, "cwd": "${HOME}/w"},
                "a": {"type": "http", "url": "https://h/mcp", "headers": {"X": "${NO:-y}"}},
                "b": {"command": "b"}
            }}"#,
        )
        .unwrap();
        assert!(config.warnings.is_empty());
        let names: Vec<_> = config.servers.iter().map(|server| &*server.name).collect();
        assert_eq!(names, ["z", "a", "b"]);
        let (command, args, env, cwd) = stdio(&config);
        assert_eq!((command, args), ("npx", &["-y".to_owned(), "x".to_owned()][..]));
        assert_eq!(env, &BTreeMap::from([("A".to_owned(), "1".to_owned())]));
        assert_eq!(cwd, Some(Path::new("/home/ada/w")));
        let Transport::Http { url, headers } = &config.servers[1].entry.transport else { panic!("not HTTP") };
        assert_eq!(url, "https://h/mcp");
        assert_eq!(headers, &BTreeMap::from([("X".to_owned(), "y".to_owned())]));
    }

    #[test]
    fn an_address_goes_by_several_names() {
        for key in ["url", "serverUrl", "httpUrl"] {
            let config = parse(&server(&format!(r#""{key}": "http://h/mcp""#))).unwrap();
            let Transport::Http { url, .. } = &config.servers[0].entry.transport else { panic!("not HTTP") };
            assert_eq!(url, "http://h/mcp");
        }
    }

    #[test]
    fn variables_are_expanded_once() {
        for (given, expected) in [
            ("${HOME}/x$HOME$", "/home/ada/x$HOME$"),
            ("${env:HOME}${HOME:-no}", "/home/ada/home/ada"),
            ("<${NO:-a:-b}${env:NO:-}${EMPTY}${EMPTY:-c}>", "<a:-bc>"),
            ("${LOOKS}", "${HOME}"),
        ] {
            let config = parse(&server(&format!(r#""command": "{given}""#))).unwrap();
            assert_eq!(stdio(&config).0, expected, "{given}");
        }
        let refuse = |fields: &str, expected| left_out(&server(fields), expected);
        refuse(
            "\"command\": \"c\", \"args\": [\"a\",\n\"${NO}\"]",
            "line 3, server \"one\": the variable NO is not set",
        );
        for bad in ["${input:key}", "${", "${}", "${A:-${HOME}}"] {
            refuse(&format!(r#""command": "c", "env": {{"A": "{bad}"}}"#), "line 2, server \"one\": \"${");
        }
    }

    #[test]
    fn what_has_no_effect_is_told() {
        let config = parse(
            "{\"inputs\": [],\n\"servers\": {\n\"one\": {\"command\": \"c\", \"alwaysAllow\": [], \"type\": \"stdio\",\n\
             \"sandbox\": 5, \"headers\": {}},\n\"two\": {\"disabled\": true, \"url\": \"${NO}\"}}}",
        )
        .unwrap();
        assert_eq!(config.servers.len(), 1);
        assert_eq!(
            config.warnings,
            [
                "line 1: \"inputs\" is ignored",
                "line 4, server \"one\": \"sandbox\" is ignored",
                "line 4, server \"one\": \"headers\" is ignored",
                "line 5, server \"two\": the server is disabled, and left out",
            ]
        );
    }

    #[test]
    fn a_file_that_lists_no_servers_is_refused() {
        refused("{\n\"mcpServers\": }", "not JSON: expected value at line 2");
        refused("[]", "line 1: the file must be an object");
        refused("{}", "line 1: exactly one of");
        refused("{\"servers\": {},\n\"mcpServers\": {}}", "line 1: exactly one of");
        refused("{\n\"mcpServers\": {}}", "line 2: there is no server");
        refused(
            &server(r#""command": "c", "enabled": false"#),
            "line 2, server \"one\": the server is disabled, and left out\nline 1: there is no server",
        );
    }

    #[test]
    fn a_server_whose_entry_cannot_be_understood_is_left_out() {
        for (fields, expected) in [
            ("", "there is neither"),
            (r#""command": "c", "url": "http://h""#, "there are both a \"command\" and a \"url\""),
            (r#""url": "http://h", "httpUrl": "http://h""#, "there are both a \"url\" and a \"httpUrl\""),
            (r#""url": "http://h", "type": "sse""#, "the old transport \"sse\""),
            (r#""url": "http://h", "transport": "sse""#, "the old transport \"sse\""),
            (r#""url": "http://h", "type": "stdio""#, "the type \"stdio\" does not go with a \"url\""),
            (r#""command": "c", "type": "http""#, "the type \"http\" does not go with a \"command\""),
            (r#""url": "file:///h""#, "the address must begin with"),
            (r#""command": 1"#, "command must be a string"),
            (r#""command": "c", "args": "a""#, "args must be a list"),
            (r#""command": "c", "args": ["a", 1]"#, "args no. 2 must be a string"),
            (r#""command": "c", "env": {"A": 1}"#, "A must be a string"),
            (r#""command": "c", "disabled": "yes""#, "disabled must be true or false"),
            (r#""command": "c", "command": "d""#, "\"command\" is there twice"),
            (r#""command": "c", "disabledTools": "a""#, "disabledTools must be a list of names of tools"),
            (r#""command": "c", "tools": "a""#, "tools must be a list of names of tools"),
            (r#""command": "c", "timeout": -1"#, "timeout must be more than 0"),
            (r#""command": "c", "timeout": "5s""#, "timeout must be a number"),
            (r#""command": "c", "era": "old""#, "the era is \"legacy\" or \"modern\", not \"old\""),
        ] {
            left_out(&server(fields), &format!("line 2, server \"one\": {expected}"));
        }
    }

    #[test]
    fn one_entry_that_cannot_be_understood_takes_no_other_with_it() {
        let config = parse(
            "{\"mcpServers\": {\n\"a\": {\"command\": \"c\", \"env\": {\n\"K\": \"${input:key}\"}},\n\
             \"b\": {\"command\": \"c\"},\n\"c\": 7,\n\"b\": {\"command\": \"d\"}}}",
        )
        .unwrap();
        let names: Vec<_> = config.servers.iter().map(|server| &*server.name).collect();
        assert_eq!(names, ["b"]);
        assert_eq!(stdio(&config).0, "c");
        assert_eq!(
            config.warnings,
            [
                "line 3, server \"a\": \"${input:key}\" is none of ${NAME}, ${NAME:-default} and ${env:NAME}; the server is left out",
                "line 5, server \"c\": c must be an object; the server is left out",
                "line 6, server \"b\": \"b\" is there twice; the server is left out",
            ]
        );
    }

    #[test]
    fn names_fit_for_paths_and_prefixes_or_are_made_to() {
        let named = |name: &str| format!(r#"{{"mcpServers": {{"{name}": {{"command": "c"}}}}}}"#);
        for good in ["a", "Az09_.-", "...", &"x".repeat(64)] {
            let config = parse(&named(good)).unwrap();
            assert_eq!((&*config.servers[0].name, config.warnings), (good, vec![]));
        }
        for (given, name) in
            [("a/b", "a_b"), ("a  b", "a_b"), (" My server (beta)!", "My_server_beta"), ("né", "n")]
        {
            let config = parse(&named(given)).unwrap();
            assert_eq!(config.servers[0].name, name);
            assert_eq!(
                config.warnings,
                [format!("line 1, server {given:?}: the server is named {name:?} here")]
            );
        }
        for bad in ["", ".", "..", "é", &"x".repeat(65)] {
            left_out(&named(bad), &format!("line 1, server {bad:?}: a name has"));
        }
    }

    #[test]
    fn no_server_is_renamed_as_another_is_named() {
        let config = parse(
            "{\"servers\": {\"a b\": {\"command\": \"c\"},\n\"a_b\": {\"command\": \"d\"},\n\
             \"x y\": {\"command\": \"e\"},\n\"x/y\": {\"command\": \"f\"}}}",
        )
        .unwrap();
        let names: Vec<_> = config.servers.iter().map(|server| &*server.name).collect();
        assert_eq!(names, ["a_b", "x_y"]);
        assert_eq!(stdio(&config).0, "d");
        let taken = |line, server, name| {
            format!(
                "line {line}, server {server:?}: it would be named {name:?}, as another server is; the server is left out"
            )
        };
        assert_eq!(config.warnings[0], taken(1, "a b", "a_b"));
        assert_eq!(config.warnings[2], taken(4, "x/y", "x_y"));
    }
}
