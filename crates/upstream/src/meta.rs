//! The members of `_meta` that the protocol has.

pub(crate) const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";
pub(crate) const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";
pub(crate) const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";
pub(crate) const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";
pub(crate) const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";
pub(crate) const PROGRESS_TOKEN: &str = "progressToken";
/// The prefix of the protocol's members, except the progress token.
pub(crate) const PREFIX: &str = "io.modelcontextprotocol/";
/// The member in which a page reports the missing parts of its list, as `Page::with_missing` does.
pub(crate) const MISSING: &str = "mcp-stateless/missing";
