//! What the agent asks of a hypervisor.
//!
//! ```text
//!   destination   check_destination ─► prepare ─────────────────────────► finish | roll_back
//!   source        check_source ──────────────► start ─► progress … ─────► finish | roll_back
//!                                                       abort, force_complete
//!
//!   cold: source   check_source ─► start ─► progress … (the guest is off) ─► finish | roll_back
//!   destination    check_destination ─► prepare ─► boot ─► finish, or withdraw ─► roll_back
//!
//!   evacuation: destination   check_boot ─► boot       source, when it is back   withdraw
//!
//!   where it is, moved by nobody   power_off, power_on
//! ```
//!
//! The agent around it ([`crate::agent`]) keeps the journal, refuses stale commands, never runs
//! two steps of one guest at the same time (but for [`Driver::progress`], which it may call at
//! any time), follows a started move to its end, and reports. So a driver is only asked to tell
//! the truth, and to be idempotent: after a crash every step may come again, in a new process,
//! with the same [`Job`].
//!
//! Three things carry the safety of guests:
//! - [`Outcome::HandedOver`] is said only when the guest executes at the destination, or the
//!   hypervisor said that it does; [`Outcome::Failed`] and [`Outcome::Cancelled`] only when the
//!   guest is verified to be at the source as it was (executing, or paused or off by its user's
//!   will). What cannot be verified is [`JobState::NoJob`], and then both sides are asked.
//! - No step ever destroys a domain that may have executed since the move began, but for
//!   [`Driver::withdraw`], whose caller has proven that the guest belongs elsewhere.
//! - A move starts a guest by two steps only, [`Driver::boot`] and a `roll_back` that says so, and
//!   only when the other side is proven not to execute it. One that was off is never started.
//!   [`Driver::power_on`] is its user's will, and no move's.
//! - Whatever a step makes on disk is saved ([`Job::save`]) before it is made, so that exactly
//!   that is removed again.
//!
//! Sizes are bytes, rates bytes a second. Nothing here blocks its thread; calls that can hang
//! have deadlines of their own inside the driver.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::ServerUuid;
use godwit_rpc::command::{
    CheckBoot, CheckDestination, CheckSource, ForceMeans, Movable, Move, Receiver, Side,
};
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::HostFacts;
use godwit_rpc::progress::{Ended, Progress};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::journal::Outlives;

#[cfg(doc)]
use godwit_rpc::progress::Outcome;

/// Why a step did not do what it was asked.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DriverError {
    /// It was looked into or tried, and does not work; final for this migration. A step that
    /// fails leaves behind at most what it saved, for `roll_back`.
    #[error("{0}")]
    Failed(Failure),
    #[error("no move of this guest is under way")]
    NoJob,
    #[error("the move is past its point of no return")]
    TooLate,
    #[error("no server {0} on this host")]
    UnknownServer(ServerUuid),
    /// The step was cancelled by its token.
    #[error("cancelled")]
    Cancelled,
    /// The hypervisor cannot be asked now; the same step may work later.
    #[error("the hypervisor is not available: {0}")]
    Unavailable(String),
}

impl DriverError {
    pub fn failed(code: FailureCode, message: impl Into<String>) -> Self {
        Self::Failed(Failure::new(code, message))
    }

    /// A final failure that has no code of its own.
    pub fn hypervisor(message: impl Into<String>) -> Self {
        Self::failed(FailureCode::HypervisorError, message)
    }
}

/// What a driver knows of a move.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum JobState {
    Moving {
        progress: Progress,
        /// Does the guest already execute at the destination?
        post_copy: bool,
    },
    /// It ended, and the driver saw how. A driver remembers this until `finish` or
    /// `roll_back`, as long as its process lives.
    Ended(Ended),
    /// Nothing of the kind is under way, and this driver did not see an end.
    NoJob,
}

/// The part of a journal entry that is the driver's own: what it has to remember of one migration
/// on this host.
#[async_trait]
pub trait DriverStateStore: Send + Sync {
    /// What was written last, in this process or an earlier one.
    fn read(&self) -> Option<serde_json::Value>;

    /// Replaces it; it is on disk when this returns.
    ///
    /// # Errors
    /// [`DriverError::Unavailable`] when the disk refuses. Then the step must not act.
    async fn write(&self, value: serde_json::Value) -> Result<(), DriverError>;
}

