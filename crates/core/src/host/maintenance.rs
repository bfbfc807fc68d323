//! A host's maintenance, from the first question to the last guest back home.
//!
//! ```text
//!  none ──► entering ◄──► empty ──► in_maintenance
//!   ▲          ▲ │          │             │
//!   │          │ ▼          │             │
//!   └─────── leaving ◄──────┴─────────────┘
//! ```
//!
//! Several holders may hold one host; it leaves when the last one releases it. Nothing here moves a
//! server: a run does, which is asked for by an [`Effect`]. Three rules carry the safety of guests:
//! - The hypervisor says what a host executes. Neither a run that has ended nor a record makes it
//!   empty, and a dead agent says nothing. See [`Evidence`].
//! - No server is stopped unless every holder has asked for `shutdown_restart`. See
//!   [`Maintenance::immovable`].
//! - A server that cannot move is tried again, less and less often, and never by a loop: it is a
//!   blocker until somebody or something has changed that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::ids::{RunUuid, ServerUuid};
use crate::plan::options::{Immovable, Options, Priority, ReturnHome};
use crate::status::words;
use crate::time::Timestamp;

mod change;
mod departure;
mod event;
mod evidence;
pub mod left;
mod progress;
mod step;

pub use departure::Standing;
pub use event::{Effect, Event, Rejected, Transition};
pub use evidence::{Evidence, Inventory};
pub use step::step;

words!(
    /// What the `state` of a host's maintenance can say.
    State, "maintenance state", {
        /// Nobody holds it.
        None = "none",
        /// Nothing arrives, and what is there leaves.
        Entering = "entering",
        /// It was seen to execute nothing, once or while its run goes on.
        Empty = "empty",
        /// Its run has ended, and nothing is there, or only what was skipped.
        InMaintenance = "in_maintenance",
        /// Released: what had not started is cancelled, and servers return.
        Leaving = "leaving",
    }
);

words!(
    /// Why a run was not able to free a host of a server.
    Left, "reason for a server that was left", {
        /// It cannot be moved.
        Blocked = "blocked",
        /// It cannot be moved, and the request was to let it run on.
        Skipped = "skipped",
        /// It was shut down, as requested, and is to be started again.
        ShutDown = "shut_down",
    }
);

words!(
    /// What a run does for a host.
    Purpose, "purpose of a run", {
        /// It empties it.
        Emptying = "emptying",
        /// It brings servers back, and starts those that were shut down.
        Returning = "returning",
    }
);

/// Somebody who holds the host.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// By what name.
    pub holder: String,
    /// Why.
    pub reason: Option<String>,
    /// Who asked for it.
    pub by: String,
    /// Since when; it stays when the same holder changes its entry.
    pub since: Timestamp,
    /// Until when the host shall be empty; later nothing new starts.
    pub deadline: Option<Timestamp>,
    /// What is to be done with servers that cannot leave.
    pub immovable: Immovable,
    /// Whether servers are to return when the host is free again.
    #[serde(default = "stay")]
    pub return_home: ReturnHome,
}

/// Why a host is held, in the words of the first who said so.
pub fn reason(holders: &[Holder]) -> Option<&str> {
    holders.iter().find_map(|it| it.reason.as_deref())
}

const OF_RUN: &str = "run:";

/// By what name a run holds hosts.
pub fn holder_of(run: RunUuid) -> String {
    format!("{OF_RUN}{run}")
}

/// Is that the name of a run? Nobody else may take it, and release or keep what is the run's.
pub fn is_of_run(holder: &str) -> bool {
    holder.starts_with(OF_RUN)
}

/// What a holder means who does not say.
const fn stay() -> ReturnHome {
    ReturnHome::Never
}

/// A run that works for the host, or will.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Work {
    /// Which.
    pub run: RunUuid,
    /// What for.
    pub purpose: Purpose,
    /// Is it somebody else's, that does this anyway? Else it is made when its turn comes.
    pub made: bool,
    /// Was it asked to end?
    pub cancelling: bool,
}

/// The first pause after which blockers are tried again.
pub const RETRY_FIRST: Duration = Duration::from_secs(60);
/// The longest pause; each is twice the one before.
pub const RETRY_LONGEST: Duration = Duration::from_secs(3_600);

/// How old what a host said may be for it to be called safe. Hosts that are held are asked every few
/// seconds.
pub const SAFE_FOR: Duration = Duration::from_secs(30);

/// A host's maintenance.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Maintenance {
    /// Where it is.
    pub state: State,
    /// Who holds it, the earliest first.
    pub holders: Vec<Holder>,
    /// The run under way.
    pub work: Option<Work>,
    /// Runs of others that empty it at the same time; none where nothing is under way.
    pub beside: Vec<Work>,
    /// The run that begins when all of these have ended.
    pub next: Option<Work>,
    /// Servers that the last run left, with why.
    pub left: BTreeMap<ServerUuid, Left>,
    /// Servers whose home this is: they were here when it entered, and nobody but maintenance has
    /// moved them since.
    pub home: BTreeSet<ServerUuid>,
    /// Whether they are to return, as the last holder said.
    pub return_home: ReturnHome,
    /// What the hypervisor says.
    pub evidence: Evidence,
    /// When the last run ended.
    pub run_ended_at: Option<Timestamp>,
    /// When blockers are tried again; `None`: not before something happens.
    pub retry_at: Option<Timestamp>,
    /// How often they were, since something happened.
    pub retries: u32,
    /// Who has cancelled the run that worked for it: nothing begins before somebody holds it once
    /// more.
    pub cancelled_by: Option<String>,
    /// Counts changes, for compare and swap.
    pub generation: i64,
}

