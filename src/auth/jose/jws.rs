//! JSON Web Signatures in compact form (RFC 7515, section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use super::algorithm::Algorithm;

/// A parsed JWS whose signature has not been verified yet.
pub(in crate::auth) struct Jws<'t> {
    pub(in crate::auth) header: JoseHeader,
    pub(in crate::auth) algorithm: Algorithm,
    /// The bytes that are signed.
    pub(in crate::auth) signed: &'t [u8],
    pub(in crate::auth) signature: Vec<u8>,
    payload: Vec<u8>,
}

/// The members of a protected header that are used. A key, or the URL of a key, is never taken from
/// it, except in a proof, whose own key is in `jwk`.
#[derive(Deserialize)]
pub(in crate::auth) struct JoseHeader {
    alg: String,
    pub(in crate::auth) typ: Option<String>,
    pub(in crate::auth) kid: Option<String>,
    pub(in crate::auth) jwk: Option<Box<RawValue>>,
    crit: Option<IgnoredAny>,
}

impl JoseHeader {
    /// Whether `typ` is this type, with or without the prefix `application/` (RFC 7515, section
    /// 4.1.9).
    pub(in crate::auth) fn is_of_type(&self, expected: &str) -> bool {
        self.typ.as_deref().is_some_and(|typ| {
            let prefix =
                typ.get(..APPLICATION.len()).filter(|prefix| prefix.eq_ignore_ascii_case(APPLICATION));
            typ[prefix.map_or(0, str::len)..].eq_ignore_ascii_case(expected)
        })
    }
}

const APPLICATION: &str = "application/";

impl<'t> Jws<'t> {
    /// Parses a text, or returns why it is not accepted.
    pub(in crate::auth) fn parse(text: &'t str) -> Result<Self, &'static str> {
        let malformed = "not a JWT";
        let (signed, signature) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(malformed)?;
        let decode = |part: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(part).ok();
            // Serde would also accept an array for a struct.
            decoded.filter(|json| json.trim_ascii_start().starts_with(b"{")).ok_or(malformed)
        };
        let header: JoseHeader = serde_json::from_slice(&decode(header)?).map_err(|_| malformed)?;
        if header.crit.is_some() {
            return Err("a critical extension is not supported");
        }
        let algorithm = Algorithm::from_name(&header.alg).ok_or("the algorithm is not allowed")?;
        // Fails for an encrypted token, whose further parts leave a dot in the payload.
        let payload = decode(payload)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
        Ok(Self { header, algorithm, signed: signed.as_bytes(), signature, payload })
    }

    /// Deserialises the payload. A payload with duplicate members is refused.
    pub(in crate::auth) fn payload<T: DeserializeOwned>(&self) -> Result<T, &'static str> {
        serde_json::from_slice(&self.payload).map_err(|_| "the claims are malformed")
    }

    /// Returns the payload as text. Call it after the payload has been deserialised.
    pub(in crate::auth) fn into_payload(self) -> Option<String> {
        String::from_utf8(self.payload).ok()
    }
}
