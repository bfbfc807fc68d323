//! Events at a steady pace: how long it takes from the commit of one until a subscriber has it. The aim
//! is 100 ms at the 99th percentile, at 1,000 events a second.
//!
//! ```text
//!   this program ──commits──► PostgreSQL ◄──reads── godwit api ──streams──► this program
//!                                                       └──────calls──────►
//! ```
//!
//! An event counts as committed when whoever wrote it hears so, which is a little later than others
//! could see it. Events are of a hundred migrations in turn: of each, a webhook is told one at a time.
//! All of this shares the processors of one machine.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use godwit_api::http::sealing::make_key;
use godwit_core::ids::MigrationUuid;
use godwit_core::time::Clock as _;
use godwit_store::{Actor, Store, StoreOptions};
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::receiver::Receiver;
use godwit_test_support::wait_for;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use system_tests::native::Native;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::Effort;
use crate::api::Engine;
use crate::clock::SystemClock;
use crate::fleet;
use crate::godwit::{Godwit, command};
use crate::table::{Table, median, percentile};
use crate::tokens::Tokens;

/// How long events may be on their way once all are committed.
const PATIENCE: Duration = Duration::from_secs(120);

/// What to measure events at.
#[derive(clap::Args)]
pub(crate) struct Pace {
    /// Events: how many a second.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [100_u32, 1_000],
          value_parser = clap::value_parser!(u32).range(1..=100_000))]
    event_rates: Vec<u32>,
}

/// Who is told.
#[derive(Clone, Copy)]
enum Subscriber {
    /// So many who each follow a stream.
    Streams(usize),
    /// One who is called.
    Webhook,
}

impl Subscriber {
    const ALL: [Self; 3] = [Self::Streams(1), Self::Streams(10), Self::Webhook];

    fn name(self) -> String {
        match self {
            Self::Streams(1) => "a stream".to_owned(),
            Self::Streams(count) => format!("{count} streams"),
            Self::Webhook => "a webhook".to_owned(),
        }
    }
}

/// When a subscriber was told of which event, by its mark.
type Receipts = Vec<(u64, Instant)>;

/// Measures all rates and subscribers.
pub(crate) async fn measure(pace: &Pace, effort: Effort) -> Result<Table> {
    let mut table = Table::new(
        "Events: from the commit to the subscriber, `godwit api` on PostgreSQL",
        &[
            "told by",
            "asked for a second",
            "committed a second",
            "p50 ms",
            "p99 ms",
            "most ms",
        ],
    );
    let mut scene = Scene::start().await?;
    for rate in &pace.event_rates {
        for subscriber in Subscriber::ALL {
            let row = scene.run(subscriber, *rate, effort.seconds).await;
            let case = || format!("{rate} events a second, {}", subscriber.name());
            table.row(row.with_context(case)?);
        }
    }
    scene.api.stop().await?;
    Ok(table)
}

/// The API, and who writes beside it.
struct Scene {
    api: Godwit,
    native: Native,
    store: Store,
    migrations: Vec<MigrationUuid>,
    /// The mark of the next event: no two have the same.
    next: u64,
    // They live as long as the measurement.
    _postgres: Option<TempPostgres>,
    _directory: TempDir,
}

