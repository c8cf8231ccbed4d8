//! Nonces for proofs of possession, which every replica can verify (RFC 9449, section 9).

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::{HeaderName, HeaderValue};
use ring::hmac;

use super::resource::ResourceUrl;
use crate::error::ConfigError;
use crate::hex_keys;

pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");
/// How long the same nonce is issued.
const INTERVAL: Duration = Duration::from_secs(60);
/// The size in bytes of the interval's number, which precedes the signature.
const NUMBER: usize = size_of::<u64>();
/// Distinguishes the derived key from other uses of the same secret.
const PURPOSE: &[u8] = b"mcp-stateless: nonces of proofs of possession";

/// Keys that sign the nonces of a server; see
/// [`ResourceServer::dpop_nonces`](super::ResourceServer::dpop_nonces).
///
/// A nonce consists of the current minute and a signature. Replicas do not store nonces, and accept
/// those of all replicas that have the same keys. A nonce is accepted for one to two minutes. The clocks of
/// replicas may differ by up to a minute.
///
/// All replicas of a server need the same keys. To rotate them, first let all replicas
/// [`accept`](Self::accept) the new key, then make it the first key everywhere, and remove the old key
/// two minutes later.
///
/// Keys can be parsed from text, such as an environment variable. Each key is 64 hexadecimal digits, and
/// keys are separated by commas. The first key signs, and the others are accepted. The text can be the same
/// as that of `StateKeys`: the signing keys are derived from it, so no key is used for two purposes.
///
/// ```
/// use mcp_stateless::auth::NonceKeys;
///
/// # let (new, old) = ([0xaa; 32], [0xbb; 32]);
/// let keys = NonceKeys::new(new).accept(old);
///
/// let text = format!("{},{}", "aa".repeat(32), "bb".repeat(32));
/// let keys: NonceKeys = text.parse()?;
/// # Ok::<(), mcp_stateless::ConfigError>(())
/// ```
#[derive(Clone)]
pub struct NonceKeys(Vec<hmac::Key>);

impl NonceKeys {
    /// Creates keys that sign and accept nonces with this key, which must be 32 random bytes.
    pub fn new(key: [u8; 32]) -> Self {
        Self(vec![derived(key)])
    }

    /// Also accepts nonces that were signed with this key.
    #[must_use]
    pub fn accept(mut self, key: [u8; 32]) -> Self {
        self.0.push(derived(key));
        self
    }

    /// Returns the current nonce. Never `None`: there is at least one key, and base64 is a valid header.
    pub(super) fn current(&self, resource: &ResourceUrl, now: SystemTime) -> Option<HeaderValue> {
        let number = interval(now);
        let signature = hmac::sign(self.0.first()?, &signed(resource, number));
        let nonce = URL_SAFE_NO_PAD.encode([&number.to_be_bytes(), signature.as_ref()].concat());
        HeaderValue::try_from(nonce).ok()
    }

    /// Returns the age of a nonce of this resource, or `None` if it is not accepted.
    pub(super) fn age(&self, nonce: &str, resource: &ResourceUrl, now: SystemTime) -> Option<NonceAge> {
        let bytes = URL_SAFE_NO_PAD.decode(nonce).ok()?;
        let (number, signature) = bytes.split_first_chunk::<NUMBER>()?;
        let (number, current) = (u64::from_be_bytes(*number), interval(now));
        // The clock of the replica that issued it may be ahead.
        let age = match current.wrapping_sub(number) {
            0 | u64::MAX => NonceAge::Current,
            1 => NonceAge::Last,
            _ => return None,
        };
        let signed = signed(resource, number);
        self.0.iter().any(|key| hmac::verify(key, &signed, signature).is_ok()).then_some(age)
    }
}

/// The age of an accepted nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NonceAge {
    Current,
    /// From the previous interval: the client needs a new nonce soon.
    Last,
}

/// The nonce for a client's next request: an extension of a request whose nonce is about to expire.
///
/// The services and layers of this crate send it with the response. A host that calls
/// [`Authorize::check`](crate::manager::Authorize::check) should copy it to the `DPoP-Nonce` header of the
/// response, which saves the client a round trip (RFC 9449, section 8.2).
#[derive(Clone, Debug)]
pub struct NextNonce(pub(super) HeaderValue);

impl NextNonce {
    /// Returns the value for the header `DPoP-Nonce`.
    pub fn value(&self) -> &HeaderValue {
        &self.0
    }
}

