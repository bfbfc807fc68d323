//! Finding registrations in source, and names in queries.

/// A metric, as the code registers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Metric {
    pub(super) name: String,
    pub(super) kind: &'static str,
    pub(super) labels: Vec<String>,
    pub(super) help: String,
}

/// How all our names begin.
const PREFIX: &str = "godwit_";

/// What makes a metric, and of which kind. The last of these before its name is the one.
const MAKERS: &[(&str, &str)] = &[
    ("IntCounter::new(", "counter"),
    ("IntCounterVec::new(", "counter"),
    ("IntGauge::new(", "gauge"),
    ("IntGaugeVec::new(", "gauge"),
    // The macros of the prometheus crate, and what they are called for short where many are used.
    ("counter_vec_with_registry!(", "counter"),
    ("counter_with_registry!(", "counter"),
    ("gauge_vec_with_registry!(", "gauge"),
    ("gauge_with_registry!(", "gauge"),
    ("histogram_vec_with_registry!(", "histogram"),
    ("histogram_with_registry!(", "histogram"),
    ("counter!(", "counter"),
    ("counters!(", "counter"),
    ("gauge!(", "gauge"),
    ("gauges!(", "gauge"),
    ("age!(", "gauge"),
    ("ages!(", "gauge"),
    ("histogram!(", "histogram"),
    ("histograms!(", "histogram"),
];

/// What a file registers. A registration reads: maker, name, help and, where there are labels, a
/// list of them, before the next name.
pub(super) fn registrations(text: &str) -> Vec<Metric> {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    let quoted = format!("\"{PREFIX}");
    let starts: Vec<usize> = text.match_indices(&quoted).map(|(at, _)| at).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let mut found = vec![];
    let mut previous = 0;
    for (start, end) in starts.iter().copied().zip(ends) {
        let before = &text[previous..start];
        let maker = MAKERS
            .iter()
            .filter_map(|(maker, kind)| Some((before.rfind(maker)?, *kind)))
            .max();
        previous = start;
        let Some((_, kind)) = maker else { continue };
        let Some((name, rest)) = literal(&text[start..end]) else {
            continue;
        };
        let Some((help, rest)) = literal(rest) else {
            continue;
        };
        let labels = labels(rest);
        found.push(Metric {
            name,
            kind,
            labels,
            help,
        });
    }
    found
}

/// The first string literal in `text`, and what follows it.
fn literal(text: &str) -> Option<(String, &str)> {
    let (_, inside) = text.split_once('"')?;
    let mut value = String::new();
    let mut characters = inside.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &inside[at + 1..])),
            '\\' => match characters.next()? {
                // The line goes on where the next one's text begins.
                (_, '\n') => {
                    let next = characters.find(|(_, it)| !it.is_whitespace())?;
                    if next.1 == '"' {
                        return Some((value, &inside[next.0 + 1..]));
                    }
                    value.push(next.1);
                }
                (_, escaped) => value.push(escaped),
            },
            other => value.push(other),
        }
    }
    None
}

/// The list of labels, `&["a", "b"]`, if there is one.
fn labels(text: &str) -> Vec<String> {
    let list = text
        .split_once("&[\"")
        .and_then(|(_, rest)| rest.split_once(']'));
    let list = list.map_or("", |(list, _)| list);
    let parts = list.split('"').filter(|part| !part.trim().is_empty());
    parts
        .filter(|part| part.trim() != ",")
        .map(str::to_owned)
        .collect()
}

/// Every name of ours in a text.
pub(super) fn words(text: &str) -> Vec<&str> {
    let starts = text.match_indices(PREFIX);
    starts
        .map(|(start, _)| {
            let word = &text[start..];
            let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
            let end = word.find(|c: char| !is_part(c)).unwrap_or(word.len());
            &word[..end]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(name: &str, kind: &'static str, labels: &[&str], help: &str) -> Metric {
        Metric {
            name: name.to_owned(),
            kind,
            labels: labels.iter().map(|label| (*label).to_owned()).collect(),
            help: help.to_owned(),
        }
    }

    #[test]
    fn registrations_are_found_however_they_are_written() {
        let text = r#"
            let requests = IntCounterVec::new(
                Opts::new("godwit_requests_total", "Requests."),
                &["route", "status"],
            )?;
            let waiting = IntGauge::new("godwit_waiting", "What \
                waits.")?;
            let steps = register_histogram_vec_with_registry!(
                "godwit_step_seconds",
                "Steps.",
                &["step"],
                BUCKETS.to_vec(),
                registry
            )?;
            age: age!("godwit_oldest_seconds", "The oldest.", registry)?,
            #[cfg(test)]
            mod tests { IntGauge::new("godwit_none", "None.") }
        "#;
        assert_eq!(
            registrations(text),
            [
                metric(
                    "godwit_requests_total",
                    "counter",
                    &["route", "status"],
                    "Requests."
                ),
                metric("godwit_waiting", "gauge", &[], "What waits."),
                metric("godwit_step_seconds", "histogram", &["step"], "Steps."),
                metric("godwit_oldest_seconds", "gauge", &[], "The oldest."),
            ]
        );
    }

    #[test]
    fn what_is_only_named_is_not_registered() {
        assert_eq!(
            registrations(r#"assert!(text.contains("godwit_a"), "b")"#),
            []
        );
    }

    #[test]
    fn names_in_queries_are_found() {
        let query = "sum(rate(godwit_a_bucket[5m])) / godwit_b{state=\"up\"}";
        assert_eq!(words(query), ["godwit_a_bucket", "godwit_b"]);
    }
}
