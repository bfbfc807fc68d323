//! Makes tokens. Only what issues them needs this, and the private key.

use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256,
    RsaKeyPair,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject as _;

use super::claims::Claims;
use super::der::{self, BIT_STRING, SEQUENCE};
use super::jws::{self, Algorithm};

/// The private key is none that can be used.
#[derive(Debug, thiserror::Error)]
#[error("not a private key of ECDSA P-256, RSA or Ed25519, in PKCS#8 PEM")]
pub struct UnsupportedKey;

/// There is no randomness to be had, without which there is no signature and no key.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be signed")]
pub struct SignError;

impl From<ring::error::Unspecified> for SignError {
    fn from(_: ring::error::Unspecified) -> Self {
        Self
    }
}

enum Pair {
    Ecdsa(EcdsaKeyPair),
    Rsa(RsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

#[derive(Clone)]
pub struct Signer(Arc<Pair>);

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.0.algorithm())
            .finish_non_exhaustive()
    }
}

impl Pair {
    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ecdsa(_) => Algorithm::ES256,
            Self::Rsa(_) => Algorithm::RS256,
            Self::Ed25519(_) => Algorithm::EdDSA,
        }
    }

    fn public_key(&self) -> &[u8] {
        match self {
            Self::Ecdsa(pair) => pair.public_key().as_ref(),
            Self::Rsa(pair) => pair.public_key().as_ref(),
            Self::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let random = SystemRandom::new();
        Ok(match self {
            Self::Ecdsa(pair) => pair.sign(&random, message)?.as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)?;
                signature
            }
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        })
    }
}

impl Signer {
    /// Makes a private key for ES256, PKCS#8 PEM.
    pub fn make_key() -> Result<String, SignError> {
        let random = SystemRandom::new();
        let key = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random)?;
        Ok(pem("PRIVATE KEY", key.as_ref()))
    }

    /// Reads a private key, PKCS#8 PEM.
    pub fn from_pem(pem: &[u8]) -> Result<Self, UnsupportedKey> {
        let key = PrivatePkcs8KeyDer::from_pem_slice(pem).map_err(|_| UnsupportedKey)?;
        let (key, random) = (key.secret_pkcs8_der(), SystemRandom::new());
        let ecdsa = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random);
        // Many leave the public key out of the private one.
        let ed25519 = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map(Pair::Ed25519);
        let rsa = || RsaKeyPair::from_pkcs8(key).map(Pair::Rsa);
        let pair = ecdsa.map(Pair::Ecdsa).or_else(|_| ed25519());
        let pair = pair.or_else(|_| rsa()).map_err(|_| UnsupportedKey)?;
        Ok(Self(Arc::new(pair)))
    }

    /// The public key that belongs to it, PEM.
    pub fn public_key_pem(&self) -> String {
        let kind = self.0.algorithm().key_kind();
        let kind = der::write(SEQUENCE, &[&kind]);
        // Every bit of the last byte counts.
        let key = der::write(BIT_STRING, &[&[0], self.0.public_key()]);
        pem("PUBLIC KEY", &der::write(SEQUENCE, &[&kind, &key]))
    }

    /// A token that says `claims`.
    pub fn sign(&self, claims: &Claims) -> Result<String, SignError> {
        let payload = serde_json::to_vec(claims).expect("claims have names");
        jws::token(self.0.algorithm(), &payload, |message| self.0.sign(message))
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<_> = text
        .as_bytes()
        .chunks(64)
        .map(String::from_utf8_lossy)
        .collect();
    let lines = lines.join("\n");
    format!("-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n")
}

#[cfg(test)]
mod tests;
