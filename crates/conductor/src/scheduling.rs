//! From an inventory to a destination that both sides agreed to.
//!
//! The planner knows what agents said when they last reported; only a pre-check on both sides
//! tells how it is. So hosts are tried one after the other, the best first, until one agrees
//! and its room can be claimed in the same transaction that places the migration there. Each
//! refusal is kept with its reasons, for the event log.

use std::sync::Arc;

use godwit_core::event::Event;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::fence::FENCE_PROOF;
use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::Because;
use godwit_core::ids::HostName;
use godwit_core::migration::{Limits, Placement, StorageMode};
use godwit_core::resources::Resources;
use godwit_core::server::PowerState;
use godwit_core::status::MigrationKind;
use godwit_facts::gib_ceil;
use godwit_planner::inventory::Target;
use godwit_planner::reason::{self, Reason, Rejected};
use godwit_planner::search::Search;
use godwit_planner::texts;
use godwit_rpc::agent::AgentClient;
use godwit_rpc::command::{CheckDestination, CheckSource};
use godwit_rpc::facts::{HostFacts, reaches};
use godwit_rpc::refusal::{CallError, Refusal};
use godwit_store::{Claim, CommitError, CommitNote, HeldClaim, Lease, MigrationRecord, Server};
use serde_json::json;
use tracing::info;

use crate::cleaning;
use crate::context::{AskError, Context};
use crate::effects::Retry;
use crate::fleet::{Fleet, Fleets};
use crate::steps::Applied;
use crate::testimony::explain;
use crate::translate::move_kind;

mod evacuation;

/// On whose behalf something is placed.
pub(crate) struct Scheduling<'a> {
    pub(crate) ctx: &'a Arc<Context>,
    pub(crate) record: &'a MigrationRecord,
    /// The effect that this performs, if one does.
    pub(crate) performed: Option<Lease>,
    /// How often it was tried in vain.
    pub(crate) attempts: u32,
}

/// A destination that agreed.
struct Offer {
    placement: Placement,
    limits: Limits,
    room: Resources,
}

/// What came in between while a host was asked.
enum NotCommitted {
    /// Somebody else took the room, or the place in its group, with what is missing.
    Taken(Failure, Vec<Reason>),
    /// Nothing is put there any more.
    Disabled(Vec<Because>),
    /// It is held for maintenance by now, by them.
    Held(Vec<String>),
    /// Its cluster, or the source's, takes no part in moves any more.
    Unmanaged(Unmanaged),
}

/// Why a host was not taken.
enum Declined {
    /// Another one may do.
    Refused(Failure),
    /// The source did not answer: no destination would help.
    SourceSilent(String),
}

