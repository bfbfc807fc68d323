//! The public keys whose signatures count.
//!
//! Which algorithm a signature must be of follows from the key, never from the token: a token
//! that says otherwise is no good.

use std::io;
use std::path::{Path, PathBuf};

use rustls::pki_types::SubjectPublicKeyInfoDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Deserialize;

use super::InvalidToken;
use super::claims::Claims;
use super::der::{self, BIT_STRING, SEQUENCE};
use super::jws::{Algorithm, Token, decoded};
use crate::http::config::AuthConfig;
use crate::http::debug::debug_partly;

/// The longest part of a key, in bytes: the modulus of the longest RSA key that verifies anything.
const LONGEST_PART: usize = 8_192 / 8;

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
    #[error("{origin} is not a JSON Web Key Set: {cause}")]
    NotAKeySet {
        origin: String,
        cause: serde_json::Error,
    },
    /// There is no key, so no token could ever be good.
    #[error("no public key is configured: set `auth.public_keys` or `auth.jwks`")]
    None,
}

/// A public key, and how it is written where it stands for itself: a point, or for RSA two numbers
/// (`RSAPublicKey` of RFC 8017).
#[derive(Clone)]
struct PublicKey {
    id: Option<String>,
    algorithm: Algorithm,
    key: Vec<u8>,
}

debug_partly!(PublicKey { id, algorithm });

impl PublicKey {
    /// `None` where `key` is not of the kind that signs so.
    fn new(id: Option<String>, algorithm: Algorithm, key: Vec<u8>) -> Option<Self> {
        let fits = match algorithm {
            // Not compressed: one byte, and two coordinates of 32.
            Algorithm::ES256 => key.len() == 65,
            Algorithm::EdDSA => key.len() == 32,
            Algorithm::RS256 => der::read(SEQUENCE, &key).is_some(),
        };
        fits.then_some(Self { id, algorithm, key })
    }

    /// Reads a `SubjectPublicKeyInfo` (RFC 5280 §4.1.2.7).
    fn from_der(key: &[u8]) -> Option<Self> {
        let (key, _) = der::read(SEQUENCE, key)?;
        let (kind, key) = der::read(SEQUENCE, key)?;
        let (key, _) = der::read(BIT_STRING, key)?;
        let algorithm = Algorithm::ALL
            .into_iter()
            .find(|algorithm| *algorithm.key_kind() == *kind)?;
        // The number of bits that the last byte does not have.
        Self::new(None, algorithm, key.strip_prefix(&[0])?.to_vec())
    }
}

/// A key of a JSON Web Key Set (RFC 7518 §6, RFC 8037 §2), as much as counts of it.
#[derive(Deserialize)]
struct Jwk {
    kid: Option<String>,
    kty: String,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Jwk {
    /// Symmetric keys are none: whoever verifies could sign.
    fn public_key(&self) -> Option<PublicKey> {
        let part = |part: &Option<String>| {
            decoded(part.as_deref()?).filter(|bytes| bytes.len() <= LONGEST_PART)
        };
        let (algorithm, key) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("EC", Some("P-256")) => {
                let point = [vec![4], part(&self.x)?, part(&self.y)?];
                (Algorithm::ES256, point.concat())
            }
            ("OKP", Some("Ed25519")) => (Algorithm::EdDSA, part(&self.x)?),
            ("RSA", _) => {
                let [n, e] = [&self.n, &self.e].map(|it| Some(der::number(&part(it)?)));
                (Algorithm::RS256, der::write(SEQUENCE, &[&n?, &e?]))
            }
            _ => return None,
        };
        PublicKey::new(self.kid.clone(), algorithm, key)
    }
}

#[derive(Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

#[derive(Clone, Debug, Default)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

impl KeySet {
    /// Reads the keys that the configuration names, of which there must be one.
    pub fn load(config: &AuthConfig) -> Result<Self, KeyError> {
        let set = Self::load_any(config)?;
        if set.is_empty() {
            return Err(KeyError::None);
        }
        Ok(set)
    }

    /// Reads the keys that the configuration names, if it names any.
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
    pub fn with_pem(mut self, origin: &str, pem: &[u8]) -> Result<Self, KeyError> {
        let key = SubjectPublicKeyInfoDer::from_pem_slice(pem).ok();
        let key = key.and_then(|key| PublicKey::from_der(&key));
        self.keys.push(key.ok_or_else(|| KeyError::Unsupported {
            origin: origin.to_owned(),
        })?);
        Ok(self)
    }

    /// Adds the keys of a JSON Web Key Set. `origin` names it in errors.
    pub fn with_jwks(mut self, origin: &str, json: &[u8]) -> Result<Self, KeyError> {
        let set: Jwks = serde_json::from_slice(json).map_err(|cause| KeyError::NotAKeySet {
            origin: origin.to_owned(),
            cause,
        })?;
        for (index, key) in set.keys.iter().enumerate() {
            let key = key.public_key().ok_or_else(|| KeyError::Unsupported {
                origin: format!("key {index} of {origin}"),
            })?;
            self.keys.push(key);
        }
        Ok(self)
    }

    /// What a token says that one of the keys signed; whatever the time.
    pub(crate) fn claims(&self, token: &str) -> Result<Claims, InvalidToken> {
        let token = Token::parse(token).ok_or(InvalidToken::Signature)?;
        let mut candidates = self.candidates(token.key_id());
        if !candidates.any(|it| token.is_signed_with(it.algorithm, &it.key)) {
            return Err(InvalidToken::Signature);
        }
        serde_json::from_slice(&token.payload).map_err(|_| InvalidToken::Claims)
    }

    /// The keys that may have signed a token which names `id`: those of that id where there are
    /// any, else those without one.
    fn candidates<'a>(&'a self, id: Option<&'a str>) -> impl Iterator<Item = &'a PublicKey> {
        let named = id.is_some() && self.keys.iter().any(|key| key.id.as_deref() == id);
        self.keys.iter().filter(move |key| match id {
            Some(id) if named => key.id.as_deref() == Some(id),
            Some(_) => key.id.is_none(),
            None => true,
        })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, KeyError> {
    std::fs::read(path).map_err(|cause| KeyError::Unreadable {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests;
