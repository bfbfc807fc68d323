//! Turns, where there are more runs than are driven at one time.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whoever finds no permit to drive a run asks for a turn, and of those who drive one that only waits
/// lets go: what it waits for may be a run that nobody drives.
#[derive(Default)]
pub(crate) struct RunTurns {
    asked: AtomicBool,
}

impl RunTurns {
    /// A run is to be driven that nobody drives.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::Relaxed);
    }

    /// Is the caller to let go? Once for each time that somebody asked.
    pub(super) fn lets_go(&self) -> bool {
        self.asked.swap(false, Ordering::Relaxed)
    }
}
