//! The `params` of a request.

use crate::jsonrpc::scan::{Scan, ScanFault, Scanner};
use crate::jsonrpc::{Lenient, Raw};
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
    /// Empty if `_meta` is not an object.
    pub(crate) meta: Meta<'a>,
    has_meta: bool,
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
    #[cfg(feature = "tasks")]
    pub(crate) task_id: Option<Raw<'a>>,
}

impl<'a> Scan<'a> for Params<'a> {
    fn scan(&mut self, scanner: &mut Scanner<'a>) -> Result<(), ScanFault> {
        let params = self;
        scanner.named_members(|scanner, name| {
            let member = match name {
                "name" => &mut params.name,
                "uri" => &mut params.uri,
                "cursor" => &mut params.cursor,
                "arguments" => &mut params.arguments,
                "inputResponses" => &mut params.rare().input_responses,
                "requestState" => &mut params.rare().request_state,
                "ref" => &mut params.rare().reference,
                "argument" => &mut params.rare().argument,
                "context" => &mut params.rare().context,
                "notifications" => &mut params.rare().notifications,
                #[cfg(feature = "tasks")]
                "taskId" => &mut params.rare().task_id,
                "level" => &mut params.level,
                "protocolVersion" => &mut params.protocol_version,
                "_meta" => {
                    Lenient::scan(&mut params.meta, scanner)?;
                    params.is_repeated |= std::mem::replace(&mut params.has_meta, true);
                    return Ok(());
                }
                _ => return scanner.value().map(drop),
            };
            params.is_repeated |= member.replace(scanner.value()?).is_some();
            Ok(())
        })
    }
}

impl<'a> Params<'a> {
    /// Returns the parameter that names the target of a call.
    pub(crate) fn named(&self, by: NamedBy) -> Option<Raw<'a>> {
        match by {
            NamedBy::Name => self.name,
            NamedBy::Uri => self.uri,
            #[cfg(feature = "tasks")]
            NamedBy::TaskId => self.rare_params().task_id,
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
