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
//! `${NAME}` and `${env:NAME}` in a string stand for a variable of the
//! environment, `${NAME:-default}` for `default` where it is unset or empty.
//! `serverUrl` and `httpUrl` mean the same as `url`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use thiserror::Error;

use super::fields::{Field, Variable, plain, take, take_any, take_as};

/// What other programs keep in a server's entry for themselves, of no meaning
/// to what the server does.
const HARMLESS: [&str; 5] = ["alwaysAllow", "autoApprove", "description", "icon", "trust"];
const NAME_MAX: usize = 64;

// None of these is `Debug`: environments and headers hold secrets, which a log
// must not show.

pub(crate) struct Config {
    /// In the file's order, without those that are disabled; at least one.
    pub(crate) servers: Vec<Server>,
    /// What the user should know, with its line: entries without effect and
    /// servers that are left out.
    pub(crate) warnings: Vec<String>,
}

pub(crate) struct Server {
    /// Unique; 1 to 64 of `A-Z a-z 0-9 _ . -`, and neither `.` nor `..`: it
    /// becomes a segment of paths and a prefix of names.
    pub(crate) name: String,
    pub(crate) transport: Transport,
}

pub(crate) enum Transport {
    Stdio { command: String, args: Vec<String>, env: BTreeMap<String, String>, cwd: Option<PathBuf> },
    Http { url: String, headers: BTreeMap<String, String> },
}

#[derive(Debug, Error)]
pub(crate) enum ConfigError {
    #[error("{} cannot be read: {source}", path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("not JSON: {0}")]
    Json(serde_json::Error),
    #[error("line {line}: {fault}")]
    File { line: usize, fault: Fault },
    #[error("line {line}, server {server:?}: {fault}")]
    Server { line: usize, server: String, fault: Fault },
}

#[derive(Debug, Error)]
pub(crate) enum Fault {
    #[error("{what} must be {wanted}")]
    Type { what: String, wanted: &'static str },
    #[error("{0:?} is there twice")]
    Twice(String),
    #[error("exactly one of \"mcpServers\" and \"servers\" must be there")]
    Lists,
    #[error("there is no server, or all are disabled")]
    NoServers,
    #[error("a name has 1 to {NAME_MAX} of the characters A-Z a-z 0-9 _ . - and is neither . nor ..")]
    Name,
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
    #[error("the variable {0} is not set, and there is no default")]
    Unset(String),
    #[error("{0:?} is none of ${{NAME}}, ${{NAME:-default}} and ${{env:NAME}}")]
    Reference(String),
}

impl ConfigError {
    fn of(self, server: &str) -> Self {
        match self {
            Self::File { line, fault } => Self::Server { line, server: server.to_owned(), fault },
            other => other,
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
        for entry in list.object()? {
            config.add(&entry, &variable).map_err(|error| error.of(&entry.key))?;
        }
        if config.servers.is_empty() {
            return Err(list.fault(Fault::NoServers));
        }
        Ok(config)
    }

    fn add(&mut self, entry: &Field<'_>, variable: &Variable<'_>) -> Result<(), ConfigError> {
        let mut fields = entry.object()?;
        // What is disabled may well be unfinished: nothing else is asked of it.
        let disabled = take_as(&mut fields, "disabled", |field| field.read("true or false"))?;
        let enabled = take_as(&mut fields, "enabled", |field| field.read("true or false"))?;
        if disabled == Some(true) || enabled == Some(false) {
            self.warn(entry, &entry.key, "the server is disabled, and left out");
            return Ok(());
        }

        let name = &entry.key;
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
        let dots = name == "." || name == "..";
        if name.is_empty() || name.len() > NAME_MAX || !name.bytes().all(fits) || dots {
            return Err(entry.fault(Fault::Name));
        }

        let kinds = [take(&mut fields, "type"), take(&mut fields, "transport")];
        let transport = match take_any(&mut fields, &["command", "url", "serverUrl", "httpUrl"]).as_slice() {
            [] => return Err(entry.fault(Fault::NoTransport)),
            [command] if command.key == "command" => {
                check_kinds(&kinds, "command", &["stdio"])?;
                Transport::Stdio {
                    command: command.string(variable)?,
                    args: take_as(&mut fields, "args", |args| args.list(variable))?.unwrap_or_default(),
                    env: take_as(&mut fields, "env", |env| env.map(variable))?.unwrap_or_default(),
                    cwd: take_as(&mut fields, "cwd", |cwd| cwd.string(variable))?.map(PathBuf::from),
                }
            }
            [address] => {
                check_kinds(&kinds, "url", &["http", "streamable-http", "streamableHttp"])?;
                let url = address.string(variable)?;
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    return Err(address.fault(Fault::Scheme));
                }
                let headers = take_as(&mut fields, "headers", |headers| headers.map(variable))?;
                Transport::Http { url, headers: headers.unwrap_or_default() }
            }
            [first, second, ..] => {
                return Err(second.fault(Fault::TwoTransports(first.key.clone(), second.key.clone())));
            }
        };
        self.servers.push(Server { name: name.clone(), transport });

        for field in fields.iter().filter(|field| !HARMLESS.contains(&field.key.as_str())) {
            self.warn(field, name, &format!("{:?} is ignored", field.key));
        }
        Ok(())
    }

