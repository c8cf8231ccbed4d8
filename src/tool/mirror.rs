//! Arguments that clients repeat in `Mcp-Param-*` headers (2026-07-28,
//! Transports, "Custom Headers from Tool Parameters").

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

use crate::call::Call;
use crate::error::RegistryError;
use crate::http::mcp_headers::{self, HeaderFault, PARAM_PREFIX};
use crate::jsonrpc::scan::Scanner;
use crate::jsonrpc::{Raw, RpcError};
use crate::protocol::{Era, error, header_value};

const ANNOTATION: &str = "x-mcp-header";

/// The largest integer up to which doubles represent every integer exactly.
const MAX_SAFE_INTEGER: u64 = 9_007_199_254_740_991;

/// The parameters of one tool that clients repeat in headers, from the `x-mcp-header` annotations
/// of its input schema. A [`ToolRegistry`] checks them itself. A registry of your own reads them
/// once per tool, and passes them to [`Call::check_headers`] with each call.
///
/// [`ToolRegistry`]: crate::ToolRegistry
/// [`Call::check_headers`]: crate::call::Call::check_headers
#[derive(Debug, Default)]
pub struct MirroredParams(Vec<MirroredParam>);

#[derive(Debug)]
struct MirroredParam {
    header: HeaderName,
    /// The path of keys to the argument.
    path: Vec<String>,
}

impl MirroredParams {
    /// Reads the annotations of the input schema of `tool`.
    ///
    /// # Errors
    /// Returns an error if an annotation breaks the specification's rules. The error names the tool and the
    /// annotation.
    pub fn from_schema(tool: &str, schema: &Value) -> Result<Self, RegistryError> {
        Self::find(schema).map_err(|fault| RegistryError::new("tool", tool, fault))
    }

    fn find(schema: &Value) -> Result<Self, String> {
        let mut found = Self::default();
        found.collect(schema, &mut Vec::new())?;
        if count_annotations(schema, false) > found.0.len() {
            return Err(format!(
                "`{ANNOTATION}` may only be on a property that is reached from the root through `properties` alone"
            ));
        }
        Ok(found)
    }

    fn collect(&mut self, schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return Ok(()) };
        for (name, property) in properties {
            path.push(name.clone());
            if let Some(annotation) = property.get(ANNOTATION) {
                self.add(annotation, property, path)?;
            }
            self.collect(property, path)?;
            path.pop();
        }
        Ok(())
    }

    fn add(&mut self, annotation: &Value, property: &Value, path: &[String]) -> Result<(), String> {
        let at = path.join(".");
        let Some(suffix) = annotation.as_str().filter(|suffix| !suffix.is_empty()) else {
            return Err(format!("`{ANNOTATION}` of {at:?} must be a non-empty string"));
        };
        let header = HeaderName::from_bytes(format!("{PARAM_PREFIX}{suffix}").as_bytes())
            .map_err(|_| format!("`{ANNOTATION}` {suffix:?} of {at:?} is not a header name"))?;
        if !matches!(property.get("type").and_then(Value::as_str), Some("string" | "integer" | "boolean")) {
            return Err(format!(
                "`{ANNOTATION}` of {at:?} must be on a property whose type is string, integer or boolean, and \
                 nothing else: clients drop the tool otherwise (an `Option<String>` can be described by \
                 `#[schemars(with = \"String\")]`)"
            ));
        }
        if self.0.iter().any(|other| other.header == header) {
            return Err(format!("`{ANNOTATION}` {suffix:?} of {at:?} is used twice"));
        }
        self.0.push(MirroredParam { header, path: path.to_vec() });
        Ok(())
    }

    /// Checks that each header repeats its argument, and that an argument that is absent or `null`
    /// has no header.
    pub(crate) fn check(&self, arguments: &str, headers: &HeaderMap) -> Result<(), RpcError> {
        if self.0.is_empty() {
            return Ok(());
        }
        let arguments = Scanner::new(arguments).value();
        let arguments = arguments.map_err(|_| RpcError::invalid_params("`arguments` must be an object"))?;
        for param in &self.0 {
            param
                .check(arguments, headers)
                .map_err(|fault| error::header_mismatch(&format!("the header {} {fault}", param.header)))?;
        }
        Ok(())
    }

    /// Returns whether the tool has no such parameters.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the headers that repeat these arguments, for a client that calls the tool.
    /// `arguments` is the JSON text of an object.
    pub fn headers(&self, arguments: &str) -> Vec<(HeaderName, HeaderValue)> {
        let Ok(arguments) = Scanner::new(arguments).value() else { return Vec::new() };
        let headers = self.0.iter().filter_map(|param| {
            let argument = value_at(arguments, &param.path).ok()??;
            let text = match argument.text().as_bytes().first()? {
                b'"' => argument.string()?,
                b't' | b'f' | b'-' | b'0'..=b'9' => argument.text().into(),
                _ => return None,
            };
            Some((param.header.clone(), header_value(&text)))
        });
        headers.collect()
    }
}

