//! A digest of JSON that does not depend on formatting, so that a client may send its arguments in
//! another order or with other white space when it calls again.

use std::ops::Range;

use sha2::{Digest, Sha256};

use crate::jsonrpc::Raw;
use crate::jsonrpc::scan::{ScanFault, Scanner};

/// The maximum number of objects and members that are sorted, which bounds the memory for a text. A text with
/// more of them is hashed unchanged.
const MOST_ITEMS: usize = 64 * 1024;

/// Hashes the canonical form of a JSON text. A text that is not valid JSON is hashed unchanged.
///
/// The members of an object are hashed in the order of their names, strings by their value, and
/// white space is omitted. Differences that a handler could see are kept: the digits of numbers,
/// and the order of repeated members.
pub(super) fn hash(hasher: &mut Sha256, text: &str) {
    let digest = Layout::read(text).and_then(|layout| {
        // The caller's hasher gets nothing until the whole text is known to be valid.
        let mut canonical = Sha256::new();
        layout.hash(&mut canonical, &mut Scanner::new(text))?;
        Ok(canonical.finalize())
    });
    match digest {
        Ok(digest) => part(hasher, b'j', &digest),
        Err(_) => part(hasher, b'x', text.as_bytes()),
    }
}

/// Hashes bytes after their kind and length, so that adjacent parts cannot be confused.
pub(super) fn part(hasher: &mut Sha256, kind: u8, bytes: &[u8]) {
    hasher.update([kind]);
    hasher.update((bytes.len() as u64).to_le_bytes());
    hasher.update(bytes);
}

/// The positions of the objects in a text, and the order of their members.
struct Layout<'a> {
    text: &'a str,
    /// In the order in which they start.
    objects: Vec<Object>,
    members: Vec<Member>,
}

struct Object {
    at: usize,
    end: usize,
    /// The range of the object's members in the layout.
    members: Range<usize>,
}

/// The offsets of a member.
#[derive(Clone, Copy)]
struct Member {
    key: usize,
    value: usize,
}

impl<'a> Layout<'a> {
    fn read(text: &'a str) -> Result<Self, ScanFault> {
        let mut layout = Self { text, objects: Vec::new(), members: Vec::new() };
        let mut scanner = Scanner::new(text);
        layout.note(&mut scanner, &mut Vec::new())?;
        scanner.end().map(|()| layout)
    }

    /// Skips a value and records its objects. `unsorted` holds the members of the enclosing
    /// objects.
    fn note(&mut self, scanner: &mut Scanner<'a>, unsorted: &mut Vec<Member>) -> Result<(), ScanFault> {
        match scanner.peek() {
            Some(b'{') => {}
            Some(b'[') => return scanner.elements(|scanner| self.note(scanner, unsorted)),
            _ => return scanner.value().map(drop),
        }
        if self.objects.len() > MOST_ITEMS {
            return Err(ScanFault::Unwanted);
        }
        let (index, first) = (self.objects.len(), unsorted.len());
        self.objects.push(Object { at: scanner.position(), end: 0, members: 0..0 });
        scanner.members(|scanner, key| {
            if self.objects.len() + self.members.len() + unsorted.len() > MOST_ITEMS {
                return Err(ScanFault::Unwanted);
            }
            scanner.peek();
            // The key is a part of the text.
            let key = key.text().as_ptr().addr() - self.text.as_ptr().addr();
            unsorted.push(Member { key, value: scanner.position() });
            self.note(scanner, unsorted)
        })?;
        let text = self.text;
        unsorted[first..].sort_by_cached_key(|member| {
            let key = Scanner::starting_at(text, member.key).value();
            key.ok().and_then(Raw::string).unwrap_or_default()
        });
        let start = self.members.len();
        self.members.extend(unsorted.drain(first..));
        let object = &mut self.objects[index];
        (object.end, object.members) = (scanner.position(), start..self.members.len());
        Ok(())
    }

    fn hash(&self, hasher: &mut Sha256, scanner: &mut Scanner<'a>) -> Result<(), ScanFault> {
        match scanner.peek() {
            Some(b'{') => {
                let at = scanner.position();
                let found = self.objects.binary_search_by_key(&at, |object| object.at);
                let object = &self.objects[found.map_err(|_| ScanFault::Unwanted)?];
                hasher.update(b"{");
                for member in &self.members[object.members.clone()] {
                    let mut key = Scanner::starting_at(self.text, member.key);
                    hash_scalar(hasher, key.value()?);
                    self.hash(hasher, &mut Scanner::starting_at(self.text, member.value))?;
                }
                hasher.update(b"}");
                scanner.continue_at(object.end);
            }
            Some(b'[') => {
                hasher.update(b"[");
                scanner.elements(|scanner| self.hash(hasher, scanner))?;
                hasher.update(b"]");
            }
            _ => hash_scalar(hasher, scanner.value()?),
        }
        Ok(())
    }
}

/// Hashes a string by its value if it is valid, and anything else by its text.
fn hash_scalar(hasher: &mut Sha256, value: Raw<'_>) {
    match value.string() {
        Some(string) if value.text().starts_with('"') => part(hasher, b's', string.as_bytes()),
        _ => part(hasher, b'n', value.text().as_bytes()),
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};

    use super::{MOST_ITEMS, hash};

    fn digest(text: &str) -> [u8; 32] {
        let mut hasher = Sha256::new();
        hash(&mut hasher, text);
        hasher.finalize().into()
    }

    #[test]
    fn equal_values_have_equal_digests_and_others_do_not() {
        for (one, other) in [
            (r#"{"b": [1, {"d":2,"c":"x"}, 3], "a": "\u0061"}"#, r#"{"a":"a","b":[1,{"c":"x","d":2},3]}"#),
            (r#"{"\u0062":1,"a":2}"#, r#"{"a":2,"b":1}"#),
            (" [ { } , [ ] ] ", "[{},[]]"),
        ] {
            assert_eq!(digest(one), digest(other), "{one} {other}");
        }
        for (one, other) in [
            ("[1,2]", "[2,1]"),
            (r#"{"a":1}"#, r#"{"a":"1"}"#),
            ("[[1],2]", "[[1,2]]"),
            (r#"["a","b"]"#, r#"["a\",\"b"]"#),
            (r#"{"a":{"b":1},"c":2}"#, r#"{"a":{"b":1,"c":2}}"#),
            ("100000000000000000000001", "100000000000000000000002"),
            (r#"{"a":1,"a":2}"#, r#"{"a":2,"a":1}"#),
            (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
            (r#""\ud800""#, r#""\ud801""#),
            ("true", r#""true""#),
        ] {
            assert_ne!(digest(one), digest(other), "{one} {other}");
        }
    }

    #[test]
    fn a_text_of_very_many_members_is_told_from_others_but_not_put_in_order() {
        let object = |keys: &mut dyn Iterator<Item = usize>| {
            let members: Vec<_> = keys.map(|key| format!(r#""{key}":0"#)).collect();
            format!("{{{}}}", members.join(","))
        };
        for (most, fits) in [(1_000, true), (MOST_ITEMS + 1, false)] {
            let (one, other) = (object(&mut (0..most)), object(&mut (0..most).rev()));
            assert_eq!(digest(&one) == digest(&other), fits);
            assert_eq!(digest(&one), digest(&one.clone()));
        }
    }
}
