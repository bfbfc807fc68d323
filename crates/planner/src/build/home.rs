//! Servers that each have one host to go to, which may be full of others that have theirs.
//!
//! Whoever fits goes. When nobody does, each waits for another one's room: somebody in the circle
//! goes to a third host for a while, at most once, the smallest one that finds such a host. If
//! that does not help, any sequence of moves is looked for ([`sequence`]).

mod any_way;
mod sequence;

use std::collections::{BTreeMap, BTreeSet, HashSet, VecDeque};

use godwit_core::ids::{HostName, ServerUuid};

use super::board::Board;
use crate::plan::Cause;
use crate::reason::{Reason, ReasonCode};
use crate::table::{HostNo, ServerNo};

struct Bringing<'b, 'f> {
    board: &'b mut Board<'f>,
    because: &'b Cause,
    homes: BTreeMap<ServerNo, HostNo>,
    /// Of all, whether they are there or not.
    all_homes: Vec<(ServerNo, HostNo)>,
    /// To be tried.
    queue: VecDeque<ServerNo>,
    /// Who waits for room at a host.
    waiting: BTreeMap<HostNo, BTreeSet<ServerNo>>,
    /// Who waits for those that the constraints want before it.
    held: BTreeSet<ServerNo>,
    detoured: HashSet<ServerNo>,
}

pub(super) fn bring(board: &mut Board<'_>, homes: &[(ServerUuid, HostName)], because: &Cause) {
    let numbers = homes.iter().filter_map(|(server, home)| {
        let home = board.fleet.host_no(home)?;
        Some((board.fleet.server_no(*server)?, home))
    });
    let all_homes: Vec<_> = numbers.collect();
    let away = all_homes.iter().copied();
    let away = away.filter(|(server, home)| *because == Cause::Asked || board.at[*server] != *home);
    let homes: BTreeMap<_, _> = away.collect();
    let mut queue: Vec<_> = homes.keys().copied().collect();
    queue.sort_by_key(|server| -board.fleet.servers()[*server].need.room.memory_mb);
    let bringing = Bringing {
        board,
        because,
        homes,
        all_homes,
        queue: queue.into(),
        waiting: BTreeMap::new(),
        held: BTreeSet::new(),
        detoured: HashSet::new(),
    };
    bringing.all();
}

impl Bringing<'_, '_> {
    fn all(mut self) {
        loop {
            while let Some(server) = self.queue.pop_front() {
                self.attempt(server);
            }
            if self.detour() || self.any_way() {
                continue;
            }
            if !self.give_up() {
                return;
            }
        }
    }

    fn attempt(&mut self, server: ServerNo) {
        let Some(home) = self.homes.get(&server).copied() else {
            return;
        };
        let earlier = self.board.earlier.get(&server).into_iter().flatten();
        if earlier.into_iter().any(|it| self.homes.contains_key(it)) {
            self.held.insert(server);
            return;
        }
        let kind = match self.board.kind(server) {
            Ok(kind) => kind,
            Err(reasons) => return self.stays(server, reasons),
        };
        match self.board.fits(server, home) {
            Ok(waits_for) => {
                let source = self.board.at[server];
                let because = self.because.clone();
                self.board.place(kind, server, home, waits_for, because);
                self.homes.remove(&server);
                self.left(source);
                self.release(server);
            }
            Err(reasons) if reasons.iter().all(can_pass) => {
                self.waiting.entry(home).or_default().insert(server);
            }
            Err(reasons) => self.stays(server, reasons),
        }
    }

    /// Somebody has left a host: those that wait for it are tried again.
    fn left(&mut self, host: HostNo) {
        self.queue
            .extend(self.waiting.remove(&host).into_iter().flatten());
        // Whoever waits for a member of its group elsewhere may wait no longer.
        let groups = self.waiting.values().flatten();
        let grouped = groups.filter(|it| self.board.fleet.servers()[**it].group.is_some());
        let grouped: Vec<_> = grouped.copied().collect();
        for server in &grouped {
            for waiting in self.waiting.values_mut() {
                waiting.remove(server);
            }
        }
        self.queue.extend(grouped);
    }

    fn release(&mut self, server: ServerNo) {
        for later in self.board.later.get(&server).into_iter().flatten() {
            if self.held.remove(later) {
                self.queue.push_back(*later);
            }
        }
    }

    /// Sends one that others wait for to a third host; is there such a one?
    fn detour(&mut self) -> bool {
        let stuck = self.waiting.values().flatten().copied();
        let in_the_way = stuck.filter(|server| {
            let here = self.board.at[*server];
            let wanted = self.waiting.get(&here).is_some_and(|it| !it.is_empty());
            wanted && !self.detoured.contains(server)
        });
        let mut in_the_way: Vec<_> = in_the_way.collect();
        in_the_way.sort_by_key(|it| (self.board.fleet.servers()[*it].need.room.memory_mb, *it));
        for server in in_the_way {
            let (Ok(kind), Some(choice)) = (self.board.kind(server), self.board.choose(server))
            else {
                continue;
            };
            self.detoured.insert(server);
            for waiting in self.waiting.values_mut() {
                waiting.remove(&server);
            }
            let source = self.board.at[server];
            let because = Cause::MakesWay;
            self.board
                .place(kind, server, choice.host, choice.waits_for, because);
            self.left(source);
            self.queue.push_back(server);
            return true;
        }
        false
    }

    /// Those that still wait stay where they are; was there anybody?
    fn give_up(&mut self) -> bool {
        let stuck: Vec<_> = self.waiting.values().flatten().copied().collect();
        self.waiting.clear();
        for server in &stuck {
            if let Some(home) = self.homes.get(server).copied() {
                let reasons = self.board.fits(*server, home).err();
                self.stays(*server, reasons.unwrap_or_default());
            }
        }
        !stuck.is_empty()
    }

    fn stays(&mut self, server: ServerNo, reasons: Vec<Reason>) {
        self.homes.remove(&server);
        self.board.built.blocked.push((server, reasons));
        self.release(server);
    }
}

/// May the reason go away when others leave?
fn can_pass(reason: &Reason) -> bool {
    use ReasonCode as R;
    match reason.code {
        R::Vcpus | R::Memory | R::Disk | R::Affinity | R::AntiAffinity => true,
        R::IsSource
        | R::NotNamed
        | R::Unknown
        | R::Disabled
        | R::Maintenance
        | R::OtherCluster
        | R::Down
        | R::AgentTooOld
        | R::HypervisorType
        | R::HypervisorTooOld
        | R::HypervisorUnsupported
        | R::Cpu
        | R::Storage
        | R::LocalStorage
        | R::ServerNotRunning
        | R::MoveFailed
        | R::Refused
        | R::Busy
        | R::Deleted
        | R::Unmanaged
        | R::SourceNotFenced
        | R::NeverConverges => false,
    }
}
