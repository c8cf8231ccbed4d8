//! Parses JSON-RPC messages, in one pass that borrows from the body.

use std::borrow::Cow;

use super::scan::{Scan, ScanFault, Scanner};
use super::{Id, Raw};

/// A well-formed message. `P` is read from its `params` in the same pass.
#[derive(Debug)]
pub(crate) enum Message<'a, P> {
    Request { id: Id<'a>, method: Cow<'a, str>, params: P },
    Notification { params: P },
}

/// Why a text is not a message, with the id if it could be read.
#[derive(Debug, PartialEq)]
pub(crate) struct Fault<'a> {
    pub(crate) id: Option<Id<'a>>,
    pub(crate) kind: FaultKind,
}

#[derive(Debug, PartialEq)]
pub(crate) enum FaultKind {
    /// Not valid JSON.
    Syntax,
    /// Nested too deeply.
    TooDeep,
    /// Valid JSON, but not a JSON-RPC request or notification.
    Invalid(&'static str),
    /// A response to a request of the server.
    Response,
}

/// Parses one message. `P` must accept any JSON value and be checked later, so that an invalid
/// `params` does not prevent the id from being read.
pub(crate) fn parse<'a, P: Scan<'a> + Default>(text: &'a str) -> Result<Message<'a, P>, Fault<'a>> {
    let mut scanner = Scanner::new(text);
    let members = if scanner.peek() == Some(b'{') {
        Members::scan(&mut scanner).and_then(|members| scanner.end().map(|()| members))
    } else {
        // Check the syntax first: text that is not JSON is a parse error, not an invalid request.
        scanner.value().and_then(|_| scanner.end()).and(Err(ScanFault::Unwanted))
    };
    members.map_err(|fault| Fault { id: None, kind: fault.into() })?.into_message()
}

/// Parses a batch into the texts of its messages, at most `most` of them. A larger batch is scanned
/// to its end, so that a syntax error takes precedence, but the rest is not stored.
pub(crate) fn parse_batch(text: &str, most: usize) -> Result<Vec<&str>, FaultKind> {
    let mut messages = Vec::new();
    let mut has_too_many = false;
    let mut scanner = Scanner::new(text);
    let batch = scanner.elements(|scanner| {
        let message = scanner.value()?.text();
        has_too_many = messages.len() == most;
        if !has_too_many {
            messages.push(message);
        }
        Ok(())
    });
    batch.and_then(|()| scanner.end())?;
    if has_too_many {
        return Err(FaultKind::Invalid("the batch has too many messages"));
    }
    Ok(messages)
}

impl From<ScanFault> for FaultKind {
    fn from(fault: ScanFault) -> Self {
        match fault {
            ScanFault::Syntax => Self::Syntax,
            ScanFault::TooDeep => Self::TooDeep,
            ScanFault::Unwanted => Self::Invalid("a message must be an object"),
        }
    }
}

/// The members of a message, not checked yet.
struct Members<'a, P> {
    jsonrpc: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    method: Option<Raw<'a>>,
    params: Option<P>,
    is_response: bool,
    is_repeated: bool,
}

impl<'a, P: Default> Members<'a, P> {
    fn into_message(self) -> Result<Message<'a, P>, Fault<'a>> {
        let id = self.id.and_then(|raw| Id::from_json(raw.text()));
        let fault = |reason| Fault { id, kind: FaultKind::Invalid(reason) };
        if self.is_repeated {
            // Two parsers that pick different ones would see different messages.
            return Err(fault("a member is repeated"));
        }
        if self.jsonrpc.map(Raw::text) != Some(r#""2.0""#) {
            return Err(fault("`jsonrpc` must be \"2.0\""));
        }
        if self.id.is_some() && id.is_none() {
            return Err(fault("`id` must be a string or an integer"));
        }
        let Some(method) = self.method else {
            let missing = FaultKind::Invalid("`method` is missing");
            return Err(Fault { id, kind: if self.is_response { FaultKind::Response } else { missing } });
        };
        let Some(method) = method.string() else {
            return Err(fault("`method` must be a string"));
        };
        let params = self.params.unwrap_or_default();
        Ok(match id {
            Some(id) => Message::Request { id, method, params },
            None => Message::Notification { params },
        })
    }
}

impl<'a, P: Scan<'a>> Scan<'a> for Members<'a, P> {
    fn scan(scanner: &mut Scanner<'a>) -> Result<Self, ScanFault> {
        let mut members = Members {
            jsonrpc: None,
            id: None,
            method: None,
            params: None,
            is_response: false,
            is_repeated: false,
        };
        scanner.members(|scanner, key| {
            let repeated = match key.string().as_deref() {
                Some("jsonrpc") => members.jsonrpc.replace(scanner.value()?).is_some(),
                Some("id") => members.id.replace(scanner.value()?).is_some(),
                Some("method") => members.method.replace(scanner.value()?).is_some(),
                Some("params") => members.params.replace(P::scan(scanner)?).is_some(),
                Some("result" | "error") => {
                    scanner.value()?;
                    std::mem::replace(&mut members.is_response, true)
                }
                _ => {
                    scanner.value()?;
                    false
                }
            };
            members.is_repeated |= repeated;
            Ok(())
        })?;
        Ok(members)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, FaultKind, Message, parse, parse_batch};
    use crate::jsonrpc::scan::{Scan, ScanFault, Scanner};

    /// Accepts any value.
    #[derive(Debug, Default)]
    struct Any;

    impl<'a> Scan<'a> for Any {
        fn scan(scanner: &mut Scanner<'a>) -> Result<Self, ScanFault> {
            scanner.value().map(|_| Self)
        }
    }

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
        // The same for a value that could not be a message anyway.
        for text in ["1 x", "\"\"\"", "null,", "[] ]", "true{}"] {
            assert_eq!(fault(text).kind, FaultKind::Syntax, "{text}");
        }
    }

    #[test]
    fn a_batch_is_read_to_its_end_before_it_is_refused() {
        assert_eq!(parse_batch("[1, {}]", 2), Ok(vec!["1", "{}"]));
        let too_many = FaultKind::Invalid("the batch has too many messages");
        assert_eq!(parse_batch("[1,2,3]", 2), Err(too_many));
        for text in ["[1,2,3", "[1,2,3,]", "[1,2,3] x", "[1,2,3 4]"] {
            assert_eq!(parse_batch(text, 2), Err(FaultKind::Syntax), "{text}");
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
