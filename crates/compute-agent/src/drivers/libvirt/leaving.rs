//! Source of a cold move: the guest is powered off, and started again if the move is undone.
//!
//! Its definition and its disks stay until somebody confirms the move. What the guest did is
//! noted before anything is done to it, so that it is never started if it was off; an agent that
//! comes back goes on powering it off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::migration::StorageMode;
use godwit_core::recovery::Sighting;
use godwit_rpc::command::MoveKind;
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::progress::{Ended, Outcome, Progress};
use tokio_util::sync::CancellationToken;
use virt::error::Error;
use virt::sys as raw;

use super::Host;
use super::connection::Live;
use super::inventory::known;
use super::note::{Note, PoweredOff, Was};
use super::sys::DomainState;
use super::turns::Turn;
use super::witness::Witness;
use crate::checks;
use crate::driver::{DriverError, Job, JobState};

/// Guests that this process is powering off, or has powered off.
#[derive(Default)]
pub(super) struct Leavings(Mutex<HashMap<MigrationUuid, Leaving>>);

struct Leaving {
    /// How it ended; `None` while it goes on.
    ended: Option<Ended>,
    stop: CancellationToken,
}

impl Leavings {
    /// Stops what is under way, and forgets it. Whoever has to know that it stopped takes the
    /// guest's turn.
    fn forget(&self, job: &Job) {
        if let Some(leaving) = self.lock().remove(&job.what.migration) {
            leaving.stop.cancel();
        }
    }

