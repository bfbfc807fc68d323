//! Makes tokens. Only what issues them needs this, and the private key.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header};

use super::claims::Claims;

/// The private key is none that can be used.
#[derive(Debug, thiserror::Error)]
#[error("not a private key of ECDSA P-256, RSA or Ed25519, in PKCS#8 PEM")]
pub struct UnsupportedKey;

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the token cannot be signed: {0}")]
pub struct SignError(#[source] jsonwebtoken::errors::Error);

/// A private key that signs tokens.
#[derive(Clone)]
pub struct Signer {
    algorithm: Algorithm,
    key: EncodingKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Signer {
    /// Reads a private key, PKCS#8 PEM.
    ///
    /// # Errors
    /// [`UnsupportedKey`].
    pub fn from_pem(pem: &[u8]) -> Result<Self, UnsupportedKey> {
        type Reader = fn(&[u8]) -> jsonwebtoken::errors::Result<EncodingKey>;
        let kinds: [(Algorithm, Reader); 3] = [
            (Algorithm::ES256, EncodingKey::from_ec_pem),
            (Algorithm::EdDSA, EncodingKey::from_ed_pem),
            (Algorithm::RS256, EncodingKey::from_rsa_pem),
        ];
        let read = kinds
            .iter()
            .find_map(|(algorithm, read)| Some((*algorithm, read(pem).ok()?)));
        let (algorithm, key) = read.ok_or(UnsupportedKey)?;
        Ok(Self { algorithm, key })
    }

    /// A token that says `claims`.
    ///
    /// # Errors
    /// [`SignError`].
    pub fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        jsonwebtoken::encode(&Header::new(self.algorithm), claims, &self.key).map_err(SignError)
    }
}
