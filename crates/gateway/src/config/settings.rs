//! The settings of the gateway itself: the member `gateway` of the file.
//!
//! | member | meaning |
//! |---|---|
//! | `auth` | who may call the gateway; by default everyone |
//! | `maxCalls`, `maxCallsPerCaller` | the maximum number of calls in flight, of all callers and of each |
//!
//! The members of `auth`:
//!
//! | member | meaning |
//! |---|---|
//! | `publicUrl` | the URL of `/mcp` that clients use, for which tokens are issued |
//! | `issuer` | the authorization server whose JWTs are accepted |
//! | `jwksUrl` | the URL of its keys, instead of the one in its metadata |
//! | `audiences` | further audiences of accepted tokens |
//! | `scopes` | the scopes that every request needs |
//! | `apiKeys` | callers with their keys |
//!
//! Unlike in the entry of a server, every fault and every unknown member is an error: with a warning,
//! the gateway would accept callers that it should refuse.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use mcp_stateless::auth::{ApiKeys, JwtVerifier, ResourceServer, TokenVerifier};

use super::error::{ConfigError, Fault};
use super::expand::Variable;
use super::field::{Field, take, take_as};

/// The issuer in the principals of callers with API keys.
const KEYS: &str = "mcp-gateway";
/// The minimum length of a key in characters: 128 random bits in base64 have 22.
const SHORTEST_KEY: usize = 22;

/// The settings of the gateway.
#[derive(Debug, Default)]
pub(crate) struct Settings {
    pub(crate) auth: Option<Auth>,
    pub(crate) max_calls: Option<usize>,
    pub(crate) max_calls_per_caller: Option<usize>,
}

/// Who may call. Its `Debug` shows no keys.
pub(crate) struct Auth {
    /// The URL of an OAuth resource.
    pub(crate) public_url: String,
    pub(crate) verifier: Arc<dyn TokenVerifier>,
    pub(crate) scopes: Vec<String>,
}

impl Settings {
    pub(crate) fn read(field: &Field<'_>, variable: &Variable<'_>) -> Result<Self, ConfigError> {
        let mut fields = field.object()?;
        let settings = Self {
            auth: take_as(&mut fields, "auth", |auth| Auth::read(auth, variable))?,
            max_calls: take_as(&mut fields, "maxCalls", count)?,
            max_calls_per_caller: take_as(&mut fields, "maxCallsPerCaller", count)?,
        };
        known(&fields)?;
        Ok(settings)
    }
}

impl Auth {
    fn read(auth: &Field<'_>, variable: &Variable<'_>) -> Result<Self, ConfigError> {
        let mut fields = auth.object()?;
        let url = take(&mut fields, "publicUrl").ok_or_else(|| auth.fault(Fault::NoPublicUrl))?;
        let public_url = url.string(variable)?;
        let checked = ResourceServer::new(&public_url, ApiKeys::new(KEYS));
        let checked = checked.map_err(|_| url.fault(Fault::PublicUrl))?;
        let scopes = match take(&mut fields, "scopes") {
            None => Vec::new(),
            Some(field) => {
                let scopes = field.names("a list of scopes")?;
                let accepted = checked.scopes(scopes.iter().map(String::as_str));
                _ = accepted.map_err(|_| field.fault(Fault::Scopes))?;
                scopes
            }
        };
        let tokens = tokens(&mut fields, &public_url, variable)?;
        let keys = take_as(&mut fields, "apiKeys", |keys| api_keys(keys, &scopes, variable))?;
        known(&fields)?;
        let verifier: Arc<dyn TokenVerifier> = match (tokens, keys) {
            (Some(tokens), Some(keys)) => Arc::new(tokens.or(keys)),
            (Some(tokens), None) => Arc::new(tokens),
            (None, Some(keys)) => Arc::new(keys),
            (None, None) => return Err(auth.fault(Fault::NoCredentials)),
        };
        Ok(Self { public_url, verifier, scopes })
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Auth").finish_non_exhaustive()
    }
}

/// Returns the verifier of JWTs, if there is an issuer. It accepts tokens for the public URL at the
/// endpoint of each server.
fn tokens(
    fields: &mut Vec<Field<'_>>,
    public_url: &str,
    variable: &Variable<'_>,
) -> Result<Option<JwtVerifier>, ConfigError> {
    let audiences = take(fields, "audiences");
    let keys = take(fields, "jwksUrl");
    let Some(issuer) = take(fields, "issuer") else {
        let useless = audiences.or(keys);
        return useless.map_or(Ok(None), |field| Err(field.fault(Fault::NoIssuer)));
    };
    let name = issuer.string(variable)?;
    let verifier = JwtVerifier::new(&name).map_err(|_| issuer.fault(Fault::AuthorizationServer))?;
    let verifier = match keys {
        None => verifier,
        Some(field) => JwtVerifier::with_jwks_url(name, field.string(variable)?)
            .map_err(|_| field.fault(Fault::AuthorizationServer))?,
    };
    let audiences = audiences.map(|field| field.list(variable)).transpose()?.unwrap_or_default();
    let verifier = audiences.into_iter().fold(verifier, JwtVerifier::audience);
    Ok(Some(verifier.audience(public_url)))
}

/// Reads the key of each caller. A key grants the scopes that every request needs.
fn api_keys(field: &Field<'_>, scopes: &[String], variable: &Variable<'_>) -> Result<ApiKeys, ConfigError> {
    let (mut keys, mut seen) = (ApiKeys::new(KEYS), HashSet::new());
    for caller in field.object()? {
        let key = caller.string(variable)?;
        let is_sendable = |byte: u8| {
            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/')
        };
        if key.len() < SHORTEST_KEY || !key.trim_end_matches('=').bytes().all(is_sendable) {
            return Err(caller.fault(Fault::Key));
        }
        keys = keys.key(&key, caller.key.as_str(), scopes.iter().map(String::as_str));
        if !seen.insert(key) {
            return Err(caller.fault(Fault::SameKey));
        }
    }
    if seen.is_empty() { Err(field.fault(Fault::NoKeys)) } else { Ok(keys) }
}

