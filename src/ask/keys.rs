//! Sealing the state of a call, which the client stores between requests.

use std::fmt;
use std::str::FromStr;

use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

use crate::error::ConfigError;
use crate::hex_keys;

const NONCE: usize = 24;

/// Seals the state that a client carries from one request to the next, and opens it again.
///
/// The state contains answers of users, so a sealed state must be unreadable. Handlers rely on an opened
/// state, so an altered one must not open. [`StateKeys`] ensures both with keys of the host. Implement this
/// trait for keys that are stored elsewhere, such as in a key management service.
pub trait Sealer: Send + Sync + 'static {
    /// Seals `plain` so that it can only be opened together with `bound_to`. Returns `None` on failure,
    /// which is logged and answered with `-32603`.
    fn seal(&self, plain: &[u8], bound_to: &[u8]) -> Option<Vec<u8>>;

    /// Opens bytes that were sealed together with `bound_to`. Returns `None` for anything else.
    fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>>;
}

/// Keys that seal with XChaCha20-Poly1305, with a random nonce each time.
///
/// All replicas of a server need the same keys. To rotate them without losing a call, first
/// let all replicas [`accept`](Self::accept) the new key. Then make it the first key everywhere. Remove the
/// old key when the states and tasks that it sealed have expired.
///
/// Keys can be parsed from text, such as an environment variable. Each key is 64 hexadecimal digits, and
/// keys are separated by commas. The first key seals, and the others are accepted.
///
/// ```
/// use mcp_stateless::ask::StateKeys;
///
/// # let (new, old) = ([0xaa; 32], [0xbb; 32]);
/// let keys = StateKeys::new(new).accept(old);
///
/// let text = format!("{},{}", "aa".repeat(32), "bb".repeat(32));
/// let keys: StateKeys = text.parse()?;
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct StateKeys(Vec<XChaCha20Poly1305>);

impl StateKeys {
    /// Creates keys that seal and open with this key, which must be 32 random bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(vec![cipher(key)])
    }

    /// Also opens states that were sealed with this key.
    #[must_use]
    pub fn accept(mut self, key: [u8; 32]) -> Self {
        self.0.push(cipher(key));
        self
    }

    /// Generates a key; `None` when the system has no randomness.
    pub(super) fn random() -> Option<Self> {
        let mut key = [0; 32];
        getrandom::fill(&mut key).ok()?;
        Some(Self::new(key))
    }
}

impl FromStr for StateKeys {
    type Err = ConfigError;

    /// # Errors
    /// Returns an error if a key is not 64 hexadecimal digits. The error does not contain the text.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Ok(Self(hex_keys::parse(text, "state keys")?.into_iter().map(cipher).collect()))
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

/// Seals nothing, because the system has no randomness.
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

    #[test]
    fn keys_are_parsed_from_hexadecimal_digits_and_the_first_one_seals() {
        let (new, old) = ("aB".repeat(32), "01".repeat(32));
        let keys: StateKeys = format!("{new}, {old}").parse().expect("two keys");
        let sealed = keys.seal(b"x", b"").expect("randomness");
        assert!(StateKeys::new([0xab; 32]).open(&sealed, b"").is_some());
        assert!(keys.open(&StateKeys::new([1; 32]).seal(b"x", b"").expect("randomness"), b"").is_some());

        let sign = format!("+1{}", &old[2..]);
        for text in ["", ",", &new[1..], &sign, &"é".repeat(32), &format!("{new},"), &format!("{new}0")] {
            let error = text.parse::<StateKeys>().expect_err(text).to_string();
            assert!(text.len() < 3 || !error.contains(text), "{error}");
        }
    }
}
