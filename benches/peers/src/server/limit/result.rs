//! Writes the JSON of a `tools/call` response without building a value.

use std::io::Write as _;

use serde_json::value::RawValue;

use super::Era;
use crate::catalogue::{SERVER_NAME, SERVER_VERSION};

const WRITE: &str = "writing to a vector cannot fail";

/// The capacity for everything except the text, in bytes.
const ENVELOPE: usize = 256;

pub(super) fn integer(era: Era, id: &RawValue, value: i64) -> Vec<u8> {
    write(era, id, 20, |out| write!(out, "\"{value}\"").expect(WRITE))
}

pub(super) fn text(era: Era, id: &RawValue, text: &str) -> Vec<u8> {
    // An eighth more than the text: escaping adds less to most texts.
    write(era, id, text.len() + text.len() / 8, |out| {
        serde_json::to_writer(out, text).expect(WRITE);
    })
}

fn write(era: Era, id: &RawValue, length: usize, text: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::with_capacity(ENVELOPE + length);
    open(&mut out, id);
    out.extend_from_slice(match era {
        Era::Legacy => br#"{"content":[{"type":"text","text":"#,
        Era::Modern => br#"{"resultType":"complete","content":[{"type":"text","text":"#,
    });
    text(&mut out);
    out.extend_from_slice(b"}]");
    if era == Era::Modern {
        write!(
            out,
            r#","_meta":{{"io.modelcontextprotocol/serverInfo":{{"name":"{SERVER_NAME}","version":"{SERVER_VERSION}"}}}}"#
        )
        .expect(WRITE);
    }
    out.extend_from_slice(b"}}");
    out
}

/// Writes a response up to its result.
pub(super) fn open(out: &mut Vec<u8>, id: &RawValue) {
    out.extend_from_slice(br#"{"jsonrpc":"2.0","id":"#);
    out.extend_from_slice(id.get().as_bytes());
    out.extend_from_slice(br#","result":"#);
}
