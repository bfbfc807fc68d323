//! Telling events to a broker, beside each conductor.

use anyhow::Result;
use godwit_store::Store;
use prometheus::{Gauge, Registry};

use crate::config::Config;
use crate::supervisor::Supervisor;

/// Tells events as the configuration says; nobody without such a section. `name`: what this process
/// is called. `delivery_age`: the gauge of a kind of reader, made when it is asked for, so that one
/// whom nothing is told is not shown.
#[cfg(feature = "notifications")]
pub(crate) fn publish(
    supervisor: &mut Supervisor,
    config: &Config,
    name: &str,
    store: &Store,
    delivery_age: impl Fn(&str) -> Gauge,
    registry: &Registry,
) -> Result<()> {
    use std::sync::Arc;

    use godwit_api::ids::{Ids as _, RandomIds};
    use godwit_notifications::{Parts, Publisher, READER};

    use crate::clock::SystemClock;

    let Some(section) = &config.notifications else {
        return Ok(());
    };
    let parts = Parts {
        name: name.to_owned(),
        id: RandomIds.uuid(),
        store: store.clone(),
        clock: Arc::new(SystemClock),
        jitter: Arc::new(rand::random::<f64>),
        config: section.clone(),
        oldest: delivery_age(READER),
    };
    let publisher = Publisher::new(parts, registry)?;
    let stop = supervisor.stop();
    supervisor.spawn("notifications", async move {
        publisher.run(stop).await;
        Ok(())
    });
    Ok(())
}

/// Who wants events to be told, and has a program that cannot, is not to find out by silence.
#[cfg(not(feature = "notifications"))]
pub(crate) fn publish(
    _: &mut Supervisor,
    config: &Config,
    _: &str,
    _: &Store,
    _: impl Fn(&str) -> Gauge,
    _: &Registry,
) -> Result<()> {
    anyhow::ensure!(
        config.notifications.is_none(),
        "this godwit was built without notifications, which the configuration asks for; build it \
         with `cargo build --release --features notifications`"
    );
    Ok(())
}
