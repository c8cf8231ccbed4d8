//! Results that never change, serialised once.

use bytes::Bytes;

use super::Era;
use crate::catalogue::{self, SERVER_NAME, SERVER_VERSION, ToolSet};

/// Results, each with the closing brace of the response.
pub(super) struct Ready {
    legacy_list: Bytes,
    modern_list: Bytes,
    initialize: Bytes,
    discover: Bytes,
}

impl Ready {
    pub(super) fn new(tools: ToolSet) -> Self {
        let tools = tools_json(tools);
        let server = format!(r#"{{"name":"{SERVER_NAME}","version":"{SERVER_VERSION}"}}"#);
        let modern = format!(
            r#""resultType":"complete","ttlMs":0,"cacheScope":"private","_meta":{{"io.modelcontextprotocol/serverInfo":{server}}}"#
        );
        Self {
            legacy_list: format!(r#"{{"tools":{tools}}}}}"#).into(),
            modern_list: format!(r#"{{{modern},"tools":{tools}}}}}"#).into(),
            initialize: format!(
                r#"{{"protocolVersion":"2025-11-25","capabilities":{{"tools":{{}}}},"serverInfo":{server}}}}}"#
            )
            .into(),
            discover: format!(
                r#"{{{modern},"supportedVersions":["2026-07-28","2025-11-25"],"capabilities":{{"tools":{{}}}}}}}}"#
            )
            .into(),
        }
    }

    pub(super) fn list(&self, era: Era) -> Bytes {
        match era {
            Era::Legacy => self.legacy_list.clone(),
            Era::Modern => self.modern_list.clone(),
        }
    }

    pub(super) fn initialize(&self) -> Bytes {
        self.initialize.clone()
    }

    pub(super) fn discover(&self) -> Bytes {
        self.discover.clone()
    }
}

fn tools_json(tools: ToolSet) -> String {
    let tools: Vec<_> = catalogue::tools(tools)
        .into_iter()
        .map(|tool| {
            format!(
                r#"{{"name":"{}","description":"{}","inputSchema":{}}}"#,
                tool.name, tool.description, tool.schema
            )
        })
        .collect();
    format!("[{}]", tools.join(","))
}
