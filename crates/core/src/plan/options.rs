//! What a plan's caller may choose.

use serde::{Deserialize, Serialize};

use crate::ids::ServerUuid;
use crate::plan::PlanKind;
use crate::status::words;
use crate::time::Timestamp;

words!(
    /// What is done with a server that cannot be moved while it runs.
    Fallback, "fallback", {
        /// Nothing.
        None = "none",
        /// It is moved cold.
        Cold = "cold",
    }
);

words!(
    /// How far the rules of server groups bind a plan.
    #[derive(Default)]
    Affinity, "affinity", {
        /// A hard rule is never broken.
        #[default]
        Strict = "strict",
        /// A hard rule may be broken where nothing else fits.
        BestEffort = "best_effort",
    }
);

words!(
    /// What is done with a server that cannot leave its host. Nothing here stops a server but
    /// `shutdown_restart`. From the most careful to the least.
    Immovable, "immovable", {
        /// Wait until it can be moved, or somebody has moved it.
        Wait = "wait",
        /// It stays there, and runs on.
        Skip = "skip",
        /// It is shut down for the maintenance, and started again after it.
        ShutdownRestart = "shutdown_restart",
    }
);

words!(
    /// Whether servers return to the host that they had to leave.
    ReturnHome, "return home", {
        /// They stay where they are.
        Never = "never",
        /// As soon as the host is free again.
        Now = "now",
        /// When no run of a higher priority waits.
        Idle = "idle",
    }
);

words!(
    /// What becomes of the data that a move leaves behind.
    SourceData, "source data", {
        /// Kept under another name, until `retain_until`.
        Retain = "retain",
        /// Removed.
        Delete = "delete",
    }
);

words!(
    /// How much a run matters. The first one comes first.
    Priority, "priority", {
        /// Its host has failed, or is about to.
        Emergency = "emergency",
        /// A host is to be emptied.
        Drain = "drain",
        /// Somebody wants certain servers elsewhere.
        User = "user",
        /// It would be better, and is not urgent.
        Rebalance = "rebalance",
    }
);

impl Affinity {
    /// Is it what whoever asks for nothing gets?
    pub const fn is_strict(&self) -> bool {
        matches!(self, Self::Strict)
    }
}

impl Priority {
    /// Of a plan whose caller names none.
    pub const fn of(kind: PlanKind) -> Self {
        match kind {
            PlanKind::Host | PlanKind::Maintenance | PlanKind::Rolling | PlanKind::ReturnHome => {
                Self::Drain
            }
            PlanKind::Server | PlanKind::Servers | PlanKind::Pool => Self::User,
        }
    }
}

/// What a plan's operations have to keep to among each other.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Constraint {
    /// What moves the first has ended before what moves the second begins.
    Before(ServerUuid, ServerUuid),
    /// No two of them move at the same time.
    NotTogether(Vec<ServerUuid>),
    /// No more than so many of them move at the same time.
    AtMost(u32, Vec<ServerUuid>),
}

impl Constraint {
    /// Whom it is about.
    pub fn servers(&self) -> Vec<ServerUuid> {
        match self {
            Self::Before(first, second) => vec![*first, *second],
            Self::NotTogether(servers) | Self::AtMost(_, servers) => servers.clone(),
        }
    }

    /// How many of its servers may move at the same time; `None`: it is not about that.
    pub const fn limit(&self) -> Option<u32> {
        match self {
            Self::Before(..) => None,
            Self::NotTogether(_) => Some(1),
            Self::AtMost(limit, _) => Some(*limit),
        }
    }
}

/// How long a plan may be run after it is ready, in seconds, where its caller does not say.
pub const VALID_SECONDS: u32 = 600;
/// The longest that its caller may say, in seconds: a week.
pub const VALID_SECONDS_MAX: u32 = 604_800;

/// What a caller chose, with the defaults where it did not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Options {
    /// For servers that cannot be moved while they run.
    pub fallback: Fallback,
    /// Of server groups.
    pub affinity: Affinity,
    /// Is the plan ready although some servers are blocked?
    pub allow_partial: bool,
    /// `None`: [`Priority::of`] its kind.
    pub priority: Option<Priority>,
    /// At this time nothing new starts, and the run ends as partial.
    pub deadline: Option<Timestamp>,
    /// How long it may be run after it is ready, in seconds.
    pub valid_seconds: u32,
    /// Among its operations.
    pub constraints: Vec<Constraint>,
    /// For servers that cannot leave their host.
    pub immovable: Immovable,
    /// For servers that had to leave their host.
    pub return_home: ReturnHome,
    /// Of containers and disks; `None`: what is configured.
    pub source_data: Option<SourceData>,
    /// Until when it is kept.
    pub retain_until: Option<Timestamp>,
    /// In whose name a host is held; `None`: the caller's.
    pub holder: Option<String>,
    /// Why.
    pub reason: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            fallback: Fallback::None,
            affinity: Affinity::Strict,
            allow_partial: false,
            priority: None,
            deadline: None,
            valid_seconds: VALID_SECONDS,
            constraints: Vec::new(),
            immovable: Immovable::Wait,
            return_home: ReturnHome::Never,
            source_data: None,
            retain_until: None,
            holder: None,
            reason: None,
        }
    }
}

impl Options {
    /// The caller's, else the one of this kind.
    pub fn priority(&self, kind: PlanKind) -> Priority {
        self.priority.unwrap_or_else(|| Priority::of(kind))
    }

    /// The same for whoever asks for them anew: times that have passed by `now` are left out, and told.
    #[must_use]
    pub fn asked_again(mut self, now: Timestamp) -> (Self, Vec<(&'static str, Timestamp)>) {
        let mut passed = Vec::new();
        for (name, time) in [
            ("deadline", &mut self.deadline),
            ("retain_until", &mut self.retain_until),
        ] {
            passed.extend(time.take_if(|time| *time <= now).map(|time| (name, time)));
        }
        (self, passed)
    }

    /// May the plan be ready although some servers are blocked? That of a maintenance may always,
    /// unless it was to shut them down: what it cannot move is waited for, or left.
    pub const fn may_be_partial(&self, kind: PlanKind) -> bool {
        self.allow_partial
            || match kind {
                PlanKind::Maintenance | PlanKind::Rolling => match self.immovable {
                    Immovable::Wait | Immovable::Skip => true,
                    Immovable::ShutdownRestart => false,
                },
                // What cannot return stays where it is.
                PlanKind::ReturnHome => true,
                PlanKind::Server | PlanKind::Servers | PlanKind::Host | PlanKind::Pool => false,
            }
    }
}
