//! The catalogue of metrics, drawn from where the code registers them, and what names them.
//!
//! ```text
//!   registrations in crates ──► docs/metrics.md
//!            ▲                        │ each row says where the metric is seen
//!            └── dashboards, alert rules ──► docs/alerts/*.md
//! ```
//!
//! A panel or an alert about a metric that nobody registers is never seen to be wrong: it is empty,
//! or silent. And an alert without a page wakes somebody who does not know what to do.

mod alerts;
mod scan;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::sizes::rust_files;
use scan::{Metric, registrations, words};

const PAGE: &str = "docs/metrics.md";
const DASHBOARDS: &str = "deploy/grafana/dashboards";

/// Where metrics are registered, and which processes then show them.
const SOURCES: &[(&str, &str)] = &[
    ("crates/api/src", "api"),
    ("crates/compute-agent/src", "agent"),
    ("crates/conductor/src", "conductor"),
    ("crates/notifications/src", "conductor"),
    ("crates/godwit/src/roles/pool.rs", "api"),
    (
        "crates/godwit/src/roles/certificates.rs",
        "conductor, agent",
    ),
    ("crates/godwit/src/version.rs", "all"),
];

const INTRODUCTION: &str = "\
# Metrics

Every metric that Godwit shows, drawn from the code by `cargo xtask metrics`. `cargo xtask check`
fails when this page, a dashboard or an alert names something else than the code registers.

Each process serves `/metrics` on an address of its own: `api.metrics` (9774), `conductor.metrics`
(9775), `agent.metrics` (9776) and, if it is set, `simulated_agents.metrics`. `godwit up` shows all
of them but the API's pool and certificates. Labels are words of a fixed set, versions, or the
templates of routes; never ids, hosts or projects.

Gauges of conductors describe the database, which is read each `metrics_interval` (5 seconds): every
conductor shows the same, so take their `max`, and not their sum. The pool and the leases are its
own. Counters and histograms are a process's own since it began: take the `sum` of their `rate`. A
series is there from the first thing that it counts on, which an `increase` misses.

Whoever asks for OpenMetrics, as Prometheus does, gets beside buckets of `godwit_http_request_seconds`,
`godwit_effect_seconds`, `godwit_migration_status_seconds` and `godwit_agent_step_seconds` the trace of
the last thing that was counted there, where [traces](traces.md) are recorded. Prometheus keeps these
exemplars with `--enable-feature=exemplar-storage`.

*Seen on* names dashboards (deploy/grafana) and [alerts](alerts/README.md).

";

/// Writes the page.
pub(crate) fn write(root: &Path) -> Result<()> {
    let page = root.join(PAGE);
    std::fs::write(&page, draw(root)?).with_context(|| format!("cannot write {PAGE}"))
}

/// Fails when the page is not what would be drawn, when something names a metric that nobody
/// registers, and when an alert has no page or a page no alert.
pub(crate) fn check(root: &Path) -> Result<()> {
    let drawn = draw(root)?;
    alerts::check(root)?;
    let written = read(root, PAGE)?;
    ensure!(
        written == drawn,
        "{PAGE} differs from the code; `cargo xtask metrics` draws it anew"
    );
    Ok(())
}

fn draw(root: &Path) -> Result<String> {
    let metrics = catalogue(root)?;
    let seen = seen(root, &metrics)?;
    let mut page = INTRODUCTION.to_owned();
    page.push_str("| Metric | Type | Labels | Where | What it says | Seen on |\n");
    page.push_str("|---|---|---|---|---|---|\n");
    for (name, (metric, place)) in &metrics {
        let labels = if metric.labels.is_empty() {
            "–".to_owned()
        } else {
            metric.labels.join(", ")
        };
        let on = seen.get(name).map_or("–".to_owned(), |on| {
            on.iter().cloned().collect::<Vec<_>>().join(", ")
        });
        let (kind, help) = (metric.kind, metric.help.trim_end_matches('.'));
        writeln!(
            page,
            "| `{name}` | {kind} | {labels} | {place} | {help} | {on} |"
        )?;
    }
    Ok(page)
}

/// Every metric by its name, with the processes that show it.
fn catalogue(root: &Path) -> Result<BTreeMap<String, (Metric, &'static str)>> {
    let mut metrics = BTreeMap::new();
    for (source, place) in SOURCES {
        let path = root.join(source);
        let files = if path.is_dir() {
            rust_files(&path)?
        } else {
            vec![path]
        };
        for file in files {
            let text = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?;
            for metric in registrations(&text) {
                let name = metric.name.clone();
                let known = metrics.insert(name.clone(), (metric, *place));
                ensure!(known.is_none(), "{name} is registered twice");
            }
        }
    }
    Ok(metrics)
}

/// Which dashboards and alerts name each metric. Fails for a name that is none.
fn seen(
    root: &Path,
    metrics: &BTreeMap<String, (Metric, &'static str)>,
) -> Result<BTreeMap<String, BTreeSet<String>>> {
    let mut users = vec![];
    for file in std::fs::read_dir(root.join(DASHBOARDS)).context("there are no dashboards")? {
        let path = file?.path();
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        users.push((name.into_owned(), std::fs::read_to_string(&path)?));
    }
    users.extend(alerts::rules(root)?);

    let mut seen: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (user, text) in users {
        for word in words(&text) {
            if let Some(name) = registered(word, metrics) {
                seen.entry(name).or_default().insert(user.clone());
            } else {
                bail!("{user} names {word}, which nobody registers");
            }
        }
    }
    Ok(seen)
}

/// The metric that a name in a query is about. A histogram has series of other names.
fn registered(word: &str, metrics: &BTreeMap<String, (Metric, &'static str)>) -> Option<String> {
    if metrics.contains_key(word) {
        return Some(word.to_owned());
    }
    let base = ["_bucket", "_count", "_sum"]
        .iter()
        .find_map(|suffix| word.strip_suffix(suffix))?;
    let is_histogram = metrics.get(base)?.0.kind == "histogram";
    is_histogram.then(|| base.to_owned())
}

pub(super) fn read(root: &Path, name: &str) -> Result<String> {
    std::fs::read_to_string(root.join(name)).with_context(|| format!("cannot read {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_is_up_to_date_and_nothing_names_what_is_not_there() {
        check(&crate::workspace_root().unwrap()).unwrap();
    }

    #[test]
    fn the_series_of_a_histogram_are_its_own() {
        let metric = |name: &str, kind| {
            let metric = Metric {
                name: name.to_owned(),
                kind,
                labels: vec![],
                help: String::new(),
            };
            (name.to_owned(), (metric, "api"))
        };
        let metrics = BTreeMap::from([
            metric("godwit_a_seconds", "histogram"),
            metric("godwit_b", "gauge"),
        ]);
        let found = |word| registered(word, &metrics);
        assert_eq!(found("godwit_b").as_deref(), Some("godwit_b"));
        assert_eq!(
            found("godwit_a_seconds_bucket").as_deref(),
            Some("godwit_a_seconds")
        );
        assert_eq!(found("godwit_b_bucket"), None);
        assert_eq!(found("godwit_c"), None);
    }
}
