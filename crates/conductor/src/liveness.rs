//! This conductor's own sign of life, as `os-services` shows it.

use godwit_store::ConductorBeat;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::context::Context;
use crate::ticks::Ticks;

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(ctx.config.report_interval);
    while ticks.next(stop).await {
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