/// One move, as the steps see it. Cheap to clone into threads.
#[derive(Clone)]
pub struct Job {
    /// What moves, from where to where, and how its disks travel.
    pub what: Move,
    state: Arc<dyn DriverStateStore>,
}

impl Job {
    /// The job of one move, with the place where its driver saves what it has to remember.
    pub fn new(what: Move, state: Arc<dyn DriverStateStore>) -> Self {
        Self { what, state }
    }

    /// What the driver saved last, if anything.
    ///
    /// # Errors
    /// [`DriverError::Unavailable`] when it cannot be read as a `T`: another driver or
    /// another release wrote it, and nobody may guess what it meant.
    pub fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, DriverError> {
        let value = self.state.read().map(serde_json::from_value).transpose();
        value.map_err(|error| self.unreadable(&error))
    }

    /// Replaces what the driver saved; it is on disk when this returns.
    ///
    /// # Errors
    /// [`DriverError::Unavailable`] when it cannot be written; the step must not act.
    pub async fn save<T: Serialize + Sync>(&self, state: &T) -> Result<(), DriverError> {
        let value = serde_json::to_value(state).map_err(|error| self.unreadable(&error))?;
        self.state.write(value).await
    }

    fn unreadable(&self, error: &serde_json::Error) -> DriverError {
        let migration = self.what.migration;
        DriverError::Unavailable(format!(
            "what the driver saved of migration {migration}: {error}"
        ))
    }
}

