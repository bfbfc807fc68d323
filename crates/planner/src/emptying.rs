//! What would let all servers of a host go elsewhere at once: the smallest set of changes.
//!
//! ```text
//!   greedy: one server after the other, where it takes the fewest new changes
//!     └─► a single change that does for all that are left over
//!           └─► without each change that the others make needless
//!                 └─► exact: branch and bound, as far as its budget goes
//! ```
//!
//! Small cases are decided exactly. What is larger is bounded, so that a thousand hosts take a
//! fraction of a second; the set that is found there does, but a smaller one may do as well.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::host::management::Unmanaged;
use godwit_core::host::scope::{Because, Level};
use godwit_core::ids::{HostName, ServerGroupUuid, ServerUuid};
use godwit_core::reason::{Change, Fix};

use crate::inventory::{Host, Need};
use crate::reason::{self, Amount};

mod search;
mod state;

/// Something that would have to be otherwise. Hosts and servers by their place in the lists.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    /// What operators said of a scope is taken back.
    Scope(usize),
    /// The host joins the servers' cluster.
    Cluster(usize),
    Agent(usize),
    AgentVersion(usize),
    Version(usize),
    Pools(usize),
    Free(usize, Amount),
    /// Members of the group leave the host.
    Members(usize, ServerGroupUuid),
    /// The server leaves its group.
    Leave(usize),
    /// The server is shut down, and moved cold.
    Stop(usize),
}

impl Key {
    /// Is there no request that makes it?
    const fn is_by_hand(self) -> bool {
        !matches!(self, Self::Scope(_))
    }
}

/// A place for every server, and what has to change for that.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Emptying {
    /// The largest server first.
    pub places: Vec<(ServerUuid, HostName)>,
    /// Nothing where they fit as things are.
    pub changes: Vec<Change>,
    texts: Vec<String>,
}

impl Emptying {
    /// The servers, the largest first.
    pub fn servers(&self) -> Vec<ServerUuid> {
        self.places.iter().map(|(server, _)| *server).collect()
    }

    /// What has to change, behind what has to change before it.
    pub fn fix(self, before: Option<Fix>) -> Option<Fix> {
        let (first, mut changes) = match before {
            Some(before) => (Some(before.text), before.changes),
            None => (None, Vec::new()),
        };
        changes.extend(self.changes);
        let texts: Vec<String> = first.into_iter().chain(self.texts).collect();
        let text = texts.join(" ");
        (!changes.is_empty()).then_some(Fix { text, changes })
    }
}

/// The smallest set of changes that lets all of `needs` be placed on `hosts`; `None`: nothing that
/// could be changed would do.
pub fn smallest(hosts: &[Host], needs: &[Need]) -> Option<Emptying> {
    let mut needs: Vec<&Need> = needs.iter().collect();
    needs.sort_by_key(|need| (std::cmp::Reverse(need.room.memory_mb), need.server));
    let scopes = Scopes::of(hosts, &needs);
    let found = search::search(hosts, &needs, &scopes)?;
    Some(found.told(hosts, &needs, &scopes))
}

/// What operators said that keeps servers from a host.
enum Said<'a> {
    Disabled(&'a Because),
    Unmanaged(&'a Unmanaged),
    /// Held for maintenance, by whom.
    Held(&'a HostName, &'a str),
}

/// All that was said, each once, and what of it holds for each host.
struct Scopes<'a> {
    all: Vec<Said<'a>>,
    of_host: Vec<Vec<usize>>,
}

impl<'a> Scopes<'a> {
    fn of(hosts: &'a [Host], needs: &[&'a Need]) -> Self {
        let mut all = Vec::new();
        let mut known = BTreeMap::new();
        let mut number = |said: Said<'a>| {
            *known.entry(said.key()).or_insert_with(|| {
                all.push(said);
                all.len().saturating_sub(1)
            })
        };
        let mut of_host = Vec::with_capacity(hosts.len());
        for host in hosts {
            let disabled = host.because.iter().map(Said::Disabled);
            let unmanaged = host.unmanaged.iter().map(Said::Unmanaged);
            let holders = host.holders.iter();
            let held = holders.map(|holder| Said::Held(&host.name, holder));
            let said = disabled.chain(unmanaged).chain(held);
            of_host.push(said.map(&mut number).collect());
        }
        for cluster in needs.iter().filter_map(|need| need.unmanaged.as_ref()) {
            number(Said::Unmanaged(cluster));
        }
        Self { all, of_host }
    }

    /// What keeps servers from leaving their host.
    fn of_source(&self, need: &Need) -> Option<Key> {
        let cluster = &need.unmanaged.as_ref()?.cluster;
        let is_it = |said: &Said<'_>| said.key() == (None, cluster.as_str(), None);
        self.all.iter().position(is_it).map(Key::Scope)
    }
}

