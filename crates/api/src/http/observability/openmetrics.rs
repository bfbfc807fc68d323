//! Metrics in the OpenMetrics format, which has what the older text has not: beside a bucket an
//! exemplar, a trace of something that was counted in it.

use std::fmt::{self, Write as _};

use godwit_telemetry::exemplars::{Buckets, Exemplar, Family, Labels};
use prometheus::proto::{Histogram, LabelPair, MetricFamily, MetricType};

/// The type of what [`encode`] makes; who asks for it names it without what is behind the first `;`.
pub(super) const FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes metrics down. `exemplars` says what there is for a metric by its name.
pub(super) fn encode(
    families: &[MetricFamily],
    exemplars: impl Fn(&str) -> Family,
) -> Result<String, fmt::Error> {
    let mut text = String::new();
    for family in families {
        match family.get_field_type() {
            MetricType::COUNTER => counters(&mut text, family)?,
            MetricType::GAUGE => gauges(&mut text, family)?,
            MetricType::HISTOGRAM => histograms(&mut text, family, &exemplars(family.name()))?,
            // The library makes no others.
            MetricType::SUMMARY | MetricType::UNTYPED => {}
        }
    }
    text.push_str("# EOF\n");
    Ok(text)
}

fn describe(text: &mut String, name: &str, kind: &str, help: &str) -> fmt::Result {
    writeln!(text, "# TYPE {name} {kind}")?;
    writeln!(text, "# HELP {name} {}", escaped(help))
}

/// The family of a counter is called what its series is without the end.
fn counters(text: &mut String, family: &MetricFamily) -> fmt::Result {
    let name = family.name();
    let name = name.strip_suffix("_total").unwrap_or(name);
    describe(text, name, "counter", family.help())?;
    for metric in family.get_metric() {
        let labels = in_braces(&pairs(metric.get_label()));
        let value = number(metric.get_counter().get_value());
        writeln!(text, "{name}_total{labels} {value}")?;
    }
    Ok(())
}

fn gauges(text: &mut String, family: &MetricFamily) -> fmt::Result {
    let name = family.name();
    describe(text, name, "gauge", family.help())?;
    for metric in family.get_metric() {
        let labels = in_braces(&pairs(metric.get_label()));
        let value = number(metric.get_gauge().get_value());
        writeln!(text, "{name}{labels} {value}")?;
    }
    Ok(())
}

fn histograms(text: &mut String, family: &MetricFamily, exemplars: &Family) -> fmt::Result {
    let name = family.name();
    describe(text, name, "histogram", family.help())?;
    for metric in family.get_metric() {
        let found = exemplars.get(&named(metric.get_label()));
        let labels = pairs(metric.get_label());
        let counted = metric.get_histogram();
        buckets(text, (name, &labels), counted, found)?;
        let (labels, sum) = (in_braces(&labels), number(counted.get_sample_sum()));
        writeln!(text, "{name}_count{labels} {}", counted.get_sample_count())?;
        writeln!(text, "{name}_sum{labels} {sum}")?;
    }
    Ok(())
}

fn buckets(
    text: &mut String,
    (name, labels): (&str, &str),
    counted: &Histogram,
    exemplars: Option<&Buckets>,
) -> fmt::Result {
    let separator = if labels.is_empty() { "" } else { "," };
    let finite = counted
        .get_bucket()
        .iter()
        .map(|it| (it.upper_bound(), it.cumulative_count()))
        .filter(|(bound, _)| bound.is_finite());
    let all = finite.chain([(f64::INFINITY, counted.get_sample_count())]);
    for (index, (bound, count)) in all.enumerate() {
        // With a point in it, which is how a bound is to be written.
        let bound = if bound.is_finite() {
            format!("{bound:?}")
        } else {
            number(bound)
        };
        let le = format!("{separator}le=\"{bound}\"");
        write!(text, "{name}_bucket{{{labels}{le}}} {count}")?;
        let exemplar = exemplars.and_then(|it| it.get(index).copied().flatten());
        if let Some(Exemplar { trace, value }) = exemplar {
            let (id, span) = (trace.trace(), trace.span());
            let ids = format!("trace_id=\"{id:032x}\",span_id=\"{span:016x}\"");
            write!(text, " # {{{ids}}} {}", number(value))?;
        }
        writeln!(text)?;
    }
    Ok(())
}

