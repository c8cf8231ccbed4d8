//! Checks a body against itself and against the headers.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName};

use super::lenient::Lenient;
use super::{ClientAnswer, InBatch, Params, Rejection, Valid, ValidRequest};
use crate::http::mcp_headers::{self, HeaderFault};
use crate::jsonrpc::envelope::{self, Fault, FaultKind, Message};
use crate::jsonrpc::write::ReplyId;
use crate::jsonrpc::{Id, Raw, read};
use crate::protocol::meta::{self, Meta};
use crate::protocol::method::Method;
use crate::protocol::{Era, LogLevel, Revision, ServedRevisions};

/// The maximum number of messages in a batch.
const MAX_BATCH: usize = 100;

/// A rejection, and the id of its reply.
#[derive(Debug)]
pub(crate) struct Refused<'a> {
    pub(crate) rejection: Rejection,
    pub(crate) id: ReplyId<'a>,
}

type Checked<'a, T> = Result<T, Refused<'a>>;

/// Parses a body and checks it against its headers. The [module](super) documents the order of
/// the checks. A pure function of headers, body and served revisions.
pub(crate) fn agree<'a>(
    headers: &HeaderMap,
    body: &'a [u8],
    served: &ServedRevisions,
) -> Checked<'a, Valid<'a>> {
    let checker = Checker { headers, served };
    let text =
        read::utf8(body).ok_or_else(|| checker.refuse(None, Rejection::NotJson("the body is not UTF-8")))?;
    if text.trim_start().starts_with('[') {
        return checker.batch(text);
    }
    checker.message(text)
}

/// Returns the id of the reply to a request whose id could not be read: `null` in revisions before
/// 2025-11-25, and absent in later ones.
pub(crate) fn unread_id(headers: &HeaderMap, served: &ServedRevisions) -> ReplyId<'static> {
    match mcp_headers::single(headers, &mcp_headers::PROTOCOL_VERSION).map(Revision::from_name) {
        Ok(Some(Revision::V2025_03_26 | Revision::V2025_06_18)) => ReplyId::Null,
        Err(HeaderFault::Missing) if served.newest_legacy().is_some() => ReplyId::Null,
        _ => ReplyId::Absent,
    }
}

struct Checker<'h> {
    headers: &'h HeaderMap,
    served: &'h ServedRevisions,
}

