//! What a simulated world knows that its agents do not report.

use anyhow::{Context, Result};
use godwit_api::ids::{Ids, RandomIds};
use godwit_compute_agent::drivers::simulated::Fabric;
use godwit_core::ids::ServerUuid;
use godwit_core::requester::Requester;
use godwit_core::time::Clock as _;
use godwit_store::{NewTopology, Placing, Store};

use crate::clock::SystemClock;

/// Says where hosts shall belong that have never registered.
pub(crate) async fn expect(store: &Store, fabric: &Fabric) -> Result<()> {
    for (host, place) in fabric.places() {
        let new = NewTopology {
            zone: place.zone,
            pod: place.pod,
            cluster: place.cluster,
            placing: Placing {
                aggregate: RandomIds.uuid(),
                by: Requester::default(),
                at: SystemClock.now(),
            },
        };
        let expected = store.host_expect(&host, new).await;
        expected.with_context(|| format!("the zone, pod and cluster of {host}"))?;
    }
    Ok(())
}

/// Says how fast servers change their memory of which no move has measured it.
pub(crate) async fn measured(store: &Store, rates: Vec<(ServerUuid, u64)>) -> Result<()> {
    let signed = |(server, rate)| (server, i64::try_from(rate).unwrap_or(i64::MAX));
    store
        .servers_measured(rates.into_iter().map(signed).collect())
        .await?;
    Ok(())
}
