//! What a publisher counts.

use std::time::Duration;

use prometheus::{
    Gauge, IntCounter, IntCounterVec, Registry, register_int_counter_vec_with_registry,
    register_int_counter_with_registry,
};

use crate::table::Priority;

pub(crate) struct Metrics {
    oldest: Gauge,
    published: IntCounterVec,
    failures: IntCounter,
}

impl Metrics {
    /// Registers what is counted here. `oldest` is among the gauges of all kinds of readers, which
    /// are registered elsewhere.
    pub(crate) fn register(oldest: Gauge, registry: &Registry) -> prometheus::Result<Self> {
        let metrics = Self {
            oldest,
            published: register_int_counter_vec_with_registry!(
                "godwit_notifications_published_total",
                "Notifications that a broker has confirmed, by priority: info or error.",
                &["priority"],
                registry
            )?,
            failures: register_int_counter_with_registry!(
                "godwit_notifications_failures_total",
                "Attempts to reach a broker, or to send to it, that failed.",
                registry
            )?,
        };
        metrics.waiting(Duration::ZERO);
        for priority in Priority::ALL {
            metrics.published.with_label_values(&[priority.key()]);
        }
        Ok(metrics)
    }

    /// The oldest event that is to be told has been waiting for so long.
    pub(crate) fn waiting(&self, span: Duration) {
        self.oldest.set(span.as_secs_f64());
    }

    pub(crate) fn published(&self, priority: Priority) {
        let published = self.published.with_label_values(&[priority.key()]);
        published.inc();
    }

    pub(crate) fn failed(&self) {
        self.failures.inc();
    }
}
