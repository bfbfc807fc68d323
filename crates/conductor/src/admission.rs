//! From `queued` to `preparing`, as links become free.
//!
//! The planner says whose turn it is; slots and shares of links are taken in the transaction that
//! moves the row on, so two conductors that look at the same queue cannot both give away the
//! last one. A destination that was chosen an hour ago may not be fit any more: it is looked at
//! again, and another one is chosen where nobody named it.

mod turn;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use godwit_core::event::Event;
use godwit_core::failure::Failure;
use godwit_core::ids::{HostName, MigrationUuid};
use godwit_core::migration::Migration;
use godwit_core::slots::LinkShare;
use godwit_core::status::MigrationStatus;
use godwit_planner::candidates::candidates;
use godwit_planner::inventory::{Host, Target};
use godwit_planner::reason::{Rejected, Rejection};
use godwit_planner::search::Search;
use godwit_planner::texts;
use godwit_store::{
    CommitError, CommitNote, Hardware, MigrationRecord, Queued, Server, StoreError,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::turn::{Waits, turn};
use crate::context::Context;
use crate::fleet::Fleet;
use crate::links::HostLinks;
use crate::scheduling::Scheduling;

/// Those for which another destination is being looked for by this conductor.
type Searching = Arc<Mutex<HashSet<MigrationUuid>>>;

/// Rows of the queue that are read at one time.
const PAGE: i64 = 256;

/// Of the time, reading the queue takes one part in so many at most, however long it is.
const SHARE: u32 = 10;

/// Moves that begin at one time: what they write can share a commit.
const AT_ONCE: usize = 16;

pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let searching = Searching::default();
    let mut searches = JoinSet::new();
    let mut rest = Duration::ZERO;
    loop {
        let next = async {
            tokio::time::sleep(rest).await;
            ctx.wake.admission(ctx.config.poll_interval).await;
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = next => {}
        }
        while searches.try_join_next().is_some() {}
        rest = match look(ctx, &searching, &mut searches).await {
            Ok(reading) => reading.saturating_mul(SHARE).min(ctx.config.poll_interval),
            Err(error) => {
                warn!(%error, "the queue could not be looked at");
                Duration::ZERO
            }
        };
    }
    searches.shutdown().await;
}

/// Lets those begin whose turn it is. Returns how long the queue was read.
async fn look(
    ctx: &Arc<Context>,
    searching: &Searching,
    searches: &mut JoinSet<()>,
) -> Result<Duration, CommitError> {
    let begun = Instant::now();
    // They come before their turn in the queue where their runs matter more.
    let mut of_runs = ctx.store.moves_begun_by_runs().await?;
    let mut links = HostLinks::load(ctx).await?;
    let all_of_runs: HashSet<MigrationUuid> = of_runs.iter().map(|it| it.uuid).collect();
    of_runs.retain(|it| it.is_queued);
    let mut reading = begun.elapsed();
    let mut last: Option<Queued> = None;
    loop {
        let begun = Instant::now();
        let full = links.full();
        let page = ctx.store.migrations_admissible(&full, last.as_ref(), PAGE);
        let page = page.await?;
        let is_full = i64::try_from(page.len()).is_ok_and(|rows| rows >= PAGE);
        last = page.last().cloned().filter(|_| is_full);
        let of_users = page
            .into_iter()
            .filter(|it| !all_of_runs.contains(&it.uuid));
        let waiting: Vec<Waits> = std::mem::take(&mut of_runs)
            .into_iter()
            .map(Waits::of_run)
            .chain(of_users.map(Waits::of_user))
            .collect();
        let admitted = turn(ctx, &mut links, &waiting).await?;
        reading += begun.elapsed();
        let considered = stream::iter(admitted)
            .map(|(queued, share)| consider(ctx, queued, share))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>();
        for (record, rejected) in considered.await?.into_iter().flatten() {
            search(ctx, searching, searches, record, &rejected);
        }
        if last.is_none() {
            return Ok(reading);
        }
    }
}

