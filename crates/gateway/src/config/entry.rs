//! One server's entry in the configuration.
//!
//! | members | meaning | known from |
//! |---|---|---|
//! | `command`, `args`, `env`, `cwd` | a child process | all clients |
//! | `url`, `serverUrl`, `httpUrl`, `headers` | a server over HTTP | all clients; Windsurf; Gemini CLI |
//! | `env_vars`, `inheritEnv` | names of variables that the child gets from the gateway's environment | Codex |
//! | `disabledTools`, `disabled_tools`, `excludeTools`, `disallowed_tools` | tools that are not served | Roo Code, Kiro, Amazon Q; Codex; Gemini CLI; LiteLLM |
//! | `includeTools`, `enabledTools`, `enabled_tools`, `allowed_tools`, `tools` | the only tools that are served | Gemini CLI; Codex; LiteLLM; GitHub Copilot, where `*` is all |
//! | `tool_timeout_sec`, `startup_timeout_sec`, `startup_timeout_ms` | limits of a call and of opening | Codex |
//! | `timeout` | the limit of a call | see [`Unit`] |
//! | `era` | `legacy` or `modern`: the era to use with the server | |

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use mcp_stateless::protocol::Era;

use super::error::{ConfigError, Fault};
use super::expand::Variable;
use super::field::{Field, take, take_any, take_as};
use super::rules::ToolRules;

/// Members for other programs, which are ignored without a warning.
const HARMLESS: [&str; 5] = ["alwaysAllow", "autoApprove", "description", "icon", "trust"];

const DENYING: [&str; 4] = ["disabledTools", "disabled_tools", "excludeTools", "disallowed_tools"];
const ALLOWING: [&str; 5] = ["includeTools", "enabledTools", "enabled_tools", "allowed_tools", "tools"];
const INHERITING: [&str; 2] = ["env_vars", "inheritEnv"];

/// One server. Not `Debug`, because environments and headers hold secrets.
pub(crate) struct Entry {
    pub(crate) transport: Transport,
    pub(crate) tools: ToolRules,
    pub(crate) open_timeout: Option<Duration>,
    pub(crate) call_timeout: Option<Duration>,
    /// `None` leaves the choice to the gateway.
    pub(crate) era: Option<Era>,
}

pub(crate) enum Transport {
    Stdio {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        /// Names of variables.
        inherited: Vec<String>,
        cwd: Option<PathBuf>,
    },
    Http {
        url: String,
        headers: BTreeMap<String, String>,
    },
}

/// Whether an entry is disabled. Disabled entries are not checked, because they may be unfinished.
pub(crate) fn is_disabled(fields: &mut Vec<Field<'_>>) -> Result<bool, ConfigError> {
    let disabled = take_as(fields, "disabled", Field::bool)?;
    let enabled = take_as(fields, "enabled", Field::bool)?;
    Ok(disabled == Some(true) || enabled == Some(false))
}