impl Checker<'_> {
    fn refuse<'a>(&self, id: Option<Id<'a>>, rejection: Rejection) -> Refused<'a> {
        Refused { rejection, id: unread_id(self.headers, self.served).or_request(id) }
    }

    fn refuse_fault<'a>(&self, fault: &Fault<'a>) -> Refused<'a> {
        let rejection = match fault.kind {
            FaultKind::Syntax => Rejection::NotJson("the body is not valid JSON"),
            FaultKind::TooDeep => Rejection::NotJson("the body is nested too deeply"),
            FaultKind::Invalid(reason) => Rejection::InvalidRequest(reason),
            FaultKind::Response => Rejection::UnexpectedResponse,
        };
        self.refuse(fault.id, rejection)
    }

    fn message<'a>(&self, text: &'a str) -> Checked<'a, Valid<'a>> {
        let message = match envelope::parse::<Lenient<Params<'a>>>(text) {
            Ok(message) => message,
            Err(Fault { id: Some(id), kind: FaultKind::Response }) => return self.answer(id, text),
            Err(fault) => return Err(self.refuse_fault(&fault)),
        };
        match message {
            Message::Request { id, method, params } => {
                let request = object(params).and_then(|params| self.request(id, method, params));
                request.map(Valid::Request).map_err(|rejection| self.refuse(Some(id), rejection))
            }
            Message::Notification { params, .. } => object(params)
                .and_then(|_| self.version_header())
                .map(|_| Valid::Notification)
                .map_err(|rejection| self.refuse(None, rejection)),
        }
    }

    /// Checks a response to a request of this server. Only servers of the legacy era send requests.
    fn answer<'a>(&self, id: Id<'a>, text: &'a str) -> Checked<'a, Valid<'a>> {
        match self.version_header() {
            Ok(Some(revision)) if revision.era() == Era::Modern => {
                Err(self.refuse(Some(id), Rejection::UnexpectedResponse))
            }
            Ok(_) => Ok(Valid::Answer(ClientAnswer { id, text })),
            Err(rejection) => Err(self.refuse(Some(id), rejection)),
        }
    }

    fn batch<'a>(&self, text: &'a str) -> Checked<'a, Valid<'a>> {
        let invalid = |reason| self.refuse(None, Rejection::InvalidRequest(reason));
        let messages = envelope::parse_batch(text, MAX_BATCH);
        if let Err(kind @ (FaultKind::Syntax | FaultKind::TooDeep)) = messages {
            return Err(self.refuse_fault(&Fault { id: None, kind }));
        }
        match self.version_header() {
            Ok(Some(Revision::V2025_03_26) | None) => {}
            Ok(Some(_)) => return Err(invalid("only revision 2025-03-26 has batches")),
            Err(rejection) => return Err(self.refuse(None, rejection)),
        }
        if !self.served.contains(Revision::V2025_03_26) {
            return Err(invalid("this server does not serve revision 2025-03-26, the only one with batches"));
        }
        let messages = messages.map_err(|kind| self.refuse_fault(&Fault { id: None, kind }))?;
        if messages.is_empty() {
            return Err(invalid("the batch is empty"));
        }
        let answers = messages.into_iter().filter_map(|message| match self.message(message) {
            Ok(Valid::Request(request)) => Some(self.in_batch(request).map(InBatch::Request)),
            Ok(Valid::Answer(answer)) => Some(Ok(InBatch::Answer(answer))),
            Ok(Valid::Notification | Valid::Batch(_))
            | Err(Refused { rejection: Rejection::UnexpectedResponse, .. }) => None,
            Err(refused) => Some(Err(refused)),
        });
        let answers: Vec<_> = answers.collect();
        Ok(if answers.is_empty() { Valid::Notification } else { Valid::Batch(answers) })
    }

    fn in_batch<'a>(&self, request: ValidRequest<'a>) -> Checked<'a, ValidRequest<'a>> {
        let reason = match request {
            ValidRequest { method: Method::Initialize, .. } => "`initialize` must not be part of a batch",
            _ if request.era() == Era::Modern => "only revision 2025-03-26 has batches",
            _ => return Ok(request),
        };
        Err(self.refuse(Some(request.id), Rejection::InvalidRequest(reason)))
    }

    fn request<'a>(
        &self,
        id: Id<'a>,
        method_name: Cow<'a, str>,
        mut params: Params<'a>,
    ) -> Result<ValidRequest<'a>, Rejection> {
        if params.is_repeated {
            return Err(Rejection::InvalidRequest("a member of `params` is repeated"));
        }
        let method = Method::from_name(&method_name);
        let meta = match params.meta.take() {
            Some(Lenient::Object(meta)) => meta,
            Some(Lenient::Absent | Lenient::SomethingElse) | None => Meta::default(),
        };
        if let Some(fault) = meta.fault {
            return Err(Rejection::InvalidMeta(fault.into()));
        }
        let (revision, log_level) = match meta.protocol_version {
            Some(version) => self.modern(version, method, &method_name, &params, &meta)?,
            None => (self.legacy(method, &params)?, None),
        };
        Ok(ValidRequest { id, revision, method, method_name, params, meta, log_level, _checked: () })
    }

    fn unsupported(&self, requested: String) -> Rejection {
        Rejection::UnsupportedVersion { requested, supported: self.served.names() }
    }

    /// Returns the revision that the version header names.
    fn version_header(&self) -> Result<Option<Revision>, Rejection> {
        let name = &mcp_headers::PROTOCOL_VERSION;
        let requested = match mcp_headers::single(self.headers, name) {
            Ok(requested) => match Revision::from_name(requested) {
                Some(revision) if self.served.contains(revision) => return Ok(Some(revision)),
                _ => requested.to_owned(),
            },
            Err(HeaderFault::Missing) => return Ok(None),
            Err(HeaderFault::Repeated | HeaderFault::Malformed) => {
                let lines = self.headers.get_all(name).iter();
                lines.map(|line| String::from_utf8_lossy(line.as_bytes())).collect::<Vec<_>>().join(", ")
            }
        };
        Err(self.unsupported(requested))
    }

    /// Returns the revision of a request without a version in `_meta`.
    fn legacy(&self, method: Method, params: &Params<'_>) -> Result<Revision, Rejection> {
        match self.version_header()? {
            Some(revision) if revision.era() == Era::Modern => Err(missing_meta(meta::PROTOCOL_VERSION)),
            Some(revision) => Ok(revision),
            None if self.served.newest_legacy().is_some() => Ok(Revision::V2025_03_26),
            // A legacy client can send nothing else, so tell it which versions would work.
            None if method == Method::Initialize => {
                let requested = params.protocol_version.and_then(Raw::string).unwrap_or_default();
                Err(self.unsupported(requested.into_owned()))
            }
            None => Err(mismatch(&mcp_headers::PROTOCOL_VERSION, HeaderFault::Missing.as_str())),
        }
    }

    /// Checks the rules of the modern era.
    fn modern(
        &self,
        version: Raw<'_>,
        method: Method,
        method_name: &str,
        params: &Params<'_>,
        meta: &Meta<'_>,
    ) -> Result<(Revision, Option<LogLevel>), Rejection> {
        let Some(version) = version.string() else {
            return Err(wrong_meta(meta::PROTOCOL_VERSION, "a string"));
        };
        self.same(&mcp_headers::PROTOCOL_VERSION, &version)?;
        let revision = Revision::from_name(&version)
            .filter(|&revision| revision.era() == Era::Modern && self.served.contains(revision))
            .ok_or_else(|| self.unsupported(version.into_owned()))?;
        self.same(&mcp_headers::METHOD, method_name)?;
        self.same_name(method, params)?;
        Ok((revision, required_meta(meta)?))
    }

    /// Requires that a header equals `expected`.
    fn same(&self, name: &HeaderName, expected: &str) -> Result<(), Rejection> {
        match mcp_headers::single(self.headers, name) {
            Ok(value) if value == expected => Ok(()),
            Ok(value) => Err(mismatch(name, &format!("is {value:?}, but the body has {expected:?}"))),
            Err(fault) => Err(mismatch(name, fault.as_str())),
        }
    }

    /// Requires that `Mcp-Name` equals the `name` or `uri` in the body.
    fn same_name(&self, method: Method, params: &Params<'_>) -> Result<(), Rejection> {
        let Some(by) = method.named_by() else { return Ok(()) };
        let expected = params.named(by).and_then(Raw::string);
        match (mcp_headers::single_decoded(self.headers, &mcp_headers::NAME), expected) {
            (Ok(value), Some(expected)) if value == expected => Ok(()),
            (Ok(value), Some(expected)) => {
                Err(mismatch(&mcp_headers::NAME, &format!("is {value:?}, but the body has {expected:?}")))
            }
            (Ok(value), None) => {
                Err(mismatch(&mcp_headers::NAME, &format!("is {value:?}, but the body has no name")))
            }
            (Err(fault), _) => Err(mismatch(&mcp_headers::NAME, fault.as_str())),
        }
    }
}

