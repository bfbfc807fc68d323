//! What is counted of runs.

use std::collections::BTreeMap;

use godwit_core::plan::{Actual, Estimate, Estimates};
use godwit_core::run::{OperationState, RunState};
use godwit_core::time::Timestamp;
use godwit_store::RunRecord;
use prometheus::{
    Gauge, Histogram, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Registry,
    register_gauge_with_registry as age, register_histogram_vec_with_registry as histograms,
    register_histogram_with_registry as histogram,
    register_int_counter_vec_with_registry as counters,
    register_int_gauge_vec_with_registry as gauges, register_int_gauge_with_registry as gauge,
};

use super::float;

/// Quotients of what was and what was to be: as expected in the middle, and far from it at the ends.
const RATIOS: &[f64] = &[
    0.1, 0.25, 0.5, 0.67, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 4.0, 10.0,
];

pub(crate) struct OfRuns {
    unfinished: IntGaugeVec,
    waiting: IntGauge,
    ended: IntCounterVec,
    over_bound: Histogram,
    estimates: HistogramVec,
    oldest_step: Gauge,
    to_spare: Gauge,
}

impl OfRuns {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        Ok(Self {
            unfinished: gauges!(
                "godwit_runs",
                "Runs that have not ended.",
                &["state"],
                registry
            )?,
            waiting: gauge!(
                "godwit_runs_waiting",
                "Runs that wait for the room of others.",
                registry
            )?,
            ended: counters!(
                "godwit_runs_ended_total",
                "Runs that this conductor saw end.",
                &["state"],
                registry
            )?,
            over_bound: histogram!(
                "godwit_run_makespan_over_bound",
                "How long completed runs took, by what no plan could have been faster than.",
                RATIOS.to_vec(),
                registry
            )?,
            estimates: histograms!(
                "godwit_plan_estimate_ratio",
                "What completed operations took, by what their plan estimated: bytes, seconds or \
                 downtime_seconds; and completed runs: makespan_seconds.",
                &["quantity"],
                RATIOS.to_vec(),
                registry
            )?,
            oldest_step: age!(
                "godwit_run_oldest_step_seconds",
                "How long ago that run changed last, of those that have not ended, which changed the \
                 longest ago; 0: there is none.",
                registry
            )?,
            to_spare: age!(
                "godwit_run_deadline_seconds",
                "The least time that a run has to spare: until its deadline, without what it will \
                 still take by its estimate; NaN: none has a deadline.",
                registry
            )?,
        })
    }

    /// These are all that have not ended.
    pub(crate) fn unfinished_are(&self, runs: &[RunRecord], now: Timestamp) {
        let mut counts: BTreeMap<RunState, i64> = BTreeMap::new();
        for record in runs {
            *counts.entry(record.run.state).or_default() += 1;
        }
        self.unfinished.reset();
        for (state, count) in counts {
            let labels = [state.as_str()];
            self.unfinished.with_label_values(&labels).set(count);
        }
        let waiting = runs.iter().filter(|it| !it.waits_for.is_empty()).count();
        self.waiting.set(i64::try_from(waiting).unwrap_or(i64::MAX));
        let changed = runs.iter().map(|it| it.updated_at.unwrap_or(it.created_at));
        let oldest = changed.map(|at| now.since(at)).max();
        self.oldest_step
            .set(oldest.unwrap_or_default().as_secs_f64());
        let due = runs
            .iter()
            .filter_map(|it| Some((it.run.deadline?, it.eta)));
        let least = due.map(|(deadline, eta)| to_spare(deadline, eta, now));
        self.to_spare.set(least.fold(f64::NAN, f64::min));
    }

    /// A run has ended.
    pub(crate) fn ended(&self, record: &RunRecord) {
        let run = &record.run;
        self.ended.with_label_values(&[run.state.as_str()]).inc();
        let took = run.started_at.zip(run.ended_at);
        let (RunState::Completed, Some((started, ended))) = (run.state, took) else {
            return;
        };
        let took = ended.since(started).as_secs_f64();
        if let Some(bound) = record.lower_bound.filter(|it| *it > 0.0) {
            self.over_bound.observe(took / bound);
        }
        if let Some(estimate) = record.makespan {
            self.compare("makespan_seconds", estimate, Some(took));
        }
    }

    /// Operations have ended between these two, all of them of the later one's.
    pub(crate) fn operations_ended(&self, before: &RunRecord, after: &RunRecord) {
        let completed = OperationState::Completed;
        for (is, beside) in after.run.operations.iter().zip(&after.operations) {
            let was = before.run.operation(is.id).map(|it| it.state);
            if was != Some(completed) && is.state == completed {
                let actual = beside.actual.unwrap_or_default();
                self.compare_all(beside.planned.estimates, actual);
            }
        }
    }

    fn compare_all(&self, estimated: Estimates, actual: Actual) {
        let quantities = [
            ("bytes", estimated.bytes, actual.bytes.map(float)),
            ("seconds", estimated.seconds, actual.seconds),
            (
                "downtime_seconds",
                estimated.downtime_seconds,
                actual.downtime_seconds,
            ),
        ];
        for (quantity, estimate, actual) in quantities {
            self.compare(quantity, estimate, actual);
        }
    }

    fn compare(&self, quantity: &str, estimate: Estimate, actual: Option<f64>) {
        if let Some(ratio) = ratio(estimate, actual) {
            self.estimates.with_label_values(&[quantity]).observe(ratio);
        }
    }
}

