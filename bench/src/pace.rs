//! Moves that are all asked for at once: how fast `godwit up` gets through them, at what cost, and
//! how long whoever asks for one waits for its answer meanwhile.
//!
//! ```text
//!   16 clients ──POST──► godwit up: API, conductor, simulated hosts ──► SQLite or PostgreSQL
//!                                                                              ▲
//!   this program ─── have all ended? when did each begin and end? ─────────────┘
//! ```
//!
//! Simulated time passes a thousand times as fast, so that guests move in no time: what is left is
//! what it takes to conduct them. The processor's time is that of `godwit up`, simulated hosts
//! included and PostgreSQL not.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use godwit_core::status::MigrationStatus;
use godwit_core::time::{Clock as _, Timestamp};
use godwit_store::{MigrationFilter, Paging, Store, StoreOptions};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api::Engine;
use crate::clock::SystemClock;
use crate::godwit::{self, Godwit};
use crate::table::{Table, median, percentile};

/// Who ask at one time, each on a connection of its own.
const CLIENTS: usize = 16;
/// The version that clients ask for.
const VERSION: &str = "compute 2.80";
/// The one server of the demonstration fleet whose move never ends.
const BUSY: &str = "vm-busy";
/// How often to look whether all have ended: seldom, for it takes the processor away.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long all moves together may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// What to measure the pace with; all combinations are.
#[derive(clap::Args)]
pub(crate) struct Matrix {
    /// Pace: how many moves are asked for.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [100_u16, 1_000, 10_000],
          value_parser = clap::value_parser!(u16).range(1..=10_000))]
    queued: Vec<u16>,
    /// Pace: how many hosts there are.
    #[arg(long, value_name = "N", value_delimiter = ',', default_values_t = [50_u16, 500],
          value_parser = clap::value_parser!(u16).range(2..=1_000))]
    pace_hosts: Vec<u16>,
    /// Pace: the databases.
    #[arg(long, value_name = "DATABASE", value_delimiter = ',', value_enum,
          default_values_t = Engine::ALL)]
    pace_databases: Vec<Engine>,
}

/// Measures all combinations.
pub(crate) async fn measure(matrix: &Matrix) -> Result<Table> {
    let mut table = Table::new(
        "Pace: live migrations asked for at once by 16 clients, `up --speed 1000`",
        &[
            "database",
            "hosts",
            "queued",
            "moves/min",
            "processor ms a move",
            "POST p50 ms",
            "POST p99 ms",
            "most running",
            "failed",
        ],
    );
    for engine in &matrix.pace_databases {
        for hosts in &matrix.pace_hosts {
            for queued in &matrix.queued {
                let row = run(*engine, *hosts, *queued).await;
                let case = || format!("{queued} moves, {hosts} hosts, {}", engine.name());
                table.row(row.with_context(case)?);
            }
        }
    }
    Ok(table)
}

async fn run(engine: Engine, hosts: u16, queued: u16) -> Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let (_postgres, database) = engine.database(&directory)?;
    // With the two of the second project there is one more than asked for that can be moved.
    let (hosts, servers) = (hosts.to_string(), queued.to_string());
    let fleet = ["--hosts", &hosts, "--servers", &servers, "--speed", "1000"];
    let named = ["--database", &database];
    let up = Godwit::up(directory.path(), &[&named[..], &fleet].concat()).await?;
    let token = godwit::token(directory.path()).await?;
    let clients: Vec<Client> = (0..CLIENTS)
        .map(|_| client(&token))
        .collect::<Result<_>>()?;
    let mut servers = movable(&clients[0], up.address()).await?;
    servers.truncate(queued.into());
    let store = Store::open(&database, StoreOptions::default()).await?;

    let (begin, before) = (SystemClock.now(), up.processor()?);
    let answers = ask_all(clients, up.address(), &servers).await?;
    let ended = tokio::time::timeout(PATIENCE, until_all_ended(&store));
    ended.await.context("moves are still going on")??;
    let processor = up.processor()?.saturating_sub(before);
    let moves = Moves::of(&store).await?;
    up.stop().await?;

    ensure!(
        moves.count == usize::from(queued),
        "there were {} moves",
        moves.count
    );
    let took = moves.last_ended.since(begin);
    let queued = f64::from(queued);
    Ok(vec![
        engine.name().to_owned(),
        hosts,
        format!("{queued:.0}"),
        format!("{:.0}", queued * 60.0 / took.as_secs_f64()),
        format!("{:.1}", processor.as_secs_f64() * 1_000.0 / queued),
        format!("{:.1}", median(answers.clone())),
        format!("{:.1}", percentile(answers, 99)),
        moves.most_running.to_string(),
        moves.failed.to_string(),
    ])
}

