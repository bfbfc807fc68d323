//! Godwit: every role in one binary.
//!
//! ```text
//!   godwit up          all roles in this process, on simulated hosts
//!   godwit api         ┐
//!   godwit conductor   ├ one role, as docs/godwit.yaml says
//!   godwit agent       ┘
//!   godwit simulated-agents        many agents, of simulated hosts
//!   godwit doctor                  looks at all that a file names
//!   godwit db | token | policy | certs     tools
//!   godwit drain | plan | run | watch | …  clients of a service elsewhere
//!   godwit plan simulate           plans moves of a fleet in a file
//! ```
//!
//! The roles live in crates of their own. Here is what only a whole program has: a command
//! line, a configuration file, logs, signals, and the one real clock.

mod certs;
mod cli;
mod client;
mod clock;
mod config;
mod db;
mod deployment;
mod doctor;
mod keys;
mod logging;
mod login;
mod plan_simulate;
mod policy_check;
mod roles;
mod simulated;
mod stop;
mod supervisor;
mod token;
mod traces;
mod up;
mod version;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{CommandFactory, FromArgMatches};

use crate::cli::access::Access;
use crate::cli::client::Client;
use crate::cli::{Cli, Command, Plan, Policy, Token};
use crate::config::Config;
use crate::logging::LogConfig;
use crate::traces::Traces;

/// Rows are freed on other threads than those that allocated them, where glibc's allocator takes a
/// quarter of the processor.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let Cli { command, access } = command_line();
    match run(command, &access) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("godwit: {error:#}");
            // 1 is an answer of `policy check`, `db check` and `doctor`, so trouble has a number of
            // its own.
            ExitCode::from(2)
        }
    }
}

/// What was asked for; ends the process where that is nonsense, or help, or the version.
fn command_line() -> Cli {
    let matches = Cli::command()
        .version(version::BUILD.as_str())
        .get_matches();
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn run(command: Command, access: &Access) -> Result<ExitCode> {
    let is_client = matches!(
        command,
        Command::Client(_) | Command::Plan(Plan::OfService(_))
    );
    ensure!(
        is_client || *access == Access::default(),
        "options of a cloud are for commands that talk to one"
    );
    match command {
        Command::Up(up) => {
            logging::start(&LogConfig::for_people("info,actix_server=warn"))?;
            role(up::run(&up), Traces::default())
        }
        Command::SimulatedAgents(options) => {
            let (config, traces) = configured(&options.config, "godwit-agent")?;
            role(simulated::run(&options, &config), traces)
        }
        Command::Api(file) => {
            let (config, traces) = configured(&file, "godwit-api")?;
            role(roles::api::run(&config), traces)
        }
        Command::Conductor(file) => {
            let (config, traces) = configured(&file, "godwit-conductor")?;
            role(roles::conductor::run(&config), traces)
        }
        Command::Agent(file) => {
            let (config, traces) = configured(&file, "godwit-agent")?;
            role(roles::agent::run(&config), traces)
        }
        Command::Doctor(file) => {
            logging::start(&LogConfig::for_people("error"))?;
            Ok(runtime()?.block_on(doctor::run(&file.config)))
        }
        Command::Db(command) => {
            logging::start(&LogConfig::for_people("warn"))?;
            runtime()?.block_on(db::run(&command))
        }
        Command::Token(Token::Issue(issue)) => token::run(&issue),
        Command::Policy(Policy::Check(question)) => policy_check::run(&question),
        Command::Certs(command) => certs::run(&command),
        Command::Plan(Plan::Simulate(options)) => plan_simulate::run(&options),
        Command::Plan(Plan::OfService(command)) => client_of(&Client::Plan(command), access),
        Command::Client(command) => client_of(&command, access),
    }
}

fn client_of(command: &Client, access: &Access) -> Result<ExitCode> {
    let runtime = runtime()?;
    let code = runtime.block_on(client::run(command, access));
    // A question may still wait for its answer.
    runtime.shutdown_background();
    Ok(code)
}

/// Reads the file, and starts what tells of this process; `service` is its name in traces.
fn configured(file: &cli::ConfigFile, service: &'static str) -> Result<(Config, Traces)> {
    let config = Config::read(&file.config)?;
    let traces = Traces::start(&config, service)?;
    Ok((config, traces))
}

fn role(role: impl Future<Output = Result<()>>, traces: Traces) -> Result<ExitCode> {
    let runtime = runtime()?;
    let ended = runtime.block_on(role);
    // What still blocks a thread is cut off; the roles have had their time to stop.
    runtime.shutdown_background();
    traces.end();
    ended.map(|()| ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")
}
