//! All the room that a run needs, or whom it waits for.

use std::collections::BTreeMap;

use godwit_core::ids::HostName;
use godwit_core::resources::Resources;
use godwit_store::{RoomAnswer, RunRecord, RunStepError};
use tracing::info;

use super::drive::Driver;
use crate::effects::Retry;
use crate::fleet::{Fleet, Fleets};
use crate::testimony::explain;

/// What became of it.
pub(super) enum Room {
    /// The run has begun.
    Claimed(Box<RunRecord>),
    /// It has ended.
    Refused,
    /// It has nothing yet.
    Waits,
}

/// What each host may give in all.
fn capacity(fleet: &Fleet) -> BTreeMap<HostName, Resources> {
    let hosts = fleet.hosts(None);
    let capacity = hosts.iter().map(|it| (it.name.clone(), it.capacity));
    capacity.collect()
}

pub(super) async fn claim(driver: &Driver<'_>, record: &RunRecord) -> Result<Room, Retry> {
    let fleet = Fleets::load(driver.ctx).await;
    let fleet = fleet.map_err(|error| Retry::because(explain(&*error)))?;
    let store = &driver.ctx.store;
    let answer = store.run_claim_room(driver.run, capacity(&fleet), driver.note());
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
            Ok(Room::Waits)
        }
        // It was cancelled meanwhile.
        Err(RunStepError::NotFound | RunStepError::Rejected(_)) => Ok(Room::Waits),
        Err(RunStepError::Refused(never)) => match never {},
        Err(RunStepError::Store(error)) => Err(error.into()),
    }
}
