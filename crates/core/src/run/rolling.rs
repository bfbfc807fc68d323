//! A run of many hosts: some at a time are emptied and held, until somebody is done with each.
//!
//! ```text
//!  waiting ──► emptying ──► ready ──► done
//! ```
//!
//! A host is unavailable from `emptying` until its guests have returned, which is part of `done`.

use serde::{Deserialize, Serialize};

use crate::ids::HostName;
use crate::status::words;

words!(
    /// How far a run is with one of its hosts.
    RollingState, "state of a host in a run", {
        /// Its turn has not come.
        Waiting = "waiting",
        /// It is held, and its servers leave.
        Emptying = "emptying",
        /// It is in maintenance; or somebody is done with it, and its guests return.
        Ready = "ready",
        /// It has its guests again.
        Done = "done",
    }
);

/// One of the hosts.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct RollingHost {
    /// Which.
    pub host: HostName,
    /// How far the run is with it.
    pub state: RollingState,
    /// Somebody is done with it, or gave it up.
    pub released: bool,
    /// Was it held for the run? Whoever no longer finds that it is knows that somebody has released it.
    #[serde(default)]
    pub held: bool,
}

/// The hosts, in the order of their turns.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Rolling {
    /// So many at the same time are emptied, held, or get their guests back.
    pub max_unavailable: u32,
    /// All of them.
    pub hosts: Vec<RollingHost>,
}

words!(
    /// How well a host serves as a destination of a run of many hosts. The first is the best.
    Preference, "preference", {
        /// It is done, or not one of the run's: who goes there need not move again.
        Lasting = "lasting",
        /// Its turn is still to come, so who goes there has to move again.
        Passing = "passing",
    }
);

impl Rolling {
    /// Hosts whose turn has not come.
    pub fn of(hosts: impl IntoIterator<Item = HostName>, max_unavailable: u32) -> Self {
        let waiting = |host| RollingHost {
            host,
            state: RollingState::Waiting,
            released: false,
            held: false,
        };
        Self {
            max_unavailable,
            hosts: hosts.into_iter().map(waiting).collect(),
        }
    }

    /// Begins with as many as may be unavailable, and says which.
    pub(super) fn begin_next(&mut self) -> Vec<HostName> {
        let most = usize::try_from(self.max_unavailable).unwrap_or(usize::MAX);
        let free = most.saturating_sub(self.unavailable().count());
        let waiting = self.hosts.iter_mut();
        let waiting = waiting.filter(|it| it.state == RollingState::Waiting);
        let begun = waiting.take(free).map(|it| {
            it.state = RollingState::Emptying;
            it.host.clone()
        });
        begun.collect()
    }

    pub(super) fn get(&self, host: &str) -> Option<&RollingHost> {
        self.hosts.iter().find(|it| it.host.as_str() == host)
    }

    pub(super) fn get_mut(&mut self, host: &HostName) -> Option<&mut RollingHost> {
        self.hosts.iter_mut().find(|it| it.host == *host)
    }

    pub(super) fn place_of(&self, host: &str) -> Option<usize> {
        self.hosts.iter().position(|it| it.host.as_str() == host)
    }

    /// Those that servers are not to leave now.
    pub(super) fn closed(&self) -> impl Iterator<Item = &str> {
        let closed = |it: &&RollingHost| it.state != RollingState::Emptying || it.released;
        self.hosts.iter().filter(closed).map(|it| it.host.as_str())
    }

    /// Those that have not their guests again.
    pub(super) fn undone(&self) -> impl Iterator<Item = &str> {
        let undone = |it: &&RollingHost| it.state != RollingState::Done;
        self.hosts.iter().filter(undone).map(|it| it.host.as_str())
    }

    /// Those in this state.
    pub fn in_state(&self, state: RollingState) -> impl Iterator<Item = &RollingHost> {
        self.hosts.iter().filter(move |it| it.state == state)
    }

    /// Is it to be held for the run, which was not done yet?
    pub fn is_to_hold(&self, host: &HostName) -> bool {
        let found = self.get(host.as_str());
        found.is_some_and(|it| it.state == RollingState::Emptying && !it.released && !it.held)
    }

    /// Those that are being emptied, are worked on, or get their guests back: the run waits for whoever
    /// does that.
    pub fn unavailable(&self) -> impl Iterator<Item = &HostName> {
        let hosts = self.hosts.iter().filter(|it| match it.state {
            RollingState::Emptying | RollingState::Ready => true,
            RollingState::Waiting | RollingState::Done => false,
        });
        hosts.map(|it| &it.host)
    }

    /// As a destination; `None`: nothing is sent there. One whose turn is to come is only for what
    /// fits nowhere else.
    pub fn preference(&self, host: &HostName) -> Option<Preference> {
        match self.get(host.as_str()).map(|it| it.state) {
            None | Some(RollingState::Done) => Some(Preference::Lasting),
            Some(RollingState::Waiting) => Some(Preference::Passing),
            Some(RollingState::Emptying | RollingState::Ready) => None,
        }
    }
}

#[cfg(test)]
mod tests;
