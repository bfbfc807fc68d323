//! Every host: as one that may be tried, or as one that is out of the question.
//!
//! All reasons are collected, not only the first: whoever asks why a server cannot go
//! somewhere wants to know everything that has to change.

use std::cmp::Reverse;

use godwit_core::ids::HostName;
use godwit_core::migration::BlockMigration;
use godwit_core::server_group::Violation;

use crate::inventory::{Host, Need, Target};
use crate::reason::{Reason, ReasonCode, Rejection};

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
    let mut reject = |code, text: String| found.push(Reason::new(code, text));

    if host.name == need.source {
        reject(ReasonCode::IsSource, "the server is on this host".into());
    }
    match target {
        Target::Named(wanted) | Target::Forced(wanted) if *wanted != host.name => {
            reject(ReasonCode::NotNamed, format!("{wanted} was asked for"));
        }
        Target::Any | Target::Named(_) | Target::Forced(_) => {}
    }
    if !host.enabled {
        reject(ReasonCode::Disabled, "the host is disabled".into());
    }
    if !host.up {
        reject(ReasonCode::Down, "the host's agent is down".into());
    }
    if host.hypervisor_type != need.hypervisor_type {
        let (here, there) = (&host.hypervisor_type, &need.hypervisor_type);
        reject(
            ReasonCode::HypervisorType,
            format!("the hypervisor is {here}, the source's is {there}"),
        );
    } else if host.hypervisor_version < need.hypervisor_version {
        let (here, there) = (host.hypervisor_version, need.hypervisor_version);
        reject(
            ReasonCode::HypervisorTooOld,
            format!("the hypervisor's version is {here}, the source's is {there}"),
        );
    }
    if host.arch != need.arch {
        let (here, there) = (&host.arch, &need.arch);
        reject(
            ReasonCode::Cpu,
            format!("the processors are {here}, the source's are {there}"),
        );
    }
    if need.block_migration == BlockMigration::No && !need.pools.is_subset(&host.pools) {
        let missing: Vec<_> = need.pools.difference(&host.pools).cloned().collect();
        reject(
            ReasonCode::Storage,
            format!("storage {} is not reachable", missing.join(", ")),
        );
    }
    let (free, room) = (host.free(), need.room_at(&host.pools));
    for (code, what, free, needed) in [
        (ReasonCode::Vcpus, "vcpus", free.vcpus, room.vcpus),
        (
            ReasonCode::Memory,
            "MiB of memory",
            free.memory_mb,
            room.memory_mb,
        ),
        (ReasonCode::Disk, "GiB of disk", free.disk_gb, room.disk_gb),
    ] {
        // A host that is over-full of something still takes servers that need none of it.
        if needed > 0 && free < needed {
            reject(code, format!("{free} {what} are free, {needed} are needed"));
        }
    }
    found.extend(group_reason(host, need));
    found
}

/// What the server's group has against the host.
fn group_reason(host: &Host, need: &Need) -> Option<Reason> {
    let group = need.group.as_ref()?;
    let name = &group.name;
    Some(match need.group_violation(&host.name)? {
        Violation::Affinity { hosts } => {
            let hosts: Vec<_> = hosts.iter().map(HostName::as_str).collect();
            let text = format!("server group {name} keeps together on {}", hosts.join(", "));
            Reason::new(ReasonCode::Affinity, text)
        }
        Violation::AntiAffinity { there, most } => Reason::new(
            ReasonCode::AntiAffinity,
            format!(
                "server group {name} allows {most} of its servers on a host, and {there} are \
                 here or may come to be"
            ),
        ),
    })
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
mod tests;
