//! Godwit: every role in one binary.
//!
//! ```text
//!   godwit up          all roles in this process, on SQLite and simulated hosts
//!   godwit api         ┐
//!   godwit conductor   ├ one role, as docs/godwit.yaml says
//!   godwit agent       ┘
//!   godwit db | token | policy     tools
//! ```
//!
//! The roles live in crates of their own. Here is what only a whole program has: a command
//! line, a configuration file, logs, signals, and the one real clock.

mod cli;
mod clock;
mod config;
mod keys;
mod logging;
mod policy_check;
mod policy_file;
mod stop;
mod up;

use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::cli::{Cli, Command, Policy};

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
        Command::Policy(Policy::Check(question)) => policy_check::run(&question),
        _ => anyhow::bail!("under construction"),
    }
}