impl FromStr for NonceKeys {
    type Err = ConfigError;

    /// # Errors
    /// Returns an error if a key is not 64 hexadecimal digits. The error does not contain the text.
    fn from_str(text: &str) -> Result<Self, ConfigError> {
        Ok(Self(hex_keys::parse(text, "nonce keys")?.into_iter().map(derived).collect()))
    }
}

impl fmt::Debug for NonceKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "NonceKeys({})", self.0.len())
    }
}

fn derived(key: [u8; 32]) -> hmac::Key {
    let secret = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), PURPOSE);
    hmac::Key::new(hmac::HMAC_SHA256, secret.as_ref())
}

/// Returns the number of the interval, counted from 1970.
fn interval(now: SystemTime) -> u64 {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() / INTERVAL.as_secs()
}

/// Returns the signed text: the interval and the resource, because servers may share keys.
fn signed(resource: &ResourceUrl, number: u64) -> Vec<u8> {
    [&number.to_be_bytes(), resource.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{INTERVAL, NonceAge, NonceKeys, ResourceUrl};

    fn resource(path: &str) -> ResourceUrl {
        ResourceUrl::parse(&format!("https://mcp.example.com/{path}")).expect("a URL")
    }

    fn at(seconds: u64) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000 + seconds)
    }

    #[test]
    fn a_nonce_is_accepted_for_its_interval_and_the_next_and_a_minute_early() {
        let (keys, resource) = (NonceKeys::new([7; 32]), resource("mcp"));
        let nonce = keys.current(&resource, at(60)).expect("a nonce");
        let nonce = nonce.to_str().expect("ASCII");
        let age = |seconds| keys.age(nonce, &resource, at(seconds));
        assert_eq!(INTERVAL.as_secs(), 60);
        for (seconds, expected) in [
            (0, Some(NonceAge::Current)),
            (60, Some(NonceAge::Current)),
            (119, Some(NonceAge::Current)),
            (120, Some(NonceAge::Last)),
            (179, Some(NonceAge::Last)),
            (180, None),
            (1_000_000, None),
        ] {
            assert_eq!(age(seconds), expected, "{seconds}");
        }
        assert_eq!(keys.age(nonce, &resource, SystemTime::UNIX_EPOCH), None);
    }

    #[test]
    fn no_nonce_is_accepted_but_one_of_these_keys_for_this_resource() {
        let (keys, here) = (NonceKeys::new([7; 32]), resource("mcp"));
        let nonce = keys.current(&here, at(0)).expect("a nonce").to_str().expect("ASCII").to_owned();
        assert_eq!(keys.age(&nonce, &resource("other"), at(0)), None);
        assert_eq!(NonceKeys::new([8; 32]).age(&nonce, &here, at(0)), None);
        for length in 0..nonce.len() {
            assert_eq!(keys.age(&nonce[..length], &here, at(0)), None, "{length}");
            let mut altered = nonce.clone().into_bytes();
            altered[length] = if altered[length] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).expect("ASCII");
            assert_eq!(keys.age(&altered, &here, at(0)), None, "{altered}");
        }
        for other in ["", "é", &format!("{nonce}A"), &"A".repeat(10_000)] {
            assert_eq!(keys.age(other, &here, at(0)), None, "{other}");
        }
    }

    #[test]
    fn keys_are_rotated_without_a_nonce_being_lost() {
        let (old, new, here) = ([1; 32], [2; 32], resource("mcp"));
        let before = NonceKeys::new(old);
        let both: NonceKeys = format!("{},{}", "01".repeat(32), "02".repeat(32)).parse().expect("two keys");
        let turned = NonceKeys::new(new).accept(old);
        for (signer, other) in [(&before, &both), (&both, &turned), (&turned, &both)] {
            let nonce = signer.current(&here, at(0)).expect("a nonce");
            assert_eq!(other.age(nonce.to_str().expect("ASCII"), &here, at(0)), Some(NonceAge::Current));
        }
        let nonce = before.current(&here, at(0)).expect("a nonce");
        assert_eq!(NonceKeys::new(new).age(nonce.to_str().expect("ASCII"), &here, at(0)), None);
        let error = "abc".parse::<NonceKeys>().expect_err("no key").to_string();
        assert!(error.contains("nonce keys") && !error.contains("abc"), "{error}");
    }
}
