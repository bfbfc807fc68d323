//! The gauges of `/metrics`, brought up to date from the database at each interval.
//!
//! They describe the database, not this process: every conductor shows the same.

use godwit_core::effect::Effect;
use godwit_core::status::MigrationStatus;
use godwit_store::StoreError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::ticks::Ticks;

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.metrics_interval);
    while ticks.next(stop).await {
        if let Err(error) = refresh(ctx).await {
            warn!(%error, "the gauges could not be refreshed");
        }
    }
}

async fn refresh(ctx: &Context) -> Result<(), StoreError> {
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
    metrics
        .effects_age
        .set(oldest.unwrap_or_default().as_secs_f64());

    metrics.discrepancies.reset();
    for (kind, count) in figures.discrepancies {
        let labels = [kind.as_str()];
        metrics.discrepancies.with_label_values(&labels).set(count);
    }

    let pool = ctx.store.pool();
    for (gauge, state, count) in [
        (&metrics.agents, "up", up),
        (&metrics.agents, "down", all.saturating_sub(up)),
        (&metrics.pool, "in_use", pool.in_use.into()),
        (
            &metrics.pool,
            "idle",
            pool.open.saturating_sub(pool.in_use).into(),
        ),
        (&metrics.pool, "most", pool.size.into()),
    ] {
        gauge.with_label_values(&[state]).set(count);
    }
    Ok(())
}
