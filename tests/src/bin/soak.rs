//! What takes hours, or another release. `scripts/soak` builds what it needs and runs it.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use system_tests::process::godwit;
use system_tests::upgrade::upgrade;

/// What takes hours, or another release.
#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a deployment of another release one of this release, while servers move.
    Upgrade {
        /// The other release's binary.
        #[arg(long, value_name = "BINARY")]
        from: PathBuf,
        /// How often.
        #[arg(long, default_value_t = 1)]
        rounds: u32,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Upgrade { from, rounds } => {
            for round in 1..=rounds {
                println!("round {round} of {rounds}");
                upgrade(&from, &godwit()?)?;
            }
            println!("good");
            Ok(())
        }
    }
}