impl fmt::Debug for Job {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Job").field(&self.what).finish()
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PowerOff {
    /// It gets time to shut down by itself.
    Clean,
    Forced,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PowerOn {
    /// With the memory that somebody saved to disk, if somebody did.
    Resumed,
    /// Afresh, whatever was saved.
    Afresh,
}

#[async_trait]
pub trait Driver: Send + Sync + 'static {
    /// What its guests outlive, and so what is remembered of them has to.
    fn guests_outlive(&self) -> Outlives {
        Outlives::Machine
    }

    /// The host: name, processors, room, storage. Asked often; cheap.
    async fn facts(&self) -> Result<HostFacts, DriverError>;

    /// Every domain of the host, shut-off ones too, looked at now. A domain the driver cannot
    /// judge is reported as [`godwit_core::recovery::Sighting::Unreachable`], never left out.
    async fn domains(&self) -> Result<Vec<Domain>, DriverError>;

    /// Changes whenever a domain came, went, or changed its state, so that the conductor hears
    /// of it soon. The number means nothing.
    fn changes(&self) -> watch::Receiver<u64>;

    /// May the guest leave for this destination, and would its disks be shared or copied?
    /// Changes nothing. [`crate::checks`] holds what all drivers decide alike.
    ///
    /// Fails with the codes for which [`FailureCode::is_precheck`] holds, and Nova's texts.
    async fn check_source(&self, check: &CheckSource) -> Result<Movable, DriverError>;

    /// Could the guest come: hypervisor type and version, processor, room for copied disks, no
    /// domain of its name or uuid already here? Changes nothing.
    async fn check_destination(&self, check: &CheckDestination) -> Result<(), DriverError>;

    /// Destination: makes ready for `guest`, as its source described it. Room is checked
    /// again; files for copied disks are made with their size and their backing, and what
    /// exists already and was not saved as ours is a failure, never overwritten.
    ///
    /// Returns what the source's driver has to know to reach this host, or
    /// [`DriverError::Cancelled`] soon after `cancel`; `roll_back` follows.
    async fn prepare(
        &self,
        job: &Job,
        guest: &Domain,
        cancel: &CancellationToken,
    ) -> Result<Receiver, DriverError>;

    /// Source: begins, and returns as soon as the hypervisor's job runs (or has ended).
    /// `receiver` is what the destination's driver answered when it was prepared.
    ///
    /// Of a cold move: begins to power the guest off, cleanly within a limit, then by force;
    /// saves first whether it ran, and copies the disks that have to travel once it is off. It
    /// ends as [`Outcome::Stopped`]; its definition and disks stay.
    ///
    /// Called once per migration, unless a crash left it open whether the job began; if it
    /// did, `start` returns without beginning another. An error means that no job began, and
    /// that the guest is as it was.
    async fn start(
        &self,
        job: &Job,
        receiver: &Receiver,
        cancel: &CancellationToken,
    ) -> Result<(), DriverError>;

    /// Source: how far it is. The agent asks a few times a second. Also answers for a job that
    /// an earlier process of this agent began and the hypervisor carries on.
    ///
    /// An error is no outcome: the agent asks again.
    async fn progress(&self, job: &Job) -> Result<JobState, DriverError>;

    /// Source: gets the move over with, by post-copy where permitted and possible, else by
    /// pausing the guest (which is resumed if the move fails, and at the destination if not).
    /// Again after that: the same answer.
    ///
    /// Errors: [`DriverError::NoJob`]; past the switch to post-copy `Ok(PostCopy)`.
    async fn force_complete(&self, job: &Job) -> Result<ForceMeans, DriverError>;

    /// Source: asks the hypervisor to give up. The outcome appears in `progress`, and may be
    /// that it came too late.
    ///
    /// Errors: [`DriverError::NoJob`]; [`DriverError::TooLate`] past the switch to post-copy,
    /// and of a cold move: a guest that was told to power off cannot be told otherwise.
    async fn abort(&self, job: &Job) -> Result<(), DriverError>;

    /// The guest was handed over, or booted.
    ///
    /// Destination: verifies that the guest executes here (or is paused or off by its user's
    /// will) and is defined persistently. Source: removes what is left of a guest that no
    /// longer executes here: an inactive definition, copied disks. Never what executes:
    /// [`DriverError::Failed`] then. Nothing to do is success.
    async fn finish(&self, job: &Job, side: Side) -> Result<(), DriverError>;

    /// The guest is on its source.
    ///
    /// Destination: destroys a domain that came in and never executed, and removes what
    /// `prepare` saved. A domain that executes, or may have, is left alone:
    /// [`DriverError::Failed`]. Source: verifies that the guest is as it was and clears what
    /// the move left (a pause of ours, a job); with `resume` it also starts a guest that the
    /// move had stopped, or powered off, which the caller has proven safe. Nothing to do is
    /// success.
    async fn roll_back(&self, job: &Job, side: Side, resume: bool) -> Result<(), DriverError>;

    /// Could the guest be started here from its definition alone: is that understood, does this
    /// host reach every disk that it names, is nobody called so? Changes nothing.
    ///
    /// Fails as `check_source` does.
    async fn check_boot(&self, check: &CheckBoot) -> Result<(), DriverError>;

    /// Destination: defines the guest, and starts it with `power_on`. Refuses what runs or is
    /// locked elsewhere as far as this host can know, and disks that are not here.
    ///
    /// Again after a crash: goes on where it was. A step that fails leaves nothing defined that
    /// was not there before. [`DriverError::Unavailable`] where it is open whether it worked.
    async fn boot(&self, job: &Job, definition: &str, power_on: bool) -> Result<(), DriverError>;

    /// Gives the guest up on this side: powers it off, removes its definition and what the
    /// migration made here; never a disk that other hosts see. It is gone when this returns.
    ///
    /// Source, of an evacuation: the stale guest of a host that came back. Destination, of a
    /// cold move: what `boot` made. Anything else is [`DriverError::Failed`], and is left
    /// alone; a guest that is not here is success.
    async fn withdraw(&self, job: &Job, side: Side) -> Result<(), DriverError>;

    /// Names the guest's current execution: another number after each time that it was started.
    /// `None` while it is off.
    ///
    /// Errors: [`DriverError::UnknownServer`].
    async fn execution(&self, server: ServerUuid) -> Result<Option<i64>, DriverError>;

    /// Powers the guest off, as its user would within a limit and then by force, or by force at
    /// once. Its definition and its disks stay. It is off when this returns; it may have been
    /// before.
    ///
    /// [`DriverError::Failed`], and nothing is done, where it would be forgotten by that, or is
    /// part of a move.
    async fn power_off(&self, server: ServerUuid, how: PowerOff) -> Result<(), DriverError>;

    /// Starts the guest from the definition that this host has of it. It executes when this
    /// returns; it may have before.
    ///
    /// [`DriverError::Failed`], and it is as it was, where that does not work, or it is part of a
    /// move.
    async fn power_on(&self, server: ServerUuid, how: PowerOn) -> Result<(), DriverError>;
}
