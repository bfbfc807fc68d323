//! Whether a host could be emptied: all its servers placed at once, the largest first.

use std::collections::BTreeMap;

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::server_group::Member;
use godwit_planner::candidates::candidates;
use godwit_planner::emptying::smallest;
use godwit_planner::inventory::{Host, Need, Target};
use godwit_planner::reason::{self, Fix, Reason, ReasonCode, Rejection};

use crate::{Fleet, Guest};

/// What of a host could leave it.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Drain {
    /// These have a place each, all of them together.
    pub movable: Vec<ServerUuid>,
    /// These have none.
    pub blocked: Vec<Blocked>,
    /// The smallest set of changes with which all of them have one; `None`: all have one, or nothing
    /// that could be changed would do.
    pub fix: Option<Fix>,
}

/// A server that has to stay.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Blocked {
    pub server: ServerUuid,
    /// Why it cannot leave at all.
    pub stays: Option<Reason>,
    /// What is wrong elsewhere, each code once: of the first host by name, and how many hosts have
    /// the same.
    pub reasons: Vec<(Reason, usize)>,
}

/// Finds places for the servers of a host as whoever moves them does, one after the other: what has
/// found one takes room there from those that come after. Where some are left over, all of them may
/// still fit when they are put otherwise, or with the fewest changes.
pub fn drain(fleet: &Fleet, guests: &[Guest]) -> Drain {
    let mut needs: Vec<(Need, bool)> = guests.iter().filter_map(|it| it.need(fleet)).collect();
    needs.sort_by_key(|(need, _)| (std::cmp::Reverse(need.room.memory_mb), need.server));
    let silent = needs.iter().find(|(_, leaves)| !leaves);
    let fence = silent.map(|(need, _)| Fix::fence(&need.source));
    let all: Vec<Need> = needs.iter().map(|(need, _)| need.clone()).collect();
    let drain = one_after_the_other(fleet, needs);
    if drain.blocked.is_empty() {
        return drain;
    }
    // What is held receives nothing, whatever else is changed.
    let source = all.first().map(|need| &need.source);
    let open = fleet.hosts(None);
    let open = open
        .iter()
        .filter(|it| !it.held || source == Some(&it.name));
    let open: Vec<Host> = open.cloned().collect();
    let fix = smallest(&open, &all).map(|emptying| (emptying.servers(), emptying.fix(fence)));
    match fix {
        Some((servers, None)) => Drain {
            movable: servers,
            ..Drain::default()
        },
        Some((_, fix)) => Drain { fix, ..drain },
        None => drain,
    }
}

fn one_after_the_other(fleet: &Fleet, needs: Vec<(Need, bool)>) -> Drain {
    let mut hosts = fleet.hosts(None).into_owned();
    let mut drain = Drain::default();
    let mut placed: Vec<(Need, HostName)> = Vec::new();
    for (mut need, leaves) in needs {
        join_placed(&mut need, &placed);
        let (fitting, rejected) = candidates(&hosts, &need, &Target::Any);
        match fitting.into_iter().next().filter(|_| leaves) {
            Some(best) => {
                take(&mut hosts, &best, &need);
                drain.movable.push(need.server);
                placed.push((need, best));
            }
            None => drain.blocked.push(Blocked {
                server: need.server,
                stays: (!leaves).then(|| reason::source_not_fenced(&need.source)),
                reasons: summed(rejected, &need.source),
            }),
        }
    }
    drain
}

/// Those of its group that have a place count there as well.
fn join_placed(need: &mut Need, placed: &[(Need, HostName)]) {
    let Some(group) = &mut need.group else { return };
    for (other, host) in placed {
        let theirs = other.group.as_ref().map(|group| group.group);
        if theirs == Some(group.group) {
            group.others.push(Member {
                host: Some(host.clone()),
                moving: None,
            });
        }
    }
}

fn take(hosts: &mut [Host], name: &HostName, need: &Need) {
    if let Some(host) = hosts.iter_mut().find(|host| host.name == *name) {
        host.used = host.used.plus(need.room_at(&host.pools));
        host.arriving = host.arriving.saturating_add(1);
    }
}

/// Each code once. What is wrong with the host that the server is on is left out.
fn summed(rejected: Vec<Rejection>, source: &HostName) -> Vec<(Reason, usize)> {
    let mut found: BTreeMap<ReasonCode, (Reason, usize)> = BTreeMap::new();
    let elsewhere = rejected.into_iter().filter(|it| it.host != *source);
    for reason in elsewhere.flat_map(|it| it.reasons) {
        let (_, hosts) = found.entry(reason.code).or_insert_with(|| (reason, 0));
        *hosts = hosts.saturating_add(1);
    }
    found.into_values().collect()
}
