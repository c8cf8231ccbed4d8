//! W3C trace contexts, as `_meta` carries them.

#[cfg(feature = "otel")]
use crate::{jsonrpc::Raw, protocol::meta::Meta};

/// The maximum lengths of the members in bytes, which are the minimum that W3C Trace Context and W3C
/// Baggage require implementations to support.
const MAX_TRACESTATE: usize = 512;
const MAX_BAGGAGE: usize = 8192;

/// The trace context of a request: the members `traceparent`, `tracestate` and `baggage` of `_meta`
/// (2026-07-28, Base Protocol, "OpenTelemetry trace context"). OpenTelemetry calls this a carrier.
///
/// Members that are not well-formed are absent: a `traceparent` that does not follow W3C Trace Context, a
/// value with characters other than printable ASCII, a `tracestate` of more than 512 bytes, and a `baggage`
/// of more than 8192 bytes. A trace context does not authenticate its sender.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceContext {
    /// In the order of [`KEYS`](Self::KEYS).
    members: [Option<String>; 3],
}

impl TraceContext {
    /// The names of all members.
    pub const KEYS: [&'static str; 3] = ["traceparent", "tracestate", "baggage"];

    /// Creates a context without members.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns a member.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.members[index_of(key)?].as_deref()
    }

    /// Sets a member. Does nothing if the name is not one of [`KEYS`](Self::KEYS), or if the value is not
    /// well-formed. Upper and lower case are equal in names.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        let value = value.into();
        if let Some(index) = index_of(key)
            && is_valid(index, &value)
        {
            self.members[index] = Some(value);
        }
    }

    /// Returns whether the context has no members.
    pub fn is_empty(&self) -> bool {
        self.members.iter().all(Option::is_none)
    }

    /// Returns the names and values of the members.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let members = Self::KEYS.into_iter().zip(&self.members);
        members.filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }

    /// Reads the members of a request's `_meta`.
    #[cfg(feature = "otel")]
    pub(crate) fn of_meta(meta: &Meta<'_>) -> Self {
        let mut context = Self::new();
        for key in Self::KEYS {
            if let Some(value) = meta.member(key).and_then(Raw::string) {
                context.set(key, value);
            }
        }
        context
    }
}

fn index_of(key: &str) -> Option<usize> {
    TraceContext::KEYS.iter().position(|known| known.eq_ignore_ascii_case(key))
}

fn is_valid(index: usize, value: &str) -> bool {
    match index {
        0 => is_traceparent(value),
        1 => is_text(value, MAX_TRACESTATE),
        _ => is_text(value, MAX_BAGGAGE),
    }
}

fn is_text(value: &str, most: usize) -> bool {
    !value.is_empty() && value.len() <= most && value.bytes().all(|byte| matches!(byte, b' '..=b'~'))
}

/// Returns whether a text is a valid `traceparent` (W3C Trace Context, section 3.2): version, trace id,
/// parent id and flags, in lower-case hexadecimal digits. Later versions may append more.
fn is_traceparent(value: &str) -> bool {
    let is_hex = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, digits| is_hex(text, digits) && text.bytes().any(|byte| byte != b'0');
    let mut parts = value.splitn(5, '-');
    let mut next = || parts.next().unwrap_or_default();
    let (version, trace, parent, flags) = (next(), next(), next(), next());
    let rest = parts.next();
    is_hex(version, 2)
        && version != "ff"
        && is_id(trace, 32)
        && is_id(parent, 16)
        && is_hex(flags, 2)
        && rest.is_none_or(|rest| version != "00" && is_text(rest, 64))
}

#[cfg(test)]
mod tests {
    use super::TraceContext;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01";

    #[test]
    fn only_well_formed_members_are_kept() {
        let mut context = TraceContext::new();
        let (no_trace, upper) =
            (PARENT.replace("0af7651916cd43dd8448eb211c80319c", &"0".repeat(32)), PARENT.to_uppercase());
        let more = format!("{PARENT}-more");
        for bad in ["", "00", &no_trace, &upper, &more, &PARENT.replacen("00", "ff", 1), &PARENT[..54]] {
            context.set("traceparent", bad);
        }
        context.set("tracestate", "a=b\nc");
        context.set("tracestate", "a".repeat(513));
        context.set("baggage", "é");
        context.set("other", "value");
        assert!(context.is_empty(), "{context:?}");

        context.set("Traceparent", PARENT);
        context.set("tracestate", "rojo=1");
        context.set("baggage", "user=alice");
        let members: Vec<_> = context.iter().collect();
        assert_eq!(members, [("traceparent", PARENT), ("tracestate", "rojo=1"), ("baggage", "user=alice")]);
        context.set("traceparent", more.replacen("00", "01", 1));
        assert!(context.get("traceparent").is_some_and(|parent| parent.ends_with("-more")));
    }
}
