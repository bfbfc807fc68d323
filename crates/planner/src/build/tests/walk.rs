//! Runs a plan in a random order that it allows, and looks at every moment of it.

use std::collections::HashMap;

use godwit_core::server_group::Policy;

use crate::fleet::Fleet;
use crate::plan::{Operation, Plan};
use crate::table::{HostNo, Number, ServerNo, Table};

pub(super) struct Walk<'a> {
    fleet: &'a Fleet,
    plan: &'a Plan,
    /// Of each operation, what it still waits for.
    waits: Vec<usize>,
    behind: Vec<Vec<usize>>,
    /// Of each host, the moves that have not left it.
    leaving: HashMap<HostNo, usize>,
    behind_host: HashMap<HostNo, Vec<usize>>,
    startable: Vec<usize>,
    used: Table<HostNo, i64>,
    /// Where each server is or may be, by how many operations.
    there: HashMap<(ServerNo, HostNo), i32>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(fleet: &'a Fleet, plan: &'a Plan) -> Self {
        let count = plan.operations.len();
        let used: Vec<_> = fleet
            .hosts()
            .iter()
            .map(|(_, it)| it.host.used.memory_mb)
            .collect();
        let there = fleet.servers().numbers();
        let mut walk = Self {
            fleet,
            plan,
            waits: vec![0; count],
            behind: vec![Vec::new(); count],
            leaving: HashMap::new(),
            behind_host: HashMap::new(),
            startable: Vec::new(),
            used: used.into(),
            there: there.map(|no| ((no, fleet.host_of(no)), 1)).collect(),
        };
        for operation in plan
            .operations
            .rows()
            .iter()
            .filter(|it| it.destination.is_some())
        {
            let source = fleet.host_no(&operation.source).unwrap();
            *walk.leaving.entry(source).or_default() += 1;
        }
        for (at, operation) in plan.operations.rows().iter().enumerate() {
            walk.waits[at] = operation.after.len();
            for earlier in &operation.after {
                walk.behind[earlier.at()].push(at);
            }
            if let Some(host) = &operation.after_done {
                let host = fleet.host_no(host).unwrap();
                if walk.leaving.contains_key(&host) {
                    walk.waits[at] += 1;
                    walk.behind_host.entry(host).or_default().push(at);
                }
            }
            if walk.waits[at] == 0 {
                walk.startable.push(at);
            }
        }
        walk
    }

    pub(super) fn run(mut self, seed: u64) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut running: Vec<usize> = Vec::new();
        let mut ended = 0;
        while ended < self.plan.operations.len() {
            if !self.startable.is_empty() && (running.is_empty() || random.u8(0..4) > 0) {
                let at = self
                    .startable
                    .swap_remove(random.usize(0..self.startable.len()));
                running.push(at);
                self.begin(&self.plan.operations.rows()[at]);
            } else {
                assert!(!running.is_empty(), "nothing can begin, and nothing runs");
                self.end(running.swap_remove(random.usize(0..running.len())));
                ended += 1;
            }
        }
    }

    fn begin(&mut self, operation: &Operation) {
        let Some(to) = &operation.destination else {
            return;
        };
        let to = self.fleet.host_no(to).unwrap();
        let server = self.fleet.server_no(operation.server).unwrap();
        let row = &self.fleet.servers()[server];
        self.used[to] += row.need.room.memory_mb;
        let capacity = self.fleet.hosts()[to].host.capacity.memory_mb;
        assert!(self.used[to] <= capacity, "{to:?} is full");
        *self.there.entry((server, to)).or_default() += 1;
        if let Some(group) = row.group
            && self.fleet.groups()[group].policy == Policy::AntiAffinity
        {
            let members = self.fleet.members(group).iter();
            let here = members.filter(|it| self.there.get(&(**it, to)).is_some_and(|n| *n > 0));
            assert!(here.count() <= 1, "two of a group on {to:?}");
        }
    }

    fn end(&mut self, at: usize) {
        let operation = &self.plan.operations.rows()[at];
        if operation.destination.is_some() {
            let server = self.fleet.server_no(operation.server).unwrap();
            let from = self.fleet.host_no(&operation.source).unwrap();
            self.used[from] -= self.fleet.servers()[server].need.room.memory_mb;
            *self.there.get_mut(&(server, from)).unwrap() -= 1;
            let left = self.leaving.get_mut(&from).unwrap();
            *left -= 1;
            if *left == 0 {
                let behind = self.behind_host.remove(&from);
                self.pass(behind.unwrap_or_default());
            }
        }
        let behind = std::mem::take(&mut self.behind[at]);
        self.pass(behind);
    }

    fn pass(&mut self, behind: Vec<usize>) {
        for at in behind {
            self.waits[at] -= 1;
            if self.waits[at] == 0 {
                self.startable.push(at);
            }
        }
    }
}