impl Call<'_> {
    /// Requires the request's headers to repeat the mirrored arguments, as the specification
    /// requires for a tool whose schema has an `x-mcp-header`. Requests of the legacy era have no
    /// such headers, and always pass.
    ///
    /// # Errors
    /// `-32020` when a header is missing, malformed or different.
    pub fn check_headers(&self, mirrored: &MirroredParams) -> Result<(), RpcError> {
        match self.revision().era() {
            Era::Legacy => Ok(()),
            Era::Modern => mirrored.check(self.arguments(), &self.head().headers),
        }
    }
}

impl MirroredParam {
    fn check(&self, arguments: Raw<'_>, headers: &HeaderMap) -> Result<(), Cow<'static, str>> {
        let argument = value_at(arguments, &self.path)?;
        let header = mcp_headers::single_decoded(headers, &self.header);
        match (argument.filter(|argument| !argument.is_null()), header) {
            (None, Err(HeaderFault::Missing)) => Ok(()),
            (None, Ok(_)) => Err("repeats an argument that is not there".into()),
            (_, Err(fault)) => Err(fault.as_str().into()),
            (Some(argument), Ok(header)) if repeats(argument, &header) => Ok(()),
            (Some(_), Ok(_)) => Err("differs from the argument that it repeats".into()),
        }
    }
}

/// Whether a decoded header value equals the argument.
fn repeats(argument: Raw<'_>, header: &str) -> bool {
    let text = argument.text();
    match text.as_bytes().first() {
        Some(b'"') => argument.string().is_some_and(|argument| argument == header),
        Some(b't' | b'f') => text == header,
        Some(b'-' | b'0'..=b'9') => {
            safe_integer(text).is_some_and(|argument| safe_integer(header) == Some(argument))
        }
        _ => false,
    }
}

/// Compares integers by value, so that `42` equals `42.0`.
fn safe_integer(text: &str) -> Option<i64> {
    let integer = match text.split_once('.') {
        Some((integer, fraction)) => {
            let is_zero = !fraction.is_empty() && fraction.bytes().all(|digit| digit == b'0');
            is_zero.then_some(integer)?
        }
        None => text,
    };
    let digits = integer.strip_prefix('-').unwrap_or(integer);
    let value: i64 = digits.bytes().all(|digit| digit.is_ascii_digit()).then_some(integer)?.parse().ok()?;
    (value.unsigned_abs() <= MAX_SAFE_INTEGER).then_some(value)
}

/// Returns the argument at the end of `path`. Refuses repeated keys, because the tool might read
/// the other value.
fn value_at<'a>(arguments: Raw<'a>, path: &[String]) -> Result<Option<Raw<'a>>, Cow<'static, str>> {
    let mut at = arguments;
    for key in path {
        match at.member(key).map_err(|_| "repeats an argument that occurs twice")? {
            Some(value) => at = value,
            None => return Ok(None),
        }
    }
    Ok(Some(at))
}

