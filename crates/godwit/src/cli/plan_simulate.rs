//! Planning without a service.

use std::path::PathBuf;

use clap::Args;

/// A fleet, and what is wanted of it.
#[derive(Args, Debug)]
pub(crate) struct PlanSimulate {
    /// The fleet file.
    #[arg(long, value_name = "FILE")]
    pub(crate) fleet: PathBuf,
    /// What is wanted: the body of `POST /plans`, such as {"host": "host-1"}.
    #[arg(long, value_name = "JSON")]
    pub(crate) plan: String,
    /// As one JSON document.
    #[arg(long)]
    pub(crate) json: bool,
}
