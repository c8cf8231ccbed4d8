//! Header blocks (HPACK, RFC 7541) of a client that repeats one request. The first block adds
//! every field to the server's dynamic table, and later blocks refer to these entries.

use crate::load::request::{HOST, PATH, Request};

/// `:method: POST`, `:scheme: http` and `:status: 200` in the static table.
const METHOD_POST: u8 = INDEXED | 3;
const SCHEME_HTTP: u8 = INDEXED | 6;
pub(super) const STATUS_200: u8 = INDEXED | 8;

/// Indexes of names in the static table.
const AUTHORITY: u8 = 1;
const NAME_OF_PATH: u8 = 4;

const INDEXED: u8 = 0x80;
const WITH_INDEXING: u8 = 0x40;

/// The index of the newest entry of the dynamic table.
const NEWEST: u8 = 62;

/// The header blocks of the first request on a connection and of all later ones.
pub(super) struct Blocks {
    pub(super) first: Vec<u8>,
    pub(super) later: Vec<u8>,
}

impl Blocks {
    pub(super) fn new(request: &Request) -> Self {
        let mut first = vec![METHOD_POST, SCHEME_HTTP];
        first.push(WITH_INDEXING | NAME_OF_PATH);
        string(&mut first, PATH);
        first.push(WITH_INDEXING | AUTHORITY);
        string(&mut first, HOST);
        let length = ("content-length", request.body.len().to_string());
        for (name, value) in request.headers.iter().chain([&length]) {
            first.push(WITH_INDEXING);
            string(&mut first, name);
            string(&mut first, value);
        }
        let entries = u8::try_from(request.headers.len() + 3).expect("a handful of headers");
        let mut later = vec![METHOD_POST, SCHEME_HTTP];
        // The oldest entry comes first; it has the highest index.
        later.extend((NEWEST..NEWEST + entries).rev().map(|index| INDEXED | index));
        Self { first, later }
    }
}

/// Writes a string without the Huffman code.
fn string(out: &mut Vec<u8>, text: &str) {
    const LONGEST: usize = 126;
    assert!(text.len() <= LONGEST, "lengths must fit into one byte");
    out.push(u8::try_from(text.len()).expect("checked above"));
    out.extend_from_slice(text.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_blocks_refer_to_the_entries_of_the_first() {
        let request = Request { headers: vec![("accept", "a".to_owned())], body: "{}".to_owned() };
        let Blocks { first, later } = Blocks::new(&request);
        assert_eq!(
            first,
            b"\x83\x86\x44\x04/mcp\x41\x09127.0.0.1\x40\x06accept\x01a\x40\x0econtent-length\x012"
        );
        assert_eq!(later, b"\x83\x86\xc1\xc0\xbf\xbe");
    }
}
