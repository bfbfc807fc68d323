//! Servers that have found places so far, and what had to change for that.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::host::hypervisor::moves_live;
use godwit_core::ids::ServerGroupUuid;
use godwit_core::resources::Resources;
use godwit_core::server_group::{Member, Membership, Violation};

use super::{Amount, Key, Scopes};
use crate::inventory::{Host, Need};

/// Places that were found, each of which can be taken back, the last one first.
pub(super) struct State<'a> {
    hosts: &'a [Host],
    needs: &'a [&'a Need],
    scopes: &'a Scopes<'a>,
    /// What of each host goes to servers that were placed there.
    given: Vec<Resources>,
    /// Members of groups that were placed, and did not leave their group.
    joined: Vec<(ServerGroupUuid, usize)>,
    left: BTreeMap<ServerGroupUuid, usize>,
    pub(super) changes: BTreeSet<Key>,
    steps: Vec<Step>,
    /// How many pairs of a server and a host were looked at.
    pub(super) looked_at: usize,
}

struct Step {
    server: usize,
    host: usize,
    new: Vec<Key>,
}

/// A host for a server, with the changes that this takes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Choice {
    pub(super) host: usize,
    /// Those that were not needed so far.
    pub(super) new: Vec<Key>,
    /// What of it is free for those that follow, memory first.
    pub(super) free: (i64, i64),
}

impl Choice {
    /// The best one is smallest.
    fn rank(&self) -> (usize, usize, std::cmp::Reverse<(i64, i64)>, usize) {
        let by_hand = self.new.iter().filter(|key| key.is_by_hand()).count();
        let free = std::cmp::Reverse(self.free);
        (self.new.len(), by_hand, free, self.host)
    }
}

