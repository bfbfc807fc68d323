//! Signed tokens, good and bad.
//!
//! The claims are the caller's: this module knows how tokens are signed and how they are forged,
//! not what they say. Keys are ECDSA P-256 (ES256).

use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::KeyPair;
use ring::hmac;
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use serde::Serialize;
use serde_json::json;

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
        let (random, key) = (SystemRandom::new(), self.pair.serialized_der());
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random)
            .map_err(|error| anyhow!("the key: {error}"))?;
        token("ES256", claims, |message| {
            let signature = pair.sign(&random, message);
            let signature = signature.map_err(|error| anyhow!("the signature: {error}"))?;
            Ok(signature.as_ref().to_vec())
        })
    }

    /// The forgery that swaps algorithms: an HMAC whose secret is the *public* key. It fools a
    /// verifier that lets the token choose the algorithm.
    ///
    /// # Errors
    /// The claims cannot be serialized.
    pub fn forge_hmac(&self, claims: &impl Serialize) -> Result<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.public_pem().as_bytes());
        token("HS256", claims, |message| {
            Ok(hmac::sign(&key, message).as_ref().to_vec())
        })
    }
}

/// The forgery that needs no key: `alg: none` and an empty signature.
///
/// # Errors
/// The claims cannot be serialized.
pub fn forge_unsigned(claims: &impl Serialize) -> Result<String> {
    token("none", claims, |_| Ok(Vec::new()))
}

fn token(
    algorithm: &str,
    claims: &impl Serialize,
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>>,
) -> Result<String> {
    let header = json!({"alg": algorithm, "typ": "JWT"}).to_string();
    let claims = serde_json::to_vec(claims)?;
    let [header, claims] = [header.into_bytes(), claims].map(|it| URL_SAFE_NO_PAD.encode(it));
    let message = format!("{header}.{claims}");
    let signature = URL_SAFE_NO_PAD.encode(sign(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ring::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};

    fn is_good(key: &TokenKey, token: &str) -> bool {
        let (message, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, key.pair.public_key_raw());
        public.verify(message.as_bytes(), &signature).is_ok()
    }

    #[test]
    fn only_the_right_key_signs_well() {
        let (key, other) = (TokenKey::new().unwrap(), TokenKey::new().unwrap());
        let claims = json!({"user": "ada"});
        assert!(is_good(&key, &key.sign(&claims).unwrap()));
        for forged in [
            other.sign(&claims).unwrap(),
            key.forge_hmac(&claims).unwrap(),
            forge_unsigned(&claims).unwrap(),
        ] {
            assert!(!is_good(&key, &forged), "{forged}");
        }
    }
}
