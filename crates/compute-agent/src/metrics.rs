//! What `/metrics` shows of agents. One set for a process, however many agents it runs; no
//! label is a uuid or a host.

use std::time::Duration;

use godwit_telemetry::exemplars::TracedHistograms;
use prometheus::{
    IntCounter, IntCounterVec, IntGauge, Registry, exponential_buckets,
    register_histogram_vec_with_registry as histograms,
    register_int_counter_vec_with_registry as counters,
    register_int_counter_with_registry as counter, register_int_gauge_with_registry as gauge,
};

#[derive(Clone, Debug)]
pub struct Metrics {
    steps: TracedHistograms,
    pub(crate) outcomes: IntCounterVec,
    pub(crate) stalls: IntCounter,
    pub(crate) moves: IntGauge,
    pub(crate) unreported: IntGauge,
    pub(crate) registered: IntGauge,
    pub(crate) conductor_failures: IntCounterVec,
}

impl Metrics {
    /// Makes the instruments and registers them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let bounds = exponential_buckets(0.01, 4.0, 8)?;
        Ok(Self {
            steps: TracedHistograms::new(
                histograms!(
                    "godwit_agent_step_seconds",
                    "How long the steps of moves took on this host, by step and result",
                    &["step", "result"],
                    bounds.clone(),
                    registry
                )?,
                &bounds,
            ),
            outcomes: counters!(
                "godwit_agent_moves_ended_total",
                "Moves away from this host that ended, by outcome",
                &["outcome"],
                registry
            )?,
            stalls: counter!(
                "godwit_agent_moves_stalled_total",
                "Moves that the watchdog aborted because no byte moved",
                registry
            )?,
            moves: gauge!(
                "godwit_agent_moves_followed",
                "Moves away from this host that are being followed",
                registry
            )?,
            unreported: gauge!(
                "godwit_agent_reports_outstanding",
                "Outcomes that no conductor has acknowledged yet",
                registry
            )?,
            registered: gauge!(
                "godwit_agent_registered",
                "Agents of this process that a conductor knows",
                registry
            )?,
            conductor_failures: counters!(
                "godwit_agent_conductor_calls_failed_total",
                "Calls to a conductor that brought no answer, by call",
                &["call"],
                registry
            )?,
        })
    }

    /// How many agents of this process a conductor knows.
    pub fn registered(&self) -> usize {
        usize::try_from(self.registered.get()).unwrap_or_default()
    }

    pub(crate) fn step(&self, step: &str, result: &str, took: Duration) {
        self.steps.observe(&[step, result], took.as_secs_f64());
    }

    pub(crate) fn conductor_failed(&self, call: &str) {
        self.conductor_failures.with_label_values(&[call]).inc();
    }
}
