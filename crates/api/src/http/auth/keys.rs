//! The public keys whose signatures count.
//!
//! Which algorithm a signature must be of follows from the key, never from the token: a token
//! that says otherwise is no good.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet};
use jsonwebtoken::{Algorithm, DecodingKey};

use crate::http::config::AuthConfig;

/// A key that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    #[error("cannot read {path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },
    /// It is none of the kinds that count.
    #[error("{origin} is not a public key of ECDSA P-256, RSA or Ed25519")]
    Unsupported {
        /// Which file, or which key of it.
        origin: String,
    },
    /// The file is no key set.
    #[error("{origin} is not a JSON Web Key Set: {cause}")]
    NotAKeySet {
        origin: String,
        /// What is wrong with it.
        cause: serde_json::Error,
    },
    /// There is no key, so no token could ever be good.
    #[error("no public key is configured: set `auth.public_keys` or `auth.jwks`")]
    None,
}

#[derive(Clone)]
pub(super) struct VerificationKey {
    pub(super) id: Option<String>,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
}

impl fmt::Debug for VerificationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerificationKey")
            .field("id", &self.id)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<VerificationKey>,
}

impl KeySet {
    /// Reads the keys that the configuration names, of which there must be one.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load(config: &AuthConfig) -> Result<Self, KeyError> {
        let set = Self::load_any(config)?;
        if set.is_empty() {
            return Err(KeyError::None);
        }
        Ok(set)
    }

    /// Reads the keys that the configuration names, if it names any.
    ///
    /// # Errors
    /// [`KeyError`].
    pub fn load_any(config: &AuthConfig) -> Result<Self, KeyError> {
        let mut set = Self::default();
        for path in &config.public_keys {
            set = set.with_pem(&path.display().to_string(), &read(path)?)?;
        }
        if let Some(path) = &config.jwks {
            set = set.with_jwks(&path.display().to_string(), &read(path)?)?;
        }
        Ok(set)
    }

    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Adds a public key, PEM. `origin` names it in errors.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`].
    pub fn with_pem(mut self, origin: &str, pem: &[u8]) -> Result<Self, KeyError> {
        type Reader = fn(&[u8]) -> jsonwebtoken::errors::Result<DecodingKey>;
        let kinds: [(Algorithm, Reader); 3] = [
            (Algorithm::ES256, DecodingKey::from_ec_pem),
            (Algorithm::EdDSA, DecodingKey::from_ed_pem),
            (Algorithm::RS256, DecodingKey::from_rsa_pem),
        ];
        let read = kinds
            .iter()
            .find_map(|(algorithm, read)| Some((*algorithm, read(pem).ok()?)));
        let unsupported = || KeyError::Unsupported {
            origin: origin.to_owned(),
        };
        let (algorithm, key) = read
            .filter(|(algorithm, key)| fits(*algorithm, key))
            .ok_or_else(unsupported)?;
        self.keys.push(VerificationKey {
            id: None,
            algorithm,
            key,
        });
        Ok(self)
    }

    /// Adds the keys of a JSON Web Key Set. `origin` names it in errors.
    ///
    /// # Errors
    /// [`KeyError::NotAKeySet`] or [`KeyError::Unsupported`].
    pub fn with_jwks(mut self, origin: &str, json: &[u8]) -> Result<Self, KeyError> {
        let set: JwkSet = serde_json::from_slice(json).map_err(|cause| KeyError::NotAKeySet {
            origin: origin.to_owned(),
            cause,
        })?;
        for (index, jwk) in set.keys.iter().enumerate() {
            let read = algorithm_of(jwk).zip(DecodingKey::from_jwk(jwk).ok());
            let unsupported = || KeyError::Unsupported {
                origin: format!("key {index} of {origin}"),
            };
            let (algorithm, key) = read
                .filter(|(a, key)| fits(*a, key))
                .ok_or_else(unsupported)?;
            let id = jwk.common.key_id.clone();
            self.keys.push(VerificationKey { id, algorithm, key });
        }
        Ok(self)
    }

    /// The keys that may have signed a token which names `id`: those of that id where there are
    /// any, else those without one.
    pub(super) fn candidates<'a>(
        &'a self,
        id: Option<&'a str>,
    ) -> impl Iterator<Item = &'a VerificationKey> {
        let named = id.is_some() && self.keys.iter().any(|key| key.id.as_deref() == id);
        self.keys.iter().filter(move |key| match id {
            Some(id) if named => key.id.as_deref() == Some(id),
            Some(_) => key.id.is_none(),
            None => true,
        })
    }
}

/// The kind of a key in a set. Symmetric keys are none: whoever verifies could sign.
fn algorithm_of(jwk: &Jwk) -> Option<Algorithm> {
    match &jwk.algorithm {
        AlgorithmParameters::EllipticCurve(key) if key.curve == EllipticCurve::P256 => {
            Some(Algorithm::ES256)
        }
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => {
            Some(Algorithm::EdDSA)
        }
        AlgorithmParameters::RSA(_) => Some(Algorithm::RS256),
        _ => None,
    }
}

/// An uncompressed point of P-256 is one byte and two coordinates of 32; those of other curves
/// are longer.
fn fits(algorithm: Algorithm, key: &DecodingKey) -> bool {
    algorithm != Algorithm::ES256 || key.try_get_as_bytes().is_ok_and(|point| point.len() == 65)
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    std::fs::read(path).map_err(|cause| KeyError::Unreadable {
        path: path.to_owned(),
        cause,
    })
}
