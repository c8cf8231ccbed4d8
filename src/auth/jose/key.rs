//! Public keys (RFC 7517, RFC 7518 section 6, RFC 8037), and the verification of signatures.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;

use super::algorithm::Algorithm;
use crate::auth::digest::sha256;

/// The maximum number of keys that are read from a set.
const MAX_KEYS: usize = 100;

/// A public key for signatures.
#[derive(Clone, Debug)]
pub(in crate::auth) struct PublicKey {
    pub(in crate::auth) id: Option<Box<str>>,
    /// The only algorithm that the key may be used with, if it names one.
    algorithm: Option<Algorithm>,
    material: Material,
}

#[derive(Clone, Debug)]
enum Material {
    Rsa {
        n: Vec<u8>,
        e: Vec<u8>,
    },
    /// An uncompressed point.
    P256(Vec<u8>),
    P384(Vec<u8>),
    Ed25519(Vec<u8>),
}

/// A JSON Web Key.
#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    /// Present in private and in symmetric keys.
    d: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

impl PublicKey {
    /// Parses a key. Returns `None` if its type is unknown, if it is not public, or if it is not for
    /// signatures.
    pub(in crate::auth) fn from_jwk(json: &str) -> Option<Self> {
        let jwk: Jwk = serde_json::from_str(json).ok()?;
        let may_verify = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
            && jwk.key_ops.as_ref().is_none_or(|uses| uses.iter().any(|it| it == "verify"));
        if !may_verify || jwk.d.is_some() || jwk.k.is_some() {
            return None;
        }
        let algorithm = match &jwk.alg {
            None => None,
            Some(name) => Some(Algorithm::from_name(name)?),
        };
        let decode = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?).ok();
        let point = |length: usize| {
            let (x, y) = (decode(&jwk.x)?, decode(&jwk.y)?);
            (x.len() == length && y.len() == length).then(|| [&[4], &*x, &*y].concat())
        };
        let material = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
            ("RSA", _) => Material::Rsa { n: decode(&jwk.n)?, e: decode(&jwk.e)? },
            ("EC", Some("P-256")) => Material::P256(point(32)?),
            ("EC", Some("P-384")) => Material::P384(point(48)?),
            ("OKP", Some("Ed25519")) => Material::Ed25519(decode(&jwk.x).filter(|x| x.len() == 32)?),
            _ => return None,
        };
        Some(Self { id: jwk.kid.map(Into::into), algorithm, material })
    }

    /// Whether the key can be used with this algorithm.
    pub(in crate::auth) fn fits(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{EdDsa, Es256, Es384};
        self.algorithm.is_none_or(|own| own == algorithm)
            && match self.material {
                Material::Rsa { .. } => !matches!(algorithm, Es256 | Es384 | EdDsa),
                Material::P256(_) => algorithm == Es256,
                Material::P384(_) => algorithm == Es384,
                Material::Ed25519(_) => algorithm == EdDsa,
            }
    }

    /// Whether the key verifies this signature.
    pub(in crate::auth) fn verifies(&self, algorithm: Algorithm, signed: &[u8], signature: &[u8]) -> bool {
        if !self.fits(algorithm) {
            return false;
        }
        let plain = |algorithm: &'static dyn VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(signed, signature).is_ok()
        };
        match &self.material {
            Material::P256(point) => plain(&ECDSA_P256_SHA256_FIXED, point),
            Material::P384(point) => plain(&ECDSA_P384_SHA384_FIXED, point),
            Material::Ed25519(key) => plain(&ED25519, key),
            Material::Rsa { n, e } => rsa(algorithm).is_some_and(|parameters| {
                RsaPublicKeyComponents { n, e }.verify(parameters, signed, signature).is_ok()
            }),
        }
    }

    /// Returns the SHA-256 thumbprint in base64url (RFC 7638).
    pub(in crate::auth) fn thumbprint(&self) -> String {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let point = |curve: &str, point: &[u8]| {
            let (x, y) = point[1..].split_at(point.len() / 2);
            format!(r#"{{"crv":"{curve}","kty":"EC","x":"{}","y":"{}"}}"#, text(x), text(y))
        };
        let members = match &self.material {
            Material::Rsa { n, e } => format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, text(e), text(n)),
            Material::P256(key) => point("P-256", key),
            Material::P384(key) => point("P-384", key),
            Material::Ed25519(key) => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, text(key)),
        };
        text(&sha256(members.as_bytes()))
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

/// The keys of an issuer.
#[derive(Clone, Debug, Default)]
pub(in crate::auth) struct KeySet(Vec<PublicKey>);

impl KeySet {
    /// Parses a JWK set (RFC 7517, section 5). Unsupported keys are skipped.
    pub(in crate::auth) fn parse(json: &[u8]) -> Result<Self, serde_json::Error> {
        #[derive(Deserialize)]
        struct Set<'a> {
            #[serde(borrow)]
            keys: Vec<&'a RawValue>,
        }
        let set: Set<'_> = serde_json::from_slice(json)?;
        Ok(Self(set.keys.iter().take(MAX_KEYS).filter_map(|key| PublicKey::from_jwk(key.get())).collect()))
    }

    /// Returns the key with this id that supports the algorithm. Without an id, returns the only key
    /// that supports it, if there is exactly one.
    pub(in crate::auth) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&PublicKey> {
        let mut fitting = self
            .0
            .iter()
            .filter(|key| key.fits(algorithm) && id.is_none_or(|id| key.id.as_deref() == Some(id)));
        let first = fitting.next()?;
        (id.is_some() || fitting.next().is_none()).then_some(first)
    }

    pub(in crate::auth) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
