//! The `params` of a request.

use super::lenient::Lenient;
use crate::jsonrpc::Raw;
use crate::jsonrpc::scan::{Scan, ScanFault, Scanner};
use crate::protocol::meta::Meta;
use crate::protocol::method::NamedBy;

/// The parameters of all methods, borrowed from the body. Each method checks those that it uses.
/// With one type for all methods the body is read in one pass, even if `params` comes before
/// `method`. A parameter that is `null` counts as absent.
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
    /// Boxed, to keep `Params` small: it is moved several times.
    rare: Option<Box<RareParams<'a>>>,
}

/// Parameters that few requests have.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RareParams<'a> {
    pub(crate) input_responses: Option<Raw<'a>>,
    pub(crate) request_state: Option<Raw<'a>>,
    pub(crate) reference: Option<Raw<'a>>,
    pub(crate) argument: Option<Raw<'a>>,
    pub(crate) context: Option<Raw<'a>>,
    pub(crate) notifications: Option<Raw<'a>>,
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
                Some("inputResponses") => &mut params.rare().input_responses,
                Some("requestState") => &mut params.rare().request_state,
                Some("ref") => &mut params.rare().reference,
                Some("argument") => &mut params.rare().argument,
                Some("context") => &mut params.rare().context,
                Some("notifications") => &mut params.rare().notifications,
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
    /// Returns the parameter that names the target of a call.
    pub(crate) fn named(&self, by: NamedBy) -> Option<Raw<'a>> {
        match by {
            NamedBy::Name => self.name,
            NamedBy::Uri => self.uri,
        }
    }

    /// Returns the parameter unless it is `null`.
    pub(crate) fn present(param: Option<Raw<'a>>) -> Option<Raw<'a>> {
        param.filter(|param| !param.is_null())
    }

    /// Returns the parameters that few requests have.
    pub(crate) fn rare_params(&self) -> RareParams<'a> {
        self.rare.as_deref().copied().unwrap_or_default()
    }

    fn rare(&mut self) -> &mut RareParams<'a> {
        self.rare.get_or_insert_default()
    }
}
