//! Signed tokens that carry user, project and roles, checked without asking anybody.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::time::{Clock, Timestamp};
use jsonwebtoken::{Validation, decode, decode_header};
use moka::sync::Cache;

use super::claims::Claims;
use super::keys::{KeySet, VerificationKey};
use super::revocation::{Revocations, TokenHash};
use super::{AuthError, Authenticator, InvalidToken, Principal};

/// The longest token looked at, in bytes.
const LONGEST: usize = 8_192;

/// Checks tokens against public keys. What was found good is remembered, by its hash, for as
/// long as it is good.
pub struct JwtAuthenticator {
    keys: KeySet,
    clock: Arc<dyn Clock>,
    known: Cache<TokenHash, Arc<Principal>>,
    revoked: Arc<Revocations>,
}

impl fmt::Debug for JwtAuthenticator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtAuthenticator")
            .field("keys", &self.keys)
            .finish_non_exhaustive()
    }
}

impl JwtAuthenticator {
    /// Trusts `keys`; remembers at most `cache_size` tokens.
    pub fn new(
        keys: KeySet,
        cache_size: u64,
        clock: Arc<dyn Clock>,
        revoked: Arc<Revocations>,
    ) -> Self {
        Self {
            keys,
            clock,
            known: Cache::new(cache_size),
            revoked,
        }
    }

    /// The bearer of `token`.
    ///
    /// # Errors
    /// [`InvalidToken`].
    pub fn verify(&self, token: &str) -> Result<Arc<Principal>, InvalidToken> {
        if token.len() > LONGEST {
            return Err(InvalidToken::TooLong);
        }
        let hash = TokenHash::of(token);
        if self.revoked.contains(hash) {
            return Err(InvalidToken::Revoked);
        }
        let now = self.clock.now();
        if let Some(principal) = self.known.get(&hash) {
            return timely(principal, now).inspect_err(|_| self.known.invalidate(&hash));
        }
        let principal = Arc::new(self.claims(token)?.into_principal()?);
        let principal = timely(principal, now)?;
        self.known.insert(hash, Arc::clone(&principal));
        Ok(principal)
    }

    /// What a token says, if a trusted key signed it; whatever the time.
    pub(crate) fn claims(&self, token: &str) -> Result<Claims, InvalidToken> {
        let header = decode_header(token).map_err(|_| InvalidToken::Signature)?;
        let mut candidates = self.keys.candidates(header.kid.as_deref());
        let signed = candidates.find_map(|key| signed_by(key, token));
        signed.unwrap_or(Err(InvalidToken::Signature))
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        Ok(self.verify(token)?)
    }
}

/// `None` if another key must have signed it.
fn signed_by(key: &VerificationKey, token: &str) -> Option<Result<Claims, InvalidToken>> {
    let mut validation = Validation::new(key.algorithm);
    // Times are compared below, with our clock; a token is for everybody who trusts the key.
    validation.validate_exp = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    match decode::<Claims>(token, &key.key, &validation) {
        Ok(decoded) => Some(Ok(decoded.claims)),
        Err(error) => match error.kind() {
            jsonwebtoken::errors::ErrorKind::Json(_) => Some(Err(InvalidToken::Claims)),
            _ => None,
        },
    }
}

fn timely(principal: Arc<Principal>, now: Timestamp) -> Result<Arc<Principal>, InvalidToken> {
    if principal.expires_at <= now {
        return Err(InvalidToken::Expired);
    }
    if principal.not_before.is_some_and(|begin| now < begin) {
        return Err(InvalidToken::NotYetValid);
    }
    Ok(principal)
}

#[cfg(test)]
mod tests;