/// Counts the annotations anywhere in a schema. The keys of a `properties` object are names of
/// parameters, which may be called `x-mcp-header`.
fn count_annotations(schema: &Value, is_properties: bool) -> usize {
    match schema {
        Value::Object(members) => {
            let here = usize::from(!is_properties && members.contains_key(ANNOTATION));
            let below = members.iter().map(|(key, member)| match key.as_str() {
                // Instances, not schemas.
                "const" | "default" | "enum" | "examples" if !is_properties => 0,
                _ => count_annotations(member, !is_properties && key == "properties"),
            });
            here + below.sum::<usize>()
        }
        Value::Array(members) => members.iter().map(|member| count_annotations(member, false)).sum(),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};
    use serde_json::json;

    use super::MirroredParams;

    fn checked(arguments: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let schema = json!({"type": "object", "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "limits": {"type": "object", "properties": {
                "rows": {"type": "integer", "x-mcp-header": "Rows"},
                "dry": {"type": "boolean", "x-mcp-header": "Dry"},
            }},
        }});
        let params = MirroredParams::find(&schema).expect("a valid schema");
        let mut map = HeaderMap::new();
        for &(name, value) in headers {
            map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        params.check(arguments, &map).is_ok()
    }

    #[test]
    fn headers_that_repeat_their_arguments_pass() {
        for (arguments, headers) in [
            ("{}", &[][..]),
            (r#"{"region":null,"limits":null}"#, &[]),
            (r#"{"region":"us"}"#, &[("mcp-param-region", "us")]),
            (r#"{"region":"\u0075s"}"#, &[("mcp-param-region", " us ")]),
            (r#"{"region":"é"}"#, &[("mcp-param-region", "=?base64?w6k=?=")]),
            (r#"{"limits":{"rows":42}}"#, &[("mcp-param-rows", "42")]),
            (r#"{"limits":{"rows":42}}"#, &[("mcp-param-rows", "42.0")]),
            (r#"{"limits":{"rows":-0}}"#, &[("mcp-param-rows", "0")]),
            (r#"{"limits":{"dry":true}}"#, &[("mcp-param-dry", "true")]),
            ("{}", &[("mcp-param-unknown", "x")]),
        ] {
            assert!(checked(arguments, headers), "{arguments} {headers:?}");
        }
    }

    #[test]
    fn headers_that_are_missing_malformed_or_different_are_refused() {
        for (arguments, headers) in [
            (r#"{"region":"us"}"#, &[][..]),
            (r#"{"region":"us"}"#, &[("mcp-param-region", "US")]),
            (r#"{"region":"us"}"#, &[("mcp-param-region", "us"), ("mcp-param-region", "us")]),
            (r#"{"region":"us"}"#, &[("mcp-param-region", "=?base64?dXM?=")]),
            (r#"{"region":"us","region":"eu"}"#, &[("mcp-param-region", "us")]),
            (r#"{"region":{"a":1}}"#, &[("mcp-param-region", "x")]),
            ("{}", &[("mcp-param-region", "us")]),
            (r#"{"region":null}"#, &[("mcp-param-region", "null")]),
            (r#"{"limits":{"rows":42}}"#, &[("mcp-param-rows", "43")]),
            (r#"{"limits":{"rows":42}}"#, &[("mcp-param-rows", "forty-two")]),
            (r#"{"limits":{"rows":9007199254740993}}"#, &[("mcp-param-rows", "9007199254740993")]),
            (r#"{"limits":{"rows":-9223372036854775808}}"#, &[("mcp-param-rows", "-9223372036854775808")]),
            (r#"{"limits":{"rows":42}}"#, &[("mcp-param-rows", "-9223372036854775808")]),
            (r#"{"limits":{"rows":1.5}}"#, &[("mcp-param-rows", "1.5")]),
            (r#"{"limits":{"dry":true}}"#, &[("mcp-param-dry", "True")]),
        ] {
            assert!(!checked(arguments, headers), "{arguments} {headers:?}");
        }
    }

    #[test]
    fn annotations_that_break_the_rules_are_refused() {
        let property = |property| json!({"type": "object", "properties": {"a": property}});
        for schema in [
            property(json!({"type": "string", "x-mcp-header": ""})),
            property(json!({"type": "string", "x-mcp-header": 5})),
            property(json!({"type": "string", "x-mcp-header": "a b"})),
            property(json!({"type": "string", "x-mcp-header": "a\r\nb"})),
            property(json!({"type": "number", "x-mcp-header": "A"})),
            property(json!({"type": ["string", "null"], "x-mcp-header": "A"})),
            property(json!({"x-mcp-header": "A"})),
            property(json!({"type": "array", "items": {"type": "string", "x-mcp-header": "A"}})),
            property(json!({"anyOf": [{"type": "string", "x-mcp-header": "A"}]})),
            json!({"type": "object", "x-mcp-header": "A"}),
            json!({"type": "object", "$defs": {"d": {"type": "string", "x-mcp-header": "A"}}}),
            json!({"type": "object", "properties": {
                "a": {"type": "string", "x-mcp-header": "A"},
                "b": {"type": "string", "x-mcp-header": "a"},
            }}),
        ] {
            assert!(MirroredParams::find(&schema).is_err(), "{schema}");
        }
    }

    #[test]
    fn a_parameter_may_be_named_like_the_annotation() {
        let schema = json!({"type": "object", "properties": {"x-mcp-header": {"type": "string"}}});
        assert!(MirroredParams::find(&schema).is_ok());
    }
}
