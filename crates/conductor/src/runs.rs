//! Plans, carried out.

use tokio_util::sync::CancellationToken;

use godwit_store::ClaimedOfRun;

use crate::context::Context;
use crate::effects::{Performed, Retry};

pub(crate) async fn perform(_ctx: &Context, _claimed: ClaimedOfRun) -> Performed {
    Err(Retry::because("nobody carries out plans yet"))
}

pub(crate) async fn run(_ctx: &Context, stop: &CancellationToken) {
    stop.cancelled().await;
}
