//! Invariants for filters, with every spelling of a URI.

use std::sync::LazyLock;

use http::Request;
use http::request::Parts;
use http_body_util::Full;
use mcp_stateless::registry::{Filtered, Item};
use mcp_stateless::resource::ResourceTemplate;
use mcp_stateless::{Registry, ResourceRegistry, StatelessSessionManager};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::send;

#[derive(Deserialize, JsonSchema)]
struct Note {
    folder: String,
    id: String,
}

#[derive(Deserialize, JsonSchema)]
struct File {
    path: String,
}

/// A filter that refuses everything private.
fn sees(item: Item<'_>, _: &Parts) -> bool {
    match item {
        Item::Resource(uri) => !uri.starts_with("note://private/") && !uri.starts_with("file:///private/"),
        _ => true,
    }
}

static MANAGER: LazyLock<StatelessSessionManager> =
    LazyLock::new(|| StatelessSessionManager::builder("fuzz", "1.0.0").build().expect("valid settings"));

static RESOURCES: LazyLock<Box<dyn Registry>> = LazyLock::new(|| {
    let note = async |Note { folder, id }: Note| {
        assert_ne!(folder, "private", "the filter was passed");
        assert!(!folder.contains(['/', '\\', '\0']) && !id.contains(['/', '\\', '\0']), "{folder:?} {id:?}");
        format!("{folder}: {id}")
    };
    let file = async |File { path }: File| {
        let mut folders: Vec<&str> = Vec::new();
        for part in path.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(folders.pop()),
                folder => folders.push(folder),
            }
        }
        // The contents of the folder are private, not the folder itself.
        let is_private = folders.len() > 1 && folders[0] == "private";
        assert!(!is_private, "the filter was passed: {path:?}");
        path
    };
    let resources = ResourceRegistry::builder()
        .register_template(ResourceTemplate::new("note://{folder}/{id}", "note", note))
        .register_template(ResourceTemplate::new("file:///{+path}", "file", file))
        .build()
        .expect("valid templates");
    Box::new(Filtered::new(resources, sees))
});

/// Uses the data as the end of a URI, after `note://` and after `file:///`. No handler may get a URI
/// that the filter refuses.
pub fn uris(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for scheme in ["note://", "NOTE://", "file:///", "file://", "file:/"] {
        let uri = format!("{scheme}{text}");
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "resources/read", "params": {"uri": uri}});
        let request =
            Request::post("/mcp").header("host", "localhost").header("content-type", "application/json");
        let request = request.body(Full::from(body.to_string())).expect("a request");
        let reply = send(&MANAGER, &**RESOURCES, request);
        let reply: Value = serde_json::from_slice(reply.body()).expect("JSON");
        // A handler panics if it gets a private URI, which causes this error.
        assert_ne!(reply["error"]["code"], -32603, "{uri}");
    }
}
