//! Signatures of JSON (JOSE): algorithms, keys and compact texts.
//!
//! They are checked by `ring` itself. The `jsonwebtoken` crate chooses its cryptography for the
//! whole process, and panics in everybody's hands where two users of it choose differently; it
//! also reads the time by itself, and would bring forty crates more.

mod algorithm;
mod jws;
mod key;

pub use algorithm::Algorithm;
pub(super) use jws::Jws;
pub(super) use key::{KeySet, PublicKey};
