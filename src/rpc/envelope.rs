//! Reads one JSON-RPC message, in one pass that borrows from the body.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::{Id, raw};

/// A well-formed message. `P` reads the `params` member in the same pass.
#[derive(Debug)]
pub(crate) enum Message<'a, P> {
    Request { id: Id<'a>, method: Cow<'a, str>, params: P },
    Notification { params: P },
}

/// Why a text is no message, with the id if that much could be read.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault<'a> {
    pub(crate) id: Option<Id<'a>>,
    pub(crate) kind: FaultKind,
}

#[derive(Debug, PartialEq)]
pub(crate) enum FaultKind {
    /// Not JSON.
    Syntax,
    /// JSON, but no JSON-RPC request or notification.
    Invalid(&'static str),
    /// An answer to a question of the server's.
    Response,
}

/// Reads one message. `P` must take any JSON value and judge it later, so that
/// a wrong `params` does not hide the id.
pub(crate) fn parse<'a, P>(text: &'a str) -> Result<Message<'a, P>, Fault<'a>>
where
    P: Deserialize<'a> + Default,
{
    serde_json::from_str(text).map_err(|error| diagnose(text, &error)).and_then(Members::into_message)
}

/// Why a text could not be read.
fn diagnose<'a>(text: &'a str, error: &serde_json::Error) -> Fault<'a> {
    if error.classify() == Category::Data {
        return Fault { id: None, kind: FaultKind::Invalid("a message must be an object") };
    }
    // A number beyond any range is JSON all the same, and does not hide the id.
    match serde_json::from_str::<Members<'a, IgnoredAny>>(text) {
        Ok(members) => members.fault(FaultKind::Invalid("`params` holds a number out of range")),
        Err(_) => Fault { id: None, kind: FaultKind::Syntax },
    }
}

/// Reads a batch: the texts of its messages, no more than `most` of them.
pub(crate) fn parse_batch(text: &str, most: usize) -> Result<Vec<&RawValue>, FaultKind> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let batch = deserializer.deserialize_seq(BatchVisitor { most });
    let batch = batch.and_then(|messages| deserializer.end().map(|()| messages));
    batch.map_err(|error| match error.classify() {
        Category::Data => FaultKind::Invalid("the batch has too many messages"),
        Category::Io | Category::Syntax | Category::Eof => FaultKind::Syntax,
    })
}

struct BatchVisitor {
    most: usize,
}

impl<'de> Visitor<'de> for BatchVisitor {
    type Value = Vec<&'de RawValue>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at most {} messages", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut messages = Vec::new();
        while let Some(message) = seq.next_element()? {
            if messages.len() == self.most {
                return Err(serde::de::Error::invalid_length(self.most + 1, &self));
            }
            messages.push(message);
        }
        Ok(messages)
    }
}

/// The members of a message as they stood, not yet judged.
struct Members<'a, P> {
    jsonrpc: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    params: Option<P>,
    is_response: bool,
    is_repeated: bool,
}

impl<'a, P> Members<'a, P> {
    fn id(&self) -> Option<Id<'a>> {
        self.id.and_then(|raw| Id::from_json(raw.get()))
    }

    fn fault(&self, kind: FaultKind) -> Fault<'a> {
        Fault { id: self.id(), kind }
    }
}

impl<'a, P: Default> Members<'a, P> {
    fn into_message(self) -> Result<Message<'a, P>, Fault<'a>> {
        let id = self.id();
        let fault = |reason| Fault { id, kind: FaultKind::Invalid(reason) };
        if self.is_repeated {
            // Two readers that pick different ones could be played against each other.
            return Err(fault("a member is repeated"));
        }
        if self.jsonrpc.map(RawValue::get) != Some(r#""2.0""#) {
            return Err(fault("`jsonrpc` must be \"2.0\""));
        }
        if self.id.is_some() && id.is_none() {
            return Err(fault("`id` must be a string or an integer"));
        }
        let Some(method) = self.method else {
            let missing = FaultKind::Invalid("`method` is missing");
            return Err(Fault { id, kind: if self.is_response { FaultKind::Response } else { missing } });
        };
        let Some(method) = raw::string(method) else {
            return Err(fault("`method` must be a string"));
        };
        let params = self.params.unwrap_or_default();
        Ok(match id {
            Some(id) => Message::Request { id, method, params },
            None => Message::Notification { params },
        })
    }
}

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Jsonrpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    #[serde(other)]
    Other,
}

