//! The room that moves leave each other.
//!
//! Any set of arrivals may have begun at some moment, with no more gone than what they wait for.
//! There is room for all such sets if and only if each arrival's need can be taken from what the
//! host has free and what leaves it before that arrival begins, nothing being taken twice
//! (Hall's theorem): a flow from departures to arrivals, of which the host's free room has to make
//! up the rest.

use std::collections::{HashMap, HashSet, VecDeque};

use godwit_core::resources::Resources;

use super::{Linter, Rule};
use crate::table::{HostNo, OperationNo, ServerNo};

type Kind = (fn(Resources) -> i64, &'static str);

const KINDS: [Kind; 3] = [
    (|it| it.vcpus, "there may be too few processors"),
    (|it| it.memory_mb, "there may be too little memory"),
    (|it| it.disk_gb, "there may be too little room for disks"),
];

/// What takes or gives one kind of room on a host.
#[derive(Default)]
struct Demands {
    /// Of each arrival: its place in the linter's moves, what it needs, what it waits for.
    arrivals: Vec<Arrival>,
    /// What each departure leaves.
    freed: HashMap<OperationNo, i64>,
}

struct Arrival {
    at: usize,
    needs: i64,
    gone: Vec<OperationNo>,
}

impl Linter<'_> {
    pub(super) fn check_room(&mut self) {
        for host in self.fleet.hosts().numbers() {
            for (of, text) in KINDS {
                if let Some(at) = self.lacks(host, of) {
                    self.find_of(Rule::Room, at, text);
                }
            }
        }
    }

    /// An arrival that there may be no room for.
    fn lacks(&self, host: HostNo, of: fn(Resources) -> i64) -> Option<usize> {
        if self.returning() == Some(1) {
            return self.lacks_before_returning(host, of);
        }
        let row = &self.fleet.hosts()[host].host;
        let free = of(row.capacity.less(row.used));
        let needs = |server| of(self.room(server, host));
        let arrivals = self.arrivals[host].iter().filter_map(|at| {
            let it = self.moves.get(*at)?;
            Some((*at, it, needs(it.server)))
        });
        let arrivals = arrivals.filter(|(_, _, needs)| *needs > 0);
        let all: i64 = arrivals.clone().map(|(_, _, needs)| needs).sum();
        if all <= free || all == 0 {
            return None;
        }
        let departures = self.departures[host].iter();
        let departures = departures.filter_map(|at| self.moves.get(*at));
        let demands = Demands {
            arrivals: arrivals
                .map(|(at, it, needs)| Arrival {
                    at,
                    needs,
                    gone: it.gone.clone(),
                })
                .collect(),
            freed: departures.map(|it| (it.id, needs(it.server))).collect(),
        };
        if free >= 0 {
            return demands.short(free);
        }
        // More is taken than there is, which is nobody's fault until something arrives: so each is
        // asked as the first.
        let mut firsts = demands.arrivals.iter();
        firsts.find_map(|first| demands.short_after(first, free))
    }

    /// Where one host is emptied after the other, and all are back before the next one: together are only
    /// those that come from the same host.
    fn lacks_before_returning(&self, host: HostNo, of: fn(Resources) -> i64) -> Option<usize> {
        let row = &self.fleet.hosts()[host].host;
        let free = of(row.capacity.less(row.used));
        let mut taken: HashMap<HostNo, i64> = HashMap::new();
        self.arrivals[host].iter().copied().find(|at| {
            let Some(it) = self.moves.get(*at) else {
                return false;
            };
            let needs = of(self.room(it.server, host));
            let all = taken.entry(it.source).or_default();
            *all += needs;
            needs > 0 && *all > free
        })
    }

    fn room(&self, server: ServerNo, host: HostNo) -> Resources {
        let need = &self.fleet.servers()[server].need;
        need.room_at(&self.fleet.hosts()[host].host.pools)
    }
}

