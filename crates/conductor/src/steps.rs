//! Applying events: through the store, with everything that wants to know about it told.

use godwit_core::event::Event;
use godwit_core::ids::MigrationUuid;
use godwit_store::{CommitError, CommitNote, Lease, MigrationRecord, StepError, Stepped};
use tracing::{debug, info, warn};

use crate::context::Context;

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Applied {
    /// It is written, with all that follows from it.
    Yes,
    /// It does not apply any more (or never did): reports come late and twice. Nothing changed.
    No,
}

impl Context {
    /// Applies an event to whatever the row is now.
    pub(crate) async fn apply(
        &self,
        migration: MigrationUuid,
        event: Event,
        note: CommitNote,
    ) -> Result<Applied, CommitError> {
        let (name, performed) = (event.name(), note.performed);
        let stepped = self.store.migration_apply(migration, event, note).await;
        self.told(migration, (name, performed), stepped)
    }

    /// Applies an event that was concluded from `seen`, unless the row changed since.
    pub(crate) async fn apply_to(
        &self,
        seen: &MigrationRecord,
        event: Event,
        note: CommitNote,
    ) -> Result<Applied, CommitError> {
        let (name, performed) = (event.name(), note.performed);
        let generation = seen.migration.generation;
        let decide = move |record: &MigrationRecord, _: &_| {
            if record.migration.generation == generation {
                Ok(event.clone())
            } else {
                Err(Changed)
            }
        };
        let uuid = seen.migration.uuid;
        let stepped = self.store.migration_step(uuid, note, decide).await;
        self.told(uuid, (name, performed), stepped)
    }

    fn told<E>(
        &self,
        migration: MigrationUuid,
        (event, performed): (&'static str, Option<Lease>),
        stepped: Result<Stepped, StepError<E>>,
    ) -> Result<Applied, CommitError> {
        match stepped {
            Ok(stepped) => {
                if let Some(lease) = performed {
                    self.leases.tick_off(lease);
                }
                self.observe(event, &stepped);
                Ok(Applied::Yes)
            }
            Err(StepError::Rejected(rejected)) => {
                debug!(%migration, event, %rejected, "the event does not apply");
                Ok(Applied::No)
            }
            Err(StepError::Refused(_) | StepError::NotFound) => {
                debug!(%migration, event, "the migration is not what it was");
                Ok(Applied::No)
            }
            Err(StepError::Commit(error)) => Err(error),
        }
    }

    fn observe(&self, event: &'static str, stepped: &Stepped) {
        let Stepped {
            before,
            record,
            transition,
        } = stepped;
        let (from, to) = (before.migration.status(), record.migration.status());
        info!(
            migration = %record.migration.uuid,
            server = %record.migration.server,
            request_id = record.request_id.as_deref(),
            event,
            %from,
            %to,
            effects = ?transition.effects,
            failure = record.migration.failure.as_ref().map(tracing::field::display),
            "migration stepped"
        );
        if let Some(kind) = transition.discrepancy {
            warn!(
                %kind,
                migration = %record.migration.uuid,
                server = %record.migration.server,
                host = record.dest_compute.as_ref().map(tracing::field::display),
                "a discrepancy opened"
            );
        }
        self.metrics.stepped(before, record);
        self.wake.wake();
    }
}

/// The row is not what the event was concluded from.
struct Changed;
