//! Results that another server sent, as they reach the client.

use crate::call::ResultWriter;
use crate::jsonrpc::scan::Scanner;
use crate::jsonrpc::{Raw, write};
use crate::protocol::{CacheHint, Era, meta};

/// What a result is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Tool,
    Prompt,
    Resource,
    Completion,
}

/// Writes a result with all its members, but for those that belong to the revision which
/// was spoken with its server: these become what the client's revision wants.
pub(crate) fn write_raw(writer: &mut ResultWriter<'_>, raw: &str, shape: Shape) {
    let era = writer.era();
    writer.open();
    let mut own_meta = None;
    let mut has_hint = false;
    // It was passed over before, so it can be passed over again.
    let _ = Scanner::new(raw).members(|scanner, key| {
        let value = scanner.value()?;
        let name = key.string().unwrap_or_default();
        match (&*name, era) {
            ("resultType", _) | ("ttlMs" | "cacheScope", Era::Legacy) => return Ok(()),
            ("_meta", _) => {
                own_meta = Some(value);
                return Ok(());
            }
            // Before 2026-07-28 it had to be an object.
            ("structuredContent", Era::Legacy) if shape == Shape::Tool && !value.is_object() => return Ok(()),
            ("ttlMs", Era::Modern) => has_hint = true,
            _ => {}
        }
        member(writer.buffer, key, value);
        Ok(())
    });
    if era == Era::Modern {
        if shape == Shape::Resource && !has_hint {
            writer.cache_hint(CacheHint::default());
        }
        writer.string("resultType", "complete");
    }
    write_meta(writer, own_meta);
    writer.buffer.push(b'}');
}

fn write_meta(writer: &mut ResultWriter<'_>, own: Option<Raw<'_>>) {
    if writer.era() == Era::Legacy && own.is_none() {
        return;
    }
    writer.open_meta();
    if let Some(own) = own.filter(|own| own.is_object()) {
        let _ = Scanner::new(own.text()).members(|scanner, key| {
            let value = scanner.value()?;
            if !key.is_key(meta::SERVER_INFO) {
                member(writer.buffer, key, value);
            }
            Ok(())
        });
    }
    writer.buffer.push(b'}');
}

fn member(buffer: &mut Vec<u8>, key: Raw<'_>, value: Raw<'_>) {
    write::raw_key(buffer, key);
    buffer.extend_from_slice(value.text().as_bytes());
}
