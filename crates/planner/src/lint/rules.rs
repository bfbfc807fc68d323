//! Rules of groups, of rolling maintenance, and of those who asked.

use std::collections::HashMap;

use godwit_core::server_group::Policy;

use super::{Linter, Move, Rule};
use crate::plan::{Affinity, Constraint};
use crate::table::{HostNo, OperationNo, ServerNo};

/// A stay of a server on a host, by the operations that begin and end it.
#[derive(Clone, Copy)]
struct Stay {
    arrives: Option<usize>,
    leaves: Option<usize>,
}

impl Linter<'_> {
    pub(super) fn check_groups(&mut self) {
        if self.options.affinity == Affinity::BestEffort {
            return;
        }
        for at in 0..self.moves.len() {
            let Some(it) = self.moves.get(at).cloned() else {
                continue;
            };
            let Some(no) = self.fleet.servers()[it.server].group else {
                continue;
            };
            let group = &self.fleet.groups()[no];
            let others = self.fleet.members(no).iter().copied();
            let mut others = others.filter(|other| *other != it.server);
            match group.policy {
                Policy::AntiAffinity => {
                    let there = others
                        .filter(|other| self.may_meet(at, &it, *other))
                        .count();
                    if there >= group.max_server_per_host.unwrap_or(1) as usize {
                        self.find_of(Rule::Group, at, "others of its group may be there");
                    }
                }
                Policy::Affinity => {
                    // Whoever returns is where it was before, in the end.
                    let returns = self.returning().is_some();
                    let last = |server| self.last_host(server) == it.destination;
                    let first = |server| returns && self.fleet.host_of(server) == it.destination;
                    if !others.all(|server| last(server) || first(server)) {
                        self.find_of(Rule::Group, at, "its group is elsewhere");
                    }
                }
                Policy::SoftAffinity | Policy::SoftAntiAffinity => {}
            }
        }
    }

    fn last_host(&self, server: ServerNo) -> HostNo {
        let last = self.of_server.get(&server).and_then(|path| path.last());
        let last = last.and_then(|at| self.moves.get(*at));
        let heading = self.fleet.servers()[server].moving_to.as_ref();
        let heading = heading.and_then(|host| self.fleet.host_no(host));
        last.map(|it| it.destination)
            .or(heading)
            .unwrap_or_else(|| self.fleet.host_of(server))
    }

    /// May `other` be at the move's destination while its server is?
    fn may_meet(&self, at: usize, it: &Move, other: ServerNo) -> bool {
        let host = it.destination;
        let heading = self.fleet.servers()[other].moving_to.as_ref();
        if heading.is_some_and(|name| self.fleet.host_no(name) == Some(host)) {
            return true;
        }
        if self.returning() == Some(1) {
            return self.meets_before_returning(it, other);
        }
        let mine = Stay {
            arrives: Some(at),
            leaves: self.leaves_after(it.server, host, Some(at)),
        };
        let theirs = self.stays(other, host);
        let apart = |stay: &Stay| self.precedes(*stay, mine) || self.precedes(mine, *stay);
        !theirs.iter().all(apart)
    }

    /// Where one host is emptied after the other, and all are back before the next one: is `other` at the
    /// destination, or brought there from the same host?
    fn meets_before_returning(&self, it: &Move, other: ServerNo) -> bool {
        let path = self.of_server.get(&other).map_or(&[][..], Vec::as_slice);
        let mut moves = path.iter().filter_map(|at| self.moves.get(*at));
        self.fleet.host_of(other) == it.destination
            || moves.any(|its| its.source == it.source && its.destination == it.destination)
    }

    fn stays(&self, server: ServerNo, host: HostNo) -> Vec<Stay> {
        let path = self.of_server.get(&server).map_or(&[][..], Vec::as_slice);
        let arrives = path.iter().copied();
        let arrives =
            arrives.filter(|at| self.moves.get(*at).is_some_and(|it| it.destination == host));
        let from_the_beginning = self.fleet.host_of(server) == host;
        let arrives = from_the_beginning
            .then_some(None)
            .into_iter()
            .chain(arrives.map(Some));
        let stay = |arrives| Stay {
            arrives,
            leaves: self.leaves_after(server, host, arrives),
        };
        arrives.map(stay).collect()
    }

    fn leaves_after(
        &self,
        server: ServerNo,
        host: HostNo,
        arrival: Option<usize>,
    ) -> Option<usize> {
        let mut path = self.of_server.get(&server)?.iter().copied();
        path.find(|at| {
            let leaves = self.moves.get(*at).is_some_and(|it| it.source == host);
            leaves && arrival.is_none_or(|arrival| *at > arrival)
        })
    }

    /// Has the first stay ended before the second begins, in every order?
    fn precedes(&self, first: Stay, second: Stay) -> bool {
        let (Some(leaves), Some(arrives)) = (first.leaves, second.arrives) else {
            return false;
        };
        let (Some(leaves), Some(arrives)) = (self.moves.get(leaves), self.moves.get(arrives))
        else {
            return false;
        };
        arrives.gone.binary_search(&leaves.id).is_ok()
    }

    /// Hosts are emptied one after the other, so that nothing waits for a host that waits for it.
    pub(super) fn check_stages(&mut self) {
        let mut latest = 0;
        for operation in self.plan.operations.rows() {
            let stage = |host| {
                let host = self.fleet.host_no(host);
                host.and_then(|no| self.stages.get(&no).copied())
            };
            let Some(of_source) = stage(&operation.source) else {
                continue;
            };
            let powers = operation.destination.is_none();
            let done = operation.after_done.as_ref().and_then(stage);
            let waits = done.is_some_and(|done| done > of_source || done == of_source && !powers);
            let text = if of_source < latest {
                "it comes after operations of a host that is emptied later"
            } else if waits {
                "it waits for a host that is done only after it"
            } else {
                latest = of_source;
                continue;
            };
            self.find(Rule::Order, Some(operation), text);
        }
    }

    pub(super) fn check_rolling(&mut self) {
        let most = self
            .plan
            .rolling
            .as_ref()
            .map(|it| it.max_unavailable as usize);
        for at in 0..self.moves.len() {
            let Some(it) = self.moves.get(at) else {
                continue;
            };
            let after_done = self.plan.operations[it.id].after_done.clone();
            let text = match (
                most,
                self.stages.get(&it.source),
                self.stages.get(&it.destination),
            ) {
                (None, _, _) if after_done.is_some() => "no host is done in this plan",
                (Some(_), None, _) => "it leaves a host that is not to be emptied",
                (Some(most), Some(from), Some(to)) => {
                    let done = after_done.as_ref() == Some(self.name(it.destination));
                    let begun = if done {
                        *from < to + most
                    } else {
                        *to < from + most
                    };
                    if !begun {
                        continue;
                    }
                    "its destination may be empty, or on its way there"
                }
                (None | Some(_), _, _) => continue,
            };
            self.find_of(Rule::Emptied, at, text);
        }
    }

    fn name(&self, host: HostNo) -> &godwit_core::ids::HostName {
        &self.fleet.hosts()[host].host.name
    }

    pub(super) fn check_constraints(&mut self) {
        if self.plan.constraints != self.options.constraints {
            self.find(
                Rule::Constraint,
                None,
                "the plan has other constraints than the wish",
            );
        }
        let mut firsts: HashMap<_, OperationNo> = HashMap::new();
        for (id, operation) in self.plan.operations.iter() {
            firsts.entry(operation.server).or_insert(id);
        }
        for constraint in &self.options.constraints {
            let Constraint::Before(first, second) = constraint else {
                continue;
            };
            let (Some(first), Some(second)) = (firsts.get(first), firsts.get(second)) else {
                continue;
            };
            let (first, second) = (
                &self.plan.operations[*first],
                &self.plan.operations[*second],
            );
            // Hosts are emptied in an order of their own; within each the constraint holds.
            let apart = !self.stages.is_empty() && first.source != second.source;
            if !apart && !self.before(second.id).contains(&first.id) {
                self.find(
                    Rule::Constraint,
                    Some(second),
                    "it does not wait as it was asked to",
                );
            }
        }
    }
}
