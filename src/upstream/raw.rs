//! Results that another server sent, as they reach the client.

use crate::config::Settings;
use crate::protocol::{CacheHint, Era, meta};
use crate::result::{open_meta, write_cache_hint};
use crate::rpc::scan::Scanner;
use crate::rpc::{Raw, write};

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
pub(crate) fn write_raw(buffer: &mut Vec<u8>, raw: &str, shape: Shape, era: Era, settings: &Settings) {
    buffer.push(b'{');
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
        member(buffer, key, value);
        Ok(())
    });
    if era == Era::Modern {
        if shape == Shape::Resource && !has_hint {
            write_cache_hint(buffer, CacheHint::default());
        }
        write::key(buffer, "resultType");
        buffer.extend_from_slice(br#""complete""#);
    }
    write_meta(buffer, own_meta, era, settings);
    buffer.push(b'}');
}

fn write_meta(buffer: &mut Vec<u8>, own: Option<Raw<'_>>, era: Era, settings: &Settings) {
    if era == Era::Legacy && own.is_none() {
        return;
    }
    open_meta(buffer, era, settings);
    if let Some(own) = own.filter(|own| own.is_object()) {
        let _ = Scanner::new(own.text()).members(|scanner, key| {
            let value = scanner.value()?;
            if !key.is_key(meta::SERVER_INFO) {
                member(buffer, key, value);
            }
            Ok(())
        });
    }
    buffer.push(b'}');
}

fn member(buffer: &mut Vec<u8>, key: Raw<'_>, value: Raw<'_>) {
    write::raw_key(buffer, key);
    buffer.extend_from_slice(value.text().as_bytes());
}
