//! The gauges of `/metrics`, brought up to date from the database at each interval.
//!
//! They describe the database, not this process: every conductor shows the same.

use std::collections::BTreeMap;

use godwit_core::effect::{Effect, RunEffect};
use godwit_core::slots::SlotRole;
use godwit_core::status::MigrationStatus;
use godwit_core::time::Timestamp;
use godwit_store::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::links::HostLinks;
use crate::ticks::Ticks;

/// The kind of reader that is called by whoever serves the API, and seen from here, as one sees
/// them even while nobody calls them.
const WEBHOOKS: &str = "webhooks";

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.metrics_interval);
    while ticks.next(stop).await {
        if let Err(error) = refresh(ctx).await {
            warn!(%error, "the gauges could not be refreshed");
        }
    }
}

async fn refresh(ctx: &Context) -> Result<(), StoreError> {
    // First, as the database may not answer, and then they are wanted most.
    of_this_process(ctx);
    let figures = ctx.store.figures().await?;
    let (metrics, now) = (&ctx.metrics, ctx.now());
    let heard_since = now.minus(ctx.config.service_down_time);
    let (up, all) = ctx.store.hosts_up(heard_since).await?;

    metrics.migrations.reset();
    let mut queued = 0;
    for (kind, status, count) in figures.unfinished {
        let labels = [kind.as_str(), status.as_str()];
        metrics.migrations.with_label_values(&labels).set(count);
        if status == MigrationStatus::Queued {
            queued += count;
        }
    }
    metrics.queue_length.set(queued);
    let age = figures.oldest_queued.map(|since| now.since(since));
    metrics.queue_age.set(age.unwrap_or_default().as_secs_f64());

    metrics.effects.reset();
    let mut oldest = None;
    for (effect, count, since) in figures.effects {
        let labels = [effect.as_str()];
        metrics.effects.with_label_values(&labels).set(count);
        if effect != Effect::Watch {
            oldest = oldest.max(Some(now.since(since)));
        }
    }
    for (action, count, since) in figures.power {
        let labels = [action.as_str()];
        metrics.effects.with_label_values(&labels).set(count);
        oldest = oldest.max(Some(now.since(since)));
    }
    for (effect, count, since) in figures.plans {
        let label = format!("plan_{effect}");
        metrics.effects.with_label_values(&[label]).set(count);
        oldest = oldest.max(Some(now.since(since)));
    }
    for (effect, count, since) in figures.runs {
        // Migrations have some of the same names.
        let label = format!("run_{effect}");
        metrics.effects.with_label_values(&[label]).set(count);
        // It lasts as long as the run.
        if effect != RunEffect::Drive {
            oldest = oldest.max(Some(now.since(since)));
        }
    }
    metrics
        .effects_age
        .set(oldest.unwrap_or_default().as_secs_f64());

    let links = HostLinks::load(ctx).await?;
    for role in [SlotRole::Source, SlotRole::Destination] {
        let (taken, carry) = links.in_use(role);
        let labels = [role.as_str()];
        metrics.links_taken.with_label_values(&labels).set(taken);
        metrics.links_carry.with_label_values(&labels).set(carry);
    }

    metrics.discrepancies.reset();
    for (kind, count) in figures.discrepancies {
        let labels = [kind.as_str()];
        metrics.discrepancies.with_label_values(&labels).set(count);
    }

    let waits = figures.oldest_for_webhooks.map(|since| now.since(since));
    metrics
        .delivery_age
        .with_label_values(&[WEBHOOKS])
        .set(waits.unwrap_or_default().as_secs_f64());

    metrics.overdue.reset();
    for (kind, count) in ctx.store.migrations_late(now).await? {
        metrics
            .overdue
            .with_label_values(&[kind.as_str()])
            .set(count);
    }
    let unfinished = ctx.store.runs_unfinished().await?;
    metrics.runs.unfinished_are(&unfinished, now);
    services(ctx, now).await?;
    let active = ctx.store.maintenances_active().await?;
    metrics.maintenance.show(&active, now);
    let let_be = ctx.store.agents_let_be(heard_since).await?;
    let down = all.saturating_sub(up).saturating_sub(let_be);
    for (state, count) in [("up", up), ("down", down), ("unmanaged", let_be)] {
        metrics.agents.with_label_values(&[state]).set(count);
    }
    metrics.gauges_read(now);
    Ok(())
}

/// What is known without the database.
fn of_this_process(ctx: &Context) {
    let metrics = &ctx.metrics;
    let held = i64::try_from(ctx.leases.count()).unwrap_or(i64::MAX);
    metrics.leases.set(held);

    let pool = ctx.store.pool();
    metrics.refusals_are(pool.refused);
    for (state, count) in [
        ("in_use", pool.in_use),
        ("idle", pool.open.saturating_sub(pool.in_use)),
        ("most", pool.size),
    ] {
        metrics.pool.with_label_values(&[state]).set(count.into());
    }
}

/// Agents and conductors, by how they are.
async fn services(ctx: &Context, now: Timestamp) -> Result<(), StoreError> {
    let mut counts = BTreeMap::new();
    for service in ctx.store.service_list().await? {
        let state = if service.forced_down {
            "forced_down"
        } else if service.is_up(now, ctx.config.service_down_time) {
            "up"
        } else {
            "down"
        };
        let status = if service.disabled {
            "disabled"
        } else {
            "enabled"
        };
        let key = (service.binary, state, status, service.version);
        *counts.entry(key).or_insert(0_i64) += 1;
    }
    let gauges = &ctx.metrics.services;
    gauges.reset();
    for ((binary, state, status, version), count) in counts {
        let labels = [binary.as_str(), state, status, version.as_str()];
        gauges.with_label_values(&labels).set(count);
    }
    Ok(())
}
