//! Progress on its way to the database.
//!
//! Agents tell it a few times a second for every move, and nobody needs each word. The newest of
//! each move is kept here and all of them are written together, in one statement where the
//! store can. Losing some with a crash costs nothing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use godwit_core::ids::MigrationUuid;
use godwit_core::time::Timestamp;
use godwit_rpc::progress::Progress;
use godwit_store::{ProgressSample, Store, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::ticks::Ticks;
use crate::translate;

/// The newest sample of each move that is not written yet.
#[derive(Default)]
pub(crate) struct ProgressBoard {
    newest: Mutex<HashMap<MigrationUuid, ProgressSample>>,
}

impl ProgressBoard {
    fn newest(&self) -> MutexGuard<'_, HashMap<MigrationUuid, ProgressSample>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers a sample until the next write.
    pub(crate) fn note(&self, migration: MigrationUuid, progress: &Progress, at: Timestamp) {
        let sample = ProgressSample {
            migration,
            progress: translate::progress(progress),
            at,
        };
        self.newest().insert(migration, sample);
    }

    /// The move has ended, and its last figures are written with that.
    pub(crate) fn forget(&self, migration: MigrationUuid) {
        self.newest().remove(&migration);
    }

    async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let samples: Vec<_> = self.newest().drain().map(|(_, sample)| sample).collect();
        if samples.is_empty() {
            return Ok(());
        }
        store.migrations_progress(samples).await
    }
}

/// Writes what gathered, at each interval.
pub(crate) async fn write(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.progress_interval);
    while ticks.next(stop).await {
        if let Err(error) = ctx.progress.flush(&ctx.store).await {
            warn!(%error, "progress was not written");
        }
    }
}
