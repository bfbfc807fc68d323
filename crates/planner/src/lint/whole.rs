//! Whether a plan does what was asked, all of it and nothing else.

use std::collections::{HashMap, HashSet};

use godwit_core::ids::ServerUuid;

use super::{Linter, Rule};
use crate::plan::{Immovable, OperationKind, Wish};
use crate::table::{HostNo, ServerNo};

impl Linter<'_> {
    pub(super) fn check_whole(&mut self) {
        let blocked: HashSet<_> = self.plan.blocked.iter().map(|it| it.server).collect();
        if !blocked.is_empty() && !self.options.allow_partial {
            self.find(
                Rule::Partial,
                None,
                "servers are blocked, and all were to move",
            );
        }
        for blocked in &self.plan.blocked {
            if blocked.reasons.is_empty() {
                let text = format!("server {} is blocked for no reason", blocked.server);
                self.find(Rule::Complete, None, text);
            }
        }
        let emptied = self.emptied();
        let wanted = self.wanted(&emptied);
        self.check_wanted(&wanted, &emptied);
        for (server, home) in wanted {
            let id = self.fleet.servers()[server].need.server;
            self.check_server(server, id, home, &emptied, blocked.contains(&id));
        }
    }

    fn emptied(&self) -> HashSet<HostNo> {
        let hosts = match self.wish {
            Wish::Servers { .. } | Wish::ReturnHome { .. } => Vec::new(),
            Wish::Host { host } => vec![host],
            Wish::Rolling { hosts, .. } => hosts.iter().collect(),
        };
        hosts
            .into_iter()
            .filter_map(|host| self.fleet.host_no(host))
            .collect()
    }

    /// Who is to move, and where to if that is said.
    fn wanted(&self, emptied: &HashSet<HostNo>) -> HashMap<ServerNo, Option<HostNo>> {
        let no = |id: &ServerUuid| self.fleet.server_no(*id);
        match self.wish {
            Wish::Servers {
                servers,
                destination,
            } => {
                let to = destination.as_ref().and_then(|it| self.fleet.host_no(it));
                servers
                    .iter()
                    .filter_map(|id| Some((no(id)?, to)))
                    .collect()
            }
            Wish::ReturnHome { homes } => {
                let home = |(id, home): &(_, _)| Some((no(id)?, self.fleet.host_no(home)));
                homes.iter().filter_map(home).collect()
            }
            Wish::Host { .. } | Wish::Rolling { .. } => {
                let here = emptied.iter().flat_map(|host| self.fleet.servers_on(*host));
                let stays = |it: &&ServerNo| !self.fleet.servers()[**it].leaves();
                here.filter(stays).map(|server| (*server, None)).collect()
            }
        }
    }

    fn check_wanted(
        &mut self,
        wanted: &HashMap<ServerNo, Option<HostNo>>,
        emptied: &HashSet<HostNo>,
    ) {
        let stops = self.options.immovable == Immovable::ShutdownRestart;
        for operation in self.plan.operations.rows() {
            let server = self.fleet.server_no(operation.server);
            if !server.is_some_and(|server| wanted.contains_key(&server)) {
                self.find(Rule::Wanted, Some(operation), "nobody asked for it");
            }
            let powers = match operation.kind {
                OperationKind::Shutdown | OperationKind::Start => true,
                OperationKind::Live
                | OperationKind::Cold
                | OperationKind::Evacuate
                | OperationKind::Storage => false,
            };
            if powers && (!stops || emptied.is_empty()) {
                self.find(Rule::Wanted, Some(operation), "nobody asked to stop it");
            }
            if powers == operation.destination.is_some() {
                self.find(
                    Rule::Wanted,
                    Some(operation),
                    "only what moves has a destination",
                );
            }
        }
        for at in 0..self.moves.len() {
            let to = self.moves.get(at).map(|it| it.destination);
            let rolling = self.plan.rolling.is_some();
            if !rolling && to.is_some_and(|to| emptied.contains(&to)) {
                self.find_of(Rule::Emptied, at, "its destination is to be emptied");
            }
        }
    }

    fn check_server(
        &mut self,
        server: ServerNo,
        id: ServerUuid,
        home: Option<HostNo>,
        emptied: &HashSet<HostNo>,
        blocked: bool,
    ) {
        let path = self.of_server.get(&server).map_or(&[][..], Vec::as_slice);
        let moves: Vec<_> = path.iter().filter_map(|at| self.moves.get(*at)).collect();
        let last = moves.last().map(|it| it.destination);
        let there = home.is_some_and(|home| last.unwrap_or(self.fleet.host_of(server)) == home);
        let stopped = self.options.immovable == Immovable::ShutdownRestart;
        let done = match home {
            Some(_) => there,
            // A server that goes to a host that is still to be emptied goes on from there.
            None => {
                last.is_some() && self.returning().is_some()
                    || last.is_some()
                        && moves.iter().enumerate().all(|(at, it)| {
                            let done = self.plan.operations[it.id].after_done.is_some();
                            let goes_on = at + 1 < moves.len();
                            done || goes_on || !emptied.contains(&it.destination)
                        })
            }
        };
        let text = match (done, blocked) {
            (true, false) | (false, true) => return,
            (false, false) if stopped && !emptied.is_empty() => return,
            (false, false) => format!("server {id} is not brought where it should be"),
            (true, true) => format!("server {id} is blocked, and moves"),
        };
        self.find(Rule::Complete, None, text);
    }
}
