//! From those that wait to the sequence of moves that brings them home.

use std::collections::{BTreeSet, HashSet};

use super::Bringing;
use super::sequence::{self, Server};
use crate::plan::{Cause, Constraint};
use crate::table::{HostNo, ServerNo};

/// How many servers and hosts a sequence of moves is looked for with.
const SERVERS: usize = 32;
const HOSTS: usize = 12;

impl Bringing<'_, '_> {
    /// Follows a sequence of moves that brings home those that wait, if there is one.
    pub(super) fn any_way(&mut self) -> bool {
        let stuck: BTreeSet<_> = self.waiting.values().flatten().copied().collect();
        let before = |it: &Constraint| matches!(it, Constraint::Before(..));
        if stuck.is_empty() || self.board.options.constraints.iter().any(before) {
            return false;
        }
        let (hosts, numbers) = self.hosts_and_servers(&stuck);
        let free = hosts.iter().map(|host| self.board.free_at_last(*host));
        let free: Vec<_> = free.collect();
        let servers = numbers.iter().filter_map(|no| self.described(*no, &hosts));
        let servers: Vec<_> = servers.collect();
        if servers.len() != numbers.len() {
            return false;
        }
        let Some(steps) = sequence::find(&free, &servers) else {
            return false;
        };
        // What the search does not know, such as groups, may be against it.
        let was = self.board.clone();
        for (server, host) in steps {
            let both = (numbers.get(server), hosts.get(host));
            let (Some(server), Some(host)) = both else {
                continue;
            };
            if !self.step(*server, *host) {
                *self.board = was;
                return false;
            }
        }
        for server in &numbers {
            self.homes.remove(server);
        }
        self.waiting.clear();
        // Others may wait for those that have moved.
        let others: Vec<_> = self.homes.keys().copied().collect();
        self.queue.extend(others);
        true
    }

    /// Those that wait, then others that are or will be on the hosts concerned, then all others;
    /// their hosts, and the ones with the most room besides.
    fn hosts_and_servers(&self, stuck: &BTreeSet<ServerNo>) -> (Vec<HostNo>, Vec<ServerNo>) {
        let wanted = self.waiting.keys().copied();
        let left = stuck.iter().map(|server| self.board.at[*server]);
        let concerned: HashSet<_> = wanted.chain(left).collect();
        let blocked = self.board.built.blocked.iter().map(|it| it.0);
        let blocked: HashSet<_> = blocked.collect();
        let others = self.all_homes.iter().filter(|(server, _)| {
            let moves = !blocked.contains(server) && self.board.kind(*server).is_ok();
            moves && !stuck.contains(server)
        });
        let mut others: Vec<_> = others.copied().collect();
        others.sort_by_key(|(server, home)| {
            !concerned.contains(&self.board.at[*server]) && !concerned.contains(home)
        });
        let others = others.into_iter().map(|(server, _)| server);
        let servers: Vec<_> = stuck.iter().copied().chain(others).take(SERVERS).collect();
        let mut hosts = Vec::new();
        for server in &servers {
            hosts.push(self.board.at[*server]);
            hosts.extend(self.home_of(*server));
        }
        hosts.extend(self.board.open.emptiest().take(HOSTS));
        let mut seen = HashSet::new();
        hosts.retain(|host| seen.insert(*host));
        (hosts, servers)
    }

    fn home_of(&self, server: ServerNo) -> Option<HostNo> {
        let mut all = self.all_homes.iter();
        all.find(|it| it.0 == server).map(|(_, home)| *home)
    }

    fn described(&self, no: ServerNo, hosts: &[HostNo]) -> Option<Server> {
        let need = &self.board.fleet.servers()[no].need;
        let home = self.home_of(no)?;
        let here = self.board.at[no];
        let place = |wanted: HostNo| hosts.iter().position(|host| *host == wanted);
        let needs = hosts.iter().map(|host| {
            let may = *host == here || *host == home || self.board.open.takes(*host);
            may.then(|| need.room_at(&self.board.hosts[*host].pools))
        });
        Some(Server {
            at: place(here)?,
            home: place(home)?,
            needs: needs.collect(),
        })
    }

    fn step(&mut self, server: ServerNo, host: HostNo) -> bool {
        let (Ok(kind), Ok(waits_for)) = (self.board.kind(server), self.board.fits(server, host))
        else {
            return false;
        };
        let home = self.home_of(server) == Some(host);
        let because = if home {
            self.because.clone()
        } else {
            Cause::MakesWay
        };
        self.board.place(kind, server, host, waits_for, because);
        true
    }
}
