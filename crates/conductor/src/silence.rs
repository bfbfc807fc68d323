//! Agents that fall silent, and those that are heard again, are told of.
//!
//! Every conductor looks, and the row of an agent says what was told of it: once, whoever notices.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::context::Context;
use crate::ticks::Ticks;

/// How often one looks. Silence is a matter of many heartbeats.
const LOOK_EVERY: Duration = Duration::from_secs(1);

pub(crate) async fn run(ctx: &Context, stop: &CancellationToken) {
    let mut ticks = Ticks::every(LOOK_EVERY.min(ctx.config.service_down_time));
    while ticks.next(stop).await {
        let now = ctx.now();
        // Without a conductor no agent can be heard.
        let alive_since = (!ctx.is_young(now)).then(|| now.minus(ctx.config.service_down_time));
        match ctx.store.hosts_tell_silence(alive_since, now).await {
            Ok(0) => {}
            Ok(hosts) => info!(hosts, "agents fell silent, or were heard again"),
            Err(error) => warn!(%error, "nobody could look which agents are silent"),
        }
    }
}