    fn state(&self, job: &Job) -> Option<JobState> {
        let leavings = self.lock();
        let leaving = leavings.get(&job.what.migration)?;
        Some(match &leaving.ended {
            Some(ended) => JobState::Ended(ended.clone()),
            None => JobState::Moving {
                progress: Progress::default(),
                post_copy: false,
            },
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MigrationUuid, Leaving>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// Can this guest leave while it is off? libvirt forgets a transient domain that is off,
    /// and copies disks of running guests only.
    pub(super) async fn can_leave_cold(
        &self,
        guest: &Domain,
        destination: &HostFacts,
        storage: StorageMode,
    ) -> Result<(), DriverError> {
        let server = guest.server;
        let persistent = self
            .connection
            .call(move |live| super::settle::is_persistent(live, server));
        if !persistent.await? {
            return Err(DriverError::failed(
                FailureCode::PreCheck,
                format!(
                    "Migration pre-check error: Instance {server} is transient, and would be \
                     forgotten when it is powered off."
                ),
            ));
        }
        let local = checks::disks_to_copy(guest, destination).next();
        match (storage, local) {
            (StorageMode::Shared, None) => Ok(()),
            (StorageMode::Copied, None) => Ok(()),
            (StorageMode::Shared | StorageMode::Copied, Some(disk)) => Err(DriverError::failed(
                FailureCode::NotSharedStorage,
                format!(
                    "{} is not on shared storage: a cold migration cannot copy it. Live-migrate \
                     instance {server} with block migration instead.",
                    disk.path
                ),
            )),
        }
    }

    /// See [`crate::driver::Driver::start`], of a cold move.
    pub(super) async fn start_cold(
        self: &Arc<Self>,
        job: &Job,
        destination: &HostFacts,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        let mut note: Note = job.note()?.unwrap_or_default();
        if let Some(powered_off) = &note.powered_off {
            if powered_off.over {
                return Err(DriverError::failed(
                    FailureCode::HypervisorError,
                    "This move is over.",
                ));
            }
            self.leave(job);
            return Ok(());
        }
        let server = job.what.server;
        let guest = self.describe(server, &self.pools().await?).await?;
        let guest = guest.ok_or(DriverError::UnknownServer(server))?;
        checks::guest_can_leave(&guest, MoveKind::Cold).map_err(DriverError::Failed)?;
        self.can_leave_cold(&guest, destination, job.what.storage)
            .await?;
        let seen = self.look(server).await?;
        let was = was(seen.ok_or(DriverError::UnknownServer(server))?);
        if cancel.is_cancelled() {
            return Err(DriverError::Cancelled);
        }
        note.powered_off = Some(PoweredOff { was, over: false });
        job.set_note(&note).await?;
        self.leave(job);
        Ok(())
    }

    /// See [`crate::driver::Driver::progress`], of a cold move.
    pub(super) fn progress_cold(self: &Arc<Self>, job: &Job) -> Result<JobState, DriverError> {
        if let Some(state) = self.leavings.state(job) {
            return Ok(state);
        }
        let note: Note = job.note()?.unwrap_or_default();
        if note.powered_off.is_none_or(|powered_off| powered_off.over) {
            return Ok(JobState::NoJob);
        }
        self.leave(job);
        Ok(self.leavings.state(job).unwrap_or(JobState::NoJob))
    }

    /// Nobody can be told not to power off any more.
    pub(super) fn abort_cold(&self, job: &Job) -> DriverError {
        match self.leavings.state(job) {
            Some(JobState::Moving { .. }) => DriverError::TooLate,
            Some(JobState::Ended(_) | JobState::NoJob) | None => DriverError::NoJob,
        }
    }

    /// Powers the guest off in a task of its own, unless that is under way.
    fn leave(self: &Arc<Self>, job: &Job) {
        let stop = CancellationToken::new();
        {
            let mut leavings = self.leavings.lock();
            if leavings.contains_key(&job.what.migration) {
                return;
            }
            let stop = stop.clone();
            leavings.insert(job.what.migration, Leaving { ended: None, stop });
        }
        let (host, job) = (Arc::clone(self), job.clone());
        tokio::spawn(async move {
            let left = async {
                let _turn = host.turn(job.what.server).await?;
                host.power_off(job.what.server, host.config.power_off_limit())
                    .await
            };
            let left = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                left = left => left,
            };
            let outcome = match left {
                Ok(()) => Outcome::Stopped,
                Err(error) => match host.still_executes(job.what.server).await {
                    true => Outcome::Failed(Failure::new(
                        FailureCode::StopFailed,
                        format!("The guest could not be powered off: {error}."),
                    )),
                    // Nobody knows; whoever asks next begins anew.
                    false => {
                        host.leavings.lock().remove(&job.what.migration);
                        return;
                    }
                },
            };
            if let Some(leaving) = host.leavings.lock().get_mut(&job.what.migration) {
                leaving.ended = Some(Ended {
                    outcome,
                    progress: None,
                });
            }
            host.changes.send_modify(|count| *count += 1);
        });
    }

    async fn still_executes(&self, server: ServerUuid) -> bool {
        matches!(self.sighting(server).await, Ok(Sighting::Executing))
    }

    /// The guest stays on this host, or is here again: started, if the move powered it off and
    /// nobody else has it.
    pub(super) async fn roll_back_cold_source(
        &self,
        job: &Job,
        resume: bool,
    ) -> Result<(), DriverError> {
        let server = job.what.server;
        self.leavings.forget(job);
        let turn = self.turn(server).await?;
        let seen = self.look(server).await?;
        let seen = seen.ok_or(DriverError::UnknownServer(server))?;
        let mut note: Note = job.note()?.unwrap_or_default();
        let was = match &note.powered_off {
            Some(powered_off) if !powered_off.over => powered_off.was,
            // It was never touched, or all was done before.
            Some(_) | None => Was::Off,
        };
        match (seen.sighting(), was) {
            (Sighting::Executing, _) | (Sighting::Inactive, Was::Off) => {}
            (Sighting::Inactive, Was::Running | Was::Paused) if resume => {
                self.start_again(server, was == Was::Paused, turn).await?;
            }
            (Sighting::Inactive, Was::Running | Was::Paused) => {
                return Err(DriverError::failed(
                    FailureCode::HypervisorError,
                    format!(
                        "{server} was powered off by its move, and nothing proves that it does \
                         not execute on its destination."
                    ),
                ));
            }
            (Sighting::Moving | Sighting::HandedOver | Sighting::Incoming, _) => {
                return Err(DriverError::Unavailable(
                    "another move of the guest is under way".into(),
                ));
            }
            (Sighting::Unreachable | Sighting::Absent, _) => {
                return Err(DriverError::Unavailable(
                    "the domain cannot be judged".into(),
                ));
            }
        }
        if let Some(powered_off) = note.powered_off.as_mut() {
            powered_off.over = true;
            job.set_note(&note).await?;
        }
        Ok(())
    }

    async fn start_again(
        &self,
        server: ServerUuid,
        paused: bool,
        turn: Turn,
    ) -> Result<(), DriverError> {
        let started = self.connection.call(move |live| {
            let _turn = turn;
            create(live, server, paused)
        });
        started.await?;
        match self.sighting(server).await? {
            Sighting::Executing => Ok(()),
            Sighting::Unreachable
            | Sighting::Absent
            | Sighting::Inactive
            | Sighting::Incoming
            | Sighting::Moving
            | Sighting::HandedOver => Err(DriverError::Unavailable(
                "the guest was started again, and does not execute".into(),
            )),
        }
    }

    /// The guest is elsewhere for good.
    pub(super) async fn settle_leaving(&self, job: &Job) -> Result<(), DriverError> {
        self.leavings.forget(job);
        let mut note: Note = job.note()?.unwrap_or_default();
        if let Some(powered_off) = note.powered_off.as_mut() {
            powered_off.over = true;
            job.set_note(&note).await?;
        }
        Ok(())
    }
}

fn was(seen: Witness) -> Was {
    match seen.state {
        DomainState::Off | DomainState::Saved => Was::Off,
        DomainState::Paused(_) => Was::Paused,
        DomainState::Running
        | DomainState::Asleep
        | DomainState::Crashed
        | DomainState::Unknown => Was::Running,
    }
}

/// Starts a domain that is defined, if it does not run.
pub(super) fn create(live: &Live, server: ServerUuid, paused: bool) -> Result<(), Error> {
    let domain = live.connect.lookup_domain_by_uuid(server.0)?;
    if known(domain.is_active())?.unwrap_or(false) {
        return Ok(());
    }
    domain.create_with_flags(if paused {
        raw::VIR_DOMAIN_START_PAUSED
    } else {
        raw::VIR_DOMAIN_NONE
    })
}
