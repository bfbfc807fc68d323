//! Every host: as one that may be tried, or as one that is out of the question.
//!
//! All reasons are collected, not only the first: whoever asks why a server cannot go
//! somewhere wants to know everything that has to change.

use std::cmp::Reverse;

use godwit_core::ids::HostName;

use crate::inventory::{Host, Need, Target};
use crate::reason::{self, Reason, Rejection};

/// How well a host fits; greater is better. What a soft server group likes comes first, then the
/// share of memory that would stay free, then processors, then how few moves are on their way
/// there.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    group_liking: i64,
    memory_permille: i64,
    vcpus_permille: i64,
    arriving: Reverse<u32>,
}

/// Those of `hosts` that may be tried, the best of them first, of equal ones by name; and those
/// that may not, by name.
///
/// A forced target is judged by Nova's minimal checks in [`crate::search`], which do not
/// belong here; here it counts as named.
pub fn candidates(hosts: &[Host], need: &Need, target: &Target) -> (Vec<HostName>, Vec<Rejection>) {
    let (mut fitting, mut rejected) = (Vec::new(), Vec::new());
    for host in hosts {
        let reasons = reasons(host, need, target);
        let name = host.name.clone();
        if reasons.is_empty() {
            fitting.push((Reverse(score(host, need)), name));
        } else {
            rejected.push(Rejection {
                host: name,
                reasons,
            });
        }
    }
    fitting.sort();
    rejected.sort_by(|a, b| a.host.cmp(&b.host));
    let fitting = fitting.into_iter().map(|(_, host)| host);
    (fitting.collect(), rejected)
}

fn reasons(host: &Host, need: &Need, target: &Target) -> Vec<Reason> {
    let mut found = Vec::new();
    if host.name == need.source {
        found.push(reason::is_source(&host.name));
    }
    match target {
        Target::Named(wanted) | Target::Forced(wanted) if *wanted != host.name => {
            found.push(reason::not_named(wanted));
        }
        Target::Any | Target::Named(_) | Target::Forced(_) => {}
    }
    if !host.because.is_empty() {
        found.push(reason::disabled(&host.name, &host.because));
    }
    if !host.up {
        found.push(reason::down(&host.name));
    }
    found.extend(reason::hypervisor(host, need));
    found.extend(reason::arch(host, need));
    if need.keeps_storage() && !need.pools.is_subset(&host.pools) {
        found.push(reason::storage(host, need));
    }
    let room = need.room_at(&host.pools);
    found.extend(reason::short_of(&host.name, host.capacity, host.used, room));
    found.extend(group_reason(host, need));
    found
}

fn group_reason(host: &Host, need: &Need) -> Option<Reason> {
    let violation = need.group_violation(&host.name)?;
    let group = need.group.as_ref()?;
    Some(reason::group(&host.name, need, group, &violation))
}

fn score(host: &Host, need: &Need) -> Score {
    let left = host.free().less(need.room_at(&host.pools));
    let group = need.group.as_ref();
    Score {
        group_liking: group.map_or(0, |group| group.liking(&host.name)),
        memory_permille: permille(left.memory_mb, host.capacity.memory_mb),
        vcpus_permille: permille(left.vcpus, host.capacity.vcpus),
        arriving: Reverse(host.arriving),
    }
}

fn permille(part: i64, whole: i64) -> i64 {
    part.saturating_mul(1000).checked_div(whole).unwrap_or(0)
}

#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
