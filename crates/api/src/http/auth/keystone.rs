//! Tokens of Keystone, which is asked about each.
//!
//! ```text
//!   token ─► known? ──yes──────────────────────────────► who bears it
//!              │ no
//!              ▼
//!          signature, expiry (JWS, where keys are configured)
//!              │
//!              ▼
//!          ask Keystone, once per token however many ask ─► known for a while
//!              │ nobody answers
//!              ▼
//!          known before and not expired? ──yes─────────► who bears it
//!              │ no
//!              ▼  503
//! ```
//!
//! - An answer counts for the cache's time, so a revoked token is refused after that at the
//!   latest. A refusal is remembered like a grant: whoever repeats a bad token does not make
//!   work for Keystone.
//! - Whoever goes on with a token asks again: then an answer counts for a few seconds, also once
//!   per token however many ask.
//! - While Keystone is down, tokens that it answered for before go on until they expire, so that
//!   its restart is no outage of this service.
//! - A JWS token says who and until when, but not in which roles, so Keystone is asked about it
//!   too; but only about those that a configured key signed.

mod call;
mod document;
mod outage;
mod service_user;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use godwit_core::time::{Clock, Timestamp};
use moka::Expiry;

use self::call::{Keystone, Unavailable};
use super::keys::KeySet;
use super::revocation::TokenHash;
use super::{AuthError, Authenticator, InvalidToken, Principal};
use crate::http::config::KeystoneConfig;
use crate::http::debug::debug_partly;
use crate::http::outgoing::OutgoingError;

/// The longest token that is looked at, in bytes.
const LONGEST: usize = 8_192;

/// For how long an answer counts to those who ask again.
const AGAIN: Duration = Duration::from_secs(3);

pub struct KeystoneAuthenticator {
    keystone: Keystone,
    keys: KeySet,
    clock: Arc<dyn Clock>,
    /// What Keystone said, for the cache's time. Whoever asks for a token that is being asked
    /// about waits for that answer.
    answers: moka::future::Cache<TokenHash, Answer>,
    /// What it said within the last few seconds to those who asked again.
    again: moka::future::Cache<TokenHash, Answer>,
    /// The bearers of good tokens until those expire: for when Keystone does not answer.
    lasting: moka::sync::Cache<TokenHash, Arc<Principal>>,
}

#[derive(Clone)]
enum Answer {
    Good(Arc<Principal>),
    NotGood,
}

impl Answer {
    fn bearer(self, now: Timestamp) -> Result<Arc<Principal>, InvalidToken> {
        match self {
            Self::Good(principal) => principal.timely(now),
            Self::NotGood => Err(InvalidToken::NotKnown),
        }
    }
}

debug_partly!(KeystoneAuthenticator { keystone });

impl KeystoneAuthenticator {
    /// Asks the Keystone of `config`. JWS tokens must be signed by one of `keys`, unless there
    /// are none. Remembers at most `cache_size` tokens.
    pub fn new(
        config: &KeystoneConfig,
        keys: KeySet,
        cache_size: u64,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OutgoingError> {
        Ok(Self {
            keystone: Keystone::new(config)?,
            keys,
            answers: moka::future::Cache::builder()
                .max_capacity(cache_size)
                .time_to_live(config.cache_time)
                .build(),
            again: moka::future::Cache::builder()
                .max_capacity(cache_size)
                .time_to_live(AGAIN.min(config.cache_time))
                .build(),
            lasting: moka::sync::Cache::builder()
                .max_capacity(cache_size)
                .expire_after(UntilItEnds(Arc::clone(&clock)))
                .build(),
            clock,
        })
    }

    async fn ask(&self, token: &str, hash: TokenHash) -> Result<Answer, Unavailable> {
        let described = self.keystone.describe(token).await?;
        let Some(principal) = described else {
            self.lasting.invalidate(&hash);
            return Ok(Answer::NotGood);
        };
        let principal = Arc::new(principal);
        self.lasting.insert(hash, Arc::clone(&principal));
        Ok(Answer::Good(principal))
    }

    /// Asks whatever is known. What is said then counts for everybody.
    async fn ask_again(&self, token: &str, hash: TokenHash) -> Result<Answer, Unavailable> {
        let known = self.lasting.get(&hash);
        let mut answer = self.ask(token, hash).await?;
        if let (Answer::Good(principal), Some(known)) = (&answer, known)
            && principal.is_as(&known)
        {
            // What was decided of the bearer counts on.
            self.lasting.insert(hash, Arc::clone(&known));
            answer = Answer::Good(known);
        }
        self.answers.insert(hash, answer.clone()).await;
        Ok(answer)
    }

    /// What can be told without asking: nothing good, but some bad.
    fn look(&self, token: &str) -> Result<(), InvalidToken> {
        let is_jws = token.bytes().filter(|byte| *byte == b'.').count() == 2;
        if !is_jws || self.keys.is_empty() {
            return Ok(());
        }
        let claims = self.keys.claims(token)?;
        let expires_at = claims.expires_at().ok_or(InvalidToken::Claims)?;
        if expires_at <= self.clock.now() {
            return Err(InvalidToken::Expired);
        }
        Ok(())
    }

    async fn answer(&self, token: &str, hash: TokenHash) -> Result<Answer, AuthError> {
        if let Some(answer) = self.answers.get(&hash).await {
            return Ok(answer);
        }
        self.look(token)?;
        let asked = self.answers.try_get_with(hash, self.ask(token, hash)).await;
        asked.or_else(|unavailable| {
            let known = self.lasting.get(&hash).map(Answer::Good);
            known.ok_or_else(|| AuthError::Unavailable(unavailable.to_string()))
        })
    }
}

#[async_trait]
impl Authenticator for KeystoneAuthenticator {
    async fn authenticate(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        if token.len() > LONGEST {
            return Err(InvalidToken::TooLong.into());
        }
        let answer = self.answer(token, TokenHash::of(token)).await?;
        Ok(answer.bearer(self.clock.now())?)
    }

    async fn authenticate_again(&self, token: &str) -> Result<Arc<Principal>, AuthError> {
        let hash = TokenHash::of(token);
        let asked = self.again.try_get_with(hash, self.ask_again(token, hash));
        let answer = asked
            .await
            .map_err(|unavailable| AuthError::Unavailable(unavailable.to_string()))?;
        Ok(answer.bearer(self.clock.now())?)
    }
}

/// Entries stay until their token ends.
struct UntilItEnds(Arc<dyn Clock>);

impl Expiry<TokenHash, Arc<Principal>> for UntilItEnds {
    fn expire_after_create(
        &self,
        _: &TokenHash,
        principal: &Arc<Principal>,
        _: Instant,
    ) -> Option<Duration> {
        Some(principal.expires_at.since(self.0.now()))
    }
}

#[cfg(test)]
mod tests;
