//! Scans JSON text in one pass: checks it, and returns the texts of its parts.
//!
//! The parts of a request are parsed to different depths: the envelope member by member, and the
//! arguments only once the tool is known. So the scanner builds no values: [`read`](super::read) or
//! `serde_json` deserialise the text of a part.

use std::borrow::Cow;
use std::ops::Range;

pub(crate) use super::fault::{MAX_DEPTH, ScanFault};
use super::raw::Raw;
use super::{special, unescape};

/// A type that can be read in the same pass as the text around it.
pub(crate) trait Scan<'a> {
    /// Reads into `self`, which must be empty. In place, because the values are large.
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Result<(), ScanFault>;
}

/// The progress through the items of an object or an array.
pub(crate) enum Items {
    First { close: u8 },
    More { close: u8 },
    Over,
}

/// A position in a text.
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0, depth: 0 }
    }

    /// Creates a scanner that starts at `at`, the start of a value.
    #[cfg(feature = "ask")]
    pub(crate) fn starting_at(text: &'a str, at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// Returns the offset of the next byte.
    #[cfg(feature = "ask")]
    pub(crate) fn position(&self) -> usize {
        self.at
    }

    /// Continues at `at`, the end of a value that has been scanned.
    #[cfg(feature = "ask")]
    pub(crate) fn continue_at(&mut self, at: usize) {
        self.at = at;
    }

    /// Skips white space, and returns the next byte without consuming it.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.byte() {
            self.at += 1;
        }
        self.byte()
    }

    /// Requires the end of the text.
    pub(crate) fn end(mut self) -> Result<(), ScanFault> {
        if self.peek().is_none() { Ok(()) } else { Err(ScanFault::Syntax) }
    }

    /// Scans a value.
    pub(crate) fn value(&mut self) -> Result<Raw<'a>, ScanFault> {
        let first = self.peek();
        let start = self.at;
        let is_plain = first == Some(b'"') && self.string()?;
        match first {
            Some(b'"') => Ok(()),
            Some(b'{') => self.members(|scanner, _| scanner.value().map(drop)),
            Some(b'[') => self.elements(|scanner| scanner.value().map(drop)),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.literal("true"),
            Some(b'f') => self.literal("false"),
            Some(b'n') => self.literal("null"),
            _ => Err(ScanFault::Syntax),
        }?;
        Ok(Raw::new(&self.text[start..self.at], is_plain))
    }

    /// Scans a key and the colon after it. Returns where the key is, with its quotes, and whether
    /// it has no escapes.
    #[inline]
    fn key(&mut self) -> Result<(Range<usize>, bool), ScanFault> {
        if self.peek() != Some(b'"') {
            return Err(ScanFault::Syntax);
        }
        let start = self.at;
        let is_plain = self.string()?;
        let key = start..self.at;
        self.take(b':')?;
        Ok((key, is_plain))
    }

    /// Scans an object. `member` gets each key, and must scan its value.
    pub(crate) fn members(
        &mut self,
        mut member: impl FnMut(&mut Self, Raw<'a>) -> Result<(), ScanFault>,
    ) -> Result<(), ScanFault> {
        self.nested(b'{', b'}', |scanner| {
            let (key, is_plain) = scanner.key()?;
            member(scanner, Raw::new(&scanner.text[key], is_plain))
        })
    }

    /// Like [`members`](Self::members), but with unescaped names. A name that no Rust string can
    /// hold is passed as an empty one.
    #[inline]
    pub(crate) fn named_members(
        &mut self,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), ScanFault>,
    ) -> Result<(), ScanFault> {
        self.nested(b'{', b'}', |scanner| {
            let (key, is_plain) = scanner.key()?;
            let unescaped;
            let name = if is_plain {
                &scanner.text[key.start + 1..key.end - 1]
            } else {
                unescaped = Raw::new(&scanner.text[key], false).unescaped();
                &*unescaped
            };
            member(scanner, name)
        })
    }

    /// Scans an array. `element` must scan each element.
    pub(crate) fn elements(
        &mut self,
        element: impl FnMut(&mut Self) -> Result<(), ScanFault>,
    ) -> Result<(), ScanFault> {
        self.nested(b'[', b']', element)
    }

    fn nested(
        &mut self,
        open: u8,
        close: u8,
        mut item: impl FnMut(&mut Self) -> Result<(), ScanFault>,
    ) -> Result<(), ScanFault> {
        let mut items = self.enter(open, close)?;
        while self.another(&mut items)? {
            item(self)?;
        }
        Ok(())
    }

    /// Enters an object or an array.
    #[inline]
    pub(crate) fn enter(&mut self, open: u8, close: u8) -> Result<Items, ScanFault> {
        self.take(open)?;
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(ScanFault::TooDeep) } else { Ok(Items::First { close }) }
    }

    /// Returns whether another item follows, and scans the comma before it or the closing bracket.
    #[inline]
    pub(crate) fn another(&mut self, items: &mut Items) -> Result<bool, ScanFault> {
        let (close, is_first) = match *items {
            Items::First { close } => (close, true),
            Items::More { close } => (close, false),
            Items::Over => return Ok(false),
        };
        let next = self.peek();
        if next == Some(close) {
            self.at += 1;
            self.depth -= 1;
            *items = Items::Over;
            return Ok(false);
        }
        if !is_first {
            if next != Some(b',') {
                return Err(ScanFault::Syntax);
            }
            self.at += 1;
        }
        *items = Items::More { close };
        Ok(true)
    }

    /// Scans a string. Returns whether it has no escapes.
    // Inlined, it would be part of functions that save registers.
    #[inline(never)]
    fn string(&mut self) -> Result<bool, ScanFault> {
        let Some(end) = self.end_of_short_string() else { return self.long_string() };
        self.at = end + 1;
        Ok(true)
    }

    /// Returns the offset of the closing quote of a string, if it is short and has no escapes.
    #[inline]
    fn end_of_short_string(&self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        special::find_near(bytes, self.at + 1).filter(|&end| bytes[end] == b'"')
    }

    // Inlined, it would make short strings save registers.
    #[inline(never)]
    fn long_string(&mut self) -> Result<bool, ScanFault> {
        let bytes = self.text.as_bytes();
        let first = special::find(bytes, self.at + 1).ok_or(ScanFault::Syntax)?;
        let is_plain = bytes[first] == b'"';
        self.at = if is_plain { first + 1 } else { unescape::skip(bytes, first)? };
        Ok(is_plain)
    }

    /// Reads a string. Borrows unless it has escapes.
    ///
    /// # Errors
    /// Returns an error if the next value is not a string, or has a lone surrogate, which a Rust string
    /// cannot represent.
    pub(crate) fn text(&mut self) -> Result<Cow<'a, str>, ScanFault> {
        if self.peek() != Some(b'"') {
            return Err(ScanFault::Unwanted);
        }
        let Some(end) = self.end_of_short_string() else { return self.long_text() };
        let text = &self.text[self.at + 1..end];
        self.at = end + 1;
        Ok(Cow::Borrowed(text))
    }

    // As above.
    #[inline(never)]
    fn long_text(&mut self) -> Result<Cow<'a, str>, ScanFault> {
        let start = self.at + 1;
        let first = special::find(self.text.as_bytes(), start).ok_or(ScanFault::Syntax)?;
        if self.text.as_bytes()[first] == b'"' {
            self.at = first + 1;
            return Ok(Cow::Borrowed(&self.text[start..first]));
        }
        let (text, end) = unescape::unescape(self.text, start, first)?;
        self.at = end;
        Ok(Cow::Owned(text))
    }

    fn number(&mut self) -> Result<(), ScanFault> {
        if self.byte() == Some(b'-') {
            self.at += 1;
        }
        if self.byte() == Some(b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte() {
                self.at += 1;
            }
            self.digits()?;
        }
        Ok(())
    }

    /// Scans one or more digits.
    fn digits(&mut self) -> Result<(), ScanFault> {
        let start = self.at;
        while self.byte().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        if self.at == start { Err(ScanFault::Syntax) } else { Ok(()) }
    }

    /// Scans an integer without a sign and with at most 18 digits, which fits every 64-bit type.
    /// Returns its value and its length. `None`, and no progress, if something else comes next.
    pub(crate) fn short_integer(&mut self) -> Option<(u64, usize)> {
        let is_zero = self.peek() == Some(b'0');
        let rest = &self.text.as_bytes()[self.at..];
        let (mut value, mut length) = (0, 0);
        for byte in rest.iter().take(18).take_while(|byte| byte.is_ascii_digit()) {
            value = 10 * value + u64::from(byte - b'0');
            length += 1;
        }
        let goes_on = matches!(rest.get(length), Some(b'0'..=b'9' | b'.' | b'e' | b'E'));
        if length == 0 || goes_on || (is_zero && length > 1) {
            return None;
        }
        self.at += length;
        Some((value, length))
    }

    fn literal(&mut self, literal: &str) -> Result<(), ScanFault> {
        if !self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            return Err(ScanFault::Syntax);
        }
        self.at += literal.len();
        Ok(())
    }

    /// Goes back over a value of this length that has been scanned.
    pub(crate) fn back_over(&mut self, length: usize) {
        self.at -= length;
    }

    /// Consumes `byte` if it comes next, and returns whether it does.
    pub(crate) fn skip(&mut self, byte: u8) -> bool {
        let comes = self.peek() == Some(byte);
        self.at += usize::from(comes);
        comes
    }

    /// Requires and consumes `byte`.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> Result<(), ScanFault> {
        if self.peek() != Some(byte) {
            return Err(ScanFault::Syntax);
        }
        self.at += 1;
        Ok(())
    }

    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::value::RawValue;

    use super::{MAX_DEPTH, ScanFault, Scanner};

    fn scan(text: &str) -> Result<&str, ScanFault> {
        let mut scanner = Scanner::new(text);
        let value = scanner.value()?;
        scanner.end()?;
        Ok(value.text())
    }

    proptest! {
        #[test]
        fn what_is_json_is_what_serde_json_takes(text in r#"([ \t\n\r\[\]{}:,0-9.eE+\-"\\u]|true|false|null|"[a-z\\]{0,3}"|\\u00e9|é){0,12}"#) {
            let reference = serde_json::from_str::<&RawValue>(&text);
            prop_assert_eq!(scan(&text).ok(), reference.ok().map(RawValue::get));
        }

        #[test]
        fn damaged_json_is_taken_only_when_serde_json_takes_it(at in 0_usize..120, with in any::<char>()) {
            let whole = r#"{"a":[1,-0.5e+10,true,false,null,"x\n\u00e9\"é"],"b":{"c":{}, "d" : []},"e":"","f":1E3}"#;
            let mut damaged: Vec<char> = whole.chars().collect();
            let at = at % damaged.len();
            damaged[at] = with;
            let damaged: String = damaged.into_iter().collect();
            let reference = serde_json::from_str::<&RawValue>(&damaged);
            prop_assert_eq!(scan(&damaged).ok(), reference.ok().map(RawValue::get));
        }
    }

    #[test]
    fn nesting_is_counted_exactly_at_the_limit() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(scan(&nested(MAX_DEPTH)).is_ok());
        assert_eq!(scan(&nested(MAX_DEPTH + 1)), Err(ScanFault::TooDeep));
        let flat = format!("[{}]", vec!["{\"[[\":[]}"; 1_000].join(","));
        assert!(scan(&flat).is_ok());
        assert_eq!(scan(&"[{\"a\":".repeat(100_000)), Err(ScanFault::TooDeep));
    }

    #[test]
    fn numbers_of_any_size_are_json() {
        for number in ["1e999", "-1e-999", "123456789012345678901234567890.5"] {
            assert_eq!(scan(number), Ok(number));
        }
    }
}
