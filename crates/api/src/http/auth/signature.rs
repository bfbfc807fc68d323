//! What a signed token says, if one of the keys signed it.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Validation, decode, decode_header};

use super::InvalidToken;
use super::claims::Claims;
use super::keys::{KeySet, VerificationKey};

impl KeySet {
    /// The claims of a token that one of the keys signed; whatever the time.
    ///
    /// # Errors
    /// [`InvalidToken::Signature`] or [`InvalidToken::Claims`].
    pub(crate) fn claims(&self, token: &str) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken::Signature)?;
        let mut candidates = self.candidates(header.kid.as_deref());
        let signed = candidates.find_map(|key| signed_by(key, token));
        signed.unwrap_or(Err(InvalidToken::Signature))
    }
}

/// `None` if another key must have signed it.
fn signed_by(key: &VerificationKey, token: &str) -> Option<Result<Claims, InvalidToken>> {
    let mut validation = Validation::new(key.algorithm);
    // Whoever asks compares times, with our clock; a token is for everybody who trusts the key.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match decode::<Claims>(token, &key.key, &validation) {
        Ok(decoded) => Some(Ok(decoded.claims)),
        Err(error) => match error.kind() {
            ErrorKind::Json(_) => Some(Err(InvalidToken::Claims)),
            _ => None,
        },
    }
}
