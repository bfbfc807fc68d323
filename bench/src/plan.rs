//! Plans: how long they take to make, how far they are from the best possible, and how they compare
//! with the ways in which others move the same servers.
//!
//! Fleets are generated from seeds, so they are the same on every machine, and so are the
//! makespans, which are simulated. Only the times of the first table are this machine's.

mod estimates;
mod file;
mod makespans;
mod optima;
pub(crate) mod questions;
mod times;
mod why_not;

use std::path::PathBuf;

use anyhow::Result;
use godwit_core::ids::HostName;
use godwit_planner::plan::Wish;

use crate::table::Table;

/// With how many fleets to measure plans.
#[derive(Clone, clap::Args)]
pub(crate) struct Seeds {
    /// Plan: from how many seeds, for each kind of link.
    #[arg(long, value_name = "N", default_value_t = 100,
          value_parser = clap::value_parser!(u64).range(1..=10_000))]
    plan_seeds: u64,
    /// Plan: how many small plans to compare with the best of all schedules.
    #[arg(long, value_name = "N", default_value_t = 10_000,
          value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    plan_optima: u64,
    /// Plan: how many states to look at for each of these.
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    plan_states: usize,
    /// Plan: instead of all that, a drain of each host of this fleet file.
    #[arg(long, value_name = "FILE")]
    plan_fleet: Option<PathBuf>,
}

impl Seeds {
    /// Is it only a fleet file that is looked at?
    pub(crate) const fn are_of_a_file(&self) -> bool {
        self.plan_fleet.is_some()
    }
}

/// Measures all of it.
pub(crate) fn measure(seeds: &Seeds) -> Result<Vec<Table>> {
    if let Some(path) = &seeds.plan_fleet {
        return Ok(vec![file::measure(path)?]);
    }
    Ok(vec![
        times::measure()?,
        why_not::measure()?,
        makespans::measure(seeds.plan_seeds)?,
        makespans::with_wrong_beliefs(seeds.plan_seeds)?,
        estimates::measure(seeds.plan_seeds)?,
        optima::measure(seeds.plan_optima, seeds.plan_states)?,
    ])
}

fn empty(host: usize) -> Result<Wish> {
    let host = HostName::new(format!("host-{host}"))?;
    Ok(Wish::Host { host })
}

/// Whether an aim is met, in a table.
fn met(is_met: bool) -> String {
    if is_met { "yes" } else { "no" }.to_owned()
}

fn worst(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, f64::max)
}
