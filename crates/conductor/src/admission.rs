//! From `queued` to `preparing`, as slots become free.
//!
//! The planner says whose turn it is; the slots themselves are taken in the transaction that
//! moves the row on, so two conductors that look at the same queue cannot both give away the
//! last one. A destination that was chosen an hour ago may not be fit any more: it is looked at
//! again, and another one is chosen where nobody named it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use godwit_core::event::Event;
use godwit_core::failure::Failure;
use godwit_core::ids::MigrationUuid;
use godwit_core::migration::Intent;
use godwit_planner::admission::{Waiting, admit};
use godwit_planner::candidates::{Verdict, candidates};
use godwit_planner::inventory::Target;
use godwit_planner::reason::Rejection;
use godwit_planner::search::Search;
use godwit_planner::texts;
use godwit_store::{Actor, CommitError, CommitNote, Disk, MigrationRecord, Server, StoreError};
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::context::Context;
use crate::fleet::Fleet;
use crate::scheduling::Scheduling;

/// Those for which another destination is being looked for by this conductor.
type Searching = Arc<Mutex<HashSet<MigrationUuid>>>;

pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let searching = Searching::default();
    let mut searches = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            () = ctx.wake.admission(ctx.config.poll_interval) => {}
        }
        while searches.try_join_next().is_some() {}
        if let Err(error) = look(ctx, &searching, &mut searches).await {
            warn!(%error, "the queue could not be looked at");
        }
    }
    searches.shutdown().await;
}

async fn look(
    ctx: &Arc<Context>,
    searching: &Searching,
    searches: &mut JoinSet<()>,
) -> Result<(), CommitError> {
    let queued = ctx.store.migrations_queued().await?;
    let waiting: Vec<Waiting<usize>> = queued
        .iter()
        .enumerate()
        .filter(|(_, record)| record.migration.intent != Some(Intent::Abort))
        .filter_map(|(id, record)| {
            Some(Waiting {
                id,
                source: record.migration.source_compute.clone(),
                destination: record.migration.dest_compute.clone()?,
            })
        })
        .collect();
    if waiting.is_empty() {
        return Ok(());
    }
    let fleet = Fleet::load(ctx).await?;
    for id in admit(&waiting, fleet.slots.clone(), ctx.config.slots.limits()) {
        let record = &queued[id];
        match fitness(ctx, &fleet, record).await? {
            Fitness::Fit => begin(ctx, record).await?,
            Fitness::Unfit { rejected, .. }
                if Target::of(&record.migration.request) == Target::Any =>
            {
                search(ctx, searching, searches, record.clone(), &rejected);
            }
            Fitness::Unfit { rejected, failure } => {
                let note = CommitNote {
                    request_id: record.request_id.clone(),
                    detail: json!({ "rejected": rejected }),
                    ..CommitNote::new(Actor::Conductor, ctx.now())
                };
                ctx.apply_to(record, Event::NotPlaced(failure), note)
                    .await?;
            }
            Fitness::Unknown => {}
        }
    }
    Ok(())
}

enum Fitness {
    Fit,
    Unfit {
        rejected: Vec<Rejection>,
        failure: Failure,
    },
    /// Agents are missing, and this conductor is too young to hold that against them.
    Unknown,
}

async fn fitness(
    ctx: &Context,
    fleet: &Fleet,
    record: &MigrationRecord,
) -> Result<Fitness, StoreError> {
    let migration = &record.migration;
    let found = ctx.store.server_find_with_hardware(migration.server);
    let Some((server, hardware)) = found.await? else {
        return Ok(Fitness::Unfit {
            rejected: Vec::new(),
            failure: texts::pre_check("the server does not exist any more"),
        });
    };
    let fitness = fit_now(ctx, fleet, record, &server, &hardware.disks);
    let unfit = matches!(fitness, Fitness::Unfit { .. });
    if unfit && ctx.is_young(ctx.now()) && fleet.somebody_is_missing(ctx) {
        return Ok(Fitness::Unknown);
    }
    Ok(fitness)
}

fn fit_now(
    ctx: &Context,
    fleet: &Fleet,
    record: &MigrationRecord,
    server: &Server,
    disks: &[Disk],
) -> Fitness {
    let migration = &record.migration;
    let hosts = fleet.hosts(ctx, migration.uuid);
    let need = fleet.need(server, disks, &migration.source_compute, &migration.request);
    let target = Target::of(&migration.request);
    // Its own checks are those of a source and, where forced, of the destination.
    if let Err(failure) = Search::begin(&hosts, need.clone(), &target, None) {
        return Fitness::Unfit {
            rejected: Vec::new(),
            failure,
        };
    }
    if matches!(target, Target::Forced(_)) {
        return Fitness::Fit;
    }
    let chosen = candidates(&hosts, &need, &target)
        .into_iter()
        .find(|candidate| Some(&candidate.host) == migration.dest_compute.as_ref());
    let rejected = match chosen {
        Some(candidate) => match candidate.verdict {
            Verdict::Fits(_) => return Fitness::Fit,
            Verdict::Rejected(reasons) => vec![Rejection {
                host: candidate.host,
                reasons,
            }],
        },
        None => Vec::new(),
    };
    Fitness::Unfit {
        rejected,
        failure: texts::no_valid_host(),
    }
}

async fn begin(ctx: &Context, record: &MigrationRecord) -> Result<(), CommitError> {
    let note = CommitNote {
        request_id: record.request_id.clone(),
        slots: Some(ctx.config.slots.limits()),
        ..CommitNote::new(Actor::Conductor, ctx.now())
    };
    match ctx.apply_to(record, Event::Admitted, note).await {
        Ok(_) => Ok(()),
        Err(CommitError::NoSlot { host, role }) => {
            info!(migration = %record.migration.uuid, %host, %role, "another took the slot");
            Ok(())
        }
        Err(error) => Err(error),
    }
}

/// Looks for another destination beside the queue, which must not wait for slow hosts.
fn search(
    ctx: &Arc<Context>,
    searching: &Searching,
    searches: &mut JoinSet<()>,
    record: MigrationRecord,
    rejected: &[Rejection],
) {
    let uuid = record.migration.uuid;
    let full = searches.len() >= ctx.config.effects_at_once.get();
    let lock = |searching: &Searching| {
        let mut set = searching.lock().unwrap_or_else(PoisonError::into_inner);
        set.insert(uuid)
    };
    if full || !lock(searching) {
        return;
    }
    info!(migration = %uuid, ?rejected, "the chosen destination is not fit any more");
    let (ctx, searching) = (Arc::clone(ctx), Arc::clone(searching));
    searches.spawn(async move {
        let scheduling = Scheduling {
            ctx: &ctx,
            record: &record,
            performed: None,
            attempts: ctx.config.attempts,
        };
        if let Err(retry) = scheduling.place().await {
            warn!(migration = %uuid, reason = retry.reason, "no other destination yet");
        }
        let mut set = searching.lock().unwrap_or_else(PoisonError::into_inner);
        set.remove(&uuid);
    });
}
