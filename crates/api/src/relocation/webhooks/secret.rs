//! What calls are signed with, as [Standard Webhooks](https://www.standardwebhooks.com) have it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use crate::http::debug::debug_partly;
use crate::http::sealing::{SealError, random};

const PREFIX: &str = "whsec_";

/// A secret that receiver and sender share.
pub struct Secret {
    text: String,
    key: hmac::Key,
}

debug_partly!(Secret {});

impl Secret {
    /// Reads `whsec_` and 24 to 64 bytes in base64.
    pub fn read(text: &str) -> Option<Self> {
        let bytes = STANDARD.decode(text.strip_prefix(PREFIX)?).ok()?;
        (24..=64).contains(&bytes.len()).then(|| Self {
            text: text.to_owned(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &bytes),
        })
    }

    pub(crate) fn random() -> Result<Self, SealError> {
        let bytes: [u8; 32] = random()?;
        let text = format!("{PREFIX}{}", STANDARD.encode(bytes));
        Self::read(&text).ok_or(SealError)
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The signature of a call.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let signed = format!("{id}.{timestamp}.{body}");
        let signature = hmac::sign(&self.key, signed.as_bytes());
        format!("v1,{}", STANDARD.encode(signature))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard() {
        // The example of the specification's own libraries.
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signature = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, body);
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn secrets_are_long_enough_and_marked() {
        let made = Secret::random().unwrap();
        let read = Secret::read(made.text()).unwrap();
        assert_eq!(made.sign("a", 1, "b"), read.sign("a", 1, "b"));
        assert_ne!(made.text(), Secret::random().unwrap().text());
        let bytes = |count| STANDARD.encode(vec![7; count]);
        assert!(Secret::read(&format!("whsec_{}", bytes(64))).is_some());
        for bad in [
            bytes(32),
            format!("whsec_{}", bytes(23)),
            format!("whsec_{}", bytes(65)),
        ] {
            assert!(Secret::read(&bad).is_none(), "{bad}");
        }
        assert!(Secret::read("whsec_?").is_none());
    }
}
