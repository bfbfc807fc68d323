//! The API against bare routes that answer the same bytes.
//!
//! Both are measured in turn, round after round, and the median of the rounds' ratios counts:
//! what else the machine does then hits both alike.

use std::path::Path;

use anyhow::{Context, Result};
use godwit_api::auth::claims::Claims;
use godwit_core::time::Clock as _;
use godwit_test_support::postgres::TempPostgres;
use godwit_test_support::token::TokenKey;
use tempfile::TempDir;

use crate::Effort;
use crate::clock::SystemClock;
use crate::fleet::{self, Fleet};
use crate::server::Server;
use crate::table::{Table, median, ratio};
use crate::wrk::{Load, Outcome};

/// A database to measure on.
#[derive(Clone, Copy)]
pub(crate) enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    const fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// Connections at one time.
const CONNECTIONS: u32 = 64;
/// The version that clients ask for.
const VERSION: &str = "compute 2.80";

/// Requests of one kind.
struct Case {
    name: &'static str,
    paths: Vec<String>,
}

fn cases(fleet: &Fleet) -> Vec<Case> {
    let moving = |path: fn(&(godwit_core::ids::ServerUuid, u64)) -> String| {
        fleet.moving.iter().map(path).collect()
    };
    let one = |path: &str| vec![path.to_owned()];
    vec![
        Case {
            name: "`/servers/{id}/migrations`",
            paths: moving(|(server, _)| format!("/v2.1/servers/{server}/migrations")),
        },
        Case {
            name: "`/servers/{id}/migrations/{mid}`",
            paths: moving(|(server, id)| format!("/v2.1/servers/{server}/migrations/{id}")),
        },
        Case {
            name: "`/os-migrations?limit=50`",
            paths: one("/v2.1/os-migrations?limit=50"),
        },
        Case {
            name: "`/servers/detail?limit=100`",
            paths: one("/v2.1/servers/detail?limit=100&all_tenants=1"),
        },
    ]
}

/// Measures on each of `engines`.
pub(crate) async fn measure(engines: &[Engine], effort: Effort) -> Result<Table> {
    let mut table = Table::new(
        "The API: 64 connections, valid JWT, 1,000 servers, 10,000 migrations",
        &[
            "GET",
            "database",
            "of the bare route",
            "requests/s",
            "bare/s",
            "p50 ms",
            "p99 ms",
        ],
    );
    for engine in engines {
        measure_on(*engine, effort, &mut table).await?;
    }
    Ok(table)
}

async fn measure_on(engine: Engine, effort: Effort, table: &mut Table) -> Result<()> {
    let directory = tempfile::tempdir()?;
    // Lives as long as the measurement.
    let (_postgres, database) = database(engine, &directory)?;
    let fleet = fleet::fill(&database)
        .await
        .context("cannot fill the database")?;
    let key = TokenKey::new()?;
    let headers = vec![
        ("X-Auth-Token", token(&key)?),
        ("OpenStack-API-Version", VERSION.to_owned()),
    ];
    let key = key.write_public(directory.path(), "tokens")?;
    let mut server = Server::start(&database, &key, directory.path()).await?;
    let cases = cases(&fleet);
    let mut bodies = Vec::new();
    for case in &cases {
        bodies.push(server.body(&case.paths, &headers).await?);
    }
    let bare = server.start_bare(&bodies).await?;
    for (number, case) in cases.into_iter().enumerate() {
        let load = |base: &str, paths, headers| Load {
            base: base.to_owned(),
            paths,
            headers,
            connections: CONNECTIONS,
        };
        let pair = Pair {
            ours: load(server.api(), case.paths, headers.clone()),
            bare: load(&bare, vec![format!("/{number}")], headers.clone()),
        };
        let rounds = pair.run(directory.path(), effort).await?;
        table.row(rounds.cells(case.name, engine));
    }
    server.stop().await
}

fn database(engine: Engine, directory: &TempDir) -> Result<(Option<TempPostgres>, String)> {
    match engine {
        Engine::Sqlite => {
            let file = directory.path().join("godwit.db");
            Ok((None, format!("sqlite://{}", file.display())))
        }
        Engine::Postgres => {
            let postgres = TempPostgres::start()?;
            let url = postgres.create_database()?;
            Ok((Some(postgres), url))
        }
    }
}

/// A token of an administrator, good for a day.
fn token(key: &TokenKey) -> Result<String> {
    let now = SystemClock.now();
    let day = std::time::Duration::from_secs(86_400);
    key.sign(&Claims {
        sub: Some("operator".to_owned()),
        project_id: Some(fleet::OPERATIONS.to_owned()),
        roles: ["admin", "manager", "member", "reader"]
            .map(str::to_owned)
            .to_vec(),
        ..Claims::lasting(now, now.plus(day))
    })
}

/// The API, and the bare route to compare it with.
struct Pair {
    ours: Load,
    bare: Load,
}

/// What came of each round: the API's and the bare route's.
struct Rounds(Vec<(Outcome, Outcome)>);

impl Pair {
    async fn run(&self, directory: &Path, effort: Effort) -> Result<Rounds> {
        let ours = self.ours.script(directory, "ours")?;
        let bare = self.bare.script(directory, "bare")?;
        // The first answers pay for connections, caches and statements.
        self.ours.run(&ours, 1).await?;
        self.bare.run(&bare, 1).await?;
        let mut rounds = Vec::new();
        for _ in 0..effort.rounds {
            rounds.push((
                self.ours.run(&ours, effort.seconds).await?,
                self.bare.run(&bare, effort.seconds).await?,
            ));
        }
        Ok(Rounds(rounds))
    }
}

impl Rounds {
    fn cells(&self, name: &str, engine: Engine) -> Vec<String> {
        let middle = |of: fn(&(Outcome, Outcome)) -> f64| median(self.0.iter().map(of).collect());
        vec![
            name.to_owned(),
            engine.name().to_owned(),
            ratio(
                self.0
                    .iter()
                    .map(|(ours, bare)| ours.throughput / bare.throughput)
                    .collect(),
            ),
            format!("{:.0}", middle(|(ours, _)| ours.throughput)),
            format!("{:.0}", middle(|(_, bare)| bare.throughput)),
            format!("{:.1}", middle(|(ours, _)| ours.p50 / 1_000.0)),
            format!("{:.1}", middle(|(ours, _)| ours.p99 / 1_000.0)),
        ]
    }
}
