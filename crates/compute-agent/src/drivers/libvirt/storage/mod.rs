//! Where disks lie, and the files they are.

pub(super) mod images;
pub(super) mod pools;
pub(super) mod space;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

use super::connection::{CallError, on_a_thread};

/// Looks at file systems under way at one time. One that hangs keeps its thread.
const THREADS: usize = 8;

/// File systems, which may hang like anything else that is mounted from elsewhere.
#[derive(Clone)]
pub(super) struct Files {
    threads: Arc<Semaphore>,
    deadline: Duration,
}

impl Files {
    pub(super) fn new(deadline: Duration) -> Self {
        Self {
            threads: Arc::new(Semaphore::new(THREADS)),
            deadline,
        }
    }

    /// Runs what touches files on a thread of its own.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, CallError> {
        on_a_thread(Arc::clone(&self.threads), self.deadline, work).await
    }
}
