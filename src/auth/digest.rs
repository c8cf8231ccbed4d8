//! Digests, which are stored instead of secrets.

use ring::digest::{Context, SHA256, digest};

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

pub(super) fn sha256(bytes: &[u8]) -> Digest {
    to_array(&digest(&SHA256, bytes))
}

/// Returns the digest of two texts. The first must not contain a zero byte, which separates them.
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
