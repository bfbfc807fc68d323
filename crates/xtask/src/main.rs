//! Checks and generators for this repository, run as `cargo xtask …`.
//!
//! What a document or a rule says about the code is derived from the code here, so that neither
//! can drift: a check of this kind also runs as a test.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

mod arrows;
mod command_line;
mod metrics;
mod protocol;
mod sbom;
mod sizes;
mod states;
mod writers;

#[derive(Parser)]
#[command(name = "cargo xtask", about, version)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Draw docs/states.md from the transition tables.
    States {
        /// Only fail when the document is not what would be drawn.
        #[arg(long)]
        check: bool,
    },
    /// Write the Rust of the protocol that conductors and agents speak.
    Protocol {
        /// Only fail when it is not what would be written.
        #[arg(long)]
        check: bool,
    },
    /// Fail when a crate depends on one that it must not know.
    Arrows,
    /// Warn of source files that grow long, and fail when one is too long.
    Sizes,
    /// Fail when a file of the store writes migrations that has no reason to.
    Writers,
    /// Draw docs/metrics.md from the metrics that the code registers.
    Metrics {
        /// Only fail when it is not what would be drawn, when a dashboard or an alert names a
        /// metric that nobody registers, or when an alert has no page.
        #[arg(long)]
        check: bool,
    },
    /// Write manual pages and completions of the command line, as they lie below /usr/share.
    CommandLine {
        /// Where to.
        directory: PathBuf,
    },
    /// Write what the binary is made of, as CycloneDX.
    Sbom {
        /// Where to.
        file: PathBuf,
    },
    /// Every check above.
    Check,
}

fn main() -> ExitCode {
    match run(&Cli::parse().task) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: &Task) -> Result<()> {
    let root = workspace_root()?;
    match task {
        Task::States { check: false } => states::write(&root),
        Task::States { check: true } => states::check(&root),
        Task::Protocol { check: false } => protocol::write(&root),
        Task::Protocol { check: true } => protocol::check(&root),
        Task::Arrows => arrows::check(&root),
        Task::Sizes => sizes::check(&root),
        Task::Writers => writers::check(&root),
        Task::Metrics { check: false } => metrics::write(&root),
        Task::Metrics { check: true } => metrics::check(&root),
        Task::CommandLine { directory } => command_line::write(directory),
        Task::Sbom { file } => sbom::write(&root, file),
        Task::Check => {
            states::check(&root)?;
            protocol::check(&root)?;
            arrows::check(&root)?;
            writers::check(&root)?;
            metrics::check(&root)?;
            sizes::check(&root)
        }
    }
}

/// Two levels above this crate.
fn workspace_root() -> Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = here.ancestors().nth(2);
    Ok(root
        .context("this crate has left the workspace")?
        .to_owned())
}