/// Lets one begin if its destination is still fit. Another one is to be looked for, for the given
/// reasons, where nobody named it.
async fn consider(
    ctx: &Arc<Context>,
    queued: Queued,
    share: Option<LinkShare>,
) -> Result<Option<(MigrationRecord, Vec<Rejection>)>, CommitError> {
    let is_as_read = |it: &MigrationRecord| {
        it.migration.status() == MigrationStatus::Queued
            && it.migration.destination() == Some(&queued.destination)
    };
    let found = ctx.store.migration_find(queued.uuid).await?;
    let Some(record) = found.filter(is_as_read) else {
        return Ok(None);
    };
    match fitness(ctx, &record, &queued.destination).await? {
        Fitness::Fit => begin(ctx, &record, share).await?,
        Fitness::Unfit { rejected, .. } if Target::of(&record.migration.request) == Target::Any => {
            return Ok(Some((record, rejected)));
        }
        Fitness::Unfit { rejected, failure } => {
            let note = ctx.note(&record, json!(Rejected::of(&rejected)));
            ctx.apply_to(&record, Event::NotPlaced(failure), note)
                .await?;
        }
        Fitness::Unknown => {}
    }
    Ok(None)
}

enum Fitness {
    Fit,
    Unfit {
        rejected: Vec<Rejection>,
        failure: Failure,
    },
    /// Agents are missing, and this conductor is too young to hold that against them; or the cluster of
    /// one of its hosts takes no part in moves for now.
    Unknown,
}

async fn fitness(
    ctx: &Arc<Context>,
    record: &MigrationRecord,
    destination: &HostName,
) -> Result<Fitness, StoreError> {
    let migration = &record.migration;
    let found = ctx.store.server_find_with_hardware(migration.server);
    let Some((server, hardware)) = found.await? else {
        return Ok(Fitness::Unfit {
            rejected: Vec::new(),
            failure: texts::pre_check("the server does not exist any more"),
        });
    };
    let ends = [&migration.source_compute, destination].map(HostName::clone);
    let fleet = Fleet::load_two(&ctx.store, ends, ctx.basis()).await?;
    let own = ctx.store.claim_find(migration.uuid).await?;
    let hosts = fleet.hosts(own.as_ref());
    if hosts.iter().any(|host| host.unmanaged.is_some()) {
        return Ok(Fitness::Unknown);
    }
    let fitness = fit_now(migration, &fleet, &hosts, &server, &hardware);
    let unfit = matches!(fitness, Fitness::Unfit { .. });
    // Whose agent reported to nobody is missing until it finds this conductor.
    if unfit && ctx.is_young(ctx.now()) && fleet.somebody_is_missing() {
        return Ok(Fitness::Unknown);
    }
    Ok(fitness)
}

/// `hosts` are those of `fleet`, its source and its chosen destination among them.
fn fit_now(
    migration: &Migration,
    fleet: &Fleet,
    hosts: &[Host],
    server: &Server,
    hardware: &Hardware,
) -> Fitness {
    let need = fleet.need(
        server,
        hardware,
        &migration.source_compute,
        &migration.request,
    );
    let target = Target::of(&migration.request);
    // Its own checks are those of a source and, where forced, of the destination.
    if let Err(failure) = Search::begin(hosts, need.clone(), &target, None) {
        return Fitness::Unfit {
            rejected: Vec::new(),
            failure,
        };
    }
    if matches!(target, Target::Forced(_)) {
        return Fitness::Fit;
    }
    let is_chosen = |host: &HostName| Some(host) == migration.destination();
    let (fitting, mut rejected) = candidates(hosts, &need, &target);
    if fitting.iter().any(is_chosen) {
        return Fitness::Fit;
    }
    rejected.retain(|it| is_chosen(&it.host));
    Fitness::Unfit {
        rejected,
        failure: texts::no_valid_host(),
    }
}

async fn begin(
    ctx: &Arc<Context>,
    record: &MigrationRecord,
    share: Option<LinkShare>,
) -> Result<(), CommitError> {
    let note = CommitNote {
        slots: Some(ctx.config.slots.limits()),
        share,
        ..ctx.note(record, Value::Null)
    };
    match ctx.apply_to(record, Event::Admitted, note).await {
        Ok(_) => Ok(()),
        Err(CommitError::NoSlot { host, role }) => {
            info!(migration = %record.migration.uuid, %host, %role, "another took the slot");
            Ok(())
        }
        Err(CommitError::Unmanaged { .. }) => Ok(()),
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