/// Seconds; below 0 it will be late, or is.
fn to_spare(deadline: Timestamp, eta: Option<Estimate>, now: Timestamp) -> f64 {
    let until = deadline.as_micros().saturating_sub(now.as_micros());
    float(until) / 1_000_000.0 - eta.map_or(0.0, |eta| eta.mid)
}

fn ratio(estimate: Estimate, actual: Option<f64>) -> Option<f64> {
    actual
        .filter(|_| estimate.mid > 0.0)
        .map(|it| it / estimate.mid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_compared_by_its_median_and_nothing_by_none() {
        let registry = Registry::new();
        let metrics = OfRuns::register(&registry).unwrap();
        let of = |mid: f64| Estimate {
            low: mid / 2.0,
            mid,
            high: mid * 2.0,
        };
        let estimated = Estimates {
            bytes: of(1_000.0),
            seconds: of(10.0),
            downtime_seconds: of(0.0),
        };
        for (bytes, seconds) in [(Some(1_500), Some(5.0)), (Some(500), None)] {
            let actual = Actual {
                bytes,
                seconds,
                downtime_seconds: Some(0.1),
            };
            metrics.compare_all(estimated, actual);
        }
        let sums = |quantity| {
            let histogram = metrics.estimates.with_label_values(&[quantity]);
            (histogram.get_sample_count(), histogram.get_sample_sum())
        };
        assert_eq!(sums("bytes"), (2, 2.0));
        assert_eq!(sums("seconds"), (1, 0.5));
        assert_eq!(sums("downtime_seconds"), (0, 0.0));
    }

    #[test]
    fn a_run_has_less_time_to_spare_the_longer_it_will_take() {
        let at = |second: i64| Timestamp::from_micros(second * 1_000_000).unwrap();
        let eta = |mid| {
            Some(Estimate {
                low: 0.0,
                mid,
                high: 2.0 * mid,
            })
        };
        for (deadline, eta, expected) in [
            (100, None, 40.0),
            (100, eta(10.0), 30.0),
            (100, eta(50.0), -10.0),
            (50, None, -10.0),
        ] {
            let spare = to_spare(at(deadline), eta, at(60));
            assert!((spare - expected).abs() < 1e-6, "{spare} {expected}");
        }
        assert!(std::iter::empty::<f64>().fold(f64::NAN, f64::min).is_nan());
        assert!([3.0, -2.0].into_iter().fold(f64::NAN, f64::min) < 0.0);
    }
}
