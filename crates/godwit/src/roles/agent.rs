//! The role `agent`.

#[cfg(feature = "libvirt")]
mod real;

use std::sync::Arc;

use godwit_api::observability::Readiness;
use godwit_compute_agent::metrics::Metrics;

#[cfg(feature = "libvirt")]
pub(crate) use self::real::{run, transport_of};

/// Are all `agents` of this process registered? Without that nothing is asked of them.
pub(crate) fn conductors_know(metrics: &Metrics, agents: usize) -> (&'static str, Readiness) {
    let metrics = metrics.clone();
    let known: Readiness = Arc::new(move || {
        let known = metrics.registered();
        let all = if known < agents {
            Err(format!("they know {known} of {agents} hosts"))
        } else {
            Ok(())
        };
        Box::pin(async move { all })
    });
    ("conductors", known)
}

/// Without a driver for real hypervisors there is nothing to serve: simulated hosts live together
/// in one process, which is all they can move within.
#[cfg(not(feature = "libvirt"))]
pub(crate) async fn run(_: &crate::config::Config) -> anyhow::Result<()> {
    anyhow::bail!(
        "this godwit was built without libvirt; build it with `cargo build --release --features \
         libvirt`"
    )
}
