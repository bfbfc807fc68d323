//! Plans that were asked for, made.

use tokio_util::sync::CancellationToken;

use godwit_store::ClaimedOfPlan;

use crate::context::Context;
use crate::effects::{Performed, Retry};

pub(crate) async fn perform(_ctx: &Context, _claimed: ClaimedOfPlan) -> Performed {
    Err(Retry::because("nobody makes plans yet"))
}

pub(crate) async fn run(_ctx: &Context, stop: &CancellationToken) {
    stop.cancelled().await;
}
