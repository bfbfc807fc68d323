//! Who listens: a stream ends when its token does, or when policy would judge otherwise by now.

use std::sync::Arc;

use crate::http::auth::{AuthError, Principal};
use crate::http::caller::Caller;
use crate::http::route::Route;
use crate::http::state::ApiState;
use crate::http::token::token;
use crate::relocation::call::Call;
use crate::relocation::rules;
use crate::relocation::visibility::{Sight, Visibility};

/// The bearer of a token, as it was judged.
#[derive(Clone)]
pub(crate) struct Bearer {
    token: String,
    principal: Arc<Principal>,
    route: &'static Route,
    /// Of the rules.
    edition: u64,
    sight: Sight,
}

impl Bearer {
    /// Whose request it is.
    pub(crate) fn of(call: &Call) -> Self {
        Self {
            token: token(&call.headers).unwrap_or_default().to_owned(),
            principal: Arc::clone(call.caller.principal()),
            route: call.caller.route(),
            edition: call.caller.edition(),
            sight: call.sees().sight(),
        }
    }

    /// What is seen.
    pub(crate) fn sees(&self) -> Visibility<'_> {
        self.sight.visibility()
    }

    /// Is the token's time over? That nobody has to be asked.
    pub(crate) fn has_expired(&self, state: &ApiState) -> bool {
        self.principal.expires_at <= state.clock.now()
    }

    /// Is the token still good, and allows policy the same as it did? Then the bearer as it is by
    /// now.
    pub(crate) async fn judged_again(mut self, state: &ApiState) -> Option<Self> {
        let principal = match state.authenticator.authenticate_again(&self.token).await {
            Ok(principal) => principal,
            Err(AuthError::Invalid(_)) => return None,
            // Nobody can say that it is not.
            Err(AuthError::Unavailable(_)) => {
                return (!self.has_expired(state)).then_some(self);
            }
        };
        let policy = state.policy.current();
        if policy.edition == self.edition && Arc::ptr_eq(&principal, &self.principal) {
            return Some(self);
        }
        let (edition, route, asks) = (policy.edition, self.route, policy.asks(self.route));
        let bearer = Arc::clone(&principal);
        let judge = move || async move {
            let caller = Caller::new(bearer, policy, route);
            let allowed = caller.enforce_own(rules::EVENTS_LIST).is_ok();
            allowed.then(|| Visibility::of(&caller).sight())
        };
        let sight = state.policy.perform(asks, judge).await.ok().flatten();
        (self.principal, self.edition) = (principal, edition);
        (sight.as_ref() == Some(&self.sight)).then_some(self)
    }
}
