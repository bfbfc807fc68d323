//! All the room that a run needs, or whom it waits for.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::ids::RunUuid;
use godwit_store::{RoomAnswer, RunRecord, RunStepError, RunVersion};
use tokio::time::Instant;
use tracing::info;

use super::drive::Driver;
use crate::effects::Retry;

/// What became of it.
pub(super) enum Room {
    /// The run has begun.
    Claimed(Box<RunRecord>),
    /// It has ended.
    Refused,
    /// It has nothing yet, until one of these has ended or begun.
    Waits(BTreeSet<RunUuid>),
}

async fn claim(driver: &Driver<'_>, record: &RunRecord) -> Result<Room, Retry> {
    let store = &driver.ctx.store;
    let ratios = driver.ctx.config.allocation_ratios;
    let capacity = store.run_capacity(driver.run, ratios).await?;
    let answer = store.run_claim_room(driver.run, capacity, driver.note());
    match answer.await {
        Ok(RoomAnswer::Claimed(run)) => Ok(Room::Claimed(run)),
        Ok(RoomAnswer::Refused(run)) => {
            info!(run = %run.uuid, "there is no room for a run");
            Ok(Room::Refused)
        }
        Ok(RoomAnswer::WaitsFor(others)) => {
            if !others.iter().eq(&record.waits_for) {
                info!(run = %driver.run, ?others, "a run waits for room");
            }
            Ok(Room::Waits(others))
        }
        // It was cancelled meanwhile.
        Err(RunStepError::NotFound | RunStepError::Rejected(_)) => Ok(Room::Waits(BTreeSet::new())),
        Err(RunStepError::Refused(never)) => match never {},
        Err(RunStepError::Store(error)) => Err(error.into()),
    }
}

/// How often a run looks for room though nobody has gone on that it waits for: servers that no run moves
/// leave room as well. In intervals of looking.
const LOOKS: u32 = 50;

/// Those whom a run waits for, as they were when it looked last.
#[derive(Default)]
pub(super) struct Awaited {
    versions: BTreeMap<RunUuid, RunVersion>,
    until: Option<Instant>,
}

impl Awaited {
    /// Is it the same as long as none of them has changed?
    async fn is_the_same(&self, driver: &Driver<'_>) -> Result<bool, Retry> {
        if self.until.is_none_or(|until| until <= Instant::now()) {
            return Ok(false);
        }
        let awaited = self.versions.keys().copied().collect();
        Ok(driver.ctx.store.run_versions(awaited).await? == self.versions)
    }
}

/// Looks for room, unless nobody has gone on whom the run waits for.
pub(super) async fn look(driver: &mut Driver<'_>, record: &mut RunRecord) -> Result<Room, Retry> {
    if driver.awaited.is_the_same(driver).await? {
        return Ok(Room::Waits(record.waits_for.iter().copied().collect()));
    }
    // Before it is decided: what has changed since may have been seen, and what has not may not.
    let store = &driver.ctx.store;
    let versions = store.run_versions(record.waits_for.clone()).await?;
    driver.awaited = Awaited::default();
    let room = claim(driver, record).await?;
    if let Room::Waits(others) = &room {
        let known = others.iter().all(|it| versions.contains_key(it));
        if known && !others.is_empty() {
            let pause = driver.ctx.config.poll_interval.saturating_mul(LOOKS);
            let of_these = |it: &(RunUuid, RunVersion)| others.contains(&it.0);
            driver.awaited = Awaited {
                versions: versions.into_iter().filter(of_these).collect(),
                until: Some(Instant::now() + pause),
            };
        }
        record.waits_for = others.iter().copied().collect();
    }
    Ok(room)
}
