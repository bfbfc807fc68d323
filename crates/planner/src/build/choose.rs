//! The host that a server goes to, without looking at all of them.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use super::Preference;
use super::board::Board;
use crate::fleet::Fleet;
use crate::inventory::{Host, Need};
use crate::table::{HostNo, Number, ServerNo, Table};

/// Of how many hosts that fit a group chooses the one it likes best.
const LIKED_AMONG: usize = 16;
/// At how many hosts from which others leave a server is tried.
const FREEING_HOSTS: usize = 64;

/// How willingly a host is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Use {
    Gladly,
    /// Only where no other fits.
    Reluctantly,
    Never,
}

/// Hosts that take servers, by the memory that they have free.
#[derive(Clone)]
pub(super) struct Open {
    gladly: BTreeSet<(i64, HostNo)>,
    reluctantly: BTreeSet<(i64, HostNo)>,
    /// Under which key a host stands in which of the two.
    entries: Table<HostNo, (i64, Use)>,
}

impl Open {
    pub(super) fn new(fleet: &Fleet) -> Self {
        let mut open = Self {
            gladly: BTreeSet::new(),
            reluctantly: BTreeSet::new(),
            entries: Table::filled(fleet.hosts().len(), (0, Use::Never)),
        };
        for (no, host) in fleet.hosts().iter() {
            open.set(no, &host.host, Use::Gladly);
        }
        open
    }

    /// A host that receives nothing by its own state stays so.
    pub(super) fn set(&mut self, no: HostNo, host: &Host, how: Use) {
        let how = if host.is_enabled() && host.up && host.unmanaged.is_none() {
            how
        } else {
            Use::Never
        };
        let (key, was) = self.entries[no];
        if let Some(hosts) = self.hosts_mut(was) {
            hosts.remove(&(key, no));
        }
        let key = host.free().memory_mb;
        if let Some(hosts) = self.hosts_mut(how) {
            hosts.insert((key, no));
        }
        self.entries[no] = (key, how);
    }

    pub(super) fn update(&mut self, no: HostNo, host: &Host) {
        self.set(no, host, self.entries[no].1);
    }

    pub(super) fn takes(&self, no: HostNo) -> bool {
        self.entries[no].1 != Use::Never
    }

    /// Those with the most memory free first.
    pub(super) fn emptiest(&self) -> impl Iterator<Item = HostNo> {
        self.gladly.iter().rev().map(|(_, no)| *no)
    }

    fn hosts_mut(&mut self, how: Use) -> Option<&mut BTreeSet<(i64, HostNo)>> {
        match how {
            Use::Gladly => Some(&mut self.gladly),
            Use::Reluctantly => Some(&mut self.reluctantly),
            Use::Never => None,
        }
    }

    /// Hosts with so much memory, in the order in which they are to be tried.
    fn walk(
        &self,
        how: Use,
        memory_mb: i64,
        preference: Preference,
        mut visit: impl FnMut(HostNo) -> ControlFlow<()>,
    ) {
        let hosts = match how {
            Use::Gladly => &self.gladly,
            Use::Reluctantly => &self.reluctantly,
            Use::Never => return,
        };
        // Whoever needs none fits a host that is over-full.
        let least = if memory_mb > 0 { memory_mb } else { i64::MIN };
        let hosts = hosts.range((least, HostNo::new(0))..);
        // Whoever wants to see why it ends early looks at `visit`.
        let _ = match preference {
            Preference::Tightest => hosts.map(|(_, no)| *no).try_for_each(&mut visit),
            Preference::Emptiest => hosts.rev().map(|(_, no)| *no).try_for_each(&mut visit),
        };
    }
}

/// A host, and for how many more of those that leave it the server has to wait.
pub(super) struct Choice {
    pub(super) host: HostNo,
    pub(super) waits_for: usize,
    pub(super) how: Use,
}

impl Board<'_> {
    /// The host that a server goes to, if there is one.
    pub(super) fn choose(&self, server: ServerNo) -> Option<Choice> {
        let need = self.need(server, None);
        let now = |how| {
            let host = self.choose_from(&need, how)?;
            Some(Choice {
                host,
                waits_for: 0,
                how,
            })
        };
        now(Use::Gladly)
            .or_else(|| self.choose_freed(server))
            .or_else(|| now(Use::Reluctantly))
    }

    fn choose_from(&self, need: &Need, how: Use) -> Option<HostNo> {
        let wanted = if need.group.is_some() { LIKED_AMONG } else { 1 };
        let mut fitting = Vec::new();
        let visit = |no| {
            if self.against(need, no).is_empty() {
                fitting.push(no);
            }
            if fitting.len() < wanted {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        };
        self.open
            .walk(how, need.room.memory_mb, self.preference, visit);
        let Some(group) = &need.group else {
            return fitting.first().copied();
        };
        // Where the others are may be far down the list.
        let members = group.others.iter().filter_map(|it| it.host.as_ref());
        let members = members.filter_map(|name| self.fleet.host_no(name));
        for no in members.take(LIKED_AMONG) {
            let takes = self.open.entries[no].1 == how;
            if takes && !fitting.contains(&no) && self.against(need, no).is_empty() {
                fitting.push(no);
            }
        }
        // Of equal ones the first.
        let liking = |no: &HostNo| group.liking(self.name(*no));
        fitting.into_iter().rev().max_by_key(liking)
    }

    /// A host that others leave first.
    fn choose_freed(&self, server: ServerNo) -> Option<Choice> {
        let hosts = self.freeing.iter().copied();
        let hosts = hosts.filter(|no| self.open.takes(*no) && *no != self.at[server]);
        let mut choices = hosts.take(FREEING_HOSTS).filter_map(|host| {
            let waits_for = self.fits(server, host).ok()?;
            Some(Choice {
                host,
                waits_for,
                how: Use::Gladly,
            })
        });
        choices.next()
    }
}