impl Maintenance {
    /// Of a host that nobody holds.
    pub fn none(now: Timestamp) -> Self {
        Self {
            state: State::None,
            holders: Vec::new(),
            work: None,
            beside: Vec::new(),
            next: None,
            left: BTreeMap::new(),
            home: BTreeSet::new(),
            return_home: ReturnHome::Never,
            evidence: Evidence::none(now),
            run_ended_at: None,
            retry_at: None,
            retries: 0,
            cancelled_by: None,
            generation: 1,
        }
    }

    /// Is the host in maintenance, or on its way there? Then nothing arrives.
    pub const fn forbids_arrivals(&self) -> bool {
        match self.state {
            State::Entering | State::Empty | State::InMaintenance => true,
            State::None | State::Leaving => false,
        }
    }

    /// What is done with servers that cannot leave: what the most careful holder says. So nothing is
    /// stopped on a host that somebody holds who has not asked for it.
    pub fn immovable(&self) -> Immovable {
        let said = self.holders.iter().map(|holder| holder.immovable);
        said.min().unwrap_or(Immovable::Wait)
    }

    /// Whether a holder said that servers are to return; who holds nothing said nothing.
    pub fn return_home_of(&self, holder: &str) -> ReturnHome {
        let entry = self.holders.iter().find(|it| it.holder == holder);
        entry.map_or(ReturnHome::Never, |it| it.return_home)
    }

    /// When nothing new starts any more: what the most patient holder says; `None`: never.
    pub fn deadline(&self) -> Option<Timestamp> {
        let said: Option<Vec<_>> = self.holders.iter().map(|holder| holder.deadline).collect();
        said?.into_iter().max()
    }

    /// Servers that cannot leave, and are not left on purpose.
    pub fn blockers(&self) -> impl Iterator<Item = ServerUuid> + '_ {
        self.left_as(Left::Blocked)
    }

    /// What keeps it from going on: servers that cannot leave, or where it is being left, those that
    /// were shut down and could not be started again.
    pub fn obstacles(&self) -> impl Iterator<Item = ServerUuid> + '_ {
        let returned = self.work.is_none() || self.retries > 0;
        let why = match self.state {
            State::None | State::Entering | State::Empty | State::InMaintenance => {
                Some(Left::Blocked)
            }
            State::Leaving => returned.then_some(Left::ShutDown),
        };
        why.into_iter().flat_map(|why| self.left_as(why))
    }

    /// Does this run empty the host, as far as is known?
    pub fn empties(&self, run: RunUuid) -> bool {
        let mut known = self.work.iter().chain(&self.beside);
        known.any(|work| work.run == run && work.purpose == Purpose::Emptying)
    }

    /// Servers that a way home brings back: those whose home it is, unless whoever left the host last
    /// said that they are to stay where they are.
    pub fn returning(&self) -> BTreeSet<ServerUuid> {
        match self.state == State::Leaving && self.return_home == ReturnHome::Never {
            true => BTreeSet::new(),
            false => self.home.clone(),
        }
    }

    /// Servers that were shut down for the maintenance.
    pub fn shut_down(&self) -> impl Iterator<Item = ServerUuid> + '_ {
        self.left_as(Left::ShutDown)
    }

    fn left_as(&self, why: Left) -> impl Iterator<Item = ServerUuid> + '_ {
        let left = self.left.iter().filter(move |(_, reason)| **reason == why);
        left.map(|(server, _)| *server)
    }

    /// May somebody switch the host off? The agent lives, and the last two inventories, both begun
    /// after anything could arrive, show that nothing executes. One that was skipped is there on
    /// purpose, and may be started at any time.
    pub fn safe_to_reboot(&self) -> bool {
        self.state == State::InMaintenance
            && self.left_as(Left::Skipped).next().is_none()
            && self.evidence.shows_twice(|_| false)
    }

    /// The same for somebody who is told so `now`. What a host said is as old as whoever asks it, and
    /// where nobody does any more it may have come to be anything.
    pub fn is_safe_at(&self, now: Timestamp) -> bool {
        let seen_at = self.evidence.seen_at();
        let is_fresh = seen_at.is_some_and(|at| now.since(at) <= SAFE_FOR);
        is_fresh && self.safe_to_reboot()
    }

    /// Is it only evidence that is missing, so that the next inventory may decide something?
    pub fn awaits_evidence(&self) -> bool {
        let settled = self.work.is_none() && self.blockers().next().is_none();
        let skipped = |server: &ServerUuid| self.left.get(server) == Some(&Left::Skipped);
        self.forbids_arrivals() && settled && !self.evidence.shows_twice(skipped)
    }

    /// May a run shut a server down now? Asked in the transaction that begins it: since it was
    /// planned, somebody may hold the host who has not asked for that, or everybody have left.
    pub fn permits_shutdown(&self) -> bool {
        self.immovable() == Immovable::ShutdownRestart
    }

    fn returns_idly(&self) -> bool {
        self.state == State::Leaving && self.return_home == ReturnHome::Idle
    }

    /// How the plan of a run for the host is made: as its holders say by now.
    pub fn plan_options(&self) -> Options {
        Options {
            deadline: self.deadline(),
            immovable: self.immovable(),
            reason: reason(&self.holders).map(str::to_owned),
            priority: self.returns_idly().then_some(Priority::Rebalance),
            ..Options::default()
        }
    }

    /// The run that works for the host now, or else the one that will.
    pub fn run(&self) -> Option<RunUuid> {
        self.next.or(self.work).map(|work| work.run)
    }
}

#[cfg(test)]
mod tests;
