//! Applying events: through the store, with everything that wants to know about it told.
//!
//! What is committed is told, even if whoever asked for it is dropped meanwhile: a commit can be
//! the very reason why the lease under which it was made is found lost a moment later.

use std::sync::Arc;

use godwit_core::event::Event;
use godwit_core::ids::MigrationUuid;
use godwit_core::status::MigrationStatus;
use godwit_store::{CommitError, CommitNote, Lease, MigrationRecord, StepError, Stepped};
use tracing::{Instrument as _, debug, info, warn};

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
        self: &Arc<Self>,
        migration: MigrationUuid,
        event: Event,
        note: CommitNote,
    ) -> Result<Applied, CommitError> {
        self.apply_if(migration, event, note, |_| true).await
    }

    /// Applies an event that was concluded from `seen`, unless the row changed since.
    pub(crate) async fn apply_to(
        self: &Arc<Self>,
        seen: &MigrationRecord,
        event: Event,
        note: CommitNote,
    ) -> Result<Applied, CommitError> {
        let generation = seen.migration.generation;
        let unchanged = move |record: &MigrationRecord| record.migration.generation == generation;
        self.apply_if(seen.migration.uuid, event, note, unchanged)
            .await
    }

    async fn apply_if(
        self: &Arc<Self>,
        migration: MigrationUuid,
        event: Event,
        note: CommitNote,
        condition: impl Fn(&MigrationRecord) -> bool + Send + 'static,
    ) -> Result<Applied, CommitError> {
        let ctx = Arc::clone(self);
        let task = async move {
            let (name, performed) = (event.name(), note.performed);
            let decide = move |record: &MigrationRecord, _: &_| {
                condition(record).then(|| event.clone()).ok_or(Changed)
            };
            let stepped = ctx.store.migration_step(migration, note, decide).await;
            ctx.told(migration, (name, performed), stepped)
        };
        match tokio::spawn(task.in_current_span()).await {
            Ok(applied) => applied,
            Err(ended) => match ended.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // Only with the runtime, and then whoever waits here ends as well.
                Err(_) => std::future::pending().await,
            },
        }
    }

    fn told(
        &self,
        migration: MigrationUuid,
        (event, performed): (&'static str, Option<Lease>),
        stepped: Result<Stepped, StepError<Changed>>,
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
            Err(StepError::Refused(Changed) | StepError::NotFound) => {
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
        if to.is_terminal() || to == MigrationStatus::Finished {
            self.wake.runs();
        }
    }
}

/// The row is not what the event was concluded from.
struct Changed;

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use godwit_core::failure::{Failure, FailureCode};
    use godwit_core::recovery::Sighting;
    use godwit_rpc::agent::AgentPool;
    use godwit_rpc::facts::Inventory;
    use godwit_rpc::identity::{PeerIdentity, Role};
    use godwit_rpc::transport::{LocalNetwork, Transport};
    use godwit_store::{Actor, Store, StoreOptions};
    use godwit_test_support::clock::SystemClock;
    use godwit_test_support::fleet::rpc::{domain, facts};
    use godwit_test_support::fleet::store::new_migration;
    use godwit_test_support::fleet::{SERVER, anywhere, at, host, named, uuid};
    use godwit_test_support::{database_directory, wait_for};

    use super::*;
    use crate::conductor::{Conductor, Parts};
    use crate::config::Config;
    use crate::reconcile;
    use crate::wake::Wake;

    async fn context(url: &str) -> Arc<Context> {
        Store::upgrade(url, &StoreOptions::default()).await.unwrap();
        let identity = PeerIdentity::new(Role::Conductor, "conductor");
        let transport = Transport::Local(LocalNetwork::new(), identity);
        let config = Config::default();
        let parts = Parts {
            name: named("conductor"),
            store: Store::open(url, StoreOptions::default()).await.unwrap(),
            agents: Arc::new(AgentPool::new(transport, config.calls)),
            clock: Arc::new(SystemClock),
            jitter: Arc::new(|| 0.5),
            ids: Arc::new(|| uuid("id", "any")),
            config,
            wake: Wake::default(),
        };
        Conductor::new(parts, &prometheus::Registry::new())
            .unwrap()
            .ctx
    }

    #[tokio::test]
    async fn what_is_committed_is_told_though_nobody_waits_for_it() {
        let directory = database_directory().unwrap();
        let url = format!("sqlite://{}/godwit.db", directory.path().display());
        let ctx = context(&url).await;
        let inventory = Inventory {
            facts: facts(&host(1)),
            domains: vec![domain(SERVER, Sighting::Executing)],
            observed_at: at(1),
        };
        reconcile::take(&ctx, &inventory, at(1)).await.unwrap();
        let new = new_migration(1, anywhere(), at(2));
        let begun = ctx
            .store
            .server_begin_live_migration(new, |_| Ok::<_, ()>(()))
            .await
            .unwrap();

        let failure = Failure::new(FailureCode::NoValidHost, "none");
        let note = CommitNote::new(Actor::Conductor, at(3));
        let uuid = begun.migration.uuid;
        // Asked once and dropped, as an effect is whose lease is found lost.
        let asked = ctx
            .apply(uuid, Event::NotPlaced(failure), note)
            .now_or_never();
        assert!(asked.is_none());
        wait_for(
            "the end to be counted",
            std::time::Duration::from_secs(60),
            async || {
                let labels = [begun.migration.kind.as_str(), "error"];
                Ok((ctx.metrics.ended.with_label_values(&labels).get() == 1).then_some(()))
            },
        )
        .await
        .unwrap();
    }
}
