//! Digests that are kept in place of secrets.

use ring::digest::{Context, SHA256, digest};

/// A SHA-256.
pub(super) type Digest = [u8; 32];

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    to_array(&digest(&SHA256, bytes))
}

/// The digest of two texts, the first of which has no byte 0.
pub(super) fn sha256_of_two(first: &str, second: &str) -> Digest {
    let mut context = Context::new(&SHA256);
    context.update(first.as_bytes());
    context.update(&[0]);
    context.update(second.as_bytes());
    to_array(&context.finish())
}

fn to_array(digest: &ring::digest::Digest) -> Digest {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest.as_ref());
    bytes
}
