//! Every host: as one that may be tried, or as one that is out of the question.
//!
//! All reasons are collected, not only the first: whoever asks why a server cannot go
//! somewhere wants to know everything that has to change.

use std::cmp::Reverse;

use godwit_core::host::management::Unmanaged;
use godwit_core::ids::HostName;
use godwit_core::words;

use crate::inventory::{Host, Need, Target};
use crate::reason::{self, Amount, Reason, Rejection};

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

words!(
    /// What every destination is held against, in this order.
    Constraint, "constraint", {
        /// It is another host than the server's own.
        Elsewhere = "elsewhere",
        /// It is the one that was asked for.
        Named = "named",
        /// Something may be put there.
        Enabled = "enabled",
        /// Nobody holds it for maintenance.
        NotHeld = "not-held",
        /// Its cluster and the source's take part in moves.
        Managed = "managed",
        /// It is in no other cluster than the source.
        Cluster = "cluster",
        /// Its agent answers.
        Up = "up",
        /// Its agent is understood.
        AgentVersion = "agent-version",
        /// Its hypervisor is of the source's type.
        HypervisorType = "hypervisor-type",
        /// Its hypervisor is no older than the source's.
        HypervisorVersion = "hypervisor-version",
        /// What runs can be moved without being stopped, where it must not be.
        MovesLive = "moves-live",
        /// Its processors are of the source's architecture.
        Arch = "arch",
        /// They can what the guest needs.
        CpuFeatures = "cpu-features",
        /// It reaches what must not be copied.
        Storage = "storage",
        /// What must not be copied lies on shared storage.
        LocalStorage = "local-storage",
        /// It has the processors.
        Vcpus = "vcpus",
        /// It has the memory.
        Memory = "memory",
        /// It has the disk.
        Disk = "disk",
        /// A stream there carries more than the server changes of its memory.
        Converges = "converges",
        /// The server's group allows it.
        Group = "group",
    }
);

impl Constraint {
    /// Why a host does not meet it; `None`: it does.
    fn check(self, host: &Host, need: &Need, target: &Target) -> Option<Reason> {
        match self {
            Self::Elsewhere => (host.name == need.source).then(|| reason::is_source(&host.name)),
            Self::Named => match target {
                Target::Named(wanted) | Target::Forced(wanted) if *wanted != host.name => {
                    Some(reason::not_named(wanted))
                }
                Target::Any | Target::Named(_) | Target::Forced(_) => None,
            },
            Self::Enabled => {
                (!host.because.is_empty()).then(|| reason::disabled(&host.name, &host.because))
            }
            Self::NotHeld => {
                (!host.holders.is_empty()).then(|| reason::held(&host.name, &host.holders))
            }
            Self::Managed => {
                let clusters: Vec<&Unmanaged> = need.clusters_unmanaged(host).collect();
                (!clusters.is_empty()).then(|| reason::unmanaged(&clusters))
            }
            Self::Cluster => need
                .clusters_apart(host)
                .map(|clusters| reason::other_cluster(host, need, clusters)),
            Self::Up => (!host.up).then(|| reason::down(&host.name)),
            Self::AgentVersion => {
                let version = host.agent_too_old.as_ref();
                version.map(|version| reason::agent_too_old(&host.name, version))
            }
            Self::HypervisorType => reason::hypervisor_type(host, need),
            Self::HypervisorVersion => reason::hypervisor_too_old(host, need),
            Self::MovesLive => reason::moves_no_guests(host, need),
            Self::Arch => reason::arch(host, need),
            Self::CpuFeatures => reason::cpu_features(host, need),
            Self::Storage => (need.keeps_storage() && !need.pools.is_subset(&host.pools))
                .then(|| reason::storage(host, need)),
            Self::LocalStorage => {
                (need.keeps_storage() && need.local_disks).then(|| reason::local_storage(need))
            }
            Self::Vcpus => short(host, need, Amount::Vcpus),
            Self::Memory => short(host, need, Amount::Memory),
            Self::Disk => short(host, need, Amount::Disk),
            Self::Converges => need
                .never_ends(host)
                .map(|(stream, rate)| reason::never_converges(need, stream, rate)),
            Self::Group => group_reason(host, need),
        }
    }
}

/// All that is wrong with a host.
fn reasons(host: &Host, need: &Need, target: &Target) -> Vec<Reason> {
    let constraints = Constraint::ALL.iter();
    constraints
        .filter_map(|it| it.check(host, need, target))
        .collect()
}

fn short(host: &Host, need: &Need, amount: Amount) -> Option<Reason> {
    let rooms = (host.capacity, host.used, need.room_at(&host.pools));
    reason::short(&host.name, rooms, amount)
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
