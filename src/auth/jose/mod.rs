//! JSON signatures (JOSE): algorithms, keys and the compact form.
//!
//! Signatures are verified with `ring` directly. The `jsonwebtoken` crate selects its cryptography
//! for the whole process, and panics if two of its users select different providers. It also reads
//! the system's clock, and would add forty crates.

mod algorithm;
mod jws;
mod key;

pub use algorithm::Algorithm;
pub(super) use jws::Jws;
pub(super) use key::{KeySet, PublicKey};

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Jws, PublicKey};

    /// The examples of RFC 7515 (A.2, A.3) and RFC 8037 (A.4): keys and signatures that were not made
    /// with this code.
    const EXAMPLES: [(&str, &str); 3] = [
        (
            r#"{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}"#,
            "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
        ),
        (
            r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
            "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#,
            "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg",
        ),
    ];

    #[test]
    fn the_examples_of_the_standards_are_verified_and_no_altered_ones() {
        for (jwk, text) in EXAMPLES {
            let key = PublicKey::from_jwk(jwk).expect("a public key");
            let (signed, signature) = text.rsplit_once('.').expect("a signature");
            // The payload of the Ed25519 example is not JSON, so `Jws::parse` refuses it.
            let algorithm = super::Algorithm::from_name(if jwk.contains("RSA") {
                "RS256"
            } else if jwk.contains("EC") {
                "ES256"
            } else {
                "EdDSA"
            });
            let algorithm = algorithm.expect("an algorithm");
            let decode = |text: &str| {
                base64::Engine::decode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text)
                    .expect("base64")
            };
            let signature = decode(signature);
            assert!(key.verifies(algorithm, signed.as_bytes(), &signature));
            for at in (0..signature.len()).step_by(13) {
                let mut altered = signature.clone();
                altered[at] ^= 1;
                assert!(!key.verifies(algorithm, signed.as_bytes(), &altered));
            }
            assert!(!key.verifies(algorithm, &signed.as_bytes()[1..], &signature));
            assert!(!key.verifies(algorithm, signed.as_bytes(), &signature[1..]));
            assert!(!key.verifies(algorithm, signed.as_bytes(), &[]));
            if let Ok(jws) = Jws::parse(text) {
                assert_eq!(jws.payload::<Value>().expect("claims")["iss"], "joe");
            }
        }
    }

    #[test]
    fn thumbprints_are_those_of_the_standards() {
        // RFC 7638, section 3.1, and RFC 8037, A.3.
        let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
        let ed25519 = EXAMPLES[2].0;
        for (jwk, expected) in [
            (rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
            (ed25519, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
        ] {
            assert_eq!(PublicKey::from_jwk(jwk).expect("a public key").thumbprint(), expected);
        }
    }
}
