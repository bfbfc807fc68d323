//! The steps of a move, as the hypervisors on both sides take them.

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::MigrationUuid;
use godwit_core::migration::StorageMode;
use godwit_rpc::command::{ForceMeans, Move, MoveKind};
use godwit_rpc::progress::Outcome;

use super::faults::Step;
use super::fleet::Power;
use super::transfer::{Mode, Transfer};
use super::world::{Incoming, Moving, World};
use crate::driver::{DriverError, JobState};

/// How long a guest takes to power off, seconds.
const POWER_OFF_TIME: f64 = 2.0;

impl World {
    pub(super) fn prepare(&mut self, what: &Move, copied_bytes: u64) -> Result<(), DriverError> {
        let key = (what.destination.clone(), what.server);
        if let Some(incoming) = self.incoming.get(&key) {
            return if incoming.migration == what.migration && !incoming.dead {
                Ok(())
            } else {
                Err(refused("the destination already expects this guest"))
            };
        }
        if self.domain(&what.destination, what.server).is_some() {
            return Err(refused("the destination has a domain of this uuid"));
        }
        self.incoming.insert(
            key,
            Incoming {
                migration: what.migration,
                copied_bytes,
                dead: false,
            },
        );
        self.changed.insert(what.destination.clone());
        Ok(())
    }

    pub(super) fn start(&mut self, what: &Move) -> Result<(), DriverError> {
        if self.moves.contains_key(&what.migration) {
            return Ok(());
        }
        let guest = self
            .guests
            .get(what.server)
            .filter(|guest| guest.host == what.source);
        let guest = guest.ok_or(DriverError::UnknownServer(what.server))?;
        let is_off = guest.power == Power::Off;
        if self.stopped.contains(&what.server) {
            return Err(refused("the guest was stopped by an earlier move"));
        }
        let expected = self.incoming.get(&(what.destination.clone(), what.server));
        if expected.is_none_or(|incoming| incoming.dead || incoming.migration != what.migration) {
            return Err(refused("the destination does not expect this guest"));
        }
        let copied = || self.bytes_to_copy(guest, &what.destination);
        let disk = (what.storage == StorageMode::Copied).then(copied);
        let (transfer, off_in) = match what.kind {
            MoveKind::Live | MoveKind::Evacuation => (
                Transfer::new(
                    guest.memory_bytes,
                    disk,
                    guest.dirty_bytes_per_second,
                    guest.working_set_bytes,
                    guest.power != Power::On,
                ),
                None,
            ),
            MoveKind::Cold => (
                Transfer::new(0, disk, 0, 0, true),
                Some(if is_off { 0.0 } else { POWER_OFF_TIME }),
            ),
        };
        let moving = Moving {
            server: what.server,
            source: what.source.clone(),
            destination: what.destination.clone(),
            transfer,
            off_in,
            held: false,
            stalled: false,
            broken_for: 0.0,
            fault: self.faults.take(&what.source, Step::Move),
            ended: None,
        };
        self.moves.insert(what.migration, moving);
        self.changed.insert(what.source.clone());
        Ok(())
    }

    pub(super) fn hold(&mut self, migration: MigrationUuid, held: bool) {
        if let Some(moving) = self.moves.get_mut(&migration) {
            moving.held = held;
        }
    }

    pub(super) fn job(&self, migration: MigrationUuid) -> JobState {
        match self.moves.get(&migration) {
            None => JobState::NoJob,
            Some(Moving {
                ended: Some(ended), ..
            }) => JobState::Ended(ended.clone()),
            Some(moving) => JobState::Moving {
                progress: moving.transfer.progress(),
                post_copy: moving.transfer.mode() == Mode::PostCopy,
            },
        }
    }

    pub(super) fn force(&mut self, what: &Move) -> Result<ForceMeans, DriverError> {
        let moving = self
            .moves
            .get_mut(&what.migration)
            .filter(|moving| moving.ended.is_none());
        let moving = moving
            .filter(|moving| moving.off_in.is_none())
            .ok_or(DriverError::NoJob)?;
        let permitted = self
            .hosts
            .get(&what.source)
            .is_some_and(|host| host.spec.post_copy);
        match moving.transfer.mode() {
            Mode::PostCopy => Ok(ForceMeans::PostCopy),
            Mode::Paused => Ok(ForceMeans::Pause),
            // Disks cannot follow later.
            Mode::PreCopy if permitted && moving.transfer.disks_are_there() => {
                moving.transfer.stand_still(Mode::PostCopy);
                self.hand_over(what.migration);
                Ok(ForceMeans::PostCopy)
            }
            Mode::PreCopy => {
                moving.transfer.stand_still(Mode::Paused);
                let server = moving.server;
                self.disturbed.entry(server).or_default().pauses += 1;
                Ok(ForceMeans::Pause)
            }
        }
    }

    pub(super) fn abort(&mut self, migration: MigrationUuid) -> Result<(), DriverError> {
        let moving = self
            .moves
            .get(&migration)
            .filter(|moving| moving.ended.is_none());
        if moving.is_some_and(|moving| moving.off_in.is_some()) {
            return Err(DriverError::TooLate);
        }
        match moving.map(|moving| moving.transfer.mode()) {
            None => Err(DriverError::NoJob),
            Some(Mode::PostCopy) => Err(DriverError::TooLate),
            Some(Mode::PreCopy | Mode::Paused) => {
                self.end(migration, Outcome::Cancelled);
                Ok(())
            }
        }
    }

    pub(super) fn forget(&mut self, migration: MigrationUuid) {
        let moving = self.moves.get(&migration);
        if moving.is_some_and(|moving| moving.ended.is_some()) {
            self.moves.remove(&migration);
        }
    }

    /// Destroys what came in for this migration and never executed.
    pub(super) fn drop_incoming(&mut self, what: &Move) {
        let key = (what.destination.clone(), what.server);
        let ours = self
            .incoming
            .get(&key)
            .is_some_and(|it| it.migration == what.migration);
        if !ours {
            return;
        }
        self.incoming.remove(&key);
        self.changed.insert(what.destination.clone());
        if matches!(self.job(what.migration), JobState::Moving { .. }) {
            let text = "The destination's domain is gone.";
            let failure = Failure::new(FailureCode::HypervisorError, text);
            self.end(what.migration, Outcome::Failed(failure));
        }
    }
}

pub(super) fn refused(why: &str) -> DriverError {
    DriverError::hypervisor(format!("The hypervisor refused: {why}."))
}