impl Scheduling<'_> {
    /// Places the migration, or ends the search; either way the row knows. Nothing happens to a
    /// row that changed since it was looked at.
    pub(crate) async fn place(&self) -> Result<Applied, Retry> {
        let Self { ctx, record, .. } = self;
        let migration = &record.migration;
        let found = ctx.store.server_find_with_hardware(migration.server);
        let Some((server, hardware)) = found.await? else {
            let gone = texts::pre_check("the server does not exist any more");
            return self.end(gone, &[]).await;
        };
        match server.power_state {
            PowerState::Running | PowerState::Paused => {}
            // A guest that is off, or whose host is dead, is moved as well.
            _ if migration.kind != MigrationKind::LiveMigration => {}
            state @ (PowerState::NoState
            | PowerState::Shutdown
            | PowerState::Crashed
            | PowerState::Suspended) => {
                return self.end(texts::power_state(server.uuid, state), &[]).await;
            }
        }
        // What an earlier move left of it on a host would keep it from going there.
        cleaning::clean_server(ctx, server.uuid).await?;
        let evacuates = migration.kind == MigrationKind::Evacuation;
        if evacuates && let Some(applied) = self.is_off(&server).await? {
            return Ok(applied);
        }
        let fleet = Fleets::load(ctx)
            .await
            .map_err(|error| Retry::because(explain(&*error)))?;
        let mut need = fleet.need(
            &server,
            &hardware,
            &migration.source_compute,
            &migration.request,
        );
        need.group = ctx.store.server_group_membership(server.uuid).await?;
        need.bind_by(migration.request.affinity());
        let target = Target::of(&migration.request);
        let own = self.own_room().await?;
        let hosts = fleet.hosts(own.as_ref());
        let retries = ctx.config.migrate_max_retries;
        let begun = if evacuates {
            Search::begin_without_source(&hosts, need, &target, retries)
        } else {
            Search::begin(&hosts, need, &target, retries)
        };
        let mut search = match begun {
            Ok(search) => search,
            Err(failure) => return self.give_up(failure, None, &fleet).await,
        };
        loop {
            let host = match search.next_host() {
                Ok(host) => host,
                Err(failure) => return self.give_up(failure, Some(&search), &fleet).await,
            };
            let asked = if evacuates {
                self.ask_to_boot(&host, &server).await
            } else {
                self.ask(&host, &server).await
            };
            match asked {
                Ok(offer) => match self.commit(&host, offer, &fleet, &search).await? {
                    Ok(applied) => return Ok(applied),
                    Err(NotCommitted::Taken(failure, reasons)) => {
                        search.refused_for(host, failure, reasons);
                    }
                    Err(NotCommitted::Held(holders)) => search.held(host, &holders),
                    Err(NotCommitted::Unmanaged(cluster)) => search.unmanaged(host, &cluster),
                    Err(NotCommitted::Disabled(because)) => search.disabled(host, &because),
                },
                Err(Declined::Refused(failure)) => {
                    info!(migration = %migration.uuid, %host, %failure, "a host refused");
                    // Nobody says of a forced destination that it is suitable, or of any that it answers.
                    let answered = failure.code != FailureCode::ComputeServiceUnavailable;
                    if answered && !migration.request.is_forced() {
                        ctx.metrics.refused(&failure);
                    }
                    search.refused(host, failure);
                }
                Err(Declined::SourceSilent(reason)) => {
                    if self.attempts < ctx.config.attempts {
                        return Err(Retry::because(reason));
                    }
                    let failure = texts::service_unavailable(&migration.source_compute);
                    return self.end(failure, &[reason.as_str()]).await;
                }
            }
        }
    }

    /// What is free to it: what it claimed when it was placed before, or what its run holds for it.
    async fn own_room(&self) -> Result<Option<HeldClaim>, Retry> {
        let migration = &self.record.migration;
        if migration.placement.is_some() {
            return Ok(self.ctx.store.claim_find(migration.uuid).await?);
        }
        let held = self.ctx.store.room_held_for(migration.uuid).await?;
        Ok(held.map(|(host, room)| HeldClaim {
            migration: migration.uuid,
            host,
            room,
        }))
    }

    /// No host will do. A conductor that has only just started waits for the agents instead:
    /// they may have had nobody to report to.
    async fn give_up(
        &self,
        failure: Failure,
        search: Option<&Search>,
        fleet: &Fleet,
    ) -> Result<Applied, Retry> {
        let for_want_of_hosts = matches!(
            failure.code,
            FailureCode::NoValidHost | FailureCode::ComputeServiceUnavailable
        );
        let young = self.ctx.is_young(self.ctx.now());
        if for_want_of_hosts && young && fleet.somebody_is_missing() {
            return Err(Retry::because(format!(
                "{}: waiting for agents to report",
                failure.message
            )));
        }
        let failure = self.in_novas_words(failure);
        let rejected = search.map_or(&[][..], Search::rejections);
        let detail = json!(Rejected::of(rejected));
        self.apply(Event::NotPlaced(failure), detail, None)
            .await
            .map_err(Retry::from)
    }

    /// Nova says it differently of cold moves.
    fn in_novas_words(&self, failure: Failure) -> Failure {
        match self.record.migration.kind {
            MigrationKind::Migration | MigrationKind::Resize
                if failure.code == FailureCode::NoValidHost =>
            {
                texts::no_valid_host_for_cold_migrate()
            }
            MigrationKind::Migration
            | MigrationKind::Resize
            | MigrationKind::LiveMigration
            | MigrationKind::Evacuation => failure,
        }
    }

    async fn end(&self, failure: Failure, causes: &[&str]) -> Result<Applied, Retry> {
        let detail = json!({ "causes": causes });
        self.apply(Event::NotPlaced(failure), detail, None)
            .await
            .map_err(Retry::from)
    }

    async fn apply(
        &self,
        event: Event,
        detail: serde_json::Value,
        claim: Option<Claim>,
    ) -> Result<Applied, CommitError> {
        let note = CommitNote {
            claim,
            performed: self.performed,
            ..self.ctx.note(self.record, detail)
        };
        self.ctx.apply_to(self.record, event, note).await
    }

    /// Places it.
    async fn commit(
        &self,
        host: &HostName,
        offer: Offer,
        fleet: &Fleet,
        search: &Search,
    ) -> Result<Result<Applied, NotCommitted>, Retry> {
        let request = &self.record.migration.request;
        let forced = request.is_forced();
        let mut capacity = fleet.capacity_of(host);
        if forced {
            // Nova asks of a forced destination only that it has the memory.
            capacity.vcpus = i64::MAX;
            capacity.disk_gb = i64::MAX;
        }
        let room = offer.room;
        let mut detail = json!({
            "destination": host,
            "storage": offer.placement.storage,
            "rejected": search.rejections(),
        });
        if self.record.migration.kind == MigrationKind::Evacuation {
            detail[FENCE_PROOF] = json!(self.fence_proof().await?);
        }
        let claim = Claim { room, capacity };
        let placed = Event::Placed(offer.placement, offer.limits);
        match self.apply(placed, detail, Some(claim)).await {
            Ok(applied) => Ok(Ok(applied)),
            Err(CommitError::NoRoom { used, capacity, .. }) => {
                let free = capacity.less(used).memory_mb;
                let server = self.record.migration.server;
                let failure = texts::lack_of_memory(server, host, free, room.memory_mb);
                let mut reasons = reason::short_of(host, capacity, used, room);
                if reasons.is_empty() {
                    reasons.push(Reason::from(&failure));
                }
                Ok(Err(NotCommitted::Taken(failure, reasons)))
            }
            Err(CommitError::GroupPolicy { violation, .. }) => {
                let failure = texts::group_policy(&violation);
                let need = search.need();
                let reason = match &need.group {
                    Some(group) => reason::group(host, need, group, &violation),
                    None => Reason::from(&failure),
                };
                Ok(Err(NotCommitted::Taken(failure, vec![reason])))
            }
            Err(CommitError::Disabled { because, .. }) => Ok(Err(NotCommitted::Disabled(because))),
            Err(CommitError::InMaintenance { holders, .. }) => Ok(Err(NotCommitted::Held(holders))),
            Err(CommitError::Unmanaged { cluster, .. }) => {
                Ok(Err(NotCommitted::Unmanaged(cluster)))
            }
            Err(error) => Err(Retry::from(error)),
        }
    }

    async fn ask(&self, host: &HostName, server: &Server) -> Result<Offer, Declined> {
        let migration = &self.record.migration;
        let silent = |error: &dyn std::error::Error| Declined::SourceSilent(explain(error));
        let source = self.agent(&migration.source_compute).await;
        let source = source.map_err(|error| silent(&error))?;
        let source_facts = source.facts().await.map_err(|error| silent(&error))?;
        let destination = self.agent(host).await;
        let destination = destination.map_err(|error| self.unreachable(host, &error))?;
        let facts = destination
            .facts()
            .await
            .map_err(|error| self.refusal(host, error))?;
        let check = CheckSource {
            migration: migration.uuid,
            server: server.uuid,
            kind: move_kind(migration.kind),
            block_migration: migration.request.block_migration(),
            destination: facts.clone(),
        };
        let movable = match source.check_source(check).await {
            Ok(movable) => movable,
            Err(error) if error.is_passing() => return Err(silent(&error)),
            Err(error) => return Err(self.refusal(&migration.source_compute, error)),
        };
        let check = CheckDestination {
            migration: migration.uuid,
            guest: movable.guest.clone(),
            source: source_facts,
            storage: movable.storage,
            disk_over_commit: migration.request.disk_over_commit(),
        };
        destination
            .check_destination(check)
            .await
            .map_err(|error| self.refusal(host, error))?;
        Ok(self.offer(facts, &movable, server))
    }

    async fn agent(&self, host: &HostName) -> Result<AgentClient, AskError> {
        self.ctx.agent(host).await
    }

    fn offer(
        &self,
        facts: HostFacts,
        movable: &godwit_rpc::command::Movable,
        server: &Server,
    ) -> Offer {
        let reached = |pool: &str| reaches(&facts.pools, pool);
        let copied: Vec<u64> = match movable.storage {
            StorageMode::Shared => Vec::new(),
            StorageMode::Copied => movable
                .guest
                .disks_to_copy(reached)
                .map(|disk| disk.allocated_bytes)
                .collect(),
        };
        let memory_mb = u64::try_from(server.room.memory_mb).unwrap_or_default();
        Offer {
            room: Resources {
                disk_gb: gib_ceil(copied.iter().sum()),
                ..server.room
            },
            placement: Placement {
                host: facts.host,
                node: facts.node,
                storage: movable.storage,
            },
            limits: self.ctx.config.time_limits.of(memory_mb, &copied),
        }
    }

    /// What an answer, or none, says of the candidate `host`.
    fn refusal(&self, host: &HostName, error: CallError) -> Declined {
        match error {
            CallError::Refused(Refusal::Failed(failure)) => Declined::Refused(failure),
            CallError::Refused(refusal) if !refusal.is_passing() => {
                Declined::Refused(texts::pre_check(&refusal.to_string()))
            }
            error => self.unreachable(host, &error),
        }
    }

    fn unreachable(&self, host: &HostName, error: &dyn std::error::Error) -> Declined {
        let failure = texts::service_unavailable(host);
        let message = format!("{} ({})", failure.message, explain(error));
        let request = &self.record.migration.request;
        Declined::Refused(if request.is_forced() {
            failure
        } else {
            Failure::new(FailureCode::ComputeServiceUnavailable, message)
        })
    }
}
