//! Plans.

use clap::{ArgGroup, Args, Subcommand};
use godwit_core::ids::{HostName, PlanUuid};

use super::{Affinity, Fallback, Holding, List, Output, Priority, Waiting, seconds};

/// How long a plan may take to be made.
const PLANNING: u64 = 300;

/// Plans.
#[derive(Subcommand, Debug)]
pub(crate) enum Plan {
    /// Ask for a plan, and show it once it is made.
    Create(Box<PlanCreate>),
    /// Show a plan.
    Show {
        /// The plan's UUID.
        plan: PlanUuid,
        #[command(flatten)]
        output: Output,
    },
    /// The plans that are kept.
    List(List),
    /// Carry a plan out.
    Run {
        /// The plan's UUID.
        plan: PlanUuid,
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        output: Output,
    },
    /// Make a plan for the same wish anew.
    Remake {
        /// The plan's UUID.
        plan: PlanUuid,
        #[command(flatten)]
        making: Making,
        #[command(flatten)]
        output: Output,
    },
    /// Drop a plan that has not run.
    Delete {
        /// The plan's UUID.
        plan: PlanUuid,
    },
}

/// Waiting until a plan is made.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Making {
    /// Do not wait until it is made.
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// How long it may take to be made; exits with 6 then.
    #[arg(long, value_name = "SECONDS", default_value_t = PLANNING, value_parser = seconds())]
    pub(crate) timeout: u64,
}

/// What to move, and how.
#[derive(Args, Debug)]
#[command(group(ArgGroup::new("what").required(true).args(["servers", "host", "hosts", "pool"])))]
pub(crate) struct PlanCreate {
    /// Servers, by name or UUID.
    #[arg(long = "server", value_name = "SERVER", num_args = 1..)]
    pub(crate) servers: Vec<String>,
    /// Where the one server goes: there or nowhere.
    #[arg(long, value_name = "HOST", requires = "servers", conflicts_with_all = ["host", "hosts", "pool"])]
    pub(crate) destination: Option<HostName>,
    /// All servers of a host.
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<HostName>,
    /// And nothing arrives there until it is left.
    #[arg(long, requires = "host", conflicts_with_all = ["servers", "hosts", "pool"])]
    pub(crate) enter_maintenance: bool,
    /// Hosts, one after the other.
    #[arg(long, value_name = "HOST", num_args = 1.., requires = "max_unavailable")]
    pub(crate) hosts: Vec<HostName>,
    /// How many of the hosts are out of use at a time.
    #[arg(long, value_name = "K", requires = "hosts", conflicts_with_all = ["servers", "host", "pool"], value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) max_unavailable: Option<u32>,
    /// All disks in a pool.
    #[arg(long, value_name = "POOL", requires = "to")]
    pub(crate) pool: Option<String>,
    /// The pool that the disks go to.
    #[arg(long, value_name = "POOL", requires = "pool", conflicts_with_all = ["servers", "host", "hosts"])]
    pub(crate) to: Option<String>,
    #[command(flatten)]
    pub(crate) holding: Holding,
    /// What to do where a live migration is impossible [default: none].
    #[arg(long, value_enum)]
    pub(crate) fallback: Option<Fallback>,
    /// Whether the rules of server groups may be broken [default: strict].
    #[arg(long, value_enum)]
    pub(crate) affinity: Option<Affinity>,
    /// Plan for those that can move, where others cannot.
    #[arg(long)]
    pub(crate) allow_partial: bool,
    /// How urgent it is [default: by type].
    #[arg(long, value_enum)]
    pub(crate) priority: Option<Priority>,
    /// How long the plan may be run.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) valid_seconds: Option<u32>,
    /// A has moved before B begins; may be given several times.
    #[arg(long, value_names = ["A", "B"], num_args = 2)]
    pub(crate) before: Vec<String>,
    /// Servers that never move at the same time: A,B,…; may be given several times.
    #[arg(long, value_name = "SERVERS")]
    pub(crate) not_together: Vec<String>,
    /// Of these servers at most N move at the same time: N,A,B,…; may be given several times.
    #[arg(long, value_name = "N,SERVERS")]
    pub(crate) at_most: Vec<String>,
    #[command(flatten)]
    pub(crate) making: Making,
    #[command(flatten)]
    pub(crate) output: Output,
}
