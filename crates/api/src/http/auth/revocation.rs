//! Tokens that were taken back before their time.
//!
//! Only the development identity takes tokens back, and it lives in the process that checks
//! them; so this list is in memory and goes with the process.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{PoisonError, RwLock};

use godwit_core::time::Timestamp;
use sha2::{Digest, Sha256};

use crate::http::debug::debug_partly;

/// The hash by which a token is known once it has been checked. The token itself is not kept.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    pub fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

/// Most tokens on the list; beyond, those that end first are forgotten first.
const MOST: usize = 10_000;

/// The list. Entries go when the token would have ended anyway.
#[derive(Default)]
pub struct Revocations {
    any: AtomicBool,
    until: RwLock<HashMap<TokenHash, Timestamp>>,
}

debug_partly!(Revocations {});

impl Revocations {
    /// Takes a token back that would have ended at `until`.
    pub fn add(&self, token: TokenHash, until: Timestamp, now: Timestamp) {
        let mut list = self.until.write().unwrap_or_else(PoisonError::into_inner);
        list.retain(|_, until| *until > now);
        if list.len() >= MOST {
            let first = list
                .iter()
                .min_by_key(|(_, until)| **until)
                .map(|(token, _)| *token);
            first.map(|token| list.remove(&token));
        }
        list.insert(token, until);
        self.any.store(true, Ordering::Release);
    }

    pub fn contains(&self, token: TokenHash) -> bool {
        // Mostly there is nothing on the list, and then nobody waits for anybody.
        self.any.load(Ordering::Acquire)
            && self
                .until
                .read()
                .unwrap_or_else(PoisonError::into_inner)
                .contains_key(&token)
    }
}
