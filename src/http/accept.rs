//! The `Accept` header.

use http::{HeaderMap, header};

use super::fields::{Field, Fields};

/// The value that the SDKs send.
const USUAL: [&str; 2] = ["application/json, text/event-stream", "text/event-stream, application/json"];

/// The content types that a client accepts for the reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Accepts {
    json: Fit,
    sse: Fit,
}

/// How a client accepts a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    No,
    ByRange,
    ByName,
}

impl Accepts {
    /// Accepts JSON only.
    pub(crate) const JSON: Self = Self { json: Fit::ByName, sse: Fit::No };
    const BOTH: Self = Self { json: Fit::ByName, sse: Fit::ByName };

    /// Reads all `Accept` headers. Without any, both types are accepted (RFC 9110, section 12.5.1).
    /// If several ranges match a type, the most specific one decides. A weight of 0 excludes.
    pub(crate) fn read(fields: &Fields<'_>, headers: &HeaderMap) -> Self {
        match fields.accept {
            Field::Missing => Self { json: Fit::ByRange, sse: Fit::ByRange },
            // Fast path: what the SDKs send. Compared, because a pattern is matched byte by byte.
            Field::Once(value) if USUAL.iter().any(|usual| value == usual) => Self::BOTH,
            Field::Once(_) | Field::Repeated => Self::read_lines(headers),
        }
    }

    #[cold]
    fn read_lines(headers: &HeaderMap) -> Self {
        let (mut json, mut sse) = (Match::default(), Match::default());
        let lines = headers.get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
        for range in lines.flat_map(|line| line.split(',')) {
            let mut parts = range.split(';');
            let name = parts.next().unwrap_or_default().trim();
            let weighs = !parts.any(|parameter| is_zero_weight(parameter.trim()));
            json.consider(specificity(name, "application", "application/json"), weighs);
            sse.consider(specificity(name, "text", "text/event-stream"), weighs);
        }
        Self { json: json.fit(), sse: sse.fit() }
    }

    pub(crate) fn takes_json(self) -> bool {
        self.json != Fit::No
    }

    pub(crate) fn takes_stream(self) -> bool {
        self.sse != Fit::No
    }

    /// Returns whether both types are named, as the specification requires of clients.
    pub(crate) fn names_both(self) -> bool {
        self == Self::BOTH
    }
}

/// The most specific range so far that matches a type.
#[derive(Default)]
struct Match {
    specificity: u8,
    accepted: bool,
}

impl Match {
    fn consider(&mut self, specificity: u8, accepted: bool) {
        if specificity > self.specificity {
            *self = Self { specificity, accepted };
        } else if specificity != 0 && specificity == self.specificity {
            self.accepted |= accepted;
        }
    }

    fn fit(&self) -> Fit {
        match self {
            Self { accepted: false, .. } => Fit::No,
            Self { specificity: 3, .. } => Fit::ByName,
            Self { .. } => Fit::ByRange,
        }
    }
}

/// Returns how specifically a media range matches: 3 for the type itself, 2 for `type/*`, 1 for
/// `*/*`, and 0 for no match.
fn specificity(range: &str, main_type: &str, media_type: &str) -> u8 {
    if range.eq_ignore_ascii_case(media_type) {
        return 3;
    }
    match range.split_once('/') {
        Some((main, "*")) if main.eq_ignore_ascii_case(main_type) => 2,
        Some(("*", "*")) => 1,
        _ => 0,
    }
}

fn is_zero_weight(parameter: &str) -> bool {
    parameter.split_once('=').is_some_and(|(name, weight)| {
        name.trim().eq_ignore_ascii_case("q") && weight.trim().parse::<f32>().is_ok_and(|q| q <= 0.0)
    })
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, header};

    use super::{Accepts, Fields};

    fn read(lines: &[&'static str]) -> (bool, bool) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT, HeaderValue::from_static(line));
        }
        let accepts = Accepts::read(&Fields::read(&headers), &headers);
        (accepts.takes_json(), accepts.takes_stream())
    }

    #[test]
    fn every_way_to_accept_is_understood() {
        for (lines, expected) in [
            (&[][..], (true, true)),
            (&["application/json, text/event-stream"], (true, true)),
            (&["text/event-stream,application/json"], (true, true)),
            (&["Application/JSON;q=0.1 , TEXT/event-stream; q=0.5"], (true, true)),
            (&["application/json", "text/event-stream"], (true, true)),
            (&["*/*"], (true, true)),
            (&["application/*"], (true, false)),
            (&["text/*"], (false, true)),
            (&["application/json"], (true, false)),
            (&["text/event-stream"], (false, true)),
            (&["*/*, text/event-stream;q=0"], (true, false)),
            (&["application/json;q=0, application/*"], (false, false)),
            (&["text/html"], (false, false)),
            (&["text/html, */*;q=0.1"], (true, true)),
            (&[""], (false, false)),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }
}
