//! The resource server: challenges, metadata, tokens, scopes, proofs, and what attackers try.

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
