//! Maps by the names of what a registry has.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;

/// A map by names. The host chooses the names, so no client can cause collisions, and a simple hash
/// suffices.
pub(super) type ByName<T> = HashMap<Arc<str>, T, BuildHasherDefault<NameHasher>>;

/// FNV-1a, which is fast for short texts.
pub(super) struct NameHasher(u64);

impl Default for NameHasher {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for NameHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }
}
