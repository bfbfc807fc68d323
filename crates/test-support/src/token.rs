//! Signed tokens, good and bad.
//!
//! The claims are the caller's: this module knows how tokens are signed and how they are forged,
//! not what they say. Keys are ECDSA P-256 (ES256).

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rcgen::KeyPair;
use serde::Serialize;

use crate::ca::write_with_mode;

/// A key that signs tokens. Two of them do not accept each other's.
pub struct TokenKey {
    pair: KeyPair,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").finish_non_exhaustive()
    }
}

impl TokenKey {
    /// Makes a new key.
    ///
    /// # Errors
    /// Key generation failed.
    pub fn new() -> Result<Self> {
        Ok(Self {
            pair: KeyPair::generate()?,
        })
    }

    /// The public key, PEM, as a service that verifies tokens is configured with it.
    pub fn public_pem(&self) -> String {
        self.pair.public_key_pem()
    }

    /// Writes the public key to `NAME.pub.pem` in `directory` and returns its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_public(&self, directory: &Path, name: &str) -> Result<PathBuf> {
        let path = directory.join(format!("{name}.pub.pem"));
        std::fs::write(&path, self.public_pem())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    /// Writes the private key to `NAME.key.pem` in `directory`, readable by its owner alone, and
    /// returns its path.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn write_private(&self, directory: &Path, name: &str) -> Result<PathBuf> {
        let path = directory.join(format!("{name}.key.pem"));
        write_with_mode(&path, &self.pair.serialize_pem(), 0o600)?;
        Ok(path)
    }

    /// A token with these claims and a good signature.
    ///
    /// # Errors
    /// The claims cannot be serialized.
    pub fn sign(&self, claims: &impl Serialize) -> Result<String> {
        let key = EncodingKey::from_ec_pem(self.pair.serialize_pem().as_bytes())?;
        Ok(jsonwebtoken::encode(
            &Header::new(Algorithm::ES256),
            claims,
            &key,
        )?)
    }

    /// The forgery that swaps algorithms: an HMAC whose secret is the *public* key. It fools a
    /// verifier that lets the token choose the algorithm.
    ///
    /// # Errors
    /// The claims cannot be serialized.
    pub fn forge_hmac(&self, claims: &impl Serialize) -> Result<String> {
        let key = EncodingKey::from_secret(self.public_pem().as_bytes());
        Ok(jsonwebtoken::encode(
            &Header::new(Algorithm::HS256),
            claims,
            &key,
        )?)
    }
}

/// The forgery that needs no key: `alg: none` and an empty signature.
///
/// # Errors
/// The claims cannot be serialized.
pub fn forge_unsigned(claims: &impl Serialize) -> Result<String> {
    let header = URL_SAFE_NO_PAD.encode(br#"{"alg":"none","typ":"JWT"}"#);
    let claims = URL_SAFE_NO_PAD.encode(serde_json::to_vec(claims)?);
    Ok(format!("{header}.{claims}."))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jsonwebtoken::{DecodingKey, Validation};
    use serde_json::{Value, json};

    fn verify(key: &TokenKey, token: &str) -> Result<Value> {
        let public = DecodingKey::from_ec_pem(key.public_pem().as_bytes())?;
        let mut validation = Validation::new(Algorithm::ES256);
        validation.required_spec_claims.clear();
        Ok(jsonwebtoken::decode::<Value>(token, &public, &validation)?.claims)
    }

    #[test]
    fn only_the_right_key_signs_well() {
        let (key, other) = (TokenKey::new().unwrap(), TokenKey::new().unwrap());
        let claims = json!({"user": "ada"});
        assert_eq!(verify(&key, &key.sign(&claims).unwrap()).unwrap(), claims);
        for forged in [
            other.sign(&claims).unwrap(),
            key.forge_hmac(&claims).unwrap(),
            forge_unsigned(&claims).unwrap(),
        ] {
            verify(&key, &forged).unwrap_err();
        }
    }
}
