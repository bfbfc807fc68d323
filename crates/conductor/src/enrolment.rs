//! What agents call: register, beat, report.
//!
//! That an agent speaks only for its own host, the RPC layer has proven. What it may say of a
//! migration is checked here, against the row.

use std::sync::Arc;

use async_trait::async_trait;
use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::migration::Migration;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::transition;
use godwit_rpc::conductor::Conductor;
use godwit_rpc::enrolment::{Heard, Heartbeat, Registered, Registration, Report};
use godwit_rpc::facts::Inventory;
use godwit_rpc::identity::PeerIdentity;
use godwit_rpc::progress::Outcome;
use godwit_rpc::refusal::Refusal;
use godwit_store::{Actor, CommitError, CommitNote, StoreError};
use serde_json::json;
use tracing::{info, warn};

use crate::context::Context;
use crate::evacuated;
use crate::reconcile;
use crate::translate;

pub(crate) struct Enrolment {
    pub(crate) ctx: Arc<Context>,
}

/// What an agent's word of the end of a move is to the state machine.
pub(crate) fn event_of(kind: MigrationKind, outcome: Outcome) -> Event {
    let off = match kind {
        MigrationKind::Migration | MigrationKind::Resize => true,
        MigrationKind::LiveMigration | MigrationKind::Evacuation => false,
    };
    match outcome {
        Outcome::HandedOver => Event::HandedOver,
        Outcome::Stopped => Event::SourceStopped,
        // A guest that is off on purpose is not lost, and whatever stopped the move, its
        // source takes it back.
        Outcome::Cancelled if off => Event::MoveFailed(Failure::new(
            FailureCode::Interrupted,
            "The move was cancelled at the source.",
        )),
        Outcome::Lost(failure) if off => Event::MoveFailed(failure),
        Outcome::Cancelled => Event::MoveCancelled,
        Outcome::Failed(failure) => Event::MoveFailed(failure),
        Outcome::Lost(failure) => Event::GuestLost(failure),
    }
}

/// May `host` say so? How a move ended is the source's to tell; of a destination only the good
/// news counts, that the guest executes there.
fn may_tell(host: &HostName, migration: &Migration, outcome: &Outcome) -> bool {
    if *host == migration.source_compute {
        return true;
    }
    migration.destination() == Some(host) && matches!(outcome, Outcome::HandedOver)
}

#[async_trait]
impl Conductor for Enrolment {
    async fn register(
        &self,
        peer: &PeerIdentity,
        registration: Registration,
    ) -> Result<Registered, Refusal> {
        let ctx = &self.ctx;
        let now = ctx.now();
        let host = registration.inventory.facts.host.clone();
        let rows = translate::registration(&registration, &ctx.config.zone, || (ctx.ids)(), now);
        let (_, anew) = ctx.store.host_register(rows).await.map_err(unavailable)?;
        info!(%host, %peer, anew, address = registration.agent_address, "an agent registered");
        self.take(&registration.inventory).await?;
        evacuated::returned(ctx, &host)
            .await
            .map_err(not_committed)?;
        let unfinished = ctx.store.migrations_unfinished_on(&host).await;
        let completed = self.completed(&host, &registration.unsettled).await?;
        ctx.wake.wake();
        Ok(Registered {
            unfinished: unfinished
                .map_err(unavailable)?
                .into_iter()
                .map(|record| record.migration.uuid)
                .collect(),
            completed,
            heartbeat_interval: ctx.config.report_interval,
        })
    }

    async fn heartbeat(&self, _: &PeerIdentity, heartbeat: Heartbeat) -> Result<Heard, Refusal> {
        let Heartbeat {
            host,
            boot_id,
            inventory,
        } = heartbeat;
        let (store, now) = (&self.ctx.store, self.ctx.now());
        let known = store.host_heartbeat(&host, boot_id, now).await;
        let registered = known.map_err(unavailable)?;
        if registered && let Some(inventory) = &inventory {
            self.take(inventory).await?;
        }
        Ok(Heard { registered })
    }

