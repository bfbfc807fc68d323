//! A nudge: there is something new in the database.
//!
//! It only saves the wait for the next poll. A nudge that is lost costs that wait, nothing else;
//! who nudges (the API of an all-in-one, or the conductor itself after a step) need not know
//! whether anybody listens.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};

/// A handle to nudge with, and to wait on. Clones share one bell for each loop.
#[derive(Clone, Default, Debug)]
pub struct Wake {
    effects: Arc<Notify>,
    admission: Arc<Notify>,
    /// Of those who drive runs, who are as many as there are runs.
    runs: watch::Sender<()>,
}

impl Wake {
    /// Tells every loop to look at once.
    pub fn wake(&self) {
        self.effects.notify_one();
        self.admission.notify_one();
        self.runs();
    }

    /// Tells those who drive runs that something has ended that some of them may wait for.
    pub(crate) fn runs(&self) {
        self.runs.send_replace(());
    }

    /// What changes each time they are told.
    pub(crate) fn of_runs(&self) -> watch::Receiver<()> {
        self.runs.subscribe()
    }

    /// Until there may be new effects, or `at_most` is over.
    pub(crate) async fn effects(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.effects.notified()).await;
    }

    /// Until the queue may have changed, or `at_most` is over.
    pub(crate) async fn admission(&self, at_most: Duration) {
        let _ = tokio::time::timeout(at_most, self.admission.notified()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_nudge_that_came_before_the_wait_is_not_lost() {
        let wake = Wake::default();
        wake.clone().wake();
        let begin = tokio::time::Instant::now();
        wake.effects(Duration::from_secs(60)).await;
        wake.admission(Duration::from_secs(60)).await;
        assert_eq!(begin.elapsed(), Duration::ZERO);
        wake.effects(Duration::from_secs(60)).await;
        assert_eq!(begin.elapsed(), Duration::from_secs(60));
    }
}
