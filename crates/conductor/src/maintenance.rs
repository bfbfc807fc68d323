//! Hosts that are to be empty, and those that are.

use tokio_util::sync::CancellationToken;

use crate::context::Context;

pub(crate) async fn run(_ctx: &Context, stop: &CancellationToken) {
    stop.cancelled().await;
}
