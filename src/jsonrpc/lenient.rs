//! An object that may be something else.

use super::scan::{Scan, ScanFault, Scanner};

/// What stands where an object belongs. Anything is taken there, so that a wrong value is judged
/// after the whole message has been read, with its id at hand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lenient {
    /// Nothing, or `null`.
    #[default]
    Absent,
    Object,
    SomethingElse,
}

impl Lenient {
    /// Reads a value into `object`, if it is an object.
    pub(crate) fn scan<'a>(object: &mut impl Scan<'a>, scanner: &mut Scanner<'a>) -> Result<Self, ScanFault> {
        if scanner.peek() == Some(b'{') {
            return object.scan(scanner).map(|()| Self::Object);
        }
        let value = scanner.value()?;
        Ok(if value.is_null() { Self::Absent } else { Self::SomethingElse })
    }
}
