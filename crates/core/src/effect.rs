//! What shall be done outside: rows of the outbox, performed at least once.
//!
//! An effect has a subject and a verb: an [`Effect`] of a migration, a [`PowerAction`] of a server, a
//! [`PlanEffect`] of a plan, a [`RunEffect`] of a run.
//! It carries no payload. Whoever performs it reads the subject's row anew, so an effect can never
//! act on yesterday's destination; its identity towards an agent is (subject's uuid, sequence).

use crate::ids::{MigrationUuid, PlanUuid, RunUuid, ServerUuid};
use crate::power::PowerAction;
use crate::status::words;

words!(
    /// What an effect is about.
    SubjectKind, "kind of subject", {
        /// A migration; its verbs are [`Effect`]s.
        Migration = "migration",
        /// A server; its verbs are [`PowerAction`]s.
        Server = "server",
        /// A plan; its verbs are [`PlanEffect`]s.
        Plan = "plan",
        /// A run; its verbs are [`RunEffect`]s.
        Run = "run",
    }
);

/// What an effect is about, and what is to be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// An effect of a migration.
    Migration(MigrationUuid, Effect),
    /// An effect of a server.
    Server(ServerUuid, PowerAction),
    /// An effect of a plan.
    Plan(PlanUuid, PlanEffect),
    /// An effect of a run.
    Run(RunUuid, RunEffect),
}

impl Subject {
    /// What is to be done, for rows, logs and metrics.
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Migration(_, effect) => effect.as_str(),
            Self::Server(_, action) => action.as_str(),
            Self::Plan(_, effect) => effect.as_str(),
            Self::Run(_, effect) => effect.as_str(),
        }
    }

    /// Does a migration begin with this?
    pub const fn begins(self) -> bool {
        match self {
            Self::Migration(_, effect) => effect.begins(),
            Self::Server(..) | Self::Plan(..) | Self::Run(..) => false,
        }
    }
}

words!(
    /// One thing to do for a migration.
    Effect, "effect", {
        /// Choose a destination, claim its room, have both sides pre-check.
        Schedule = "schedule",
        /// Nothing has begun: end it without asking any agent.
        Cancel = "cancel",
        /// Destination: make ready.
        Prepare = "prepare",
        /// Source: begin to move.
        Start = "start",
        /// Source: follow the move until it ends.
        Watch = "watch",
        /// Source: give up.
        Abort = "abort",
        /// Source: get it over with.
        ForceComplete = "force_complete",
        /// Both: confirm the guest at the destination, clean the source.
        Finish = "finish",
        /// Both: confirm the guest at the source, clean the destination.
        RollBack = "roll_back",
        /// Destination: define the guest and, if it ran, start it.
        Boot = "boot",
        /// One host gives the guest up: a cold move's destination, an evacuation's source.
        Withdraw = "withdraw",
    }
);

impl Effect {
    /// May this be performed while earlier effects of its migration are not done yet?
    ///
    /// An abort must reach a move whose start or force-complete hangs. Everything else keeps its order,
    /// except that nobody waits for [`Effect::Watch`], which lasts as long as the move.
    pub const fn overtakes(self) -> bool {
        match self {
            Self::Abort | Self::Cancel => true,
            Self::Schedule
            | Self::Prepare
            | Self::Start
            | Self::Watch
            | Self::ForceComplete
            | Self::Finish
            | Self::RollBack
            | Self::Boot
            | Self::Withdraw => false,
        }
    }

    /// Is this what every migration begins with?
    pub const fn begins(self) -> bool {
        matches!(self, Self::Schedule)
    }

    /// Must later effects wait until this one is done?
    pub const fn blocks_later(self) -> bool {
        match self {
            Self::Watch => false,
            Self::Schedule
            | Self::Cancel
            | Self::Prepare
            | Self::Start
            | Self::Abort
            | Self::ForceComplete
            | Self::Finish
            | Self::RollBack
            | Self::Boot
            | Self::Withdraw => true,
        }
    }
}

words!(
    /// One thing to do for a plan.
    PlanEffect, "effect of a plan", {
        /// Find out how its wish is carried out, or why it cannot be.
        Make = "make",
    }
);

words!(
    /// One thing to do for a run. Whoever does it reads the run, and does what it finds to be done: it
    /// may be nothing, and it may be for several operations or hosts.
    RunEffect, "effect of a run", {
        /// Claim its room, and begin what may begin, until it has ended.
        Drive = "drive",
        /// Abort what those of its operations have started that are to be aborted.
        Abort = "abort",
        /// Find another destination for those of its operations that need one.
        Replan = "replan",
        /// Hold those hosts, in the run's name, that it empties.
        Hold = "hold",
        /// Release those hosts that it holds no longer.
        Release = "release",
        /// Tell the maintenance that it works for that it has ended.
        ReportEnd = "report_end",
    }
);

impl RunEffect {
    /// May this be performed while earlier effects of its run are not done yet?
    pub const fn overtakes(self) -> bool {
        match self {
            Self::Drive | Self::Abort | Self::Replan => true,
            // A host that is to be held and then released must not end as held.
            Self::Hold | Self::Release | Self::ReportEnd => false,
        }
    }

    /// Must later effects wait until this one is done? Not for what lasts as long as the run, nor for
    /// what touches no host.
    pub const fn blocks_later(self) -> bool {
        match self {
            Self::Drive | Self::Abort | Self::Replan => false,
            Self::Hold | Self::Release | Self::ReportEnd => true,
        }
    }
}
