//! What is shown of hosts that are held, and of what keeps them from being empty.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::host::maintenance::State;
use godwit_core::time::Timestamp;
use godwit_store::MaintenanceRecord;
use prometheus::{
    Gauge, IntGaugeVec, Registry, register_gauge_with_registry as age,
    register_int_gauge_vec_with_registry as gauges,
};

/// What a blocker counts as of which nobody said why.
const NO_REASON: &str = "none";

pub(crate) struct MaintenanceMetrics {
    hosts: IntGaugeVec,
    oldest_held: Gauge,
    blockers: IntGaugeVec,
}

impl MaintenanceMetrics {
    pub(crate) fn register(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            hosts: gauges!(
                "godwit_maintenance_hosts",
                "Hosts that somebody holds for maintenance, or that are being left, by state.",
                &["state"],
                registry
            )?,
            oldest_held: age!(
                "godwit_maintenance_oldest_held_seconds",
                "How long the host that is held the longest has been held for maintenance; 0: none is.",
                registry
            )?,
            blockers: gauges!(
                "godwit_maintenance_blockers",
                "Servers that keep a host from being emptied, or were not started again when it was \
                 left, by the code of the reason; one with several reasons counts for each.",
                &["code"],
                registry
            )?,
        })
    }

    /// Shows these, which are all that there are.
    pub(crate) fn show(&self, active: &[MaintenanceRecord], now: Timestamp) {
        for state in State::ALL.iter().filter(|it| **it != State::None) {
            let count = active.iter().filter(|it| it.maintenance.state == *state);
            let count = i64::try_from(count.count()).unwrap_or(i64::MAX);
            let labels = [state.as_str()];
            self.hosts.with_label_values(&labels).set(count);
        }
        let holders = active.iter().flat_map(|it| &it.maintenance.holders);
        let oldest = holders.map(|it| now.since(it.since)).max();
        self.oldest_held
            .set(oldest.unwrap_or_default().as_secs_f64());
        self.blockers.reset();
        for (code, count) in blockers(active) {
            self.blockers.with_label_values(&[code]).set(count);
        }
    }
}

/// How many servers are blocked for each reason.
fn blockers(active: &[MaintenanceRecord]) -> BTreeMap<&'static str, i64> {
    let mut counts = BTreeMap::new();
    for record in active {
        for server in record.maintenance.obstacles() {
            let reasons = record.reasons.get(&server).into_iter().flatten();
            let mut codes: BTreeSet<&str> = reasons.map(|it| it.code.as_str()).collect();
            if codes.is_empty() {
                codes.insert(NO_REASON);
            }
            for code in codes {
                *counts.entry(code).or_insert(0_i64) += 1;
            }
        }
    }
    counts
}
