//! Writes content blocks and the contents of resources as JSON.

use super::{Content, ResourceContents};
use crate::jsonrpc::write;

/// Writes a content block. Without `serde`, because texts and base64 can be large.
pub(crate) fn write_content(buffer: &mut Vec<u8>, block: &Content) {
    let annotations = match block {
        Content::Text { text, annotations } => {
            buffer.extend_from_slice(br#"{"type":"text","text":"#);
            write::string(buffer, text);
            annotations
        }
        Content::Image { data, mime_type, annotations } => {
            write_media(buffer, "image", data, mime_type);
            annotations
        }
        Content::Audio { data, mime_type, annotations } => {
            write_media(buffer, "audio", data, mime_type);
            annotations
        }
        Content::Resource { resource, annotations } => {
            buffer.extend_from_slice(br#"{"type":"resource","resource":"#);
            write_contents(buffer, &resource.uri, resource.mime_type.as_deref(), &resource.contents);
            annotations
        }
        Content::ResourceLink(link) => {
            // Its own members follow the type's.
            buffer.extend_from_slice(br#"{"type":"resource_link","#);
            let start = buffer.len();
            // Strings, numbers and lists of them are always JSON.
            let _ = write::json(buffer, link);
            buffer.remove(start);
            return;
        }
    };
    if let Some(annotations) = annotations {
        write::key(buffer, "annotations");
        let _ = write::json(buffer, annotations);
    }
    buffer.push(b'}');
}

fn write_media(buffer: &mut Vec<u8>, kind: &str, data: &str, mime_type: &str) {
    buffer.extend_from_slice(br#"{"type":"#);
    write::string(buffer, kind);
    write::key(buffer, "data");
    write::string(buffer, data);
    write::key(buffer, "mimeType");
    write::string(buffer, mime_type);
}

/// Writes a text or a blob with what it is of.
pub(crate) fn write_contents(
    buffer: &mut Vec<u8>,
    uri: &str,
    mime_type: Option<&str>,
    contents: &ResourceContents,
) {
    buffer.push(b'{');
    write::key(buffer, "uri");
    write::string(buffer, uri);
    if let Some(mime_type) = mime_type {
        write::key(buffer, "mimeType");
        write::string(buffer, mime_type);
    }
    let (name, contents) = match contents {
        ResourceContents::Text(text) => ("text", text),
        ResourceContents::Base64(blob) => ("blob", blob),
    };
    write::key(buffer, name);
    write::string(buffer, contents);
    buffer.push(b'}');
}
