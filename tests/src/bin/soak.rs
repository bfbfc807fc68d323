//! What takes hours, or another release. `scripts/soak` builds what it needs and runs it.

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand};
use serde_json::json;
use system_tests::process::godwit;
use system_tests::shaped::Shaped;
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
    /// Empty a host of six guests over links of a known speed, as conductors do it and one guest at
    /// a time, and print how long it takes beside what the link must take.
    Schedule {
        /// What a link carries, in MiB per second.
        #[arg(long, default_value_t = 16)]
        rate: u64,
        /// How often each.
        #[arg(long, default_value_t = 3)]
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
        Command::Schedule { rate, rounds } => schedule(rate << 20, rounds),
    }
}

/// The aim: 1.25 of what the link must take for the bytes that cross it.
fn schedule(rate: u64, rounds: u32) -> Result<()> {
    println!(
        "{:<20} {:>9} {:>9} {:>9} {:>6}",
        "", "MiB", "bound s", "took s", "ratio"
    );
    for _ in 0..rounds {
        let one = json!({"slots": {"per_source": 1, "per_destination": 1}});
        for (name, told, conductor) in [
            ("by the link's budget", true, json!({})),
            ("one at a time", false, one),
        ] {
            let drained = Shaped::up(rate, told, conductor)?.drain(|_| Ok(()))?;
            println!(
                "{name:<20} {:>9} {:>9.1} {:>9.1} {:>6.2}",
                drained.bytes >> 20,
                drained.bound_seconds,
                drained.seconds,
                drained.seconds / drained.bound_seconds,
            );
        }
    }
    Ok(())
}
