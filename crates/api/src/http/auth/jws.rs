//! Signed tokens: a header, a payload, and a signature of both (JWS of RFC 7515, compact).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use rustls::pki_types::{AlgorithmIdentifier, alg_id};
use serde::Deserialize;
use serde::de::IgnoredAny;

/// How tokens are signed (RFC 7518 §3.1, RFC 8037 §3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
pub(super) enum Algorithm {
    ES256,
    RS256,
    EdDSA,
}

impl Algorithm {
    pub(super) const ALL: [Self; 3] = [Self::ES256, Self::RS256, Self::EdDSA];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::ES256 => "ES256",
            Self::RS256 => "RS256",
            Self::EdDSA => "EdDSA",
        }
    }

    /// The kind of key that signs so.
    pub(super) const fn key_kind(self) -> AlgorithmIdentifier {
        match self {
            Self::ES256 => alg_id::ECDSA_P256,
            Self::RS256 => alg_id::RSA_ENCRYPTION,
            Self::EdDSA => alg_id::ED25519,
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::ES256 => &signature::ECDSA_P256_SHA256_FIXED,
            Self::RS256 => &signature::RSA_PKCS1_2048_8192_SHA256,
            Self::EdDSA => &signature::ED25519,
        }
    }
}

#[derive(Deserialize)]
struct Header {
    alg: Algorithm,
    kid: Option<String>,
    /// What must be understood beside this; nothing is (RFC 7515 §4.1.11).
    crit: Option<IgnoredAny>,
}

pub(super) struct Token<'a> {
    header: Header,
    pub(super) payload: Vec<u8>,
    signed: &'a str,
    signature: Vec<u8>,
}

impl<'a> Token<'a> {
    /// `None` if it is none, or none that anybody could have signed who counts.
    pub(super) fn parse(token: &'a str) -> Option<Self> {
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, payload) = signed.split_once('.')?;
        let header: Header = serde_json::from_slice(&decoded(header)?).ok()?;
        if header.crit.is_some() {
            return None;
        }
        Some(Self {
            header,
            payload: decoded(payload)?,
            signed,
            signature: decoded(signature)?,
        })
    }

    /// Which key it says that it is signed with.
    pub(super) fn key_id(&self) -> Option<&str> {
        self.header.kid.as_deref()
    }

    /// Is it signed with the key that belongs to this public one, as that key signs?
    pub(super) fn is_signed_with(&self, algorithm: Algorithm, key: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(algorithm.verification(), key);
        self.header.alg == algorithm && key.verify(self.signed.as_bytes(), &self.signature).is_ok()
    }
}

/// A token of `payload`, with the signature that `sign` makes.
pub(super) fn token<E>(
    algorithm: Algorithm,
    payload: &[u8],
    sign: impl FnOnce(&[u8]) -> Result<Vec<u8>, E>,
) -> Result<String, E> {
    let header = format!(r#"{{"typ":"JWT","alg":"{}"}}"#, algorithm.name());
    let mut token = URL_SAFE_NO_PAD.encode(header);
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut token);
    let signature = sign(token.as_bytes())?;
    token.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut token);
    Ok(token)
}

/// The bytes that a text in the alphabet of tokens and keys stands for.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}
