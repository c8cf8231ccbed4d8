//! An object that may be something else.

use super::scan::{Scan, ScanFault, Scanner};

/// The type of a value where an object belongs. A value of another type is rejected only after the
/// whole message has been read, so that the reply has its id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lenient {
    /// Absent, or `null`.
    #[default]
    Absent,
    Object,
    SomethingElse,
}

impl Lenient {
    /// Reads the next value into `object` if it is an object, and skips it if not.
    pub(crate) fn scan<'a>(object: &mut impl Scan<'a>, scanner: &mut Scanner<'a>) -> Result<Self, ScanFault> {
        if scanner.peek() == Some(b'{') {
            return object.scan(scanner).map(|()| Self::Object);
        }
        let value = scanner.value()?;
        Ok(if value.is_null() { Self::Absent } else { Self::SomethingElse })
    }
}