impl<'de: 'a, 'a, P: Deserialize<'de>> Deserialize<'de> for Members<'a, P> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MembersVisitor(PhantomData))
    }
}

struct MembersVisitor<'a, P>(PhantomData<(&'a (), P)>);

impl<'de: 'a, 'a, P: Deserialize<'de>> Visitor<'de> for MembersVisitor<'a, P> {
    type Value = Members<'a, P>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON-RPC message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = Members {
            jsonrpc: None,
            id: None,
            method: None,
            params: None,
            is_response: false,
            is_repeated: false,
        };
        while let Some(member) = map.next_key()? {
            let repeated = match member {
                Member::Jsonrpc => members.jsonrpc.replace(map.next_value()?).is_some(),
                Member::Id => members.id.replace(map.next_value()?).is_some(),
                Member::Method => members.method.replace(map.next_value()?).is_some(),
                Member::Params => members.params.replace(map.next_value()?).is_some(),
                Member::Result | Member::Error => {
                    map.next_value::<&RawValue>()?;
                    std::mem::replace(&mut members.is_response, true)
                }
                Member::Other => {
                    map.next_value::<&RawValue>()?;
                    false
                }
            };
            members.is_repeated |= repeated;
        }
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultKind, Message, parse};

    type Any = serde_json::Value;

    fn fault(text: &str) -> Fault<'_> {
        parse::<Any>(text).expect_err(text)
    }

    #[test]
    fn a_request_is_read_whatever_the_order_of_its_members() {
        for text in [
            r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#,
            r#" { "method" : "ping" , "extra": [1], "id" : 1 , "jsonrpc" : "2.0" } "#,
            r#"{"jsonrpc":"2.0","id":1,"method":"pi\u006eg","params":{}}"#,
        ] {
            match parse::<Any>(text) {
                Ok(Message::Request { id, method, .. }) => {
                    assert_eq!((id.as_json(), &*method), ("1", "ping"));
                }
                other => panic!("{text}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_message_without_an_id_is_a_notification() {
        let parsed = parse::<Any>(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        assert!(matches!(parsed, Ok(Message::Notification { .. })));
    }

    #[test]
    fn what_is_not_json_is_a_syntax_fault() {
        for text in ["", "{", "nope", r#"{"id":1,}"#, r#"{"id":1} x"#, "{\"id\":\"\u{1}\"}"] {
            assert_eq!(fault(text).kind, FaultKind::Syntax, "{text}");
        }
    }

    #[test]
    fn a_response_is_told_apart() {
        for text in [r#"{"jsonrpc":"2.0","id":7,"result":{}}"#, r#"{"jsonrpc":"2.0","id":7,"error":{}}"#] {
            assert_eq!(fault(text).kind, FaultKind::Response);
        }
    }

    #[test]
    fn json_that_is_no_request_is_invalid_and_keeps_its_id() {
        for (text, id) in [
            (r#"{"id":7,"method":"ping"}"#, Some("7")),
            (r#"{"jsonrpc":"1.0","id":7,"method":"ping"}"#, Some("7")),
            (r#"{"jsonrpc":"2.0","id":"a"}"#, Some(r#""a""#)),
            (r#"{"jsonrpc":"2.0","id":7,"method":5}"#, Some("7")),
            (r#"{"jsonrpc":"2.0","id":7,"method":"a","method":"b"}"#, Some("7")),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, None),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, None),
            ("5", None),
            (r#""text""#, None),
        ] {
            let fault = fault(text);
            assert!(matches!(fault.kind, FaultKind::Invalid(_)), "{text}");
            assert_eq!(fault.id.map(super::Id::as_json), id, "{text}");
        }
    }
}
