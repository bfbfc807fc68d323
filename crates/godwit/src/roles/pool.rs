//! The API's connections to the database, counted when somebody looks.

use godwit_store::Store;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntGaugeVec, Opts, Registry};

/// Shows `store`'s pool in `registry`, under the same labels as a conductor shows its own.
pub(super) fn observe(registry: &Registry, store: &Store) -> prometheus::Result<()> {
    let connections = IntGaugeVec::new(
        Opts::new(
            "godwit_api_database_connections",
            "The API's connections to the database.",
        ),
        &["state"],
    )?;
    let refusals = IntCounter::new(
        "godwit_api_database_refusals_total",
        "Calls of the API that got no connection to the database in time.",
    )?;
    registry.register(Box::new(Pool {
        store: store.clone(),
        connections,
        refusals,
    }))
}

struct Pool {
    store: Store,
    connections: IntGaugeVec,
    refusals: IntCounter,
}

impl Collector for Pool {
    fn desc(&self) -> Vec<&Desc> {
        let mut all = self.connections.desc();
        all.extend(self.refusals.desc());
        all
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let pool = self.store.pool();
        for (state, count) in [
            ("most", pool.size),
            ("in_use", pool.in_use),
            ("idle", pool.open.saturating_sub(pool.in_use)),
        ] {
            let gauge = self.connections.with_label_values(&[state]);
            gauge.set(i64::from(count));
        }
        let shown = self.refusals.get();
        self.refusals.inc_by(pool.refused.saturating_sub(shown));
        let mut all = self.connections.collect();
        all.extend(self.refusals.collect());
        all
    }
}
