//! Deliveries of events to those who want to be called: when one is tried again, and when nobody
//! tries any more.

use std::time::Duration;

use crate::status::words;
use crate::time::Timestamp;

words!(
    /// How a delivery stands.
    DeliveryState, "delivery state", {
        /// It is yet to arrive.
        Pending = "pending",
        /// It arrived.
        Delivered = "delivered",
        /// It was tried for long enough.
        Dead = "dead",
    }
);

/// For how long a delivery is tried.
pub const TRIED: Duration = Duration::from_secs(24 * 3_600);

/// How long one is kept that has ended.
pub const KEPT: Duration = Duration::from_secs(90 * 24 * 3_600);

/// The pause behind the first attempt. It doubles with each.
const FIRST: Duration = Duration::from_secs(5);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(3_600);

/// When a delivery is tried again of which `attempts` have failed, the last one now; `None`: not at
/// all. `jitter`, between 0 and 1, keeps those that failed together from coming together again.
pub fn next_attempt(
    attempts: u32,
    jitter: f64,
    give_up_at: Timestamp,
    now: Timestamp,
) -> Option<Timestamp> {
    let doubled = FIRST.saturating_mul(1 << attempts.saturating_sub(1).min(16));
    let pause = doubled.min(LONGEST).mul_f64(0.5 + jitter.clamp(0.0, 1.0));
    let next = now.plus(pause);
    (next < give_up_at).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000).unwrap()
    }

    #[test]
    fn pauses_double_and_have_an_end() {
        let never = at(1_000_000);
        let pause = |attempts, jitter| {
            let next = next_attempt(attempts, jitter, never, at(0)).unwrap();
            next.since(at(0)).as_secs_f64()
        };
        assert_eq!(pause(1, 0.5), 5.0);
        assert_eq!(pause(2, 0.5), 10.0);
        assert_eq!(pause(1, 0.0), 2.5);
        assert_eq!(pause(1, 1.0), 7.5);
        assert_eq!(pause(30, 0.5), 3_600.0);
        assert_eq!(pause(u32::MAX, 0.5), 3_600.0);
    }

    #[test]
    fn a_day_is_enough() {
        let end = at(0).plus(TRIED);
        let (mut now, mut attempts) = (at(0), 1);
        while let Some(next) = next_attempt(attempts, 0.5, end, now) {
            assert!(now < next && next < end);
            (now, attempts) = (next, attempts + 1);
        }
        assert!((20..60).contains(&attempts), "{attempts}");
        assert!(end.since(now) <= LONGEST);
    }
}
