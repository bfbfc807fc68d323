//! A real Prometheus (Debian's package) that scrapes a deployment with the rules of the repository.
//!
//! It is asked by `promtool`, which comes with it. Times in the rules are made for operators; a test
//! shortens them, and says so where it does.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use godwit_test_support::ports::free_address;
use godwit_test_support::wait_for_blocking;
use serde::Deserialize;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::sdk::repository;

/// Prometheus looks at its targets for the first time after five seconds.
const START: Duration = Duration::from_secs(60);

/// Figures are read every few seconds, and rates need two scrapes.
const SEEN: Duration = Duration::from_secs(90);

/// A running Prometheus; ends with the value.
#[derive(Debug)]
pub struct Prometheus {
    process: Child,
    url: String,
    began: SystemTime,
    directory: TempDir,
}

/// A series in an answer.
#[derive(Clone, Debug, Deserialize)]
pub struct Series {
    /// Its labels.
    pub metric: std::collections::BTreeMap<String, String>,
    /// Of a range: times and values.
    #[serde(default)]
    pub values: Vec<(f64, String)>,
}

impl Series {
    /// Does it say anything but zero, at any time?
    pub fn says_something(&self) -> bool {
        self.values
            .iter()
            .any(|(_, value)| !matches!(value.as_str(), "0" | "NaN"))
    }
}

impl Prometheus {
    /// Starts one that scrapes `jobs` each second and evaluates `rules`, the text of a rule file.
    ///
    /// # Errors
    /// It is not installed (`scripts/install-testbed`), or refuses its configuration; the error
    /// holds what it said.
    pub fn start(jobs: &[(&str, Vec<SocketAddr>)], rules: &str) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
        let address = free_address()?;
        let jobs: Vec<_> = jobs
            .iter()
            .map(|(name, targets)| {
                json!({ "job_name": name, "static_configs": [{ "targets": targets }] })
            })
            .collect();
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "rule_files": ["rules.yml"],
            "scrape_configs": jobs,
        });
        fs::write(directory.path().join("rules.yml"), rules)?;
        fs::write(directory.path().join("prometheus.yml"), config.to_string())?;
        let log = fs::File::create(directory.path().join("log"))?;
        let process = Command::new("setpriv")
            .args(["--pdeathsig=KILL", "--", "prometheus"])
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .arg("--enable-feature=exemplar-storage")
            .arg(format!("--web.listen-address={address}"))
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("cannot run prometheus: has scripts/install-testbed been run?")?;
        let prometheus = Self {
            process,
            url: format!("http://{address}"),
            began: SystemTime::UNIX_EPOCH,
            directory,
        };
        prometheus.await_targets(jobs.len())
    }

    /// Every job has been scraped.
    fn await_targets(mut self, jobs: usize) -> Result<Self> {
        wait_for_blocking("every job to be scraped", START, || {
            let up = self.query("count(count by (job) (up == 1))")?;
            let scraped = up.first().map(|(_, value)| *value);
            Ok(scraped
                .is_some_and(|scraped| scraped as usize == jobs)
                .then_some(()))
        })
        .with_context(|| {
            fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
        })?;
        self.began = now();
        Ok(self)
    }

    /// What a query says at this moment: labels, and a value.
    ///
    /// # Errors
    /// The query is wrong, or Prometheus does not answer.
    pub fn query(&self, query: &str) -> Result<Vec<(Series, f64)>> {
        #[derive(Deserialize)]
        struct Sample {
            metric: std::collections::BTreeMap<String, String>,
            value: (f64, String),
        }
        let said = self.ask(&["instant", "-o", "json", &self.url, query])?;
        let samples: Vec<Sample> = serde_json::from_str(&said)?;
        samples
            .into_iter()
            .map(|sample| {
                let series = Series {
                    metric: sample.metric,
                    values: vec![],
                };
                Ok((series, sample.value.1.parse()?))
            })
            .collect()
    }

    /// Waits until a query says something but zero.
    ///
    /// # Errors
    /// It never does, or as [`Self::query`].
    pub fn await_something(&self, query: &str) -> Result<()> {
        wait_for_blocking(&format!("{query} to say something"), SEEN, || {
            let said = self.query(query)?;
            ensure!(said.iter().any(|(_, value)| *value > 0.0), "{said:?}");
            Ok(Some(()))
        })
    }

    /// What a query has said each second since Prometheus was started.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn history(&self, query: &str) -> Result<Vec<Series>> {
        let seconds = |at: SystemTime| {
            let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
            since.as_secs().to_string()
        };
        let (start, end) = (
            format!("--start={}", seconds(self.began)),
            format!("--end={}", seconds(now())),
        );
        let said = self.ask(&[
            "range",
            "-o",
            "json",
            &start,
            &end,
            "--step=1s",
            &self.url,
            query,
        ])?;
        Ok(serde_json::from_str(&said)?)
    }

    /// The traces of which a metric has had exemplars since Prometheus was started.
    ///
    /// # Errors
    /// Prometheus does not answer.
    pub fn exemplars(&self, metric: &str) -> Result<BTreeSet<String>> {
        let seconds = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        // They have the time of the scrape that first had them, which may be the first of all.
        let start = seconds(self.began).saturating_sub(60);
        let asked = format!(
            "{}/api/v1/query_exemplars?query={metric}&start={start}&end={}",
            self.url,
            seconds(now()) + 1
        );
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--fail", &asked])
            .output()
            .context("cannot run curl")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{asked}: {said}");
        let said: Value = serde_json::from_slice(&output.stdout)?;
        let series = said["data"].as_array().into_iter().flatten();
        let exemplars = series.flat_map(|it| it["exemplars"].as_array().into_iter().flatten());
        let traces = exemplars.filter_map(|it| it["labels"]["trace_id"].as_str());
        Ok(traces.map(str::to_owned).collect())
    }

    /// The alerts that fire.
    ///
    /// # Errors
    /// As [`Self::query`].
    pub fn firing(&self) -> Result<BTreeSet<String>> {
        let alerts = self.query(r#"ALERTS{alertstate="firing"}"#)?;
        let name = |(series, _): (Series, f64)| series.metric.get("alertname").cloned();
        Ok(alerts.into_iter().filter_map(name).collect())
    }

    fn ask(&self, arguments: &[&str]) -> Result<String> {
        let output = Command::new("promtool")
            .arg("query")
            .args(arguments)
            .output()
            .context("cannot run promtool")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "Prometheus' clock is the machine's"
)]
fn now() -> SystemTime {
    SystemTime::now()
}

/// The rules of the repository.
///
/// # Errors
/// The file cannot be read.
pub fn rules() -> Result<String> {
    let path = repository().join("deploy/prometheus/godwit.rules.yml");
    fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
}

/// The same with what is long made short: `(what the file says, what a test wants)`. Each has to be
/// there, so that a rule that changes does not go unnoticed.
///
/// # Errors
/// Something is not there.
pub fn shortened(rules: &str, changes: &[(&str, &str)]) -> Result<String> {
    let mut text = rules.to_owned();
    for (long, short) in changes {
        ensure!(text.contains(long), "no rule says {long:?} any more");
        text = text.replace(long, short);
    }
    Ok(text)
}
