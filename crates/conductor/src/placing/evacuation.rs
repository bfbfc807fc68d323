//! Placing a server whose host is dead.
//!
//! Nobody can describe the guest but the database, and nobody can say that it is off but its
//! silence. So before a destination is chosen, every host that may have the guest is asked once:
//! its source, and wherever a migration led that this evacuation took over from. One of those may
//! have received the guest in the moment in which the source died; one that still waits for it is
//! told not to.

use std::collections::BTreeMap;

use godwit_core::event::Event;
use godwit_core::ids::HostName;
use godwit_core::migration::{Placement, StorageMode};
use godwit_core::recovery::Sighting;
use godwit_planner::texts;
use godwit_rpc::command::{CheckBoot, Command, Move, Rank, RollBack};
use godwit_store::{MigrationRecord, Room, Server};
use serde_json::Value;

use super::{Declined, Offer, Placing};
use crate::effects::Again;
use crate::steps::Applied;
use crate::testimony::{answers, ask};
use crate::translate::move_kind;

impl Placing<'_> {
    /// Is the evacuation off? Then the row knows.
    pub(super) async fn is_off(&self, server: &Server) -> Result<Option<Applied>, Again> {
        let Self { ctx, record, .. } = self;
        let source = &record.migration.source_compute;
        if answers(ctx, source).await? {
            let applied = self.apply(Event::SourceReturned, Value::Null, None).await?;
            return Ok(Some(applied));
        }
        for (host, moved_there) in self.elsewhere(server).await? {
            let said = ask(ctx, &host, server.uuid).await?;
            let free = match said {
                Sighting::Absent | Sighting::Inactive => true,
                Sighting::Incoming => self.clear(&host, moved_there.as_ref()).await?,
                // As dead as the source, by the same signs.
                Sighting::Unreachable => match ctx.store.host_find(&host).await? {
                    Some(known) => !ctx.is_up(&known, ctx.now()),
                    None => true,
                },
                Sighting::Executing | Sighting::Moving | Sighting::HandedOver => false,
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

    /// Where migrations led that did not end, but were taken over from; with the last one that
    /// led there, if one did, and did not only come from there.
    async fn elsewhere(
        &self,
        server: &Server,
    ) -> Result<BTreeMap<HostName, Option<MigrationRecord>>, Again> {
        let records = self.ctx.store.migrations_superseded_of(server.uuid).await?;
        let mut hosts = BTreeMap::new();
        for record in records.into_iter().rev() {
            hosts
                .entry(record.migration.source_compute.clone())
                .or_insert(None);
            if let Some(destination) = record.migration.dest_compute.clone() {
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
    ) -> Result<bool, Again> {
        let Some(MigrationRecord { migration, .. }) = moved_there else {
            return Ok(false);
        };
        let storage = migration
            .storage
            .ok_or_else(|| Again::because("the migration has no storage mode"))?;
        let command = Command {
            what: Move {
                migration: migration.uuid,
                kind: move_kind(migration.kind),
                server: migration.server,
                source: migration.source_compute.clone(),
                destination: host.clone(),
                storage,
            },
            // After all that the migration ever asked for.
            rank: Rank {
                sequence: migration.effect_sequence.saturating_add(1),
                epoch: self.performed.map_or(1, |lease| lease.epoch),
            },
            request_id: self.record.request_id.clone(),
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
            room: Room {
                disk_gb: 0,
                ..server.room
            },
            placement: Placement {
                host: facts.host,
                node: facts.node,
                storage: StorageMode::Shared,
                limits: self.ctx.config.time_limits.of(memory_mb, &[]),
            },
        })
    }
}
