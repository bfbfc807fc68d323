//! What happens to a host's maintenance, and what follows from it.

use std::collections::{BTreeMap, BTreeSet};

use crate::host::maintenance::{Holder, Inventory, Left, Maintenance, State};
use crate::ids::{RunUuid, ServerUuid};
use crate::plan::options::ReturnHome;
use crate::time::Timestamp;

/// What happens to a host's maintenance.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Somebody holds the host, or changes what they said.
    Held {
        /// Who, and how.
        holder: Holder,
        /// Servers that are recorded on the host and have no home elsewhere: of the first holder
        /// they are those whose home it is.
        guests: BTreeSet<ServerUuid>,
        /// Placements that may still lead a guest here.
        placements_in_flight: u32,
        /// A run that empties the host anyway, and holds it for that; `None`: one is to be made.
        run: Option<RunUuid>,
    },
    /// A holder releases the host.
    Released {
        /// Who.
        holder: String,
        /// Whether servers are to return. It counts if nobody else holds the host.
        return_home: ReturnHome,
    },
    /// The plan of the run that works for the host is made.
    Planned {
        /// The run.
        run: RunUuid,
        /// The servers that it will leave, with why.
        left: BTreeMap<ServerUuid, Left>,
    },
    /// The run that works for the host has ended, or ended its part of it.
    RunEnded {
        /// Which.
        run: RunUuid,
        /// The servers that it left, with why.
        left: BTreeMap<ServerUuid, Left>,
        /// Who wanted it to end; `None`: it ended by itself, or as the host is no longer to be
        /// emptied.
        cancelled_by: Option<String>,
    },
    /// The hypervisor was asked.
    Seen(Inventory),
    /// So many placements may still lead a guest here.
    PlacementsChanged(u32),
    /// Its agent does not answer: it may be dead, and the host switched off and on meanwhile.
    AgentDied,
    /// A server is here no longer.
    ServerLeft {
        /// Which.
        server: ServerUuid,
        /// Did a run move it that works for some host's maintenance? Else somebody has decided
        /// anew where it belongs, or it is gone.
        by_maintenance: bool,
    },
    /// A server that was shut down runs again, or is deleted.
    NoLongerShutDown(ServerUuid),
    /// The time of `retry_at` has come.
    RetryDue,
}

impl Event {
    /// The names of all.
    pub const NAMES: &'static [&'static str] = &[
        "held",
        "released",
        "planned",
        "run_ended",
        "seen",
        "placements_changed",
        "agent_died",
        "server_left",
        "no_longer_shut_down",
        "retry_due",
    ];

    /// What it is called.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Held { .. } => "held",
            Self::Released { .. } => "released",
            Self::Planned { .. } => "planned",
            Self::RunEnded { .. } => "run_ended",
            Self::Seen(_) => "seen",
            Self::PlacementsChanged(_) => "placements_changed",
            Self::AgentDied => "agent_died",
            Self::ServerLeft { .. } => "server_left",
            Self::NoLongerShutDown(_) => "no_longer_shut_down",
            Self::RetryDue => "retry_due",
        }
    }
}

/// What shall be done. Whoever does it reads the maintenance anew.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Effect {
    /// Plan to empty the host, and run that as this run.
    MakePlan(RunUuid),
    /// Plan the way home of `home`, if they are to return, and of those that were shut down, and
    /// run that as this run.
    PlanReturn(RunUuid),
    /// Nothing of this run starts any more; what runs may end.
    CancelRun(RunUuid),
}

impl Effect {
    /// What it is called.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MakePlan(_) => "make_plan",
            Self::PlanReturn(_) => "plan_return",
            Self::CancelRun(_) => "cancel_run",
        }
    }
}

/// What follows from an event; it is written in one transaction.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Transition {
    /// As it shall be.
    pub next: Maintenance,
    /// What shall be done, in this order.
    pub effects: Vec<Effect>,
}

impl Transition {
    /// Is it told to those who read events? What is seen and counted again and again only where it
    /// changes something that is shown.
    pub fn is_told(&self, before: &Maintenance, event: &Event) -> bool {
        let next = &self.next;
        let shown = || {
            before.state != next.state
                || before.safe_to_reboot() != next.safe_to_reboot()
                || before.left != next.left
        };
        match event {
            Event::Held { .. }
            | Event::Released { .. }
            | Event::Planned { .. }
            | Event::RunEnded { .. }
            | Event::RetryDue => true,
            Event::Seen(_)
            | Event::PlacementsChanged(_)
            | Event::AgentDied
            | Event::ServerLeft { .. }
            | Event::NoLongerShutDown(_) => shown(),
        }
    }
}

/// The event means nothing to the maintenance as it is. Nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Nobody of this name holds the host.
    #[error("{0:?} does not hold the host")]
    HolderUnknown(String),
    /// The run does not work for the host, or no longer.
    #[error("the run {0} does not work for the host")]
    OtherRun(RunUuid),
    /// It is not yet time for it.
    #[error("it is not time to try again")]
    TooEarly,
    /// It does not belong to this state.
    #[error("{event} does not apply to a host whose maintenance is {state}")]
    OutOfPlace {
        /// The state.
        state: State,
        /// The event's name.
        event: &'static str,
    },
}

/// Is it time?
pub(super) fn is_due(at: Option<Timestamp>, now: Timestamp) -> bool {
    at.is_some_and(|at| at <= now)
}