impl Scene {
    async fn start() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (postgres, database) = Engine::Postgres.database(&directory)?;
        let fleet = fleet::fill(&database, fleet::MIGRATIONS)
            .await
            .context("cannot fill the database")?;
        let (token, auth) = Tokens::Jwt.issue(directory.path()).await?;
        let config = configure(directory.path(), &database, &auth)?;
        let mut api = command(&["api", "--config"])?;
        api.arg(config);
        let api = Godwit::start(api).await?;
        let base = api.address().trim_end_matches("/v2.1").to_owned();
        let options = StoreOptions {
            pool_size: 16,
            busy_timeout: PATIENCE,
            ..StoreOptions::default()
        };
        Ok(Self {
            native: Native::new(vec![base], &token)?,
            api,
            store: Store::open(&database, options).await?,
            migrations: fleet
                .moving
                .iter()
                .map(|(_, id)| fleet::migration_uuid(id - 1))
                .collect(),
            next: 0,
            _postgres: postgres,
            _directory: directory,
        })
    }

    async fn run(
        &mut self,
        subscriber: Subscriber,
        rate: u32,
        seconds: u32,
    ) -> Result<Vec<String>> {
        let first = self.next;
        self.next += u64::from(rate) * u64::from(seconds);
        let marks = first..self.next;
        let (committed, told) = match subscriber {
            Subscriber::Streams(count) => self.stream(count, rate, marks).await?,
            Subscriber::Webhook => self.call(rate, marks).await?,
        };
        let latencies = told.iter().map(|(mark, at)| {
            let index = usize::try_from(mark - first)?;
            let since = *committed.get(index).context("an event that is no one's")?;
            anyhow::Ok(at.saturating_duration_since(since).as_secs_f64() * 1_000.0)
        });
        let latencies: Vec<f64> = latencies.collect::<Result<_>>()?;
        Ok(vec![
            subscriber.name(),
            rate.to_string(),
            format!("{:.0}", pace_of(&committed)),
            format!("{:.1}", median(latencies.clone())),
            format!("{:.1}", percentile(latencies.clone(), 99)),
            format!("{:.1}", latencies.into_iter().fold(0.0, f64::max)),
        ])
    }

    /// Has streams told; returns when events were committed, and when they arrived.
    async fn stream(
        &self,
        count: usize,
        rate: u32,
        marks: Range<u64>,
    ) -> Result<(Vec<Instant>, Receipts)> {
        let events = usize::try_from(marks.end - marks.start)?;
        let mut listening = JoinSet::new();
        for _ in 0..count {
            let path = "/relocation/v1/events";
            let request = self.native.request(0, Method::GET, path);
            let request = request.header("Accept", "text/event-stream");
            // What is committed behind its head is in it.
            let stream = request.send().await?.error_for_status()?;
            listening.spawn(listen(stream, events));
        }
        let committed = self.commit(rate, marks).await?;
        let told = tokio::time::timeout(PATIENCE, listening.join_all());
        let told = told.await.context("a stream is behind")?;
        let told: Vec<Receipts> = told.into_iter().collect::<Result<_>>()?;
        Ok((committed, told.concat()))
    }

    /// Has a webhook called; returns when events were committed, and when they first arrived.
    async fn call(&self, rate: u32, marks: Range<u64>) -> Result<(Vec<Instant>, Receipts)> {
        let events = usize::try_from(marks.end - marks.start)?;
        let receiver = Receiver::start()?;
        let webhook = self.native.webhook(&receiver.url(), None).await?;
        let committed = self.commit(rate, marks).await?;
        wait_for("all calls", PATIENCE, async || {
            let count = receiver.count();
            ensure!(count >= events, "{count} of {events} have come");
            Ok(Some(()))
        })
        .await?;
        let mut told = HashMap::new();
        for call in receiver.calls() {
            let mark = mark(&call.body).context("a call of no event")?;
            told.entry(mark).or_insert(call.at);
        }
        let count = told.len();
        ensure!(count == events, "{count} of {events} events came");
        self.native.delete_webhook(&webhook).await?;
        Ok((committed, told.into_iter().collect()))
    }

    /// Commits an event for each mark at a steady pace; returns when each was, in turn.
    async fn commit(&self, rate: u32, marks: Range<u64>) -> Result<Vec<Instant>> {
        let mut ticks = tokio::time::interval(Duration::from_secs(1) / rate);
        let mut committing = JoinSet::new();
        for (mark, migration) in marks.zip(self.migrations.iter().cycle().copied()) {
            ticks.tick().await;
            let store = self.store.clone();
            committing.spawn(async move {
                let (detail, now) = (json!({ "mark": mark }), SystemClock.now());
                let told = store
                    .migration_event_append(migration, "forced", Actor::Conductor, detail, now)
                    .await?;
                ensure!(told, "no migration {migration}");
                anyhow::Ok((mark, Instant::now()))
            });
        }
        let committed: Result<Vec<_>> = committing.join_all().await.into_iter().collect();
        let mut committed = committed?;
        committed.sort_unstable();
        Ok(committed.into_iter().map(|(_, at)| at).collect())
    }
}

/// Writes the configuration of the API; returns its path.
fn configure(directory: &Path, database: &str, auth: &Path) -> Result<std::path::PathBuf> {
    let sealing_key = directory.join("sealing.key");
    std::fs::write(&sealing_key, make_key().context("no key")?)?;
    let auth: Value = serde_json::from_slice(&std::fs::read(auth)?)?;
    let anywhere = "127.0.0.1:0";
    let settings = json!({
        "database": {"url": database},
        "auth": auth,
        "api": {
            "listen": anywhere,
            "metrics": anywhere,
            "webhooks": {
                "sealing_key_file": sealing_key,
                "allowed_networks": ["127.0.0.0/8"],
            },
        },
    });
    let config = directory.join("godwit.yaml");
    std::fs::write(&config, settings.to_string())?;
    Ok(config)
}

/// Follows a stream until it has told of so many events; returns when it did.
async fn listen(mut stream: Response, events: usize) -> Result<Receipts> {
    let (mut told, mut rest) = (Vec::with_capacity(events), String::new());
    while told.len() < events {
        let piece = stream.chunk().await?.context("the stream has ended")?;
        let now = Instant::now();
        rest.push_str(std::str::from_utf8(&piece)?);
        let Some((complete, begun)) = rest.rsplit_once("\n\n") else {
            continue;
        };
        let marks = complete.split("\n\n").filter_map(mark);
        told.extend(marks.map(|mark| (mark, now)));
        rest = begun.to_owned();
    }
    Ok(told)
}

/// The mark of an event, as its document has it.
fn mark(text: &str) -> Option<u64> {
    let (_, behind) = text.split_once("\"mark\":")?;
    let digits = behind.split(|it: char| !it.is_ascii_digit()).next()?;
    digits.parse().ok()
}

/// How many a second these are.
fn pace_of(committed: &[Instant]) -> f64 {
    let (first, last) = (committed.iter().min(), committed.iter().max());
    let (Some(first), Some(last)) = (first, last) else {
        return 0.0;
    };
    let count = u32::try_from(committed.len()).unwrap_or(u32::MAX);
    f64::from(count) / last.duration_since(*first).as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_found_in_an_event() {
        assert_eq!(
            mark(r#"id: 7\ndata: {"data":{"detail":{"mark":42}}}"#),
            Some(42)
        );
        assert_eq!(mark(": keep-alive"), None);
    }
}
