//! When a simulated host has power.
//!
//! ```text
//!             forced down                  evacuated, and then left alone for a while
//!   powered ───────────────► dark ─────────────────────────────────────────► powered,
//!      ▲                       │  ▲                                          forced down
//!      │       forced up       │  └───────────── evacuated again ─────────────── │
//!      └───────────────────────┴──────────────────── forced up ──────────────────┘
//! ```
//!
//! Whoever forces a host's service down says that the host is fenced. Nobody can walk to a
//! simulated host and make that true, so it becomes true by itself. Nor can anybody repair it:
//! that happens some time after the last evacuation from it. It has to happen while the service
//! is still forced down, for a service with evacuations that were not cleaned up after cannot be
//! forced up, as in Nova.

use std::time::Duration;

use tokio::time::Instant;

/// How long a repair takes, in simulated time.
pub(super) const REPAIR: Duration = Duration::from_secs(30);

/// Whether a host has power.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Fence {
    /// It has; `heeded` if its service is forced down all the same.
    Powered { heeded: bool },
    /// It has not; since when nobody evacuates what was on it.
    Dark { quiet_since: Option<Instant> },
}

/// What the database says of a host.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Declared {
    /// Its service is forced down.
    pub(super) forced_down: bool,
    /// Something is being evacuated from it.
    pub(super) evacuating: bool,
    /// Something was, and is not cleaned up after.
    pub(super) evacuated: bool,
}

impl Fence {
    /// As everything starts, it is as after a repair.
    pub(super) const START: Self = Self::Powered { heeded: true };

    /// What follows from what is declared, when a repair takes as long as `repair`.
    pub(super) fn next(self, declared: Declared, now: Instant, repair: Duration) -> Self {
        let Declared {
            forced_down,
            evacuating,
            evacuated,
        } = declared;
        match self {
            Self::Powered { heeded } if forced_down && (!heeded || evacuating) => {
                Self::Dark { quiet_since: None }
            }
            Self::Powered { .. } => Self::Powered {
                heeded: forced_down,
            },
            Self::Dark { .. } if !forced_down => Self::Powered { heeded: false },
            Self::Dark { .. } if evacuating || !evacuated => Self::Dark { quiet_since: None },
            Self::Dark { quiet_since } => {
                let since = quiet_since.unwrap_or(now);
                if now.duration_since(since) >= repair {
                    return Self::Powered { heeded: true };
                }
                Self::Dark {
                    quiet_since: Some(since),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UP: Declared = Declared {
        forced_down: false,
        evacuating: false,
        evacuated: false,
    };
    const DOWN: Declared = Declared {
        forced_down: true,
        ..UP
    };
    const EVACUATING: Declared = Declared {
        evacuating: true,
        ..DOWN
    };
    const EVACUATED: Declared = Declared {
        evacuated: true,
        ..DOWN
    };

    /// Where each second brings a host that begins as everything does.
    fn story(seconds: &[Declared]) -> Vec<bool> {
        let begin = Instant::now();
        let mut fence = Fence::START;
        (0..)
            .zip(seconds)
            .map(|(second, declared)| {
                let now = begin + Duration::from_secs(second);
                fence = fence.next(*declared, now, Duration::from_secs(2));
                matches!(fence, Fence::Powered { .. })
            })
            .collect()
    }

    #[test]
    fn one_that_is_forced_down_is_dark_until_it_is_forced_up() {
        let powered = story(&[UP, DOWN, DOWN, DOWN, DOWN, UP, UP]);
        assert_eq!(powered, [true, false, false, false, false, true, true]);
    }

    #[test]
    fn one_that_was_evacuated_is_repaired_after_a_while() {
        let powered = story(&[
            UP, DOWN, EVACUATING, EVACUATED, EVACUATED, EVACUATED, EVACUATED, DOWN, UP,
        ]);
        assert_eq!(
            powered,
            [true, false, false, false, false, true, true, true, true]
        );
    }

    #[test]
    fn another_evacuation_puts_the_repair_off() {
        let both = Declared {
            evacuating: true,
            ..EVACUATED
        };
        let powered = story(&[UP, DOWN, EVACUATED, EVACUATED, both, EVACUATED, EVACUATED]);
        assert_eq!(powered, [true, false, false, false, false, false, false]);
    }

    #[test]
    fn one_that_was_repaired_is_fenced_again_for_another_evacuation() {
        let powered = story(&[
            UP, DOWN, EVACUATED, EVACUATED, EVACUATED, DOWN, EVACUATING, EVACUATED,
        ]);
        assert_eq!(
            powered,
            [true, false, false, false, true, true, false, false]
        );
    }

    #[test]
    fn a_start_is_a_repair() {
        assert_eq!(
            story(&[EVACUATED, DOWN, UP, DOWN]),
            [true, true, true, false]
        );
    }
}
