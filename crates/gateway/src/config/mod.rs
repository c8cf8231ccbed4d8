//! Reads the `mcpServers` JSON of editors and desktop clients, which may have comments and trailing
//! commas.
//!
//! ```json
//! {"mcpServers": {
//!     "files": {"command": "npx", "args": ["files-server", "${HOME}"], "env": {"LOG": "${LOG:-info}"}},
//!     "issues": {"url": "https://example.com/mcp", "headers": {"Authorization": "Bearer ${env:TOKEN}"}}
//! }}
//! ```
//!
//! A faulty entry only leaves out its own server. A name that is not valid in a path is changed:
//! each run of other characters becomes a `_`, and those at the ends are dropped. A server whose
//! changed name is taken is left out.
//!
//! A faulty member `gateway`, the settings of the gateway itself, makes the whole file unusable.
//!
//! `${NAME}` and `${env:NAME}` in a string stand for a variable of the environment, and
//! `${NAME:-default}` for `default` if it is unset or empty. `serverUrl` and `httpUrl` mean the
//! same as `url`.

mod entry;
mod error;
mod expand;
mod field;
mod name;
mod rules;
mod settings;

use std::collections::HashSet;
use std::path::Path;
use std::{fmt, fs};

pub(crate) use self::entry::{Entry, Transport};
pub use self::error::ConfigError;
use self::error::{ErrorKind, Fault};
use self::expand::Variable;
use self::field::{Field, File, take, take_as};
use self::name::{fits, fitted};
pub(crate) use self::rules::ToolRules;
pub(crate) use self::settings::{Auth, Settings};

/// The servers in a file.
#[derive(Debug)]
pub struct Config {
    /// In the file's order; at least one.
    pub servers: Vec<Server>,
    /// Warnings for the user with their places: members without effect, and servers that are left
    /// out or renamed.
    pub warnings: Vec<String>,
    /// The settings of the gateway itself.
    pub(crate) gateway: Settings,
}

