//! The API's connections to the database, counted when somebody looks.

use godwit_store::Store;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntGaugeVec, Opts, Registry};

/// Shows `store`'s pool in `registry`, under the same labels as a conductor shows its own.
pub(super) fn observe(registry: &Registry, store: &Store) -> prometheus::Result<()> {
    let help = "The API's connections to the database.";
    let connections = IntGaugeVec::new(
        Opts::new("godwit_api_database_connections", help),
        &["state"],
    )?;
    registry.register(Box::new(Pool {
        store: store.clone(),
        connections,
    }))
}

struct Pool {
    store: Store,
    connections: IntGaugeVec,
}

impl Collector for Pool {
    fn desc(&self) -> Vec<&Desc> {
        self.connections.desc()
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
        self.connections.collect()
    }
}