impl<'a> State<'a> {
    pub(super) fn new(hosts: &'a [Host], needs: &'a [&'a Need], scopes: &'a Scopes<'a>) -> Self {
        Self {
            hosts,
            needs,
            scopes,
            given: vec![Resources::default(); hosts.len()],
            joined: Vec::new(),
            left: BTreeMap::new(),
            changes: BTreeSet::new(),
            steps: Vec::new(),
            looked_at: 0,
        }
    }

    /// The hosts that a server could have, the best first: by the fewest new changes, each of which
    /// has to be among the `allowed` ones. `only` some of the hosts are looked at.
    pub(super) fn choices(
        &mut self,
        server: usize,
        allowed: Option<&BTreeSet<Key>>,
        only: Option<&[usize]>,
    ) -> Vec<Choice> {
        let Some(need) = self.needs.get(server).copied() else {
            return Vec::new();
        };
        let group = self.membership(need);
        let mut found = Vec::new();
        let all = 0..self.hosts.len();
        let hosts: &mut dyn Iterator<Item = usize> = match only {
            Some(only) => &mut only.iter().copied(),
            None => &mut all.into_iter(),
        };
        for host in hosts {
            self.looked_at = self.looked_at.saturating_add(1);
            let choices = self.of_host((server, need), host, group.as_ref());
            let may = |it: &Choice| {
                allowed.is_none_or(|allowed| it.new.iter().all(|key| allowed.contains(key)))
            };
            found.extend(choices.into_iter().flatten().filter(may));
        }
        found.sort_by_key(Choice::rank);
        found
    }

    /// Its group as it is by now.
    fn membership(&self, need: &Need) -> Option<Membership> {
        let mut group = need.group.clone()?;
        for _ in 0..self.left.get(&group.group).copied().unwrap_or_default() {
            let rests = |it: &Member| it.host.as_ref() == Some(&need.source) && it.moving.is_none();
            if let Some(place) = group.others.iter().position(rests) {
                group.others.swap_remove(place);
            }
        }
        let joined = self.joined.iter().filter(|(it, _)| *it == group.group);
        let hosts = joined.filter_map(|(_, host)| self.hosts.get(*host));
        group.others.extend(hosts.map(|host| Member {
            host: Some(host.name.clone()),
            moving: None,
        }));
        Some(group)
    }

    /// The ways in which a server could have a host; none: nothing that could be changed lets it.
    fn of_host(
        &self,
        (server, need): (usize, &Need),
        at: usize,
        group: Option<&Membership>,
    ) -> [Option<Choice>; 2] {
        let (Some(host), Some(given)) = (self.hosts.get(at), self.given.get(at)) else {
            return [None, None];
        };
        let never = host.name == need.source
            || host.hypervisor_type != need.hypervisor_type
            || host.arch != need.arch
            || !need.cpu_features.is_subset(&host.cpu_features)
            || need.clusters_apart(host).is_some() && host.topology.zone != need.topology.zone
            || need.keeps_storage() && need.local_disks;
        if never {
            return [None, None];
        }
        let mut keys: Vec<Key> = Vec::new();
        let scopes = self.scopes.of_host.get(at);
        keys.extend(scopes.into_iter().flatten().map(|scope| Key::Scope(*scope)));
        keys.extend(
            self.scopes
                .of_source(need)
                .filter(|key| !keys.contains(key)),
        );
        let apart = need.clusters_apart(host).is_some();
        keys.extend(apart.then_some(Key::Cluster(at)));
        keys.extend((!host.up).then_some(Key::Agent(at)));
        let too_old = host.agent_too_old.is_some();
        keys.extend(too_old.then_some(Key::AgentVersion(at)));
        let runs_on = need.live && !moves_live(&host.hypervisor_type);
        let stop = runs_on || need.never_ends(host).is_some();
        keys.extend(stop.then_some(Key::Stop(server)));
        keys.extend(
            (host.hypervisor_version < need.hypervisor_version).then_some(Key::Version(at)),
        );
        let storage = need.keeps_storage() && !need.pools.is_subset(&host.pools);
        keys.extend(storage.then_some(Key::Pools(at)));
        let total = given.plus(need.room_at(&host.pools));
        let room = need.room_at(&host.pools);
        for amount in Amount::ALL {
            let (total, needed) = (amount.of(total), amount.of(room));
            if needed > 0 && total > amount.of(host.capacity) {
                return [None, None];
            }
            let short = needed > 0 && total > amount.of(host.free());
            keys.extend(short.then_some(Key::Free(at, amount)));
        }
        keys.retain(|key| !self.changes.contains(key));
        let free = |amount: Amount| {
            let freed = self.changes.contains(&Key::Free(at, amount))
                || keys.contains(&Key::Free(at, amount));
            let whole = match freed {
                true => host.capacity,
                false => host.free(),
            };
            amount.of(whole).saturating_sub(amount.of(total))
        };
        let free = (free(Amount::Memory), free(Amount::Vcpus));
        let choice = |also: Option<Key>| {
            let new = keys.iter().copied().chain(also).collect();
            Choice {
                host: at,
                new,
                free,
            }
        };
        let dead = Some(&need.source).filter(|_| need.source_is_dead);
        let violation = group.and_then(|group| group.violation(&host.name, dead));
        let leave = || Some(choice(Some(Key::Leave(server))));
        match (violation, group) {
            (None, _) | (Some(_), None) => [Some(choice(None)), None],
            (Some(Violation::Affinity { .. }), Some(_)) => [leave(), None],
            (Some(Violation::AntiAffinity { most, .. }), Some(group)) => {
                let key = Key::Members(at, group.group);
                let is_here = |it: &&(ServerGroupUuid, usize)| **it == (group.group, at);
                let come = self.joined.iter().filter(is_here).count();
                let fits = u32::try_from(come).is_ok_and(|come| come < most);
                let also = (!self.changes.contains(&key)).then_some(key);
                [fits.then(|| choice(also)), leave()]
            }
        }
    }

    pub(super) fn place(&mut self, server: usize, choice: Choice) {
        let Choice { host, new, .. } = choice;
        let Some(need) = self.needs.get(server) else {
            return;
        };
        if let (Some(given), Some(it)) = (self.given.get_mut(host), self.hosts.get(host)) {
            *given = given.plus(need.room_at(&it.pools));
        }
        self.changes.extend(&new);
        if let Some(group) = &need.group {
            match new.contains(&Key::Leave(server)) {
                true => {
                    let left = self.left.entry(group.group).or_default();
                    *left = left.saturating_add(1);
                }
                false => self.joined.push((group.group, host)),
            }
        }
        self.steps.push(Step { server, host, new });
    }

    /// Takes the last placement back.
    pub(super) fn take_back(&mut self) {
        let Some(Step { server, host, new }) = self.steps.pop() else {
            return;
        };
        for key in &new {
            self.changes.remove(key);
        }
        let Some(need) = self.needs.get(server) else {
            return;
        };
        if let (Some(given), Some(it)) = (self.given.get_mut(host), self.hosts.get(host)) {
            *given = given.less(need.room_at(&it.pools));
        }
        if let Some(group) = &need.group {
            match new.contains(&Key::Leave(server)) {
                true => {
                    let left = self.left.entry(group.group).or_default();
                    *left = left.saturating_sub(1);
                }
                false => {
                    self.joined.pop();
                }
            }
        }
    }

    /// Where every server is, by its number, if all are placed.
    pub(super) fn places(&self) -> Option<Vec<usize>> {
        let mut places = vec![None; self.needs.len()];
        for step in &self.steps {
            *places.get_mut(step.server)? = Some(step.host);
        }
        places.into_iter().collect()
    }
}
