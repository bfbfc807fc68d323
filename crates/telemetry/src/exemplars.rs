//! Exemplars: for each bucket of a histogram the trace of the last thing that was counted in it, as
//! far as that trace is recorded.
//!
//! The library that counts knows none, so they are kept here, for whoever writes metrics down. They
//! are the whole process's, as its spans are; so few that they need no lock that is looked at
//! otherwise: one a bucket, and only of what is recorded.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use godwit_core::trace::TraceContext;
use prometheus::HistogramVec;
use prometheus::core::Collector as _;

/// What tells one histogram of a family from the others: names and values, in the order of names.
pub type Labels = Vec<(String, String)>;

/// The exemplars of one histogram: its buckets from the lowest on, and one for what is above.
pub type Buckets = Vec<Option<Exemplar>>;

/// The exemplars of a family of histograms.
pub type Family = HashMap<Labels, Buckets>;

/// Something that was counted.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Exemplar {
    /// Where it happened.
    pub trace: TraceContext,
    /// What was counted.
    pub value: f64,
}

/// By the names of metrics.
static KEPT: LazyLock<Mutex<HashMap<String, Family>>> = LazyLock::new(Mutex::default);

fn kept() -> MutexGuard<'static, HashMap<String, Family>> {
    KEPT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What there is for a metric.
pub fn of(name: &str) -> Family {
    kept().get(name).cloned().unwrap_or_default()
}

/// Histograms that keep exemplars.
#[derive(Clone, Debug)]
pub struct TracedHistograms {
    histograms: HistogramVec,
    name: String,
    labels: Vec<String>,
    bounds: Vec<f64>,
}

impl TracedHistograms {
    /// `bounds` are the upper bounds of the buckets that they were made with.
    pub fn new(histograms: HistogramVec, bounds: &[f64]) -> Self {
        let (name, labels) = histograms
            .desc()
            .first()
            .map(|it| (it.fq_name.clone(), it.variable_labels.clone()))
            .unwrap_or_default();
        Self {
            histograms,
            name,
            labels,
            bounds: bounds.to_vec(),
        }
    }

    /// Counts `value` in the histogram with these labels, and keeps which trace we are in.
    pub fn observe(&self, labels: &[&str], value: f64) {
        self.histograms.with_label_values(labels).observe(value);
        if let Some(trace) = crate::current().filter(|it| it.is_sampled()) {
            self.keep(labels, Exemplar { trace, value });
        }
    }

    fn keep(&self, labels: &[&str], exemplar: Exemplar) {
        let values = labels.iter().map(|it| (*it).to_owned());
        let mut labels: Labels = self.labels.iter().cloned().zip(values).collect();
        labels.sort();
        let bucket = self.bounds.partition_point(|it| *it < exemplar.value);
        let mut kept = kept();
        let family = kept.entry(self.name.clone()).or_default();
        let buckets = family
            .entry(labels)
            .or_insert_with(|| vec![None; self.bounds.len() + 1]);
        if let Some(place) = buckets.get_mut(bucket) {
            *place = Some(exemplar);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::{HistogramOpts, Registry};

    #[test]
    fn each_bucket_keeps_the_last() {
        let bounds = [1.0, 2.0];
        let options = HistogramOpts::new("any_seconds", "Any.").buckets(bounds.to_vec());
        let histograms = HistogramVec::new(options, &["b", "a"]).unwrap();
        Registry::new()
            .register(Box::new(histograms.clone()))
            .unwrap();
        let traced = TracedHistograms::new(histograms, &bounds);
        let exemplar = |value| Exemplar {
            trace: TraceContext::new(1, 2, 1).unwrap(),
            value,
        };
        for value in [0.5, 1.0, 2.5] {
            traced.keep(&["x", "y"], exemplar(value));
        }
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let labels = vec![label("a", "y"), label("b", "x")];
        let buckets = vec![Some(exemplar(1.0)), None, Some(exemplar(2.5))];
        assert_eq!(of("any_seconds"), Family::from([(labels, buckets)]));
        assert_eq!(of("another_seconds"), Family::new());
        // Nobody records anything here.
        traced.observe(&["x", "y"], 1.5);
        assert_eq!(of("any_seconds").values().flatten().flatten().count(), 2);
    }
}
