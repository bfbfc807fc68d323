//! The pauses between two attempts: doubled each time up to a limit, and never quite the same,
//! so that a hundred moves that lost one agent do not come back to it as one.

use std::time::Duration;

use godwit_core::seconds;
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Backoff {
    /// After the first attempt. Default 0.2.
    #[serde(with = "seconds")]
    pub first: Duration,
    /// At most. Default 5.
    #[serde(with = "seconds")]
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(200),
            longest: Duration::from_secs(5),
        }
    }
}

impl Backoff {
    /// The pause after `attempts` attempts in vain (the first is 1). `jitter`, from 0 to 1,
    /// shortens it by up to a half.
    pub fn pause(&self, attempts: u32, jitter: f64) -> Duration {
        let doublings = attempts.saturating_sub(1).min(31);
        let pause = self
            .first
            .saturating_mul(1_u32 << doublings)
            .min(self.longest);
        pause.mul_f64(1.0 - jitter.clamp(0.0, 1.0) / 2.0)
    }
}

/// Where the randomness of pauses comes from: numbers from 0 to 1.
pub type Jitter = dyn Fn() -> f64 + Send + Sync;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let pauses: Vec<_> = [0, 1, 2, 3, 6, 7, u32::MAX]
            .map(|attempts| backoff.pause(attempts, 0.0).as_millis())
            .into();
        assert_eq!(pauses, [200, 200, 400, 800, 5_000, 5_000, 5_000]);
    }

    #[test]
    fn jitter_shortens_by_half_at_most() {
        let backoff = Backoff::default();
        assert_eq!(backoff.pause(1, 1.0), Duration::from_millis(100));
        assert_eq!(backoff.pause(1, 7.0), Duration::from_millis(100));
    }
}
