//! An object that may be something else.

use crate::jsonrpc::scan::{Scan, ScanFault, Scanner};

/// Accepts any JSON value where an object belongs. A value of another type is rejected only after
/// the whole message has been read, so that the reply has its id.
#[derive(Clone, Debug, Default)]
pub(crate) enum Lenient<T> {
    /// Absent, or `null`.
    #[default]
    Absent,
    Object(T),
    SomethingElse,
}

impl<'a, T: Scan<'a>> Scan<'a> for Lenient<T> {
    fn scan(scanner: &mut Scanner<'a>) -> Result<Self, ScanFault> {
        if scanner.peek() == Some(b'{') {
            return T::scan(scanner).map(Self::Object);
        }
        let value = scanner.value()?;
        Ok(if value.is_null() { Self::Absent } else { Self::SomethingElse })
    }
}
