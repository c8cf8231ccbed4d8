//! The resource server: challenges, metadata, tokens, scopes, proofs and attacks.

mod attacks;
mod challenges;
mod dpop;
pub(crate) mod issuer;
mod keys;
mod opaque;
mod scenarios;
mod scopes;
pub(crate) mod server;
mod streams;
