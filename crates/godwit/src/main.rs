//! Godwit: every role in one binary.
//!
//! ```text
//!   godwit up          all roles in this process, on simulated hosts
//!   godwit api         ┐
//!   godwit conductor   ├ one role, as docs/godwit.yaml says
//!   godwit agent       ┘
//!   godwit simulated-agents        many agents, of simulated hosts
//!   godwit db | token | policy     tools
//! ```
//!
//! The roles live in crates of their own. Here is what only a whole program has: a command
//! line, a configuration file, logs, signals, and the one real clock.

mod cli;
mod clock;
mod config;
mod db;
mod deployment;
mod keys;
mod logging;
mod login;
mod policy_check;
mod roles;
mod simulated;
mod stop;
mod supervisor;
mod token;
mod up;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;

use crate::cli::{Cli, Command, Policy, Token};
use crate::config::Config;
use crate::logging::LogConfig;

/// Rows are freed on other threads than those that allocated them, where glibc's allocator takes a
/// quarter of the processor.
#[cfg(feature = "jemalloc")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("godwit: {error:#}");
            // 1 is an answer of `policy check` and `db check`, so trouble has a number of its own.
            ExitCode::from(2)
        }
    }
}

fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Up(up) => {
            logging::start(&LogConfig::for_people("info,actix_server=warn"))?;
            role(up::run(&up))
        }
        Command::SimulatedAgents(options) => {
            let config = configured(&options.config)?;
            role(simulated::run(&options, &config))
        }
        Command::Api(file) => role(roles::api::run(&configured(&file)?)),
        Command::Conductor(file) => role(roles::conductor::run(&configured(&file)?)),
        Command::Agent(file) => role(roles::agent::run(&configured(&file)?)),
        Command::Db(command) => {
            logging::start(&LogConfig::for_people("warn"))?;
            runtime()?.block_on(db::run(&command))
        }
        Command::Token(Token::Issue(issue)) => token::run(&issue),
        Command::Policy(Policy::Check(question)) => policy_check::run(&question),
    }
}

fn configured(file: &cli::ConfigFile) -> Result<Config> {
    let config = Config::read(&file.config)?;
    logging::start(&config.log)?;
    Ok(config)
}

fn role(role: impl Future<Output = Result<()>>) -> Result<ExitCode> {
    let runtime = runtime()?;
    runtime.block_on(role)?;
    // What still blocks a thread is cut off; the roles have had their time to stop.
    runtime.shutdown_background();
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start a runtime")
}
