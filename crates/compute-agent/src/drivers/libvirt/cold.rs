//! Source of a cold move: the guest is powered off, and started again if the move is undone.
//!
//! Its definition and its disks stay until somebody confirms the move. What the guest did is
//! saved before anything is done to it, so that it is never started if it was off; an agent that
//! comes back goes on powering it off.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use godwit_core::failure::FailureCode;
use godwit_core::ids::{MigrationUuid, ServerUuid};
use godwit_core::recovery::Sighting;
use godwit_rpc::facts::Pool;
use godwit_rpc::progress::{Ended, Outcome, Progress};
use tokio_util::sync::CancellationToken;
use virt::error::Error;
use virt::sys as raw;

use super::cleanup::unjudged;
use super::connection::Live;
use super::inventory::known;
use super::locks::GuestLock;
use super::observation::Observation;
use super::state::{DriverState, PoweredOff, Was};
use super::sys::DomainState;
use super::{Domain, DriverError, Host, Job, JobState, MoveKind, Receiver};
use crate::checks;

/// Guests that this process is powering off, or has powered off.
#[derive(Default)]
pub(super) struct PowerOffs(Mutex<HashMap<MigrationUuid, PowerOffJob>>);

struct PowerOffJob {
    /// How it ended; `None` while it goes on.
    ended: Option<Ended>,
    stop: CancellationToken,
}

impl PowerOffs {
    /// Stops what is under way, and forgets it. Whoever has to know that it stopped takes the
    /// guest's lock. Somebody who asks for its progress may begin it anew; under the lock it then
    /// finds the move to be over.
    fn forget(&self, job: &Job) {
        if let Some(power_off) = self.lock().remove(&job.what.migration) {
            power_off.stop.cancel();
        }
    }

