//! Whether Keystone is down.
//!
//! Without this, each request with a token that is not cached would wait for the time-out of a
//! Keystone that hangs. So once calls in a row have failed, one call in a while finds out
//! whether it is back, and all others are told at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How many calls may fail in a row. One alone may be bad luck.
const TOLERATED: u32 = 3;

/// How often a Keystone that is down is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of Keystone's health.
#[derive(Debug, Default)]
pub(super) struct Outage {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// When the next call may be tried; `None`: any time.
    next_try: Option<Instant>,
}

impl Outage {
    /// May a call be made? Whoever may must say how it went.
    pub(super) fn may_call(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match state.next_try {
            None => true,
            Some(next) if next <= now => {
                state.next_try = Some(now + PAUSE);
                true
            }
            Some(_) => false,
        }
    }

    /// Keystone answered, whatever it said.
    pub(super) fn answered(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.next_try.is_some() {
            tracing::info!("Keystone answers again");
        }
        *state = State::default();
    }

    /// Keystone did not answer.
    pub(super) fn failed(&self, why: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.failures = state.failures.saturating_add(1);
        if state.failures < TOLERATED {
            return;
        }
        if state.next_try.is_none() {
            tracing::error!(
                why,
                "Keystone is down; only tokens that it knew before are good"
            );
        }
        state.next_try = Some(Instant::now() + PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_call_in_a_while_once_several_failed() {
        let outage = Outage::default();
        for _ in 0..TOLERATED {
            assert!(outage.may_call());
            outage.failed("it hangs");
        }
        assert!(!outage.may_call());
        tokio::time::advance(PAUSE).await;
        assert!(outage.may_call());
        assert!(!outage.may_call(), "one is enough to find out");
        outage.failed("it still hangs");
        assert!(!outage.may_call());
        tokio::time::advance(PAUSE).await;
        assert!(outage.may_call());
        outage.answered();
        assert!(outage.may_call() && outage.may_call());
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_in_between_forgives() {
        let outage = Outage::default();
        for _ in 0..TOLERATED * 2 {
            outage.failed("bad luck");
            outage.answered();
        }
        assert!(outage.may_call() && outage.may_call());
    }
}
