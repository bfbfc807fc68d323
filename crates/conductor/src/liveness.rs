//! This conductor's own sign of life, as `os-services` shows it.

use godwit_store::ConductorBeat;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = tokio::time::interval(ctx.config.report_interval);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let beat = ConductorBeat {
            uuid: (ctx.ids)(),
            host: ctx.name.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            at: ctx.now(),
        };
        if let Err(error) = ctx.store.conductor_heartbeat(beat).await {
            warn!(%error, "the sign of life was not written");
        }
    }
}
