//! What seals the state of a call, so that it can travel by way of the client.

use std::fmt;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

const NONCE: usize = 24;

/// Seals what a client carries from one request to the next, and opens it again.
///
/// What is sealed holds answers of users, so it must be unreadable; and a handler acts upon
/// what is opened, so whatever was altered must not open. [`StateKeys`] do both with keys
/// that the host holds; this trait is for those that lie elsewhere, in a key management
/// service, say.
pub trait Sealer: Send + Sync + 'static {
    /// Seals `plain` so that it only opens together with `bound_to`. `None` when it cannot,
    /// which is logged and answered by `-32603`.
    fn seal(&self, plain: &[u8], bound_to: &[u8]) -> Option<Vec<u8>>;

    /// Opens what was sealed together with `bound_to`; `None` for anything else.
    fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>>;
}

/// Keys that seal by XChaCha20-Poly1305, with a random nonce each time.
///
/// All replicas of a server need the same. To change them without a call being lost, first
/// let all replicas [`accept`](Self::accept) the new key; then make it the first one
/// everywhere; and leave out the old one when what it has sealed is stale.
///
/// ```
/// use mcp_stateless::ask::StateKeys;
///
/// # let (new, old) = ([1; 32], [2; 32]);
/// let keys = StateKeys::new(new).accept(old);
/// ```
#[derive(Clone)]
pub struct StateKeys(Vec<XChaCha20Poly1305>);

impl StateKeys {
    /// Seals and opens with this key: 32 bytes that nobody can guess.
    pub fn new(key: [u8; 32]) -> Self {
        Self(vec![cipher(key)])
    }

    /// Opens what was sealed with this key as well.
    #[must_use]
    pub fn accept(mut self, key: [u8; 32]) -> Self {
        self.0.push(cipher(key));
        self
    }

    /// A key that nobody else has; `None` when the system has no randomness to give.
    pub(super) fn random() -> Option<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Some(Self::new(key))
    }
}

fn cipher(key: [u8; 32]) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new(&key.into())
}

impl fmt::Debug for StateKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StateKeys({})", self.0.len())
    }
}

impl Sealer for StateKeys {
    fn seal(&self, plain: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).ok()?;
        let payload = Payload { msg: plain, aad: bound_to };
        let sealed = self.0.first()?.encrypt(&XNonce::from(nonce), payload).ok()?;
        Some([&nonce, sealed.as_slice()].concat())
    }

    fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_first_chunk::<NONCE>()?;
        let nonce = XNonce::from(*nonce);
        self.0.iter().find_map(|key| key.decrypt(&nonce, Payload { msg: sealed, aad: bound_to }).ok())
    }
}

/// Seals nothing, for want of randomness.
pub(super) struct NoKeys;

impl Sealer for NoKeys {
    fn seal(&self, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }

    fn open(&self, _: &[u8], _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Sealer, StateKeys};

    #[test]
    fn what_is_sealed_opens_as_it_was_and_not_otherwise() {
        let keys = StateKeys::new([7; 32]);
        let sealed = keys.seal(b"secret", b"call").expect("randomness");
        assert_eq!(keys.open(&sealed, b"call").as_deref(), Some(&b"secret"[..]));
        assert_eq!(keys.open(&sealed, b"another call"), None);
        assert_eq!(StateKeys::new([8; 32]).open(&sealed, b"call"), None);
        assert!(!sealed.windows(6).any(|window| window == b"secret"));
        for at in 0..sealed.len() {
            let mut altered = sealed.clone();
            altered[at] ^= 1;
            assert_eq!(keys.open(&altered, b"call"), None, "{at}");
            assert_eq!(keys.open(&sealed[..at], b"call"), None, "{at}");
        }
        assert_ne!(keys.seal(b"secret", b"call"), Some(sealed));
    }

    #[test]
    fn keys_are_changed_without_anything_being_lost() {
        let (old, new) = ([1; 32], [2; 32]);
        let before = StateKeys::new(old);
        let both = StateKeys::new(old).accept(new);
        let turned = StateKeys::new(new).accept(old);
        for (sealer, opener) in [(&before, &both), (&both, &turned), (&turned, &both)] {
            let sealed = sealer.seal(b"x", b"").expect("randomness");
            assert!(opener.open(&sealed, b"").is_some());
        }
        let sealed = before.seal(b"x", b"").expect("randomness");
        assert!(StateKeys::new(new).open(&sealed, b"").is_none());
    }
}