impl Entry {
    /// Parses an entry. Members without effect are passed to `warn`.
    pub(crate) fn read(
        entry: &Field<'_>,
        mut fields: Vec<Field<'_>>,
        variable: &Variable<'_>,
        mut warn: impl FnMut(&Field<'_>, &str),
    ) -> Result<Self, ConfigError> {
        let unit = Unit::of(&fields);
        let transport = Transport::read(entry, &mut fields, variable)?;
        let tools = tool_rules(&mut fields)?;
        let mut call_timeout = take_as(&mut fields, "tool_timeout_sec", |field| seconds(field, 1.0))?;
        let mut open_timeout = take_as(&mut fields, "startup_timeout_sec", |field| seconds(field, 1.0))?;
        if let Some(millis) = take_as(&mut fields, "startup_timeout_ms", |field| seconds(field, 0.001))? {
            open_timeout = open_timeout.or(Some(millis));
        }
        if let Some(field) = take(&mut fields, "timeout") {
            match unit.seconds(field.number()?) {
                Some(scale) => call_timeout = call_timeout.or(Some(seconds(&field, scale)?)),
                None => {
                    warn(
                        &field,
                        "ignored: it may be in seconds or in milliseconds; use \"tool_timeout_sec\"",
                    );
                }
            }
        }
        let era = take_as(&mut fields, "era", era)?;
        for field in fields.iter().filter(|field| !HARMLESS.contains(&field.key.as_str())) {
            warn(field, "ignored");
        }
        Ok(Self { transport, tools, open_timeout, call_timeout, era })
    }
}

impl Transport {
    fn read(
        entry: &Field<'_>,
        fields: &mut Vec<Field<'_>>,
        variable: &Variable<'_>,
    ) -> Result<Self, ConfigError> {
        let kinds = [take(fields, "type"), take(fields, "transport")];
        match take_any(fields, &["command", "url", "serverUrl", "httpUrl"]).as_slice() {
            [] => Err(entry.fault(Fault::NoTransport)),
            [command] if command.key == "command" => {
                check_kinds(&kinds, "command", &["stdio"])?;
                let mut inherited = Vec::new();
                for field in take_any(fields, &INHERITING) {
                    inherited.extend(field.names("a list of names of variables")?);
                }
                Ok(Self::Stdio {
                    command: command.string(variable)?,
                    args: take_as(fields, "args", |args| args.list(variable))?.unwrap_or_default(),
                    env: take_as(fields, "env", |env| env.map(variable))?.unwrap_or_default(),
                    inherited,
                    cwd: take_as(fields, "cwd", |cwd| cwd.string(variable))?.map(PathBuf::from),
                })
            }
            [address] => {
                check_kinds(
                    &kinds,
                    "url",
                    &["http", "streamable-http", "streamable_http", "streamableHttp"],
                )?;
                let url = address.string(variable)?;
                if !url.starts_with("http://") && !url.starts_with("https://") {
                    return Err(address.fault(Fault::Scheme));
                }
                let headers = take_as(fields, "headers", |headers| headers.map(variable))?;
                Ok(Self::Http { url, headers: headers.unwrap_or_default() })
            }
            [first, second, ..] => Err(second.fault(Fault::TwoTransports(first.key.clone()))),
        }
    }
}

fn check_kinds(
    kinds: &[Option<Field<'_>>; 2],
    with: &'static str,
    accepted: &[&str],
) -> Result<(), ConfigError> {
    for kind in kinds.iter().flatten() {
        match kind.text()? {
            known if accepted.contains(&known) => {}
            "sse" => return Err(kind.fault(Fault::Sse)),
            given => return Err(kind.fault(Fault::TransportType { given: given.to_owned(), with })),
        }
    }
    Ok(())
}

/// Parses which tools are served. A list that cannot be parsed is an error, because its tools might
/// otherwise be served.
fn tool_rules(fields: &mut Vec<Field<'_>>) -> Result<ToolRules, ConfigError> {
    let mut rules = ToolRules::default();
    let list = |field: &Field<'_>| field.names("a list of names of tools");
    for field in take_any(fields, &DENYING) {
        rules.deny(list(&field)?);
    }
    for field in take_any(fields, &ALLOWING) {
        // Codex has a table of approvals with this name.
        if field.key == "tools" && field.is_object() {
            continue;
        }
        rules.allow(list(&field)?);
    }
    Ok(rules)
}

fn era(field: &Field<'_>) -> Result<Era, ConfigError> {
    match field.text()? {
        "legacy" => Ok(Era::Legacy),
        "modern" => Ok(Era::Modern),
        given => Err(field.fault(Fault::Era(given.to_owned()))),
    }
}

fn seconds(field: &Field<'_>, scale: f64) -> Result<Duration, ConfigError> {
    let length = Duration::try_from_secs_f64(field.number()? * scale).ok();
    length.filter(|length| !length.is_zero()).ok_or_else(|| field.fault(Fault::Duration))
}

/// The unit of `timeout`, which is seconds in some clients and milliseconds in others.
#[derive(Clone, Copy)]
enum Unit {
    /// Roo Code and Kilo Code, which use `alwaysAllow`.
    Seconds,
    /// Gemini CLI and Qwen Code, which use `httpUrl`, `trust`, `includeTools` and `excludeTools`.
    Milliseconds,
    /// Cline uses up to 3600 seconds; Claude Code, Kiro and Amazon Q use milliseconds. A number
    /// below one second of the latter is in seconds, and one above Cline's hour is in milliseconds.
    /// Numbers in between are ambiguous.
    Unknown,
}

impl Unit {
    fn of(fields: &[Field<'_>]) -> Self {
        let has = |keys: &[&str]| fields.iter().any(|field| keys.contains(&field.key.as_str()));
        match (has(&["alwaysAllow"]), has(&["httpUrl", "trust", "includeTools", "excludeTools"])) {
            (true, false) => Self::Seconds,
            (false, true) => Self::Milliseconds,
            _ => Self::Unknown,
        }
    }

    /// Returns the seconds for a number in this unit.
    fn seconds(self, number: f64) -> Option<f64> {
        match self {
            Self::Seconds => Some(1.0),
            Self::Milliseconds => Some(0.001),
            Self::Unknown if number < 1000.0 => Some(1.0),
            Self::Unknown if number > 3600.0 => Some(0.001),
            Self::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mcp_stateless::protocol::Era;

    use super::super::Config;
    use super::{Entry, Transport};

    /// The entry with these fields, and what was warned of.
    fn read(fields: &str) -> (Entry, Vec<String>) {
        let text = format!("{{\"mcpServers\": {{\"one\":\n{{\"command\": \"c\", {fields}}}}}}}");
        let mut config =
            Config::parse("f", &text, |_| None).unwrap_or_else(|error| panic!("{fields}: {error}"));
        (config.servers.remove(0).entry, config.warnings)
    }

    #[test]
    fn tools_that_are_turned_off_are_not_served_whatever_the_client_calls_it() {
        for key in ["disabledTools", "disabled_tools", "excludeTools", "disallowed_tools"] {
            let (entry, warnings) = read(&format!(r#""{key}": ["b", "c"]"#));
            assert_eq!(["a", "b", "c"].map(|tool| entry.tools.admit(tool)), [true, false, false], "{key}");
            assert!(warnings.is_empty(), "{warnings:?}");
        }
        for key in ["includeTools", "enabledTools", "enabled_tools", "allowed_tools", "tools"] {
            let (entry, _) = read(&format!(r#""{key}": ["b"], "disabledTools": ["c"]"#));
            assert_eq!(["a", "b", "c"].map(|tool| entry.tools.admit(tool)), [false, true, false], "{key}");
            let (entry, _) = read(&format!(r#""{key}": ["b", "c"], "disabledTools": ["c"]"#));
            assert!(!entry.tools.admit("c"), "what is turned off goes before what is allowed");
            assert!(!read(&format!(r#""{key}": []"#)).0.tools.admit("a"));
            assert!(read(&format!(r#""{key}": ["*"]"#)).0.tools.are_empty());
        }
        assert!(read("\"tools\": {\"a\": {\"approval_mode\": \"approve\"}}").0.tools.are_empty());
        assert!(!read(r#""disabledTools": ["*"]"#).0.tools.admit("a"));
        assert!(read(r#""args": []"#).0.tools.are_empty());
    }

    #[test]
    fn limits_are_taken_in_the_unit_of_their_client() {
        let millis = |fields: &str| read(fields).0.call_timeout.map(|limit| limit.as_millis());
        for (fields, expected) in [
            (r#""tool_timeout_sec": 45"#, Some(45_000)),
            (r#""timeout": 3600, "alwaysAllow": []"#, Some(3_600_000)),
            (r#""timeout": 600, "trust": true"#, Some(600)),
            (r#""timeout": 5000, "includeTools": ["a"]"#, Some(5_000)),
            (r#""timeout": 60, "autoApprove": []"#, Some(60_000)),
            (r#""timeout": 120000, "autoApprove": []"#, Some(120_000)),
            (r#""timeout": 2000"#, None),
            (r#""args": []"#, None),
        ] {
            assert_eq!(millis(fields), expected, "{fields}");
        }
        let warnings = read(r#""timeout": 2000"#).1;
        assert!(
            warnings[0].starts_with("f:2:29: mcpServers.one.timeout: ignored: it may be"),
            "{warnings:?}"
        );
        let open = |fields: &str| read(fields).0.open_timeout;
        assert_eq!(open(r#""startup_timeout_sec": 20.5"#), Some(Duration::from_millis(20_500)));
        assert_eq!(open(r#""startup_timeout_ms": 20"#), Some(Duration::from_millis(20)));
    }

    #[test]
    fn an_era_and_names_of_variables_are_read() {
        assert_eq!(read(r#""era": "legacy""#).0.era, Some(Era::Legacy));
        assert_eq!(read(r#""era": "modern""#).0.era, Some(Era::Modern));
        for key in ["env_vars", "inheritEnv"] {
            let (entry, warnings) = read(&format!(r#""{key}": ["A", "B"]"#));
            let Transport::Stdio { inherited, .. } = entry.transport else { panic!("not stdio") };
            assert_eq!((inherited, warnings), (vec!["A".to_owned(), "B".to_owned()], vec![]));
        }
    }
}
