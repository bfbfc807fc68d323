//! What `/metrics` shows of agents. One set for a process, however many agents it runs; no
//! label is a uuid or a host.

use std::time::Duration;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
    exponential_buckets,
};

/// The instruments. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Metrics {
    pub(crate) steps: HistogramVec,
    pub(crate) outcomes: IntCounterVec,
    pub(crate) stalls: IntCounter,
    pub(crate) moves: IntGauge,
    pub(crate) unreported: IntGauge,
    pub(crate) registered: IntGauge,
    pub(crate) conductor_failures: IntCounterVec,
}

impl Metrics {
    /// Makes the instruments and registers them.
    ///
    /// # Errors
    /// They are registered there already.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let steps = HistogramOpts::new(
            "godwit_agent_step_seconds",
            "How long the steps of moves took on this host, by step and result",
        );
        let metrics = Self {
            steps: HistogramVec::new(
                steps.buckets(exponential_buckets(0.01, 4.0, 8)?),
                &["step", "result"],
            )?,
            outcomes: IntCounterVec::new(
                Opts::new(
                    "godwit_agent_moves_ended_total",
                    "Moves away from this host that ended, by outcome",
                ),
                &["outcome"],
            )?,
            stalls: IntCounter::new(
                "godwit_agent_moves_stalled_total",
                "Moves that the watchdog aborted because no byte moved",
            )?,
            moves: IntGauge::new(
                "godwit_agent_moves_followed",
                "Moves away from this host that are being followed",
            )?,
            unreported: IntGauge::new(
                "godwit_agent_reports_outstanding",
                "Outcomes that no conductor has acknowledged yet",
            )?,
            registered: IntGauge::new(
                "godwit_agent_registered",
                "Agents of this process that a conductor knows",
            )?,
            conductor_failures: IntCounterVec::new(
                Opts::new(
                    "godwit_agent_conductor_calls_failed_total",
                    "Calls to a conductor that brought no answer, by call",
                ),
                &["call"],
            )?,
        };
        metrics
            .all()
            .into_iter()
            .try_for_each(|instrument| registry.register(instrument))?;
        Ok(metrics)
    }

    /// How many agents of this process a conductor knows.
    pub fn registered(&self) -> usize {
        usize::try_from(self.registered.get()).unwrap_or_default()
    }

    fn all(&self) -> Vec<Box<dyn prometheus::core::Collector>> {
        vec![
            Box::new(self.steps.clone()),
            Box::new(self.outcomes.clone()),
            Box::new(self.stalls.clone()),
            Box::new(self.moves.clone()),
            Box::new(self.unreported.clone()),
            Box::new(self.registered.clone()),
            Box::new(self.conductor_failures.clone()),
        ]
    }

    pub(crate) fn step(&self, step: &str, result: &str, took: Duration) {
        let instrument = self.steps.with_label_values(&[step, result]);
        instrument.observe(took.as_secs_f64());
    }

    pub(crate) fn conductor_failed(&self, call: &str) {
        self.conductor_failures.with_label_values(&[call]).inc();
    }
}
