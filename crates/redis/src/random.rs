//! Random bytes.

use crate::error::{Error, ErrorKind};

/// Returns random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| ErrorKind::Setting("the system has no random numbers"))?;
    Ok(bytes)
}
