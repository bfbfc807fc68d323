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

/// A stream that was not seen to be faster by this much is no news, in per cent.
const NEWS: u64 = 10;

/// The newest sample of each move that is not written yet.
#[derive(Default)]
pub(crate) struct ProgressBoard {
    newest: Mutex<HashMap<MigrationUuid, ProgressSample>>,
    /// The fastest that each move's stream was seen, in bytes a second, and that is written.
    fastest: Mutex<HashMap<MigrationUuid, u64>>,
}

/// How fast the stream of a move is, once it has sent half of the memory: before that, and of a guest
/// whose memory is empty, there is little to measure.
fn stream_rate(progress: &godwit_store::Progress) -> Option<u64> {
    let memory = progress.memory?;
    let rate = progress
        .throughput
        .and_then(|rate| u64::try_from(rate).ok())?;
    let is_half = memory.total > 0 && memory.processed >= memory.total / 2;
    (is_half && rate > 0).then_some(rate)
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
        self.fastest().remove(&migration);
    }

    fn fastest(&self) -> MutexGuard<'_, HashMap<MigrationUuid, u64>> {
        self.fastest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Is this stream faster than it was seen before?
    fn is_news(&self, migration: MigrationUuid, rate: u64) -> bool {
        let known = self.fastest().get(&migration).copied().unwrap_or_default();
        rate > known.saturating_add(known.saturating_mul(NEWS) / 100)
    }

    /// Writes how fast a move's stream is, where that is news.
    pub(crate) async fn learn(
        &self,
        store: &Store,
        migration: MigrationUuid,
        progress: &godwit_store::Progress,
    ) -> Result<(), StoreError> {
        let Some(rate) = stream_rate(progress).filter(|it| self.is_news(migration, *it)) else {
            return Ok(());
        };
        store.stream_seen(migration, rate).await?;
        self.fastest().insert(migration, rate);
        Ok(())
    }

    async fn flush(&self, store: &Store) -> Result<(), StoreError> {
        let samples: Vec<_> = self.newest().drain().map(|(_, sample)| sample).collect();
        // Whatever moves has told of itself since the last time; of others nothing is kept.
        self.fastest()
            .retain(|id, _| samples.iter().any(|sample| sample.migration == *id));
        if samples.is_empty() {
            return Ok(());
        }
        let streams: Vec<_> = samples
            .iter()
            .map(|it| (it.migration, it.progress))
            .collect();
        store.migrations_progress(samples).await?;
        for (migration, progress) in streams {
            self.learn(store, migration, &progress).await?;
        }
        Ok(())
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