    fn state(&self, job: &Job) -> Option<JobState> {
        let power_offs = self.lock();
        let power_off = power_offs.get(&job.what.migration)?;
        Some(match &power_off.ended {
            Some(ended) => JobState::Ended(ended.clone()),
            None => JobState::Moving {
                progress: Progress::default(),
                post_copy: false,
            },
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<MigrationUuid, PowerOffJob>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    /// Can this guest leave while it is off? libvirt forgets a transient domain that is off,
    /// and copies disks of running guests only.
    pub(super) async fn can_move_cold(
        &self,
        guest: &Domain,
        pools: &[Pool],
    ) -> Result<(), DriverError> {
        let server = guest.server;
        if !self.is_persistent(server).await? {
            return Err(checks::pre_check(&format!(
                "Instance {server} is transient, and would be forgotten when it is powered off."
            )));
        }
        match checks::disks_to_copy(guest, pools).next() {
            None => Ok(()),
            Some(disk) => Err(DriverError::failed(
                FailureCode::NotSharedStorage,
                format!(
                    "{} is not on shared storage: a cold migration cannot copy it. Live-migrate \
                     instance {server} with block migration instead.",
                    disk.path
                ),
            )),
        }
    }

    pub(super) async fn start_cold(
        self: &Arc<Self>,
        job: &Job,
        receiver: &Receiver,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError> {
        let mut state: DriverState = job.load()?.unwrap_or_default();
        if let Some(powered_off) = &state.powered_off {
            if powered_off.over {
                return Err(DriverError::hypervisor("This move is over."));
            }
            self.begin_power_off(job);
            return Ok(());
        }
        let server = job.what.server;
        let guest = self.describe(server, &self.pools().await?).await?;
        let guest = guest.ok_or(DriverError::UnknownServer(server))?;
        checks::guest_can_leave(&guest, MoveKind::Cold)?;
        self.can_move_cold(&guest, &receiver.pools).await?;
        let seen = self.look(server).await?;
        let was = was(seen.ok_or(DriverError::UnknownServer(server))?);
        if cancel.is_cancelled() {
            return Err(DriverError::Cancelled);
        }
        state.powered_off = Some(PoweredOff { was, over: false });
        job.save(&state).await?;
        self.begin_power_off(job);
        Ok(())
    }

    pub(super) fn progress_cold(self: &Arc<Self>, job: &Job) -> Result<JobState, DriverError> {
        if let Some(state) = self.power_offs.state(job) {
            return Ok(state);
        }
        if is_over(&job.load()?.unwrap_or_default()) {
            return Ok(JobState::NoJob);
        }
        self.begin_power_off(job);
        Ok(self.power_offs.state(job).unwrap_or(JobState::NoJob))
    }

    /// A guest that was told to power off cannot be told otherwise.
    pub(super) fn abort_cold(&self, job: &Job) -> DriverError {
        match self.power_offs.state(job) {
            Some(JobState::Moving { .. }) => DriverError::TooLate,
            Some(JobState::Ended(_) | JobState::NoJob) | None => DriverError::NoJob,
        }
    }

    /// Powers the guest off in a task of its own, unless that is under way.
    fn begin_power_off(self: &Arc<Self>, job: &Job) {
        let stop = CancellationToken::new();
        {
            let mut power_offs = self.power_offs.lock();
            if power_offs.contains_key(&job.what.migration) {
                return;
            }
            let stop = stop.clone();
            power_offs.insert(job.what.migration, PowerOffJob { ended: None, stop });
        }
        let (host, job) = (Arc::clone(self), job.clone());
        tokio::spawn(async move {
            let powered_off = async {
                let _lock = host.lock_guest(job.what.server).await?;
                if is_over(&job.load()?.unwrap_or_default()) {
                    return Ok(false);
                }
                let limit = host.config.power_off_limit();
                host.power_off(job.what.server, limit).await?;
                Ok::<_, DriverError>(true)
            };
            let powered_off = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                powered_off = powered_off => powered_off,
            };
            let Some(outcome) = outcome(powered_off) else {
                host.power_offs.lock().remove(&job.what.migration);
                return;
            };
            if let Some(power_off) = host.power_offs.lock().get_mut(&job.what.migration) {
                power_off.ended = Some(Ended {
                    outcome,
                    progress: None,
                });
            }
            host.changes.send_modify(|count| *count += 1);
        });
    }

    /// The guest stays on this host, or is here again: started, if the move powered it off and
    /// nobody else has it.
    pub(super) async fn roll_back_cold_source(
        &self,
        job: &Job,
        resume: bool,
    ) -> Result<(), DriverError> {
        let server = job.what.server;
        self.power_offs.forget(job);
        // Until it is saved that the move is over: who waits to power the guest off looks then.
        let lock = Arc::new(self.lock_guest(server).await?);
        let seen = self.look(server).await?;
        let seen = seen.ok_or(DriverError::UnknownServer(server))?;
        let mut state: DriverState = job.load()?.unwrap_or_default();
        let was = match &state.powered_off {
            Some(powered_off) if !powered_off.over => powered_off.was,
            // It was never touched, or all was done before.
            Some(_) | None => Was::Off,
        };
        match (seen.sighting(), was) {
            (Sighting::Executing, _) | (Sighting::Inactive, Was::Off) => {}
            (Sighting::Inactive, Was::Running | Was::Paused) if resume => {
                self.start_again(server, was == Was::Paused, Arc::clone(&lock))
                    .await?;
            }
            (Sighting::Inactive, Was::Running | Was::Paused) => {
                return Err(DriverError::hypervisor(format!(
                    "{server} was powered off by its move, and nothing proves that it does \
                         not execute on its destination."
                )));
            }
            (Sighting::Moving | Sighting::HandedOver | Sighting::Incoming, _) => {
                return Err(DriverError::Unavailable(
                    "another move of the guest is under way".into(),
                ));
            }
            (Sighting::Unreachable | Sighting::Absent, _) => return Err(unjudged()),
        }
        if let Some(powered_off) = state.powered_off.as_mut() {
            powered_off.over = true;
            job.save(&state).await?;
        }
        Ok(())
    }

    async fn start_again(
        &self,
        server: ServerUuid,
        paused: bool,
        lock: Arc<GuestLock>,
    ) -> Result<(), DriverError> {
        let started = self.connection.call(move |live| {
            let _lock = lock;
            create(live, server, paused)
        });
        started.await?;
        if self.sighting(server).await? == Sighting::Executing {
            return Ok(());
        }
        Err(DriverError::Unavailable(
            "the guest was started again, and does not execute".into(),
        ))
    }

    /// The guest is elsewhere for good.
    pub(super) async fn end_power_off(&self, job: &Job) -> Result<(), DriverError> {
        self.power_offs.forget(job);
        let mut state: DriverState = job.load()?.unwrap_or_default();
        if let Some(powered_off) = state.powered_off.as_mut() {
            powered_off.over = true;
            job.save(&state).await?;
        }
        Ok(())
    }
}

/// How a power-off ended; `None` where it has not: its move is over, or libvirt could not be asked,
/// so that whoever asks for its progress next begins it anew.
fn outcome(powered_off: Result<bool, DriverError>) -> Option<Outcome> {
    match powered_off {
        Ok(true) => Some(Outcome::Stopped),
        Ok(false) => None,
        Err(DriverError::Failed(failure)) => Some(Outcome::Failed(failure)),
        Err(error) => {
            tracing::info!(%error, "the power-off begins anew");
            None
        }
    }
}

/// Nothing is to be powered off, or not any more.
fn is_over(state: &DriverState) -> bool {
    !matches!(&state.powered_off, Some(powered_off) if !powered_off.over)
}

fn was(seen: Observation) -> Was {
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

#[cfg(test)]
mod tests {
    use godwit_core::failure::Failure;

    use super::*;

    #[test]
    fn a_libvirt_that_is_away_fails_no_power_off() {
        let away = DriverError::Unavailable("Connection refused".into());
        assert_eq!(outcome(Err(away)), None);
        let failure = Failure::new(FailureCode::StopFailed, "It does not power off.");
        let failed = outcome(Err(DriverError::Failed(failure.clone())));
        assert_eq!(failed, Some(Outcome::Failed(failure)));
        assert_eq!(outcome(Ok(true)), Some(Outcome::Stopped));
        assert_eq!(outcome(Ok(false)), None);
    }
}
