//! Scheduling a server whose host is dead.
//!
//! Nobody can describe the guest but the database, and nobody can say that it is off but whoever
//! has declared the host dead: silence alone is waited out. So before a destination is chosen,
//! every host that may have the guest is asked once: its source, and wherever a migration led that
//! this evacuation took over from. One of those may have received the guest in the moment in which
//! the source died; one that still waits for it is told not to. After a restore from a backup any
//! host may have it, until it has shown what it has.

use std::collections::BTreeMap;

use godwit_core::discrepancy::DiscrepancyKind;
use godwit_core::event::Event;
use godwit_core::failure::source_not_fenced;
use godwit_core::fence::{self, FenceProof};
use godwit_core::ids::HostName;
use godwit_core::migration::{Placement, StorageMode};
use godwit_core::recovery::{Sighting, Witness};
use godwit_core::resources::Resources;
use godwit_planner::texts;
use godwit_rpc::command::{CheckBoot, RollBack};
use godwit_store::{MigrationRecord, Server};
use serde_json::Value;
use tracing::warn;

use super::{Declined, Offer, Scheduling};
use crate::cleaning;
use crate::effects::Retry;
use crate::steps::Applied;
use crate::testimony::{answers, is_declared_dead, witness};

impl Scheduling<'_> {
    /// Is the evacuation off, or does it have to wait? Then the row knows.
    pub(super) async fn is_off(&self, server: &Server) -> Result<Option<Applied>, Retry> {
        let Self { ctx, record, .. } = self;
        let source = &record.migration.source_compute;
        if answers(ctx, source).await? {
            let applied = self.apply(Event::SourceReturned, Value::Null, None).await?;
            return Ok(Some(applied));
        }
        if !ctx.config.evacuate_silent_hosts && !is_declared_dead(ctx, source).await? {
            let silent = Event::SourceSilent(source_not_fenced(source), ctx.config.fencing_wait);
            warn!(migration = %record.migration.uuid, host = %source, "waiting for its fencing");
            return Ok(Some(self.apply(silent, Value::Null, None).await?));
        }
        if let Some(host) = ctx.store.host_awaited(source).await? {
            let failure = texts::not_shown_since_restore(server.uuid, &host);
            // Agents may have had nobody to show it to.
            if ctx.is_young(ctx.now()) {
                return Err(Retry::because(failure.message));
            }
            return Ok(Some(self.end(failure, &[]).await?));
        }
        for (host, moved_there) in self.elsewhere(server).await? {
            let said = witness(ctx, &host, server.uuid).await?;
            let free = match said {
                Witness::Says(Sighting::Absent | Sighting::Inactive) | Witness::DeclaredDead => {
                    true
                }
                Witness::Says(Sighting::Incoming) => {
                    self.clear(&host, moved_there.as_ref()).await?
                }
                // What was superseded had not begun to execute anything there.
                Witness::Says(Sighting::Unreachable) => !self.was_seen_on(&host).await?,
                Witness::Says(Sighting::HandedOver) => self.handed_over_here(server, &host).await?,
                Witness::Says(Sighting::Executing | Sighting::Moving) => false,
            };
            if !free {
                let failure = texts::may_run_on(server.uuid, &host);
                let causes = format!("{host} says {said:?}");
                let applied = self.end(failure, &[causes.as_str()]).await?;
                return Ok(Some(applied));
            }
        }
        if ctx.store.server_definition(server.uuid).await?.is_none() {
            let failure = texts::no_definition(server.uuid);
            return Ok(Some(self.end(failure, &[]).await?));
        }
        Ok(None)
    }

    /// What proves that the source is dead, now that a destination is about to be given its guest.
    pub(super) async fn fence_proof(&self) -> Result<FenceProof, Retry> {
        let Self { ctx, record, .. } = self;
        let source = &record.migration.source_compute;
        let declared = ctx.store.host_declaration(source).await?;
        let proof = declared.and_then(|declared| {
            let silence_is_proof = ctx.config.evacuate_silent_hosts;
            fence::proof(source, declared, silence_is_proof, ctx.now())
        });
        proof.ok_or_else(|| Retry::because(format!("{source} is not declared dead any more")))
    }

    /// Is what `host` has stopped what a move left there that led to the dead source? Nothing of it
    /// is ever started again.
    async fn handed_over_here(&self, server: &Server, host: &HostName) -> Result<bool, Retry> {
        for leftover in self.ctx.store.leftovers(Some(server.uuid)).await? {
            let subject = &leftover.subject;
            let here = subject.host.as_ref() == Some(host);
            if subject.kind != DiscrepancyKind::SourceNotClean || !here {
                continue;
            }
            if let Some(uuid) = subject.migration
                && let Some(moved) = self.ctx.store.migration_find(uuid).await?
                && moved.migration.destination() == Some(&self.record.migration.source_compute)
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Was the guest last seen executing on `host`, or on its way?
    async fn was_seen_on(&self, host: &HostName) -> Result<bool, Retry> {
        let seen = self
            .ctx
            .store
            .sightings(self.record.migration.server)
            .await?;
        let executing = [
            Sighting::Executing,
            Sighting::Moving,
            Sighting::HandedOver,
            Sighting::Incoming,
        ];
        Ok(seen
            .iter()
            .any(|it| it.host == *host && executing.contains(&it.sighting)))
    }

    /// Where else the guest may be: wherever it was last seen, and where migrations led that did
    /// not end, but were taken over from; with the last one that led there, if one did, and did
    /// not only come from there.
    async fn elsewhere(
        &self,
        server: &Server,
    ) -> Result<BTreeMap<HostName, Option<MigrationRecord>>, Retry> {
        let records = self.ctx.store.migrations_superseded_of(server.uuid).await?;
        let seen = self.ctx.store.sightings(server.uuid).await?;
        let mut hosts: BTreeMap<_, _> = seen.into_iter().map(|it| (it.host, None)).collect();
        for record in records.into_iter().rev() {
            hosts
                .entry(record.migration.source_compute.clone())
                .or_insert(None);
            if let Some(destination) = record.migration.destination().cloned() {
                hosts.insert(destination, Some(record));
            }
        }
        hosts.remove(&self.record.migration.source_compute);
        Ok(hosts)
    }

    /// A host still expects the guest by a move that was taken over from, and whose source may
    /// only seem to be dead. Once the host has cleared that away, it never executes the guest by
    /// that move.
    async fn clear(
        &self,
        host: &HostName,
        moved_there: Option<&MigrationRecord>,
    ) -> Result<bool, Retry> {
        let Some(command) = moved_there.and_then(cleaning::command) else {
            return Ok(false);
        };
        let roll_back = RollBack {
            command,
            resume: false,
        };
        self.agent(host).await?.roll_back(roll_back).await?;
        Ok(true)
    }

    /// The destination's pre-check; nobody else has a say.
    pub(super) async fn ask_to_boot(
        &self,
        host: &HostName,
        server: &Server,
    ) -> Result<Offer, Declined> {
        let definition = self.ctx.store.server_definition(server.uuid).await;
        let definition = definition
            .ok()
            .flatten()
            .ok_or_else(|| Declined::Refused(texts::no_definition(server.uuid)))?;
        let destination = self.agent(host).await;
        let destination = destination.map_err(|error| self.unreachable(host, &error))?;
        let refused = |error| self.refusal(host, error);
        let facts = destination.facts().await.map_err(refused)?;
        let check = CheckBoot {
            migration: self.record.migration.uuid,
            server: server.uuid,
            definition,
        };
        destination.check_boot(check).await.map_err(refused)?;
        let memory_mb = u64::try_from(server.room.memory_mb).unwrap_or_default();
        Ok(Offer {
            room: Resources {
                disk_gb: 0,
                ..server.room
            },
            placement: Placement {
                host: facts.host,
                node: facts.node,
                storage: StorageMode::Shared,
            },
            limits: self.ctx.config.time_limits.of(memory_mb, &[]),
        })
    }
}
