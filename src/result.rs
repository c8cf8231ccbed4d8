//! How results are written: straight into the reply's buffer.

use serde_json::{Map, Value};

use crate::call::raw_output::RawOutput;
use crate::completion::Completion;
use crate::config::Settings;
use crate::prompt::PromptOutput;
use crate::protocol::{
    CacheHint, CacheScope, Content, Era, ResourceContents, Role, ServerCapabilities, meta,
};
use crate::resource::ResourceOutput;
use crate::rpc::scan::Scanner;
use crate::rpc::{Raw, write};
use crate::tool::ToolOutput;

/// The result of a method.
pub(crate) trait WriteResult {
    /// Writes the object of the result.
    fn write(&self, buffer: &mut Vec<u8>, era: Era, settings: &Settings);
}

/// Writes a `CallToolResult`.
impl WriteResult for ToolOutput {
    fn write(&self, buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
        if let Some(raw) = &self.raw {
            return write_raw(buffer, raw, None, era, settings, |name, value| {
                // Before 2026-07-28 it had to be an object.
                era == Era::Modern || name != "structuredContent" || value.is_object()
            });
        }
        buffer.extend_from_slice(br#"{"content":"#);
        list(buffer, self.content.as_slice(), write_content);
        if let Some(structured) = &self.structured
            && (era == Era::Modern || structured.get().starts_with('{'))
        {
            write::key(buffer, "structuredContent");
            buffer.extend_from_slice(structured.get().as_bytes());
        }
        if self.is_error {
            buffer.extend_from_slice(br#","isError":true"#);
        }
        match &self.meta {
            None => end_result(buffer, era, settings),
            Some(members) => end_result_with(buffer, members, era, settings),
        }
    }
}

/// Writes a `GetPromptResult`.
impl WriteResult for PromptOutput {
    fn write(&self, buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
        if let Some(raw) = &self.raw {
            return write_raw(buffer, raw, None, era, settings, |_, _| true);
        }
        buffer.push(b'{');
        if let Some(description) = &self.description {
            write::key(buffer, "description");
            write::string(buffer, description);
        }
        write::key(buffer, "messages");
        list(buffer, &self.messages, |buffer, message| {
            buffer.extend_from_slice(match message.role {
                Role::User => br#"{"role":"user","content":"#.as_slice(),
                Role::Assistant => br#"{"role":"assistant","content":"#.as_slice(),
            });
            write_content(buffer, &message.content);
            buffer.push(b'}');
        });
        end_result(buffer, era, settings);
    }
}

/// Writes a `ReadResourceResult`.
impl WriteResult for ResourceOutput {
    fn write(&self, buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
        if let Some(raw) = &self.raw {
            return write_raw(buffer, raw, Some(self.cache.unwrap_or_default()), era, settings, |_, _| true);
        }
        buffer.extend_from_slice(br#"{"contents":"#);
        list(buffer, &self.contents, |buffer, content| {
            let uri = content.uri.as_deref().unwrap_or_default();
            write_contents(buffer, uri, content.mime_type.as_deref(), &content.contents);
        });
        if era == Era::Modern {
            write_cache_hint(buffer, self.cache.unwrap_or_default());
        }
        end_result(buffer, era, settings);
    }
}

/// Writes a `CompleteResult`.
impl WriteResult for Completion {
    fn write(&self, buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
        if let Some(raw) = &self.raw {
            return write_raw(buffer, raw, None, era, settings, |_, _| true);
        }
        buffer.extend_from_slice(br#"{"completion":{"values":"#);
        list(buffer, &self.values, |buffer, value| write::string(buffer, value));
        if let Some(total) = self.total {
            write::key(buffer, "total");
            write::display(buffer, total);
        }
        write::key(buffer, "hasMore");
        write::display(buffer, self.has_more);
        buffer.push(b'}');
        end_result(buffer, era, settings);
    }
}

/// Writes a result that is JSON already, with the members that `keeps` says. What belongs to a
/// revision is written as the client's has it.
fn write_raw(
    buffer: &mut Vec<u8>,
    raw: &RawOutput,
    cache: Option<CacheHint>,
    era: Era,
    settings: &Settings,
    keeps: impl Fn(&str, Raw<'_>) -> bool,
) {
    buffer.push(b'{');
    let mut own_meta = None;
    raw.members(|key, value| match key.string().as_deref().unwrap_or_default() {
        "resultType" => {}
        "ttlMs" | "cacheScope" if era == Era::Legacy || cache.is_some() => {}
        "_meta" => own_meta = Some(value),
        name if keeps(name, value) => write_member(buffer, key, value),
        _ => {}
    });
    if era == Era::Modern {
        if let Some(cache) = cache {
            write_cache_hint(buffer, cache);
        }
        write::key(buffer, "resultType");
        buffer.extend_from_slice(br#""complete""#);
    }
    if era == Era::Modern || own_meta.is_some() {
        open_meta(buffer, era, settings);
        if let Some(own) = own_meta.filter(|own| own.is_object()) {
            // It was passed over with the result, so it can be passed over again.
            let _ = Scanner::new(own.text()).members(|scanner, key| {
                let value = scanner.value()?;
                if !key.is_key(meta::SERVER_INFO) {
                    write_member(buffer, key, value);
                }
                Ok(())
            });
        }
        buffer.push(b'}');
    }
    buffer.push(b'}');
}

fn write_member(buffer: &mut Vec<u8>, key: Raw<'_>, value: Raw<'_>) {
    write::raw_key(buffer, key);
    buffer.extend_from_slice(value.text().as_bytes());
}

fn list<T>(buffer: &mut Vec<u8>, items: &[T], write: impl Fn(&mut Vec<u8>, &T)) {
    buffer.push(b'[');
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            buffer.push(b',');
        }
        write(buffer, item);
    }
    buffer.push(b']');
}

/// Writes what both ways of opening tell: capabilities and instructions.
pub(crate) fn write_about(
    buffer: &mut Vec<u8>,
    capabilities: ServerCapabilities,
    era: Era,
    settings: &Settings,
) {
    let declared = capabilities.declared(era, settings.logging);
    write::key(buffer, "capabilities");
    // Objects with fixed keys are always JSON.
    let _ = write::json(buffer, &declared);
    if let Some(instructions) = &settings.instructions {
        write::key(buffer, "instructions");
        write::string(buffer, instructions);
    }
}

pub(crate) fn write_cache_hint(buffer: &mut Vec<u8>, hint: CacheHint) {
    write::key(buffer, "ttlMs");
    write::display(buffer, hint.ttl.as_millis());
    write::key(buffer, "cacheScope");
    let scope = match hint.scope {
        CacheScope::Private => "private",
        CacheScope::Public => "public",
    };
    write::string(buffer, scope);
}

/// Begins the `_meta` of a result, with what every result of the modern era carries there.
pub(crate) fn open_meta(buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
    write::key(buffer, "_meta");
    buffer.push(b'{');
    if era == Era::Modern {
        write::key(buffer, meta::SERVER_INFO);
        buffer.extend_from_slice(settings.server_info.as_bytes());
    }
}

/// Ends the object of a result, with what every result of the modern era carries.
pub(crate) fn end_result(buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
    match era {
        Era::Legacy => buffer.push(b'}'),
        Era::Modern => buffer.extend_from_slice(settings.modern_result_end.as_bytes()),
    }
}

/// The same, with these members in `_meta` besides.
pub(crate) fn end_result_with(
    buffer: &mut Vec<u8>,
    members: &Map<String, Value>,
    era: Era,
    settings: &Settings,
) {
    if era == Era::Modern {
        buffer.extend_from_slice(br#","resultType":"complete""#);
    }
    open_meta(buffer, era, settings);
    for (name, value) in members.iter().filter(|(name, _)| *name != meta::SERVER_INFO) {
        write::key(buffer, name);
        buffer.extend_from_slice(value.to_string().as_bytes());
    }
    buffer.extend_from_slice(b"}}");
}

/// Writes a content block. By hand rather than by `serde`, for texts and base64
/// can be large.
fn write_content(buffer: &mut Vec<u8>, block: &Content) {
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
fn write_contents(buffer: &mut Vec<u8>, uri: &str, mime_type: Option<&str>, contents: &ResourceContents) {
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