impl Demands {
    fn short_after(&self, first: &Arrival, free: i64) -> Option<usize> {
        let gone = first.gone.iter().filter_map(|id| self.freed.get(id));
        let free = free + gone.sum::<i64>() - first.needs;
        if free < 0 {
            return Some(first.at);
        }
        let others = self.arrivals.iter().filter(|it| it.at != first.at);
        let left = |it: &Arrival| {
            let gone = it.gone.iter().filter(|id| !first.gone.contains(id));
            gone.copied().collect()
        };
        let rest = Self {
            arrivals: others
                .map(|it| Arrival {
                    gone: left(it),
                    ..*it
                })
                .collect(),
            freed: self.freed.clone(),
        };
        rest.short(free)
    }

    /// Gives each arrival as much as possible of what leaves before it; the last one that is left
    /// with a need, if `free` is not enough for all such needs.
    fn short(&self, free: i64) -> Option<usize> {
        let mut flow = Flow {
            demands: self,
            left: self.freed.clone(),
            taken: HashMap::new(),
        };
        let (mut lacking, mut last) = (0, None);
        for (no, arrival) in self.arrivals.iter().enumerate() {
            let mut needs = arrival.needs;
            while needs > 0 {
                let got = flow.more(no, needs);
                if got == 0 {
                    lacking += needs;
                    last = Some(arrival.at);
                    break;
                }
                needs -= got;
            }
        }
        last.filter(|_| lacking > free)
    }
}

struct Flow<'d> {
    demands: &'d Demands,
    /// What nobody has taken.
    left: HashMap<OperationNo, i64>,
    /// Who takes how much of a departure's room.
    taken: HashMap<OperationNo, HashMap<usize, i64>>,
}

impl Flow<'_> {
    /// Gets an arrival some more room, `most` of it, others taking theirs elsewhere if need be;
    /// how much.
    fn more(&mut self, no: usize, most: i64) -> i64 {
        // Through which departure, and from whom, each has been reached.
        let mut through: HashMap<OperationNo, usize> = HashMap::new();
        let mut seen = HashSet::from([no]);
        let mut from: HashMap<usize, OperationNo> = HashMap::new();
        let mut open = VecDeque::from([no]);
        while let Some(taker) = open.pop_front() {
            let gone = self.demands.arrivals.get(taker).map(|it| &it.gone);
            for id in gone.into_iter().flatten() {
                if through.contains_key(id) {
                    continue;
                }
                through.insert(*id, taker);
                if self.left.get(id).is_some_and(|left| *left > 0) {
                    return self.pass(*id, &through, &from, most);
                }
                for other in self.taken.get(id).into_iter().flat_map(HashMap::keys) {
                    if seen.insert(*other) {
                        from.insert(*other, *id);
                        open.push_back(*other);
                    }
                }
            }
        }
        0
    }

    fn pass(
        &mut self,
        end: OperationNo,
        through: &HashMap<OperationNo, usize>,
        from: &HashMap<usize, OperationNo>,
        most: i64,
    ) -> i64 {
        let mut steps = Vec::new();
        let mut amount = most.min(self.left.get(&end).copied().unwrap_or_default());
        let mut id = end;
        while let Some(taker) = through.get(&id).copied() {
            let gives = from.get(&taker).copied();
            steps.push((id, taker, gives));
            let Some(gives) = gives else { break };
            let held = self.taken.get(&gives).and_then(|it| it.get(&taker));
            amount = amount.min(held.copied().unwrap_or_default());
            id = gives;
        }
        if let Some(left) = self.left.get_mut(&end) {
            *left -= amount;
        }
        for (takes, taker, gives) in steps {
            *self
                .taken
                .entry(takes)
                .or_default()
                .entry(taker)
                .or_default() += amount;
            if let Some(takers) = gives.and_then(|id| self.taken.get_mut(&id))
                && let Some(held) = takers.get_mut(&taker)
            {
                *held -= amount;
                if *held == 0 {
                    takers.remove(&taker);
                }
            }
        }
        amount
    }
}