/// Reads a limit.
fn count(field: &Field<'_>) -> Result<usize, ConfigError> {
    let number = field.number()?;
    let is_count = (1.0..=f64::from(u32::MAX)).contains(&number) && number.fract() == 0.0;
    if !is_count {
        return Err(field.fault(Fault::Count));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it was checked above")]
    let count = number as usize;
    Ok(count)
}

fn known(fields: &[Field<'_>]) -> Result<(), ConfigError> {
    fields.first().map_or(Ok(()), |field| Err(field.fault(Fault::Unknown)))
}

#[cfg(test)]
mod tests {
    use super::super::Config;
    use super::Settings;

    const KEY: &str = "0123456789abcdefABCDEF";

    fn parse(gateway: &str) -> Result<Settings, String> {
        let text =
            format!("{{\"mcpServers\": {{\"one\": {{\"command\": \"c\"}}}}, \"gateway\":\n{gateway}}}");
        let variable = |name: &str| (name == "KEY").then(|| KEY.to_owned());
        let config = Config::parse("f", &text, variable).map_err(|error| error.to_string())?;
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
        Ok(config.gateway)
    }

    #[test]
    fn settings_of_the_gateway_are_read() {
        let settings = parse("{}").expect("valid");
        assert!(settings.auth.is_none() && settings.max_calls.is_none());
        let settings = parse(
            r#"{"maxCalls": 256, "maxCallsPerCaller": 16, "auth": {
                "publicUrl": "https://mcp.example.com/mcp", "issuer": "https://login.example.com",
                "jwksUrl": "https://login.example.com/keys", "audiences": ["api://mcp"], "scopes": ["mcp"],
                "apiKeys": {"ci": "${KEY}"},
            }}"#,
        )
        .expect("valid");
        assert_eq!((settings.max_calls, settings.max_calls_per_caller), (Some(256), Some(16)));
        let auth = settings.auth.expect("settings of authorization");
        assert_eq!(
            (&*auth.public_url, &auth.scopes),
            ("https://mcp.example.com/mcp", &vec!["mcp".to_owned()])
        );
        assert_eq!(auth.verifier.issuers(), ["https://login.example.com"]);
        assert!(!format!("{auth:?}").contains(KEY));
        let keys = r#"{"auth": {"publicUrl": "http://localhost:8000/mcp", "apiKeys": {"ci": "${KEY}"}}}"#;
        assert!(parse(keys).expect("valid").auth.expect("settings").verifier.issuers().is_empty());
    }

    #[test]
    fn a_fault_of_the_gateways_settings_is_fatal_and_shows_no_key() {
        let auth = |members: &str| {
            format!(r#"{{"auth": {{"publicUrl": "https://mcp.example.com/mcp", {members}}}}}"#)
        };
        for (gateway, expected) in [
            ("7".to_owned(), "2:1: gateway: must be an object"),
            (r#"{"atuh": {}}"#.to_owned(), "2:10: gateway.atuh: is not known"),
            (r#"{"maxCalls": 0}"#.to_owned(), "2:14: gateway.maxCalls: must be a whole number"),
            (r#"{"maxCallsPerCaller": 1.5}"#.to_owned(), "2:23: gateway.maxCallsPerCaller: must be a whole"),
            (r#"{"auth": {"issuer": "https://a"}}"#.to_owned(), "2:10: gateway.auth: needs a \"publicUrl\""),
            (auth(""), "2:10: gateway.auth: needs an \"issuer\" or \"apiKeys\""),
            (auth(r#""isuer": "https://a""#), "2:64: gateway.auth.isuer: is not known"),
            (auth(r#""issuer": "http://login.example.com""#), "2:65: gateway.auth.issuer: must be"),
            (auth(r#""issuer": "https://a", "jwksUrl": "b""#), "2:89: gateway.auth.jwksUrl: must be"),
            (auth(r#""jwksUrl": "https://a""#), "2:66: gateway.auth.jwksUrl: needs an \"issuer\""),
            (auth(r#""audiences": []"#), "2:68: gateway.auth.audiences: needs an \"issuer\""),
            (auth(r#""scopes": ["a b"]"#), "2:65: gateway.auth.scopes: must be"),
            (auth(r#""apiKeys": {}"#), "2:66: gateway.auth.apiKeys: needs"),
            (auth(r#""apiKeys": {"a": "short"}"#), "2:72: gateway.auth.apiKeys.a: must have"),
            (auth(r#""apiKeys": {"a": "${KEY} ${KEY}"}"#), "2:72: gateway.auth.apiKeys.a: must have"),
            (auth(r#""apiKeys": {"a": "${NO}"}"#), "2:72: gateway.auth.apiKeys.a: the variable NO"),
            (
                auth(r#""apiKeys": {"a": "${KEY}", "b": "${KEY}"}"#),
                "2:87: gateway.auth.apiKeys.b: is the key",
            ),
            (
                r#"{"auth": {"publicUrl": "https://${KEY}@h/mcp"}}"#.to_owned(),
                "2:24: gateway.auth.publicUrl: must be",
            ),
        ] {
            let error = parse(&gateway).expect_err(&gateway);
            assert!(
                error.starts_with(&format!("f:{expected}")),
                "{error:?} does not begin with {expected:?}"
            );
            assert!(!error.contains(KEY) && !error.contains("short\""), "{error}");
        }
    }
}