    async fn report(&self, peer: &PeerIdentity, report: Report) -> Result<(), Refusal> {
        let Report {
            host,
            migration,
            sequence,
            ended,
            at,
        } = report;
        let ctx = &self.ctx;
        let found = ctx.store.migration_find(migration).await;
        let record = found
            .map_err(unavailable)?
            .ok_or(Refusal::UnknownMigration(migration))?;
        if !may_tell(&host, &record.migration, &ended.outcome) {
            warn!(%peer, %migration, outcome = ended.outcome.as_str(), "a report was refused");
            return Err(Refusal::Forbidden(format!(
                "{host} cannot say {} of migration {migration}",
                ended.outcome.as_str()
            )));
        }
        let now = ctx.now();
        let event = event_of(record.migration.kind, ended.outcome);
        // Whoever follows the move has nearly always been told before. An event that no longer
        // applies is no news, and that is as durable as it gets.
        if transition::step(&record.migration, &event, now).is_err() {
            return Ok(());
        }
        ctx.progress.forget(migration);
        let note = CommitNote {
            progress: ended.progress.as_ref().map(translate::progress),
            request_id: record.request_id.clone(),
            detail: json!({ "reported_by": host, "sequence": sequence, "seen_at": at }),
            ..CommitNote::new(Actor::Agent(host), now)
        };
        let applied = ctx.apply(migration, event, note).await;
        applied.map(drop).map_err(not_committed)
    }
}

impl Enrolment {
    /// Those of `host`'s migrations that ended with the guest on its destination.
    async fn completed(
        &self,
        host: &HostName,
        unsettled: &[MigrationUuid],
    ) -> Result<Vec<MigrationUuid>, Refusal> {
        let mut completed = vec![];
        for uuid in unsettled {
            let found = self.ctx.store.migration_find(*uuid).await;
            let migration = found.map_err(unavailable)?.map(|record| record.migration);
            let done = migration.is_some_and(|it| {
                let theirs = it.source_compute == *host || it.destination() == Some(host);
                let at_destination =
                    [MigrationStatus::Completed, MigrationStatus::Confirmed].contains(&it.status());
                theirs && at_destination
            });
            if done {
                completed.push(*uuid);
            }
        }
        Ok(completed)
    }

    async fn take(&self, inventory: &Inventory) -> Result<(), Refusal> {
        // An agent's clock may be ahead, and what it saw is no newer than now.
        let seen = inventory.observed_at.min(self.ctx.now());
        let taken = reconcile::take(&self.ctx, inventory, seen).await;
        taken.map_err(unavailable)
    }
}

fn unavailable(error: StoreError) -> Refusal {
    warn!(%error, "an agent could not be served");
    Refusal::Unavailable(error.to_string())
}

fn not_committed(error: CommitError) -> Refusal {
    warn!(%error, "what an agent told could not be written");
    Refusal::Unavailable(error.to_string())
}

#[cfg(test)]
mod tests {
    use godwit_core::migration::{Limits, LiveRequest, Placement, Request, StorageMode};
    use godwit_test_support::fleet::{MIGRATION, SERVER, named};

    use super::*;

    fn migration() -> Migration {
        Migration {
            uuid: MIGRATION,
            server: SERVER,
            kind: MigrationKind::LiveMigration,
            phase: godwit_core::live::Phase::Running.into(),
            intent: None,
            request: Request::Live(LiveRequest::anywhere()),
            source_compute: named("source"),
            placement: Some(Placement {
                host: named("destination"),
                node: "destination.node".to_owned(),
                storage: StorageMode::Shared,
            }),
            limits: Limits::default(),
            deadline: None,
            failure: None,
            generation: 1,
            effect_sequence: 1,
        }
    }

    #[test]
    fn only_those_who_can_know_are_heard() {
        let failure = Failure::new(FailureCode::HypervisorError, "It broke.");
        let outcomes = [
            Outcome::HandedOver,
            Outcome::Cancelled,
            Outcome::Failed(failure.clone()),
            Outcome::Lost(failure),
        ];
        let heard = |name: &str| {
            outcomes
                .each_ref()
                .map(|outcome| may_tell(&named(name), &migration(), outcome))
        };
        assert_eq!(heard("source"), [true; 4]);
        assert_eq!(heard("destination"), [true, false, false, false]);
        assert_eq!(heard("another"), [false; 4]);
    }
}