fn object<T: Default>(params: Lenient<T>) -> Result<T, Rejection> {
    match params {
        Lenient::Object(params) => Ok(params),
        Lenient::Absent => Ok(T::default()),
        Lenient::SomethingElse => Err(Rejection::InvalidRequest("`params` must be an object")),
    }
}

/// Checks that `_meta` is complete and well typed. Returns the requested log level.
fn required_meta(meta: &Meta<'_>) -> Result<Option<LogLevel>, Rejection> {
    match meta.client_capabilities {
        None => return Err(missing_meta(meta::CLIENT_CAPABILITIES)),
        Some(value) if !value.is_object() => {
            return Err(wrong_meta(meta::CLIENT_CAPABILITIES, "an object"));
        }
        Some(_) => {}
    }
    if meta.client_info.is_some_and(|value| !value.is_object()) {
        return Err(wrong_meta(meta::CLIENT_INFO, "an object"));
    }
    if meta.progress_token.is_some_and(|value| Id::from_json(value.text()).is_none()) {
        return Err(wrong_meta("progressToken", "a string or an integer"));
    }
    let level = meta.log_level.map(|value| serde_json::from_str(value.text())).transpose();
    level.map_err(|_| wrong_meta(meta::LOG_LEVEL, "a log level"))
}

fn missing_meta(key: &str) -> Rejection {
    Rejection::InvalidMeta(format!("`_meta` must have `{key}`").into())
}

fn wrong_meta(key: &str, expected: &str) -> Rejection {
    Rejection::InvalidMeta(format!("`_meta` member `{key}` must be {expected}").into())
}

