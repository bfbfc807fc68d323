//! What the parts of one agent have in common.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::time::{Clock, Timestamp};
use godwit_rpc::facts::Inventory;
use godwit_rpc::identity::{PeerIdentity, Role};
use godwit_rpc::refusal::Refusal;
use prometheus::IntGauge;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::follower::Followed;
use super::state::JournalStateStore;
use super::worker::Request;
use super::{Holds, Metrics, Pace, Parts};
use crate::driver::{Driver, DriverError, Job};
use crate::journal::{Entry, Journal};

const PRUNE_EVERY: Duration = Duration::from_secs(3_600);

pub(super) struct Shared {
    pub(super) host: HostName,
    pub(super) driver: Arc<dyn Driver>,
    pub(super) journal: Journal,
    pub(super) pace: Pace,
    pub(super) holds: Holds,
    pub(super) boot_id: Uuid,
    pub(super) metrics: Metrics,
    /// Ends every task of this agent.
    pub(super) stop: CancellationToken,
    /// An outcome was recorded that has to be reported.
    pub(super) outcome_recorded: Notify,
    clock: Arc<dyn Clock>,
    workers: Mutex<HashMap<ServerUuid, mpsc::Sender<Request>>>,
    moves: Mutex<HashMap<MigrationUuid, Followed>>,
}

impl Shared {
    pub(super) fn new(parts: Parts, journal: Journal) -> Self {
        Self {
            host: parts.host,
            driver: parts.driver,
            journal,
            pace: parts.pace,
            holds: parts.holds,
            boot_id: parts.boot_id,
            metrics: parts.metrics,
            clock: parts.clock,
            stop: CancellationToken::new(),
            outcome_recorded: Notify::new(),
            workers: Mutex::default(),
            moves: Mutex::default(),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs beside everything else until it is done or the agent ends.
    pub(super) fn spawn(self: &Arc<Self>, work: impl Future<Output = ()> + Send + 'static) {
        let stop = self.stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = work => {}
            }
        });
    }

    /// The driver's view of a migration.
    pub(super) fn job(&self, entry: &Entry) -> Job {
        let state = JournalStateStore {
            journal: self.journal.clone(),
            migration: entry.what.migration,
            clock: self.clock.clone(),
        };
        Job::new(entry.what.clone(), Arc::new(state))
    }

    pub(super) async fn inventory(&self) -> Result<Inventory, DriverError> {
        // Before looking: what changes meanwhile is newer than this.
        let observed_at = self.now();
        let facts = self.driver.facts().await?;
        let domains = self.driver.domains().await?;
        Ok(Inventory {
            facts,
            domains,
            observed_at,
        })
    }

    /// Asks the driver what it should be able to say at once.
    pub(super) async fn ask<T>(
        &self,
        question: impl Future<Output = Result<T, DriverError>>,
    ) -> Result<T, DriverError> {
        let limit = self.pace.step_timeout;
        let silent = |_| {
            Err(DriverError::Unavailable(format!(
                "the hypervisor is silent for {limit:?}"
            )))
        };
        let asked = tokio::time::timeout(limit, question).await;
        asked.unwrap_or_else(silent)
    }

    /// Waits for a driver's step; not for ever, and not long once it was told to stop. An error
    /// means that it was given up, and may still have its effect.
    pub(super) async fn limited<T>(
        &self,
        limit: Duration,
        cancel: &CancellationToken,
        step: impl Future<Output = T>,
    ) -> Result<T, DriverError> {
        let cancelled = async {
            cancel.cancelled().await;
            tokio::time::sleep(self.pace.cancel_grace).await;
        };
        tokio::select! {
            biased;
            done = step => Ok(done),
            () = cancelled => Err(DriverError::Cancelled),
            () = tokio::time::sleep(limit) => Err(DriverError::Unavailable(format!(
                "the step took longer than {limit:?}"
            ))),
        }
    }

    /// Counts and logs what came of a step.
    pub(super) fn performed<T: Debug>(
        &self,
        step: &str,
        began: Instant,
        answer: &Result<T, Refusal>,
    ) {
        let result = match answer {
            Ok(_) => "done",
            Err(refusal) if refusal.is_passing() => "unavailable",
            Err(_) => "refused",
        };
        self.metrics.step(step, result, began.elapsed());
        match answer {
            Ok(reply) => tracing::info!(?reply, "done"),
            Err(refusal) => tracing::info!(%refusal, "not done"),
        }
    }

    pub(super) fn workers(&self) -> MutexGuard<'_, HashMap<ServerUuid, mpsc::Sender<Request>>> {
        self.workers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn moves(&self) -> MutexGuard<'_, HashMap<MigrationUuid, Followed>> {
        self.moves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a gauge one higher until it is dropped, also when the agent is.
pub(super) struct Raised(IntGauge);

impl Raised {
    pub(super) fn new(gauge: &IntGauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What a conductor is answered where the driver did not do it.
pub(super) fn refusal(error: DriverError, cancelled: impl FnOnce() -> Refusal) -> Refusal {
    match error {
        DriverError::Failed(failure) => Refusal::Failed(failure),
        DriverError::NoJob => Refusal::NoJob,
        DriverError::TooLate => Refusal::TooLate,
        DriverError::UnknownServer(server) => Refusal::UnknownServer(server),
        DriverError::Unavailable(reason) => Refusal::Unavailable(reason),
        DriverError::Cancelled => cancelled(),
    }
}

/// Who the agent of `host` is to others.
pub(super) fn identity_of(host: &HostName) -> PeerIdentity {
    PeerIdentity::new(Role::Agent, host.as_str())
}

/// Lets the journal forget, now and then.
pub(super) async fn prune(shared: &Shared) {
    let mut ticks = tokio::time::interval(PRUNE_EVERY);
    loop {
        ticks.tick().await;
        let pruned = shared.journal.prune(shared.now(), shared.pace.remember);
        if let Err(error) = pruned.await {
            tracing::warn!(%error, "the journal cannot be pruned");
        }
    }
}