    fn warn(&mut self, at: &Field<'_>, server: &str, what: &str) {
        self.warnings.push(format!("line {}, server {server:?}: {what}", at.line()));
    }
}

type Kinds<'t> = [Option<Field<'t>>; 2];

fn check_kinds(kinds: &Kinds<'_>, with: &'static str, accepted: &[&str]) -> Result<(), ConfigError> {
    for kind in kinds.iter().flatten() {
        let given: String = kind.read("a string")?;
        match given.as_str() {
            known if accepted.contains(&known) => {}
            "sse" => return Err(kind.fault(Fault::Sse)),
            _ => return Err(kind.fault(Fault::TransportType { given, with })),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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

    /// One server whose entry has these fields, from line 2 on.
    fn server(fields: &str) -> String {
        format!("{{\"mcpServers\": {{\"one\":\n{{{fields}}}}}}}")
    }

    fn stdio(config: &Config) -> (&str, &[String], &BTreeMap<String, String>, Option<&Path>) {
        match &config.servers[0].transport {
            Transport::Stdio { command, args, env, cwd } => (command, args, env, cwd.as_deref()),
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
        let Transport::Http { url, headers } = &config.servers[1].transport else { panic!("not HTTP") };
        assert_eq!(url, "https://h/mcp");
        assert_eq!(headers, &BTreeMap::from([("X".to_owned(), "y".to_owned())]));
    }

    #[test]
    fn an_address_goes_by_several_names() {
        for key in ["url", "serverUrl", "httpUrl"] {
            let config = parse(&server(&format!(r#""{key}": "http://h/mcp""#))).unwrap();
            let Transport::Http { url, .. } = &config.servers[0].transport else { panic!("not HTTP") };
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
        let refuse = |fields: &str, expected| refused(&server(fields), expected);
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
             \"timeout\": 5, \"headers\": {}},\n\"two\": {\"disabled\": true, \"url\": \"${NO}\"}}}",
        )
        .unwrap();
        assert_eq!(config.servers.len(), 1);
        assert_eq!(
            config.warnings,
            [
                "line 1: \"inputs\" is ignored",
                "line 4, server \"one\": \"timeout\" is ignored",
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
        refused(&server(r#""command": "c", "enabled": false"#), "line 1: there is no server");
    }

    #[test]
    fn a_server_that_cannot_be_reached_is_refused() {
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
        ] {
            refused(&server(fields), &format!("line 2, server \"one\": {expected}"));
        }
    }

    #[test]
    fn names_are_unique_and_fit_for_paths_and_prefixes() {
        let named = |name: &str| format!(r#"{{"mcpServers": {{"{name}": {{"command": "c"}}}}}}"#);
        for good in ["a", "Az09_.-", "...", &"x".repeat(64)] {
            assert_eq!(parse(&named(good)).unwrap().servers[0].name, good);
        }
        for bad in ["", ".", "..", "a/b", "a b", "é", &"x".repeat(65)] {
            refused(&named(bad), &format!("line 1, server {bad:?}: a name has"));
        }
        let twice = "{\"mcpServers\": {\"a\": {\"command\": \"c\"},\n\"\\u0061\": {\"command\": \"d\"}}}";
        refused(twice, "line 2: \"a\" is there twice");
    }
}