fn mismatch(name: &HeaderName, fault: &str) -> Rejection {
    Rejection::HeaderMismatch(format!("the header {name} {fault}"))
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::{Valid, agree, mcp_headers};
    use crate::protocol::{Era, ServedRevisions};

    /// The verdict on a body: who would serve it, or the error code of its rejection.
    fn judge(body: &[u8], version: Option<&'static str>) -> Result<&'static str, i64> {
        let served = ServedRevisions::of(&[Era::Modern, Era::Legacy]);
        let version = version.map(HeaderValue::from_static);
        let headers: HeaderMap =
            version.map(|version| (mcp_headers::PROTOCOL_VERSION, version)).into_iter().collect();
        match agree(&headers, body, &served) {
            Ok(Valid::Request(_)) => Ok("request"),
            Ok(Valid::Notification) => Ok("notification"),
            Ok(Valid::Answer(_)) => Ok("answer"),
            Ok(Valid::Batch(_)) => Ok("batch"),
            Err(refused) => Err(refused.rejection.to_error().code().0),
        }
    }

    /// The expected verdict on a legacy message: the rules, written down for a parsed tree.
    fn judge_slowly(message: &Value) -> Result<&'static str, i64> {
        let invalid = Err(-32600);
        let Value::Object(members) = message else { return invalid };
        if members.get("jsonrpc") != Some(&json!("2.0"))
            || !members.get("method").is_some_and(Value::is_string)
        {
            return invalid;
        }
        let params = members.get("params").unwrap_or(&Value::Null);
        if !params.is_object() && !params.is_null() {
            return invalid;
        }
        match members.get("id") {
            None => Ok("notification"),
            Some(Value::String(_)) => Ok("request"),
            Some(Value::Number(number)) if number.is_i64() || number.is_u64() => Ok("request"),
            Some(_) => invalid,
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            "[a-z\"\\\\é]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map("[a-z]{0,6}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    /// Generates messages, most of which have some fault.
    fn any_message() -> impl Strategy<Value = Value> {
        let member = |name: &'static str, usual: Value| {
            let value = prop_oneof![4 => Just(usual), 1 => any_json()];
            prop_oneof![5 => value.prop_map(move |value| Some((name, value))), 1 => Just(None)]
        };
        let members = (
            member("jsonrpc", json!("2.0")),
            member("id", json!(1)),
            member("method", json!("tools/list")),
            member("params", json!({"cursor": "x"})),
        );
        let message = members.prop_map(|(jsonrpc, id, method, params)| {
            let members = [jsonrpc, id, method, params].into_iter().flatten();
            members.map(|(name, value)| (name.to_owned(), value)).collect::<Value>()
        });
        prop_oneof![9 => message, 1 => any_json().prop_filter("no batch", |json| !json.is_array())]
    }

    #[test]
    fn the_syntax_of_a_batch_is_judged_before_its_version() {
        let deep = [vec![b'['; 129], vec![b']'; 129]].concat();
        for version in [None, Some("2025-03-26"), Some("2025-11-25"), Some("2026-07-28"), Some("2099-01-01")]
        {
            for body in [&deep[..], b"[[[", b"[1 2]", br#"[{"jsonrpc":"2.0"}] x"#] {
                assert_eq!(judge(body, version), Err(-32700), "{version:?}");
            }
        }
        assert_eq!(judge(b"[]", Some("2026-07-28")), Err(-32600));
        assert_eq!(judge(b"[]", Some("2099-01-01")), Err(-32022));
    }

    proptest! {
        #[test]
        fn any_message_is_judged_by_the_rules(message in any_message()) {
            prop_assert_eq!(judge(message.to_string().as_bytes(), None), judge_slowly(&message));
            let pretty = serde_json::to_string_pretty(&message).expect("JSON");
            prop_assert_eq!(judge(pretty.as_bytes(), Some("2025-11-25")), judge_slowly(&message));
        }

        #[test]
        fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..64), cut in 0_usize..200) {
            let _ = judge(&bytes, None);
            let modern = br#"[{"jsonrpc":"2.0","id":"\u00e9","method":"tools/call","params":{"name":"add","arguments":{"a":[1.5e3]},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","x":null}}}]"#;
            let cut = cut.min(modern.len());
            let spliced = [&modern[..cut], &bytes, &modern[cut..]].concat();
            for body in [&modern[1..cut.max(1)], &spliced, &spliced[1..]] {
                for version in [None, Some("2025-03-26"), Some("2026-07-28")] {
                    prop_assert_eq!(judge(body, version), judge(body, version));
                }
            }
        }
    }
}
