//! Writes content blocks and the contents of resources as JSON.

use super::{Content, OwnMeta, ResourceContents, write_meta};
use crate::jsonrpc::write;

/// Writes a content block. It does not use `serde`, because texts and base64 can be large.
pub(crate) fn write_content(buffer: &mut Vec<u8>, block: &Content) {
    let (annotations, meta) = match block {
        Content::Text { text, annotations, meta } => {
            buffer.extend_from_slice(br#"{"type":"text","text":"#);
            write::string(buffer, text);
            (annotations, meta)
        }
        Content::Image { data, mime_type, annotations, meta } => {
            write_media(buffer, "image", data, mime_type);
            (annotations, meta)
        }
        Content::Audio { data, mime_type, annotations, meta } => {
            write_media(buffer, "audio", data, mime_type);
            (annotations, meta)
        }
        Content::Resource { resource, annotations, meta } => {
            buffer.extend_from_slice(br#"{"type":"resource","resource":"#);
            write_contents(
                buffer,
                &resource.uri,
                resource.mime_type.as_deref(),
                &resource.contents,
                &resource.meta,
            );
            (annotations, meta)
        }
        Content::ResourceLink(link) => {
            // The link's members follow the `type`.
            buffer.extend_from_slice(br#"{"type":"resource_link","#);
            let start = buffer.len();
            // Serialising strings, numbers and lists of them cannot fail.
            let _ = write::json(buffer, link);
            buffer.remove(start);
            return;
        }
    };
    if let Some(annotations) = annotations {
        write::key(buffer, "annotations");
        let _ = write::json(buffer, annotations);
    }
    write_meta(buffer, meta);
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

/// Writes the contents of a resource: its text or blob, with its URI and MIME type.
pub(crate) fn write_contents(
    buffer: &mut Vec<u8>,
    uri: &str,
    mime_type: Option<&str>,
    contents: &ResourceContents,
    meta: &OwnMeta,
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
    write_meta(buffer, meta);
    buffer.push(b'}');
}
