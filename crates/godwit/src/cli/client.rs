//! What talks to a service that runs elsewhere: clients of `/relocation/v1`.

#[path = "client/plan.rs"]
pub(crate) mod plan;

use clap::{Args, Subcommand, ValueEnum};
use godwit_core::ids::{HostName, OperationUuid, RunUuid};

pub(crate) use self::plan::Plan;

/// The longest that anything is waited for, unless somebody says otherwise: a day.
const LONGEST_WAIT: u64 = 24 * 3_600;

/// Commands for the operators of a cloud.
#[derive(Subcommand, Debug)]
pub(crate) enum Client {
    /// Empty a host, and hold it for maintenance.
    Drain(Drain),
    /// Hold a host no longer.
    Undrain(Undrain),
    /// Of plans; it stands beside what needs no service.
    #[command(skip)]
    Plan(Plan),
    /// Plans that are carried out.
    #[command(subcommand)]
    Run(Run),
    /// Where a server could go, and why not elsewhere.
    Candidates {
        /// The server, by name or UUID.
        server: String,
        #[command(flatten)]
        output: Output,
    },
    /// Why a server cannot go to a host; of a host alone, why it cannot be emptied. Exits with 3 then.
    WhyNot {
        /// The server, by name or UUID; without HOST the host.
        #[arg(value_name = "SERVER|HOST")]
        subject: String,
        /// The host that the server would go to.
        host: Option<HostName>,
        #[command(flatten)]
        output: Output,
    },
    /// Follow a server's move, a run or a host's maintenance to its end.
    Watch {
        /// A server by name or UUID, a run's UUID, or a host.
        #[arg(value_name = "SERVER|RUN|HOST")]
        subject: String,
        #[command(flatten)]
        patience: Patience,
        #[command(flatten)]
        output: Output,
    },
    /// The hosts, and what they are fit for.
    Hosts {
        #[command(flatten)]
        output: Output,
    },
    /// What happened. With --json and --follow, an event a line.
    Events(Events),
}

/// How answers are shown.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Output {
    /// The API's document, for programs.
    #[arg(long)]
    pub(crate) json: bool,
}

/// How long to wait.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// How long to wait at most; exits with 6 then. What goes on goes on.
    #[arg(long, value_name = "SECONDS", default_value_t = LONGEST_WAIT, value_parser = seconds())]
    pub(crate) timeout: u64,
}

/// Whether to wait, and for how long.
#[derive(Args, Clone, Copy, Debug)]
pub(crate) struct Waiting {
    /// Wait for the end, and show what happens.
    #[arg(long)]
    pub(crate) wait: bool,
    #[command(flatten)]
    pub(crate) patience: Patience,
}

fn seconds() -> clap::builder::RangedU64ValueParser<u64> {
    clap::value_parser!(u64).range(1..=31_536_000)
}

/// What to do with a server that cannot move while it runs.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "snake_case")]
pub(crate) enum Immovable {
    Wait,
    Skip,
    ShutdownRestart,
}

/// When servers go back to where they were.
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ReturnHome {
    Never,
    Now,
    Idle,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fallback {
    None,
    Cold,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
#[value(rename_all = "snake_case")]
pub(crate) enum Affinity {
    Strict,
    BestEffort,
}

#[derive(ValueEnum, Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Priority {
    Emergency,
    Drain,
    User,
    Rebalance,
}

/// How a host is held.
#[derive(Args, Debug)]
pub(crate) struct Holding {
    /// Why, for others to read.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// What to do with a server that cannot move [default: wait].
    #[arg(long, value_enum)]
    pub(crate) immovable: Option<Immovable>,
    /// When nothing new starts any more, such as 2030-01-31T18:00:00Z.
    #[arg(long, value_name = "TIME")]
    pub(crate) deadline: Option<String>,
    /// Whether servers come back once nobody holds the host [default: never].
    #[arg(long, value_enum)]
    pub(crate) return_home: Option<ReturnHome>,
    /// Who holds the host [default: you].
    #[arg(long, value_name = "NAME")]
    pub(crate) holder: Option<String>,
}

/// Emptying a host.
#[derive(Args, Debug)]
pub(crate) struct Drain {
    /// The host.
    pub(crate) host: HostName,
    /// Only say whether it could be emptied. Changes nothing; exits with 3 if it could not.
    #[arg(long, conflicts_with_all = ["plan_only", "wait"])]
    pub(crate) check: bool,
    /// Make the plan, show it and stop.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) plan_only: bool,
    /// Ask nothing.
    #[arg(long, short)]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) holding: Holding,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Leaving a host.
#[derive(Args, Debug)]
pub(crate) struct Undrain {
    /// The host.
    pub(crate) host: HostName,
    /// When the servers that left come back [default: as was said when it was drained].
    #[arg(long, value_enum)]
    pub(crate) return_home: Option<ReturnHome>,
    /// Who holds it no longer [default: you].
    #[arg(long, value_name = "NAME")]
    pub(crate) holder: Option<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// A list.
#[derive(Args, Debug)]
pub(crate) struct List {
    /// Only those in this state.
    #[arg(long)]
    pub(crate) state: Option<String>,
    /// Only those of this type.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) kind: Option<String>,
    /// How many at most, the newest.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Runs.
#[derive(Subcommand, Debug)]
pub(crate) enum Run {
    /// The runs that are kept.
    List(List),
    /// Show a run.
    Show {
        /// The run's UUID.
        run: RunUuid,
        #[command(flatten)]
        output: Output,
    },
    /// Let nothing new begin.
    Cancel {
        /// The run's UUID.
        run: RunUuid,
        /// Abort what has begun.
        #[arg(long)]
        abort_running: bool,
        #[command(flatten)]
        waiting: Waiting,
        #[command(flatten)]
        output: Output,
    },
    /// Leave an operation out that has not begun.
    Skip {
        /// The run's UUID.
        run: RunUuid,
        /// The operation's UUID.
        operation: OperationUuid,
        #[command(flatten)]
        output: Output,
    },
    /// Say that a host of a rolling run is done: it gets its guests back, and the next one begins.
    HostDone {
        /// The run's UUID.
        run: RunUuid,
        /// The host.
        host: HostName,
        #[command(flatten)]
        output: Output,
    },
}

/// Which events.
#[derive(Args, Debug)]
pub(crate) struct Events {
    /// Go on with what happens from now on, or behind --after.
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only what came behind this position.
    #[arg(long, value_name = "POSITION")]
    pub(crate) after: Option<String>,
    /// Only of one: KIND/ID, such as host/host-1.
    #[arg(long, value_name = "KIND/ID")]
    pub(crate) subject: Option<String>,
    /// Only of these types, such as migration.*,run.*.
    #[arg(long, value_name = "TYPES")]
    pub(crate) types: Option<String>,
    /// How many at most, without --follow.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) limit: u16,
    #[command(flatten)]
    pub(crate) patience: Patience,
    #[command(flatten)]
    pub(crate) output: Output,
}