impl<'a> Said<'a> {
    fn key(&self) -> (Option<Level>, &'a str, Option<&'a str>) {
        match self {
            Self::Disabled(it) => (Some(it.level), &it.name, None),
            Self::Unmanaged(it) => (None, &it.cluster, None),
            Self::Held(host, holder) => (Some(Level::Host), host.as_str(), Some(holder)),
        }
    }

    fn told(&self) -> (String, Change) {
        match self {
            Self::Disabled(it) => (reason::enable(it), reason::enabling(it)),
            Self::Unmanaged(it) => reason::managed(it),
            Self::Held(host, holder) => reason::released(host, holder),
        }
    }
}

/// Where each of the servers goes, and with which changes.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Solution {
    places: Vec<usize>,
    changes: BTreeSet<Key>,
}

impl Solution {
    /// What is better is smaller: fewer changes, of as many fewer by hand.
    fn cost(&self) -> (usize, usize) {
        let by_hand = self.changes.iter().filter(|key| key.is_by_hand());
        (self.changes.len(), by_hand.count())
    }

    fn told(&self, hosts: &[Host], needs: &[&Need], scopes: &Scopes<'_>) -> Emptying {
        let teller = Teller {
            solution: self,
            hosts,
            needs,
            scopes,
        };
        let told = self.changes.iter().filter_map(|key| teller.told(*key));
        let (texts, changes) = told.unzip();
        let place =
            |(need, host): (&&Need, &usize)| Some((need.server, hosts.get(*host)?.name.clone()));
        Emptying {
            places: needs.iter().zip(&self.places).filter_map(place).collect(),
            changes,
            texts,
        }
    }
}

/// Says in full what keys stand for.
struct Teller<'a> {
    solution: &'a Solution,
    hosts: &'a [Host],
    needs: &'a [&'a Need],
    scopes: &'a Scopes<'a>,
}

impl<'a> Teller<'a> {
    /// The servers that go to a host.
    fn coming(&self, host: usize) -> impl Iterator<Item = &'a Need> {
        let places = self.needs.iter().zip(&self.solution.places);
        places.filter_map(move |(need, place)| (*place == host).then_some(*need))
    }

    fn told(&self, key: Key) -> Option<(String, Change)> {
        Some(match key {
            Key::Scope(number) => self.scopes.all.get(number)?.told(),
            Key::Cluster(at) => {
                let wanted = &self.coming(at).next()?.topology;
                reason::joined(self.hosts.get(at)?, wanted)?
            }
            Key::Agent(host) => reason::agent_up(&self.hosts.get(host)?.name),
            Key::AgentVersion(at) => {
                let host = self.hosts.get(at)?;
                reason::agent_upgraded(&host.name, host.agent_too_old.as_deref()?)
            }
            Key::Version(at) => {
                let host = self.hosts.get(at)?;
                let needed = self.coming(at).map(|need| need.hypervisor_version).max()?;
                reason::upgraded(host, needed)
            }
            Key::Pools(at) => {
                let needed = self.coming(at).filter(|need| need.keeps_storage());
                let pools = needed.flat_map(|need| need.pools.iter().cloned()).collect();
                reason::connected(self.hosts.get(at)?, &pools)
            }
            Key::Free(at, amount) => {
                let host = self.hosts.get(at)?;
                let rooms = self.coming(at).map(|need| need.room_at(&host.pools));
                let needed = rooms.map(|room| amount.of(room));
                let needed = needed.fold(0, i64::saturating_add);
                let (kind, what) = amount.words();
                reason::freed(&host.name, kind, what, (amount.of(host.free()), needed))
            }
            Key::Members(at, group) => self.members_leave(at, group)?,
            Key::Leave(server) => reason::leaving_group(self.needs.get(server)?)?,
            Key::Stop(server) => reason::stopped(self.needs.get(server)?),
        })
    }

    fn members_leave(&self, at: usize, group: ServerGroupUuid) -> Option<(String, Change)> {
        let host = self.hosts.get(at)?;
        let is_in = |need: &&Need| need.group.as_ref().is_some_and(|it| it.group == group);
        let stays_in = |(number, need): (usize, &&'a Need)| {
            let left = self.solution.changes.contains(&Key::Leave(number));
            let here = self.solution.places.get(number) == Some(&at);
            is_in(need) && here && !left
        };
        let members = self.needs.iter().enumerate();
        let come = members.filter(|(number, need)| stays_in((*number, *need)));
        let come = u32::try_from(come.count()).unwrap_or(u32::MAX);
        let membership = self.coming(at).find(is_in)?.group.as_ref()?;
        let there = membership.members_on(&host.name);
        let may_be = membership.most().saturating_sub(come);
        let counts = (there, may_be);
        Some(reason::members_away(&host.name, &membership.name, counts))
    }
}

#[cfg(test)]
mod tests;