/// An administrator, with a connection that is kept.
fn client(token: &str) -> Result<Client> {
    let headers = HeaderMap::from_iter([
        (
            HeaderName::from_static("x-auth-token"),
            HeaderValue::from_str(token)?,
        ),
        (
            HeaderName::from_static("openstack-api-version"),
            HeaderValue::from_static(VERSION),
        ),
    ]);
    Ok(godwit_test_support::http::builder()
        .default_headers(headers)
        .build()?)
}

/// The servers whose moves end.
async fn movable(client: &Client, base: &str) -> Result<Vec<String>> {
    let mut movable = Vec::new();
    let mut after = String::new();
    loop {
        let url = format!("{base}/servers?all_tenants=1&limit=1000{after}");
        let answer = client.get(url).send().await?.error_for_status()?;
        let page: Value = answer.json().await?;
        let servers = page["servers"].as_array().context("no list")?;
        let id = |server: &Value| Some(server["id"].as_str()?.to_owned());
        let Some(last) = servers.last().and_then(id) else {
            return Ok(movable);
        };
        after = format!("&marker={last}");
        let others = servers.iter().filter(|server| server["name"] != BUSY);
        movable.extend(others.filter_map(id));
    }
}

/// Has every client ask for its share; how long each answer took, in milliseconds.
async fn ask_all(clients: Vec<Client>, base: &str, servers: &[String]) -> Result<Vec<f64>> {
    let mut asking = JoinSet::new();
    for (turn, client) in clients.into_iter().enumerate() {
        let share = servers.iter().skip(turn).step_by(CLIENTS);
        let urls = share.map(|server| format!("{base}/servers/{server}/action"));
        asking.spawn(ask(client, urls.collect()));
    }
    let shares: Result<Vec<_>> = asking.join_all().await.into_iter().collect();
    Ok(shares?.concat())
}

async fn ask(client: Client, urls: Vec<String>) -> Result<Vec<f64>> {
    let anywhere = json!({"os-migrateLive": {"host": null, "block_migration": "auto"}});
    let mut answers = Vec::with_capacity(urls.len());
    for url in urls {
        let begin = Instant::now();
        let answer = client.post(&url).json(&anywhere).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        answers.push(begin.elapsed().as_secs_f64() * 1_000.0);
        ensure!(status == StatusCode::ACCEPTED, "{url}: {status}: {text}");
    }
    Ok(answers)
}

async fn until_all_ended(store: &Store) -> Result<()> {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    loop {
        looks.tick().await;
        if store.figures().await?.unfinished.is_empty() {
            return Ok(());
        }
    }
}

/// What the records say of moves that have all ended.
struct Moves {
    count: usize,
    failed: usize,
    last_ended: Timestamp,
    /// The most that were running at one time.
    most_running: i32,
}

impl Moves {
    async fn of(store: &Store) -> Result<Self> {
        let (mut failed, mut ends, mut changes) = (0, Vec::new(), Vec::new());
        let all = MigrationFilter::default();
        for listed in store.migration_list(&all, Paging::Unpaged).await? {
            let uuid = listed.uuid().context("a migration has a uuid")?.parse()?;
            let record = store
                .migration_find(uuid)
                .await?
                .context("a migration is gone")?;
            let ended = record.ended_at.context("a migration has not ended")?;
            failed += usize::from(record.migration.status() != MigrationStatus::Completed);
            ends.push(ended);
            if let Some(started) = record.started_at {
                changes.extend([(started, 1), (ended, -1)]);
            }
        }
        // Of what happens in one instant, the ends come first.
        changes.sort_unstable();
        let running = changes.iter().scan(0, |running, (_, change)| {
            *running += change;
            Some(*running)
        });
        Ok(Self {
            count: ends.len(),
            failed,
            last_ended: ends.into_iter().max().context("nothing was moved")?,
            most_running: running.max().unwrap_or_default(),
        })
    }
}