fn named(labels: &[LabelPair]) -> Labels {
    let named = labels
        .iter()
        .map(|it| (it.name().to_owned(), it.value().to_owned()));
    let mut named: Labels = named.collect();
    named.sort();
    named
}

fn pairs(labels: &[LabelPair]) -> String {
    let pairs = labels
        .iter()
        .map(|it| format!("{}=\"{}\"", it.name(), escaped(it.value())));
    pairs.collect::<Vec<_>>().join(",")
}

fn in_braces(labels: &str) -> String {
    if labels.is_empty() {
        String::new()
    } else {
        format!("{{{labels}}}")
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', r"\\")
        .replace('"', r#"\""#)
        .replace('\n', r"\n")
}

fn number(value: f64) -> String {
    if value.is_infinite() {
        let sign = if value > 0.0 { '+' } else { '-' };
        return format!("{sign}Inf");
    }
    value.to_string()
}

#[cfg(test)]
mod tests {
    use godwit_core::trace::TraceContext;
    use prometheus::{
        Gauge, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    };

    use super::*;

    const TEXT: &str = r##"# TYPE a counter
# HELP a What was \"asked\".\nAll of it, or \\.
a_total{by="x\"y"} 1
# TYPE b counter
# HELP b Plain.
b_total 0
# TYPE c_seconds gauge
# HELP c_seconds Age.
c_seconds 1.5
# TYPE d_seconds histogram
# HELP d_seconds Took.
d_seconds_bucket{method="GET",route="/",le="0.5"} 1
d_seconds_bucket{method="GET",route="/",le="1.0"} 2 # {IDS} 0.75
d_seconds_bucket{method="GET",route="/",le="+Inf"} 3 # {IDS} 3
d_seconds_count{method="GET",route="/"} 3
d_seconds_sum{method="GET",route="/"} 4
# EOF
"##;

    #[test]
    fn every_kind_is_written_and_buckets_have_exemplars() {
        let registry = Registry::new();
        let asked = Opts::new("a_total", "What was \"asked\".\nAll of it, or \\.");
        let asked = IntCounterVec::new(asked, &["by"]).unwrap();
        asked.with_label_values(&["x\"y"]).inc();
        let plain = IntCounter::new("b_total", "Plain.").unwrap();
        let age = Gauge::new("c_seconds", "Age.").unwrap();
        age.set(1.5);
        let took = HistogramOpts::new("d_seconds", "Took.").buckets(vec![0.5, 1.0]);
        let took = HistogramVec::new(took, &["route", "method"]).unwrap();
        for value in [0.25, 0.75, 3.0] {
            took.with_label_values(&["/", "GET"]).observe(value);
        }
        registry.register(Box::new(asked)).unwrap();
        registry.register(Box::new(plain)).unwrap();
        registry.register(Box::new(age)).unwrap();
        registry.register(Box::new(took)).unwrap();

        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let trace: TraceContext = text.parse().unwrap();
        let label = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let exemplars = |name: &str| {
            if name != "d_seconds" {
                return Family::new();
            }
            let labels = vec![label("method", "GET"), label("route", "/")];
            let in_second = Exemplar { trace, value: 0.75 };
            let above = Exemplar { trace, value: 3.0 };
            Family::from([(labels, vec![None, Some(in_second), Some(above)])])
        };
        let written = encode(&registry.gather(), exemplars).unwrap();
        let ids = r#"trace_id="4bf92f3577b34da6a3ce929d0e0e4736",span_id="00f067aa0ba902b7""#;
        assert_eq!(written, TEXT.replace("IDS", ids));
    }
}
