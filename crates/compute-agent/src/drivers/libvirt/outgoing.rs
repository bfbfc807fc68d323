//! Moves that leave this host, as far as this process knows them.
//!
//! ```text
//!   libvirt's call ── returns ──►┐
//!   libvirt's events ───────────►├─ OutgoingMigration ◄── looks at the domain, by `progress`
//! ```
//!
//! That is a memory, not the truth: what it does not know, the domain itself is asked.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use godwit_core::failure::Failure;
use godwit_core::ids::MigrationUuid;
use godwit_rpc::progress::Ended;
use tokio::sync::Notify;
use uuid::Uuid;

use super::sys::{DomainEvent, JobKind, JobStatistics, Operation};
use crate::driver::Job;

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Call {
    /// An earlier process made it; how it ends we do not hear.
    NotOurs,
    UnderWay,
    HandedOver,
    Cancelled,
    /// It failed, and libvirt says that the guest stayed.
    Failed(Failure),
    /// It failed so that it does not say where the guest is.
    Unheard(Failure),
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Known {
    pub(super) call: Call,
    /// The guest executes at the destination while its memory follows.
    pub(super) post_copy: bool,
    /// The destination's libvirt, if this process made the call.
    pub(super) connects_to: Option<String>,
    pub(super) abort_asked: bool,
    pub(super) last: JobStatistics,
    /// The final ones, once libvirt has said that the job completed.
    pub(super) completed: Option<JobStatistics>,
    pub(super) ended: Option<Ended>,
}

pub(super) struct OutgoingMigration {
    migration: MigrationUuid,
    known: Mutex<Known>,
    changed: Notify,
}

impl OutgoingMigration {
    fn new(migration: MigrationUuid, call: Call) -> Self {
        Self {
            migration,
            known: Mutex::new(Known {
                call,
                post_copy: false,
                connects_to: None,
                abort_asked: false,
                last: JobStatistics::default(),
                completed: None,
                ended: None,
            }),
            changed: Notify::new(),
        }
    }

    pub(super) fn known(&self) -> Known {
        self.lock().clone()
    }

    pub(super) fn learn(&self, learn: impl FnOnce(&mut Known)) {
        learn(&mut self.lock());
        self.changed.notify_waiters();
    }

    /// Waits until `enough` is known. Whoever waits sees to a deadline.
    pub(super) async fn until(&self, enough: impl Fn(&Known) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if enough(&self.lock()) {
                return;
            }
            changed.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All moves that leave this host, by guest. Cheap to clone.
#[derive(Clone, Default)]
pub(super) struct OutgoingMigrations(Arc<Mutex<HashMap<Uuid, Arc<OutgoingMigration>>>>);

impl OutgoingMigrations {
    /// That of a job, when this process has one.
    pub(super) fn of(&self, job: &Job) -> Option<Arc<OutgoingMigration>> {
        let outgoing = self.get(job.what.server.0)?;
        (outgoing.migration == job.what.migration).then_some(outgoing)
    }

    /// A new one, in the place of an older one of the same guest.
    pub(super) fn begin(&self, job: &Job, call: Call) -> Arc<OutgoingMigration> {
        let outgoing = Arc::new(OutgoingMigration::new(job.what.migration, call));
        self.lock().insert(job.what.server.0, Arc::clone(&outgoing));
        outgoing
    }

    /// The job is finished or rolled back.
    pub(super) fn forget(&self, job: &Job) {
        if self.of(job).is_some() {
            self.lock().remove(&job.what.server.0);
        }
    }

    pub(super) fn observe(&self, event: &DomainEvent) {
        match event {
            DomainEvent::LeftByPostCopy(domain) => {
                self.learn(*domain, |known| known.post_copy = true);
            }
            DomainEvent::JobCompleted { domain, job }
                if job.kind == JobKind::Completed && job.operation == Operation::MigrationOut =>
            {
                self.learn(*domain, |known| known.completed = Some(job.statistics));
            }
            DomainEvent::Iteration { domain, iteration } => {
                tracing::debug!(server = %domain, iteration, "memory is gone over again");
            }
            DomainEvent::Changed | DomainEvent::JobCompleted { .. } | DomainEvent::Closed => {}
        }
    }

    fn learn(&self, domain: Uuid, learn: impl FnOnce(&mut Known)) {
        if let Some(outgoing) = self.get(domain) {
            outgoing.learn(learn);
        }
    }

    fn get(&self, domain: Uuid) -> Option<Arc<OutgoingMigration>> {
        self.lock().get(&domain).map(Arc::clone)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Arc<OutgoingMigration>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
