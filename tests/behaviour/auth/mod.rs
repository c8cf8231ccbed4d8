//! The resource server: challenges, metadata, tokens, scopes, proofs and attacks.

mod attacks;
mod challenges;
mod dpop;
mod issuer;
mod keys;
mod opaque;
mod scenarios;
mod scopes;
mod server;
mod streams;
