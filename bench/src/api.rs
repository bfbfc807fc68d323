//! The API against bare routes that answer the same bytes.
//!
//! Both are measured in turn, round after round, and the median of the rounds' ratios counts:
//! what else the machine does then hits both alike.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use godwit_test_support::postgres::TempPostgres;
use tempfile::TempDir;

use crate::Effort;
use crate::callgrind::Callgrind;
use crate::cases::{self, Case};
use crate::fleet;
use crate::server::Server;
use crate::table::{Table, median, ratio};
use crate::tokens::Tokens;
use crate::wrk::{Load, Outcome};

/// A database to measure on.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    pub(crate) const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }

    /// An empty database: its server, which lives as long as it is held, and its URL.
    pub(crate) fn database(self, directory: &TempDir) -> Result<(Option<TempPostgres>, String)> {
        match self {
            Self::Sqlite => {
                let file = directory.path().join("godwit.db");
                Ok((None, format!("sqlite://{}", file.display())))
            }
            Self::Postgres => {
                let postgres = TempPostgres::start()?;
                let url = postgres.create_database()?;
                Ok((Some(postgres), url))
            }
        }
    }
}

/// Connections at one time.
const CONNECTIONS: [u32; 3] = [1, 16, 64];
/// The version that clients ask for.
const VERSION: &str = "compute 2.80";
/// Requests of a case whose instructions are counted, with nothing else going on.
const COUNTED: usize = 8;

/// Measures on each of `engines`.
pub(crate) async fn measure(engines: &[Engine], effort: Effort) -> Result<Table> {
    let mut table = Table::new(
        "The API: 1,000 servers, 10,000 migrations",
        &[
            "GET",
            "database",
            "token",
            "connections",
            "of the bare route",
            "requests/s",
            "bare/s",
            "p50 ms",
            "p99 ms",
            "instructions",
            "a row",
        ],
    );
    let keystone = Tokens::of_keystone().await?;
    for engine in engines {
        measure_on(*engine, &Tokens::Jwt, &CONNECTIONS, effort, &mut table).await?;
        // Once it is known, a token is a token: the busiest case will do.
        measure_on(*engine, &keystone, &[64], effort, &mut table).await?;
    }
    Ok(table)
}

async fn measure_on(
    engine: Engine,
    tokens: &Tokens,
    connections: &[u32],
    effort: Effort,
    table: &mut Table,
) -> Result<()> {
    let mut service = Service::start(engine, fleet::MIGRATIONS, tokens).await?;
    let bare = service.start_bare().await?;
    let counts = service.instructions().await?;
    for connections in connections {
        for (number, (case, count)) in service.cases.iter().zip(&counts).enumerate() {
            let known = vec![format!("/{number}")];
            let pair = Pair {
                ours: service.asked_for(case, *connections),
                other: service.load(&bare, known, *connections),
            };
            let rounds = pair.run(service.directory(), effort).await?;
            let mut cells = vec![
                case.name.to_owned(),
                engine.name().to_owned(),
                tokens.name().to_owned(),
                connections.to_string(),
            ];
            cells.extend(rounds.cells());
            cells.extend([count.to_string(), (count / case.rows).to_string()]);
            table.row(cells);
        }
    }
    service.stop().await
}

/// The API with a fleet of its own, and what to ask it for.
pub(crate) struct Service {
    pub(crate) cases: Vec<Case>,
    server: Server,
    headers: Vec<(&'static str, String)>,
    database: String,
    auth: PathBuf,
    directory: TempDir,
    /// Lives as long as the measurement.
    _postgres: Option<TempPostgres>,
}

impl Service {
    /// Fills a database and serves it.
    pub(crate) async fn start(engine: Engine, migrations: u64, tokens: &Tokens) -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let (postgres, database) = engine.database(&directory)?;
        let fleet = fleet::fill(&database, migrations)
            .await
            .context("cannot fill the database")?;
        let (token, auth) = tokens.issue(directory.path()).await?;
        let headers = vec![
            ("X-Auth-Token", token),
            ("OpenStack-API-Version", VERSION.to_owned()),
        ];
        Ok(Self {
            cases: cases::all(&fleet),
            server: Server::start(&database, &auth, directory.path()).await?,
            headers,
            database,
            auth,
            directory,
            _postgres: postgres,
        })
    }

    /// Serves what the API answers to each case from bare routes too.
    async fn start_bare(&mut self) -> Result<String> {
        let mut bodies = Vec::new();
        for case in &self.cases {
            bodies.push(self.server.bodies(&case.paths, &self.headers).await?);
        }
        self.server.start_bare(&bodies).await
    }

    /// How many instructions a request of each case costs, once caches and statements are there.
    async fn instructions(&self) -> Result<Vec<u64>> {
        let mut callgrind = Callgrind::new(self.directory());
        let start = Server::start_counted(&self.database, &self.auth, self.directory(), &callgrind);
        let server = start.await?;
        let process = server.process()?;
        let mut counts = Vec::new();
        for case in &self.cases {
            let paths = &case.paths[..COUNTED.min(case.paths.len())];
            server.bodies(paths, &self.headers).await?;
            callgrind.zero(process).await?;
            server.bodies(paths, &self.headers).await?;
            counts.push(callgrind.count(process).await? / paths.len() as u64);
        }
        server.stop().await?;
        Ok(counts)
    }

    /// Requests of a case to the API.
    pub(crate) fn asked_for(&self, case: &Case, connections: u32) -> Load {
        self.load(self.server.api(), case.paths.clone(), connections)
    }

    fn load(&self, base: &str, paths: Vec<String>, connections: u32) -> Load {
        Load {
            base: base.to_owned(),
            paths,
            headers: self.headers.clone(),
            connections,
        }
    }

    /// Where files of the measurement may lie.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Stops it.
    pub(crate) async fn stop(self) -> Result<()> {
        self.server.stop().await
    }
}

/// The API, and what to compare it with.
pub(crate) struct Pair {
    pub(crate) ours: Load,
    pub(crate) other: Load,
}

/// What came of each round: the API's and the other's.
pub(crate) struct Rounds(Vec<(Outcome, Outcome)>);

impl Pair {
    /// Measures both in turn.
    pub(crate) async fn run(&self, directory: &Path, effort: Effort) -> Result<Rounds> {
        let ours = self.ours.script(directory, "ours")?;
        let other = self.other.script(directory, "other")?;
        // The first answers pay for connections, caches and statements.
        self.ours.run(&ours, 1).await?;
        self.other.run(&other, 1).await?;
        let mut rounds = Vec::new();
        for _ in 0..effort.rounds {
            rounds.push((
                self.ours.run(&ours, effort.seconds).await?,
                self.other.run(&other, effort.seconds).await?,
            ));
        }
        Ok(Rounds(rounds))
    }
}

impl Rounds {
    /// The ratio of throughputs, both throughputs, and how long the API took.
    pub(crate) fn cells(&self) -> Vec<String> {
        let middle = |of: fn(&(Outcome, Outcome)) -> f64| median(self.0.iter().map(of).collect());
        let ratios = self
            .0
            .iter()
            .map(|(ours, other)| ours.throughput / other.throughput);
        vec![
            ratio(ratios.collect()),
            format!("{:.0}", middle(|(ours, _)| ours.throughput)),
            format!("{:.0}", middle(|(_, other)| other.throughput)),
            format!("{:.1}", middle(|(ours, _)| ours.p50 / 1_000.0)),
            format!("{:.1}", middle(|(ours, _)| ours.p99 / 1_000.0)),
        ]
    }
}
