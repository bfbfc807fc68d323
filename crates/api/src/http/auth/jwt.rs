//! Signed tokens that carry user, project and roles, checked without asking anybody.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::time::Clock;
use moka::sync::Cache;

use super::claims::Claims;
use super::keys::KeySet;
use super::revocation::{Revocations, TokenHash};
use super::{AuthError, Authenticator, InvalidToken, Principal};
use crate::http::debug::debug_partly;

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

debug_partly!(JwtAuthenticator { keys });

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
            let principal = principal.timely(now);
            return principal.inspect_err(|_| self.known.invalidate(&hash));
        }
        let principal = Arc::new(self.claims(token)?.into_principal()?);
        let principal = principal.timely(now)?;
        self.known.insert(hash, Arc::clone(&principal));
        Ok(principal)
    }

    /// What a token says, if a trusted key signed it; whatever the time.
    pub(crate) fn claims(&self, token: &str) -> Result<Claims, InvalidToken> {
        self.keys.claims(token)
    }
}

#[async_trait]
impl Authenticator for JwtAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        Ok(self.verify(token)?)
    }
}

#[cfg(test)]
mod tests;
