//! Hosts that their operators have declared dead, and evacuations that wait for such a word.
//!
//! Forcing a service down says more than that it is silent: its operator vouches that the host
//! executes nothing. Every migration that the host takes part in hears so, and what happens then
//! its table decides. A host that answers all the same is alive, and nobody is told.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::event::Event;
use godwit_core::failure::{destination_dead, source_dead};
use godwit_core::ids::HostName;
use godwit_core::transition;
use godwit_store::{CommitError, MigrationRecord, StoreError};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::context::Context;
use crate::testimony::{answers, answers_now};
use crate::ticks::Ticks;

/// How often what is open on hosts that have long been dead is looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The hosts that are declared dead, as of the last look.
#[derive(Debug)]
pub(crate) struct DeclaredDead {
    hosts: watch::Sender<Arc<BTreeSet<HostName>>>,
}

impl Default for DeclaredDead {
    fn default() -> Self {
        Self {
            hosts: watch::Sender::new(Arc::default()),
        }
    }
}

impl DeclaredDead {
    /// Until `host` is declared dead. This may be a moment old: it wakes, and decides nothing.
    pub(crate) async fn until(&self, host: &HostName) {
        let mut hosts = self.hosts.subscribe();
        // The sender lives as long as the context that owns it.
        let _ = hosts.wait_for(|hosts| hosts.contains(host)).await;
    }

    /// Is this news?
    fn set(&self, hosts: BTreeSet<HostName>) -> bool {
        self.hosts.send_if_modified(|known| {
            let news = **known != hosts;
            if news {
                *known = Arc::new(hosts);
            }
            news
        })
    }
}

pub(crate) async fn run(ctx: &Arc<Context>, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.poll_interval);
    let mut looked = None;
    while ticks.next(stop).await {
        if let Err(error) = look(ctx, &mut looked).await {
            warn!(%error, "dead hosts could not be looked at");
        }
    }
}

async fn look(ctx: &Arc<Context>, looked: &mut Option<Instant>) -> Result<(), CommitError> {
    let hosts = ctx.store.hosts_declared_dead().await?;
    let news = ctx.dead.set(hosts.clone());
    if !news && looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
        return Ok(());
    }
    for host in &hosts {
        tell_of(ctx, host).await?;
    }
    for record in ctx.store.evacuations_waiting().await? {
        returned(ctx, &record).await?;
    }
    *looked = Some(Instant::now());
    Ok(())
}

/// Tells every migration that `host` takes part in and that this means something to.
async fn tell_of(ctx: &Arc<Context>, host: &HostName) -> Result<(), CommitError> {
    let now = ctx.now();
    let concerned: Vec<(MigrationRecord, Event)> = ctx
        .store
        .migrations_unfinished_on(host)
        .await?
        .into_iter()
        .filter(|record| !record.imported)
        .filter_map(|record| {
            let event = event_for(&record, host);
            let applies = transition::step(&record.migration, &event, now).is_ok();
            applies.then_some((record, event))
        })
        .collect();
    if concerned.is_empty() || answers_now(ctx, host).await? {
        return Ok(());
    }
    for (record, event) in concerned {
        info!(migration = %record.migration.uuid, %host, event = event.name(), "a dead host");
        apply(ctx, &record, event, host).await?;
    }
    Ok(())
}

fn event_for(record: &MigrationRecord, host: &HostName) -> Event {
    if record.migration.source_compute == *host {
        Event::SourceDied(source_dead(host))
    } else {
        Event::DestinationDied(destination_dead(host))
    }
}

/// The source that an evacuation waits for may be heard again instead.
async fn returned(ctx: &Arc<Context>, record: &MigrationRecord) -> Result<(), CommitError> {
    let host = &record.migration.source_compute;
    if is_back(ctx, host).await? {
        info!(migration = %record.migration.uuid, %host, "the source of an evacuation is back");
        apply(ctx, record, Event::SourceReturned, host).await?;
    }
    Ok(())
}

async fn is_back(ctx: &Arc<Context>, host: &HostName) -> Result<bool, StoreError> {
    let known = ctx.store.host_find(host).await?;
    match known {
        // It is alive, whatever was declared; but it may be dying.
        Some(known) if known.service.forced_down => answers(ctx, host).await,
        Some(known) if ctx.is_up(&known, ctx.now()) => answers_now(ctx, host).await,
        Some(_) | None => Ok(false),
    }
}

async fn apply(
    ctx: &Arc<Context>,
    record: &MigrationRecord,
    event: Event,
    host: &HostName,
) -> Result<(), CommitError> {
    let note = ctx.note(record, json!({ "host": host }));
    ctx.apply_to(record, event, note).await.map(drop)
}
