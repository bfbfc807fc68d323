//! The bearer of a good token.

use std::sync::Arc;

use arc_swap::ArcSwapOption;
use godwit_core::time::Timestamp;
use godwit_policy::{Credentials, Identity, Target};

use super::InvalidToken;
use crate::http::policy::Policy;

/// Who bears a token, and until when it is good.
#[derive(Debug)]
pub struct Principal {
    pub user_id: Option<String>,
    /// The project that the token is for.
    pub project_id: Option<String>,
    /// Is the token for the system as a whole?
    pub is_system: bool,
    pub expires_at: Timestamp,
    /// Before then it is not good; `None`: it always was.
    pub not_before: Option<Timestamp>,
    credentials: Credentials,
    own: Target,
    decided: ArcSwapOption<Decided>,
}

/// A bearer's credentials under one set of rules.
#[derive(Debug)]
pub struct Decided {
    edition: u64,
    /// The credentials, `is_admin` included.
    pub credentials: Credentials,
    pub is_admin: bool,
}

impl Principal {
    /// The bearer that a token describes.
    pub fn new(identity: Identity, expires_at: Timestamp, not_before: Option<Timestamp>) -> Self {
        Self {
            user_id: identity.user_id.clone(),
            project_id: identity.project_id.clone(),
            is_system: identity
                .system_scope
                .as_deref()
                .is_some_and(|scope| !scope.is_empty()),
            expires_at,
            not_before,
            own: Target::of_owner(identity.project_id.as_deref(), identity.user_id.as_deref()),
            credentials: identity.into(),
            decided: ArcSwapOption::empty(),
        }
    }

    /// The same, if its time has come and is not over.
    pub(super) fn timely(self: Arc<Self>, now: Timestamp) -> Result<Arc<Self>, InvalidToken> {
        if self.expires_at <= now {
            return Err(InvalidToken::Expired);
        }
        if self.not_before.is_some_and(|begin| now < begin) {
            return Err(InvalidToken::NotYetValid);
        }
        Ok(self)
    }

    /// Is it the same bearer, with the same roles until the same time?
    pub(super) fn is_as(&self, other: &Self) -> bool {
        self.credentials == other.credentials
            && (self.expires_at, self.not_before) == (other.expires_at, other.not_before)
    }

    /// The target for what belongs to nobody in particular: the bearer's own project and user.
    pub fn own(&self) -> &Target {
        &self.own
    }

    /// The credentials under `policy`. Whether they are an administrator's is decided once per
    /// set of rules, not once per request; unless others decide it, who may change their mind.
    pub fn decided(&self, policy: &Policy) -> Arc<Decided> {
        if policy.asks_who_is_admin() {
            return self.decide(policy);
        }
        let known = self.decided.load_full();
        if let Some(known) = known.filter(|known| known.edition == policy.edition) {
            return known;
        }
        let decided = self.decide(policy);
        self.decided.store(Some(Arc::clone(&decided)));
        decided
    }

    fn decide(&self, policy: &Policy) -> Arc<Decided> {
        let is_admin = policy.enforcer.is_admin(&self.credentials);
        Arc::new(Decided {
            edition: policy.edition,
            credentials: self.credentials.clone().with_is_admin(is_admin),
            is_admin,
        })
    }
}
