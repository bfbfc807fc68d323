//! Whether a plan keeps every rule, asked without looking at how it was made.
//!
//! Room and groups are checked for every order that the plan allows: what arrives at a host waits,
//! itself or through others, for what has left it by then ([`room`]).

mod moves;
mod room;
mod rules;
mod whole;

use std::collections::{HashMap, HashSet};

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::plan::options::ReturnHome;
use serde::Serialize;

use crate::fleet::Fleet;
use crate::plan::{Operation, Options, Plan, PlanState, Wish};
use crate::table::{HostNo, OperationNo, ServerNo, Table};

/// Which rule is broken.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// A name or a number that is not there.
    Known,
    /// Each operation begins where the server's last one has ended, and after it.
    Path,
    /// An operation waits only for earlier ones.
    Order,
    /// The destination takes nothing, or not this server.
    Fits,
    /// There may be too little room at some moment.
    Room,
    /// A hard group's rule may be broken at some moment.
    Group,
    /// A host receives servers while it is to be emptied.
    Emptied,
    /// Something moves that nobody wants moved.
    Wanted,
    /// A server is neither moved nor said to be blocked, or both.
    Complete,
    /// A constraint of the wish.
    Constraint,
    /// A partial plan is ready where only a whole one may be.
    Partial,
}

impl Rule {
    pub const ALL: [Self; 11] = [
        Self::Known,
        Self::Path,
        Self::Order,
        Self::Fits,
        Self::Room,
        Self::Group,
        Self::Emptied,
        Self::Wanted,
        Self::Complete,
        Self::Constraint,
        Self::Partial,
    ];
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    pub rule: Rule,
    pub operation: Option<OperationNo>,
    pub server: Option<ServerUuid>,
    pub host: Option<HostName>,
    pub text: String,
}

/// Nothing, if the plan may be run. An aborted plan has no operations to look at.
pub fn lint(fleet: &Fleet, wish: &Wish, options: &Options, plan: &Plan) -> Vec<Finding> {
    let mut linter = Linter {
        fleet,
        wish,
        options,
        plan,
        moves: Vec::new(),
        of_server: HashMap::new(),
        arrivals: Table::filled(fleet.hosts().len(), Vec::new()),
        departures: Table::filled(fleet.hosts().len(), Vec::new()),
        stages: HashMap::new(),
        findings: Vec::new(),
    };
    if plan.state == PlanState::Ready {
        linter.read();
        linter.check_moves();
        linter.check_room();
        linter.check_groups();
        linter.check_stages();
        linter.check_rolling();
        linter.check_constraints();
        linter.check_whole();
    }
    linter.findings
}

/// An operation that takes a server elsewhere.
#[derive(Clone, Debug)]
struct Move {
    id: OperationNo,
    server: ServerNo,
    source: HostNo,
    destination: HostNo,
    /// What has left the destination before it begins; sorted.
    gone: Vec<OperationNo>,
}

struct Linter<'a> {
    fleet: &'a Fleet,
    wish: &'a Wish,
    options: &'a Options,
    plan: &'a Plan,
    moves: Vec<Move>,
    /// Places in `moves`, in the order of the plan.
    of_server: HashMap<ServerNo, Vec<usize>>,
    arrivals: Table<HostNo, Vec<usize>>,
    departures: Table<HostNo, Vec<usize>>,
    /// The place of each host of a rolling maintenance.
    stages: HashMap<HostNo, usize>,
    findings: Vec<Finding>,
}

impl Linter<'_> {
    /// Do guests return to each host of a rolling maintenance that is done? Then how many of those are
    /// unavailable at a time.
    fn returning(&self) -> Option<u32> {
        let rolling = self.plan.rolling.as_ref()?;
        let return_home = self.options.return_home != ReturnHome::Never;
        return_home.then_some(rolling.max_unavailable)
    }

    fn find(&mut self, rule: Rule, operation: Option<&Operation>, text: impl Into<String>) {
        self.findings.push(Finding {
            rule,
            operation: operation.map(|it| it.id),
            server: operation.map(|it| it.server),
            host: operation.and_then(|it| it.destination.clone()),
            text: text.into(),
        });
    }

    fn find_of(&mut self, rule: Rule, at: usize, text: impl Into<String>) {
        let id = self.moves.get(at).map(|it| it.id);
        let operation = id.map(|id| &self.plan.operations[id]);
        self.find(rule, operation, text);
    }

    /// Reads the plan's names; what cannot be read is found.
    fn read(&mut self) {
        for host in self.plan.rolling.iter().flat_map(|it| &it.hosts) {
            match self.fleet.host_no(host) {
                Some(no) => {
                    let stage = self.stages.len();
                    self.stages.insert(no, stage);
                }
                None => self.find(Rule::Known, None, format!("host {host} is not there")),
            }
        }
        for (id, operation) in self.plan.operations.iter() {
            let source = self.fleet.host_no(&operation.source);
            let server = self.fleet.server_no(operation.server);
            let (Some(source), Some(server)) = (source, server) else {
                self.find(
                    Rule::Known,
                    Some(operation),
                    "its server or source is not there",
                );
                continue;
            };
            if operation.id != id {
                self.find(Rule::Known, Some(operation), "its id is not its place");
            }
            if operation.after.iter().any(|earlier| *earlier >= id) {
                self.find(Rule::Order, Some(operation), "it waits for a later one");
            }
            let Some(destination) = &operation.destination else {
                continue;
            };
            let Some(destination) = self.fleet.host_no(destination) else {
                self.find(Rule::Known, Some(operation), "its destination is not there");
                continue;
            };
            let at = self.moves.len();
            self.of_server.entry(server).or_default().push(at);
            self.arrivals[destination].push(at);
            self.departures[source].push(at);
            self.moves.push(Move {
                id,
                server,
                source,
                destination,
                gone: Vec::new(),
            });
        }
        self.read_gone();
    }

    /// All that an operation waits for, itself or through others.
    fn before(&self, id: OperationNo) -> HashSet<OperationNo> {
        let mut before = HashSet::new();
        let mut open = vec![id];
        while let Some(id) = open.pop() {
            // What waits for later ones is found elsewhere, and not followed round in circles.
            let after = self.plan.operations[id].after.iter();
            open.extend(after.filter(|it| **it < id && before.insert(**it)));
        }
        before
    }

    fn read_gone(&mut self) {
        // Whoever has left a host may be back there.
        if self.returning().is_some() {
            return;
        }
        for at in 0..self.moves.len() {
            let Some(it) = self.moves.get(at) else {
                continue;
            };
            let operation = &self.plan.operations[it.id];
            let done = operation.after_done.as_ref();
            let done = done.and_then(|host| self.fleet.host_no(host)) == Some(it.destination);
            let leaves = self.departures[it.destination].iter();
            let leaves = leaves.filter_map(|at| self.moves.get(*at)).map(|it| it.id);
            let mut gone: Vec<_> = if done {
                leaves.collect()
            } else if operation.after.is_empty() {
                Vec::new()
            } else {
                let before = self.before(it.id);
                leaves.filter(|id| before.contains(id)).collect()
            };
            gone.sort_unstable();
            if let Some(it) = self.moves.get_mut(at) {
                it.gone = gone;
            }
        }
    }
}

#[cfg(test)]
mod tests;
