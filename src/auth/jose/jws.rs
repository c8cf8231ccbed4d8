//! Signed texts in their compact form (RFC 7515, section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::value::RawValue;

use super::algorithm::Algorithm;

/// A signed text that has been taken apart; its signature is still to be checked.
pub(in crate::auth) struct Jws<'t> {
    pub(in crate::auth) header: JoseHeader,
    pub(in crate::auth) algorithm: Algorithm,
    /// What is signed.
    pub(in crate::auth) signed: &'t [u8],
    pub(in crate::auth) signature: Vec<u8>,
    payload: Vec<u8>,
}

/// What is read of a protected header. A key, or where to find one, is never taken from it, except
/// where a proof is made with the very key that it names.
#[derive(Deserialize)]
pub(in crate::auth) struct JoseHeader {
    alg: String,
    pub(in crate::auth) typ: Option<String>,
    pub(in crate::auth) kid: Option<String>,
    pub(in crate::auth) jwk: Option<Box<RawValue>>,
    crit: Option<IgnoredAny>,
}

impl JoseHeader {
    /// Whether `typ` is this type, with or without the prefix of media types (RFC 7515, section
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
    /// Takes a text apart, or says why it cannot be accepted.
    pub(in crate::auth) fn parse(text: &'t str) -> Result<Self, &'static str> {
        let malformed = "it is not a JWT";
        let (signed, signature) = text.rsplit_once('.').ok_or(malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(malformed)?;
        let decode = |part: &str| {
            let decoded = URL_SAFE_NO_PAD.decode(part).ok();
            // Read as a struct, an array would do as well.
            decoded.filter(|json| json.trim_ascii_start().starts_with(b"{")).ok_or(malformed)
        };
        let header: JoseHeader = serde_json::from_slice(&decode(header)?).map_err(|_| malformed)?;
        if header.crit.is_some() {
            return Err("it needs an extension that is not known");
        }
        let algorithm = Algorithm::from_name(&header.alg).ok_or("its algorithm is not allowed")?;
        // A point in the payload, as of an encrypted token, is not base64.
        let payload = decode(payload)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| malformed)?;
        Ok(Self { header, algorithm, signed: signed.as_bytes(), signature, payload })
    }

    /// Reads the payload. Of equal members none is taken: the text is refused.
    pub(in crate::auth) fn payload<T: DeserializeOwned>(&self) -> Result<T, &'static str> {
        serde_json::from_slice(&self.payload).map_err(|_| "its claims are not of their types")
    }

    /// The payload's text, once it has been read as JSON.
    pub(in crate::auth) fn into_payload(self) -> Option<String> {
        String::from_utf8(self.payload).ok()
    }
}
