//! Measures Godwit, and prints a table in Markdown.
//!
//! A figure of one machine says little about another one. So whatever can be is a ratio
//! against a bare counterpart that is measured in turn with it, on the same machine, in the
//! same minutes: the API against a route that knows its answer, a migration against the same
//! one by libvirt's own call.
//!
//! ```text
//!   godwit-bench ──spawns──► godwit-bench serve   the API and the bare route, one process
//!        │                          ▲
//!        └──────runs──────► wrk ────┘
//! ```

mod agents;
mod api;
mod callgrind;
mod cases;
mod events;
mod first;
mod fleet;
mod godwit;
mod growth;
mod machine;
mod moves;
mod pace;
mod plan;
mod serve;
mod server;
mod table;
mod tokens;
mod up;
mod wrk;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use godwit_test_support::clock;
use tokio::runtime::Runtime;

/// Measures Godwit against bare counterparts; prints Markdown.
#[derive(Parser)]
#[command(name = "bench", version, about)]
struct Cli {
    /// What to measure; all of it unless named.
    #[arg(value_enum)]
    subjects: Vec<Subject>,
    #[command(flatten)]
    effort: Effort,
    #[command(flatten)]
    matrix: pace::Matrix,
    #[command(flatten)]
    events: events::Pace,
    #[command(flatten)]
    agents: agents::Fleet,
    #[command(flatten)]
    plans: plan::Seeds,
    /// What the program calls itself for.
    #[command(subcommand)]
    inner: Option<Inner>,
}

/// What can be measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Subject {
    /// The API on SQLite.
    Sqlite,
    /// The API on PostgreSQL.
    Postgres,
    /// The API with a hundred times the history, on both.
    Growth,
    /// Live migrations of real guests.
    Moves,
    /// Many moves asked for at once.
    Pace,
    /// Events, from the commit to the subscriber.
    Events,
    /// Many agents at one conductor.
    Agents,
    /// `godwit up` at rest.
    Up,
    /// Plans: made in time, and near the best possible.
    Plan,
    /// Compiling the first command of the README.
    First,
}

/// How long to measure.
#[derive(Clone, Copy, clap::Args)]
struct Effort {
    /// How often each pair is measured; the median counts.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How long each measurement takes, in seconds.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,
}

#[derive(clap::Subcommand)]
enum Inner {
    /// Serve the API beside the bare route.
    #[command(hide = true)]
    Serve(serve::Serve),
    /// Fill a database as the measurements do.
    #[command(hide = true)]
    Fill {
        /// Which; empty.
        database: String,
        /// With how many migrations.
        #[arg(default_value_t = fleet::MIGRATIONS)]
        migrations: u64,
    },
}

fn main() -> Result<()> {
    let cli = Cli::parse();
    match &cli.inner {
        Some(Inner::Serve(serve)) => serve::run(serve),
        Some(Inner::Fill {
            database,
            migrations,
        }) => fill(database, *migrations),
        None => measure(&cli),
    }
}

fn fill(database: &str, migrations: u64) -> Result<()> {
    let filled = fleet::fill(database, migrations);
    Runtime::new()?.block_on(filled).map(drop)
}

fn measure(cli: &Cli) -> Result<()> {
    let effort = cli.effort;
    let wanted = |subject| cli.subjects.is_empty() || cli.subjects.contains(&subject);
    let runtime = Runtime::new()?;
    println!("{}\n", machine::describe());
    let databases = [
        (Subject::Sqlite, api::Engine::Sqlite),
        (Subject::Postgres, api::Engine::Postgres),
    ];
    let engines = databases
        .into_iter()
        .filter(|(subject, _)| wanted(*subject));
    let engines: Vec<_> = engines.map(|(_, engine)| engine).collect();
    if !engines.is_empty() {
        print!("{}", runtime.block_on(api::measure(&engines, effort))?);
    }
    if wanted(Subject::Growth) {
        print!("{}", runtime.block_on(growth::measure(effort))?);
    }
    if wanted(Subject::Moves) {
        for table in moves::measure(effort.rounds)? {
            print!("{table}");
        }
    }
    if wanted(Subject::Pace) {
        print!("{}", runtime.block_on(pace::measure(&cli.matrix))?);
    }
    if wanted(Subject::Events) {
        let measured = events::measure(&cli.events, effort);
        print!("{}", runtime.block_on(measured)?);
    }
    if wanted(Subject::Agents) {
        print!("{}", runtime.block_on(agents::measure(cli.agents))?);
    }
    if wanted(Subject::Up) {
        print!("{}", runtime.block_on(up::measure(effort))?);
    }
    if wanted(Subject::Plan) {
        for table in plan::measure(&cli.plans)? {
            print!("{table}");
        }
        if !cli.plans.are_of_a_file() {
            print!("{}", runtime.block_on(plan::questions::measure())?);
        }
    }
    if wanted(Subject::First) {
        print!("{}", runtime.block_on(first::measure())?);
    }
    println!("Load at the end: {}", machine::load());
    Ok(())
}