/// A server in the file. Its `Debug` shows only the name, because environments and headers hold
/// secrets.
pub struct Server {
    /// Unique; 1 to 64 of `A-Z a-z 0-9 _ . -`, and neither `.` nor `..`, because it becomes a
    /// segment of paths and a prefix of names.
    pub name: String,
    pub(crate) entry: Entry,
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Server").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Config {
    /// Reads a file, with the variables of this process's environment.
    ///
    /// # Errors
    /// Returns an error if the file cannot be read, is not valid JSON, or has no server that can be used.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text =
            fs::read_to_string(path).map_err(|source| ErrorKind::Read { path: path.to_owned(), source })?;
        Self::parse(&path.display().to_string(), &text, |name| std::env::var(name).ok())
    }

    /// Parses the text of a file. `file` is its name in messages. No message contains the value of
    /// a variable.
    ///
    /// # Errors
    /// Returns an error if the text is not valid JSON, or has no server that can be used.
    pub fn parse(
        file: &str,
        text: &str,
        variable: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, ConfigError> {
        // Some editors write a byte order mark.
        let file = File { name: file, text: text.strip_prefix('\u{feff}').unwrap_or(text) };
        let value = file.parse()?;
        let whole = Field::whole(file, &value);
        let mut fields = whole.object()?;
        let list = match (take(&mut fields, "mcpServers"), take(&mut fields, "servers")) {
            (Some(list), None) | (None, Some(list)) => list,
            (Some(_), Some(list)) => return Err(list.fault(Fault::Lists)),
            (None, None) => return Err(whole.fault(Fault::Lists)),
        };

        let gateway = take_as(&mut fields, "gateway", |field| Settings::read(field, &variable))?;
        let gateway = gateway.unwrap_or_default();
        let mut config = Self { servers: Vec::new(), warnings: Vec::new(), gateway };
        for field in &fields {
            config.warn(field, "ignored");
        }
        let entries = list.entries()?;
        let mut taken: HashSet<&str> =
            entries.iter().map(|entry| &*entry.key).filter(|key| fits(key)).collect();
        let renamed: Vec<_> = entries.iter().map(|entry| fitted(&entry.key)).collect();
        let mut seen = HashSet::new();
        for (entry, name) in entries.iter().zip(&renamed) {
            let read = if seen.insert(&entry.key) {
                config.add(entry, name.as_deref(), &mut taken, &variable)
            } else {
                Err(entry.fault(Fault::Twice))
            };
            if let Err(error) = read {
                config.warnings.push(format!("{error}; the server is left out"));
            }
        }
        if config.servers.is_empty() {
            return Err(ErrorKind::NoServers { place: list.place(), warnings: config.warnings }.into());
        }
        Ok(config)
    }

    /// Adds the server of an entry. `renamed` is its name if its own is not valid.
    fn add<'n>(
        &mut self,
        entry: &Field<'_>,
        renamed: Option<&'n str>,
        taken: &mut HashSet<&'n str>,
        variable: &Variable<'_>,
    ) -> Result<(), ConfigError> {
        let mut fields = entry.object()?;
        if entry::is_disabled(&mut fields)? {
            self.warn(entry, "the server is disabled and left out");
            return Ok(());
        }
        let read = Entry::read(entry, fields, variable, |field, what| self.warn(field, what))?;
        let name = if fits(&entry.key) {
            &entry.key
        } else {
            let name = renamed.ok_or_else(|| entry.fault(Fault::Name))?;
            if !taken.insert(name) {
                return Err(entry.fault(Fault::NameTaken(name.to_owned())));
            }
            self.warn(entry, &format!("the server is named {name:?} here"));
            name
        };
        self.servers.push(Server { name: name.to_owned(), entry: read });
        Ok(())
    }

    fn warn(&mut self, field: &Field<'_>, what: &str) {
        self.warnings.push(format!("{}: {what}", field.place()));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn parse(text: &str) -> Result<Config, ConfigError> {
        Config::parse("f", text, |name| match name {
            "HOME" => Some("/home/ada".to_owned()),
            "EMPTY" => Some(String::new()),
            "LOOKS" => Some("${HOME}".to_owned()),
            _ => None,
        })
    }

    /// Asserts that the file is refused, with a message that starts with this after the file's
    /// name.
    #[track_caller]
    fn refused(text: &str, expected: &str) {
        let error = parse(text).expect_err("it must be refused").to_string();
        assert!(error.starts_with(&format!("f:{expected}")), "{error:?} does not begin with {expected:?}");
    }

    /// Asserts that the only server of the file is left out, for this reason.
    #[track_caller]
    fn left_out(text: &str, expected: &str) {
        let error = parse(text).expect_err("nothing is left").to_string();
        let (rest, warning) = error.split_once("\n  ").expect("a warning");
        assert!(
            warning.starts_with(&format!("f:{expected}")),
            "{warning:?} does not begin with {expected:?}"
        );
        assert!(warning.ends_with("the server is left out"), "{warning}");
        assert!(rest.contains("no server is left"), "{rest}");
    }

    /// Parses one server whose entry has these fields, from line 2 on.
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
    fn a_byte_order_mark_is_skipped() {
        let text = format!("\u{feff}{}", server(r#""command": "c", "args": 1"#));
        left_out(&text, "2:26: mcpServers.one.args: must be a list");
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
            "3:1: mcpServers.one.args[1]: the variable NO is not set",
        );
        for bad in ["${input:key}", "${", "${}", "${A:-${HOME}}"] {
            refuse(
                &format!(r#""command": "c", "env": {{"A": "{bad}"}}"#),
                "2:31: mcpServers.one.env.A: \"${",
            );
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
                "f:1:12: inputs: ignored",
                "f:4:12: servers.one.sandbox: ignored",
                "f:4:26: servers.one.headers: ignored",
                "f:5:8: servers.two: the server is disabled and left out",
            ]
        );
    }

    #[test]
    fn a_file_that_lists_no_servers_is_refused() {
        refused("{\n\"mcpServers\": }", "2:15: not valid JSON: ");
        refused("", "1:1: not valid JSON: ");
        refused("[]", "1:1: must be an object");
        refused(" {}", "1:2: expected exactly one of");
        refused("{\"servers\": {},\n\"mcpServers\": {}}", "1:13: servers: expected exactly one of");
        refused("{\n\"mcpServers\": {}}", "2:15: mcpServers: no server is left");
        refused(
            &server(r#""command": "c", "enabled": false"#),
            "1:16: mcpServers: no server is left\n  f:2:1: mcpServers.one: the server is disabled and left out",
        );
    }

    #[test]
    fn a_server_whose_entry_cannot_be_understood_is_left_out() {
        for (fields, expected) in [
            ("", "1: mcpServers.one: needs a"),
            (
                r#""command": "c", "url": "http://h""#,
                "25: mcpServers.one.url: cannot be combined with \"command\"",
            ),
            (
                r#""url": "http://h", "httpUrl": "http://h""#,
                "32: mcpServers.one.httpUrl: cannot be combined with \"url\"",
            ),
            (r#""url": "http://h", "type": "sse""#, "29: mcpServers.one.type: the transport \"sse\""),
            (
                r#""url": "http://h", "transport": "sse""#,
                "34: mcpServers.one.transport: the transport \"sse\"",
            ),
            (
                r#""url": "http://h", "type": "stdio""#,
                "29: mcpServers.one.type: \"stdio\" cannot be combined with a \"url\"",
            ),
            (
                r#""command": "c", "type": "http""#,
                "26: mcpServers.one.type: \"http\" cannot be combined with a \"command\"",
            ),
            (r#""url": "file:///h""#, "9: mcpServers.one.url: must begin with"),
            (r#""command": 1"#, "13: mcpServers.one.command: must be a string"),
            (r#""command": "c", "args": "a""#, "26: mcpServers.one.args: must be a list"),
            (r#""command": "c", "args": ["a", 1]"#, "32: mcpServers.one.args[1]: must be a string"),
            (r#""command": "c", "env": {"A": 1}"#, "31: mcpServers.one.env.A: must be a string"),
            (r#""command": "c", "env": {"a.b": 1}"#, "33: mcpServers.one.env[\"a.b\"]: must be a string"),
            (r#""command": "c", "disabled": "yes""#, "30: mcpServers.one.disabled: must be true or false"),
            (r#""command": "c", "command": "d""#, "29: mcpServers.one.command: appears twice"),
            (
                r#""command": "c", "disabledTools": "a""#,
                "35: mcpServers.one.disabledTools: must be a list of names of tools",
            ),
            (r#""command": "c", "tools": [1]"#, "28: mcpServers.one.tools[0]: must be a string"),
            (r#""command": "c", "timeout": -1"#, "29: mcpServers.one.timeout: must be more than 0"),
            (r#""command": "c", "timeout": "5s""#, "29: mcpServers.one.timeout: must be a number"),
            (
                r#""command": "c", "era": "old""#,
                "25: mcpServers.one.era: must be \"legacy\" or \"modern\", not \"old\"",
            ),
        ] {
            left_out(&server(fields), &format!("2:{expected}"));
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
                "f:3:6: mcpServers.a.env.K: \"${input:key}\" is not one of ${NAME}, ${NAME:-default} and ${env:NAME}; \
                 the server is left out",
                "f:5:6: mcpServers.c: must be an object; the server is left out",
                "f:6:6: mcpServers.b: appears twice; the server is left out",
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
            let column = 21 + given.chars().count();
            assert_eq!(
                config.warnings,
                [format!("f:1:{column}: mcpServers[{given:?}]: the server is named {name:?} here")]
            );
        }
        for (bad, path) in [
            ("", "[\"\"]"),
            (".", "[\".\"]"),
            ("..", "[\"..\"]"),
            ("é", "[\"é\"]"),
            (&"x".repeat(65), &format!(".{}", "x".repeat(65))),
        ] {
            let column = 21 + bad.chars().count();
            left_out(&named(bad), &format!("1:{column}: mcpServers{path}: a server's name has"));
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
        let taken = |place, path, name| {
            format!(
                "f:{place}: servers[{path:?}]: its name here would be {name:?}, which another server has; the server is left out"
            )
        };
        assert_eq!(config.warnings[0], taken("1:21", "a b", "a_b"));
        assert_eq!(config.warnings[2], taken("4:8", "x/y", "x_y"));
    }
}
