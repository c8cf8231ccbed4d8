//! The `params` of a request.

use super::lenient::Lenient;
use crate::protocol::meta::Meta;
use crate::rpc::Raw;
use crate::rpc::scan::{Scan, ScanFault, Scanner};

/// The parameters of every method that this crate answers, borrowed from the body
/// and judged by the method that uses them. One type for all means one pass
/// whatever the order of `method` and `params`. A parameter that is `null` is as good
/// as absent.
#[derive(Debug, Default)]
pub(crate) struct Params<'a> {
    pub(crate) name: Option<Raw<'a>>,
    pub(crate) uri: Option<Raw<'a>>,
    pub(crate) cursor: Option<Raw<'a>>,
    pub(crate) arguments: Option<Raw<'a>>,
    pub(crate) level: Option<Raw<'a>>,
    pub(crate) protocol_version: Option<Raw<'a>>,
    pub(crate) meta: Option<Lenient<Meta<'a>>>,
    pub(crate) is_repeated: bool,
}

impl<'a> Scan<'a> for Params<'a> {
    fn scan(scanner: &mut Scanner<'a>) -> Result<Self, ScanFault> {
        let mut params = Self::default();
        scanner.members(|scanner, key| {
            let member = match key.string().as_deref() {
                Some("name") => &mut params.name,
                Some("uri") => &mut params.uri,
                Some("cursor") => &mut params.cursor,
                Some("arguments") => &mut params.arguments,
                Some("level") => &mut params.level,
                Some("protocolVersion") => &mut params.protocol_version,
                Some("_meta") => {
                    params.is_repeated |= params.meta.replace(Lenient::scan(scanner)?).is_some();
                    return Ok(());
                }
                _ => return scanner.value().map(drop),
            };
            params.is_repeated |= member.replace(scanner.value()?).is_some();
            Ok(())
        })?;
        Ok(params)
    }
}

impl<'a> Params<'a> {
    /// The parameter, unless it is `null`.
    pub(crate) fn present(param: Option<Raw<'a>>) -> Option<Raw<'a>> {
        param.filter(|param| !param.is_null())
    }
}
