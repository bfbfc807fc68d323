//! Secrets of others, sealed before they are written down: who has the database alone has none of
//! them. AES-256-GCM, with a key from a file.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom as _, SystemRandom};
use uuid::Uuid;

use crate::http::debug::debug_partly;

/// What seals and opens.
pub(crate) struct Sealing(LessSafeKey);

/// There is no randomness to be had, without which nothing is sealed.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be sealed")]
pub(crate) struct SealError;

debug_partly!(Sealing {});

/// So many random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SealError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map(|()| bytes).map_err(|_| SealError)
}

/// A new key, as a file holds it.
pub fn make_key() -> Option<String> {
    let key: [u8; 32] = random().ok()?;
    Some(format!("{}\n", STANDARD.encode(key)))
}

impl Sealing {
    /// With the key in a file: 32 bytes in base64. An error says what is wrong.
    pub(crate) fn from_file(path: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
        Self::from_text(&text).ok_or_else(|| "it does not hold 32 bytes in base64".to_owned())
    }

    fn from_text(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.trim()).ok()?;
        let key = UnboundKey::new(&AES_256_GCM, &bytes).ok()?;
        Some(Self(LessSafeKey::new(key)))
    }

    /// A secret of something, as it is written down. It is that one's alone.
    pub(crate) fn seal(&self, secret: &str, of: Uuid) -> Result<String, SealError> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut text = secret.as_bytes().to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        let sealed = self
            .0
            .seal_in_place_append_tag(unique, Aad::from(of.as_bytes()), &mut text);
        sealed.map_err(|_| SealError)?;
        Ok(STANDARD.encode([&nonce[..], &text].concat()))
    }

    /// A secret that was sealed; `None` if it was with another key, or for something else.
    pub(crate) fn open(&self, sealed: &str, of: Uuid) -> Option<String> {
        let mut bytes = STANDARD.decode(sealed).ok()?;
        let (nonce, text) = bytes.split_at_mut_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened = self.0.open_in_place(nonce, Aad::from(of.as_bytes()), text);
        Some(std::str::from_utf8(opened.ok()?).ok()?.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_opens_and_only_for_what_it_is() {
        let key = make_key().unwrap();
        let (sealing, other) = (Sealing::from_text(&key).unwrap(), make_key().unwrap());
        let other = Sealing::from_text(&other).unwrap();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let sealed = sealing.seal("whsec_x", one).unwrap();
        assert!(!sealed.contains("whsec"));
        assert_ne!(sealed, sealing.seal("whsec_x", one).unwrap());
        assert_eq!(sealing.open(&sealed, one).as_deref(), Some("whsec_x"));
        assert_eq!(sealing.open(&sealed, two), None);
        assert_eq!(other.open(&sealed, one), None);
        for bad in ["", "x", "AAAA", &sealed[..20]] {
            assert_eq!(sealing.open(bad, one), None, "{bad}");
        }
        for bad in ["", "short", "AAAA"] {
            assert!(Sealing::from_text(bad).is_none(), "{bad}");
        }
    }
}
