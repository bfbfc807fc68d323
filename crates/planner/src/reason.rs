//! Why a host is out of the question, and what would change that.

use std::collections::BTreeSet;

use godwit_core::ids::HostName;
use godwit_core::reason::{ApiRequest, Change, ChangeKind};
pub use godwit_core::reason::{Evidence, Fix, Reason, ReasonCode, Rejection};
use godwit_core::resources::Resources;
use godwit_core::server_group::{Membership, Violation};
use serde::Serialize;
use serde_json::{Value, json};

use crate::inventory::{Host, Need};

/// Why no host will do, for the event log.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Rejected<'a> {
    rejected: &'a [Rejection],
    /// What would make one of them do.
    fix: Option<Fix>,
}

impl<'a> Rejected<'a> {
    pub fn of(rejected: &'a [Rejection]) -> Self {
        let fix = smallest_fix(rejected);
        Self { rejected, fix }
    }
}

/// What makes one of the hosts do: of those for which something does, the one that takes the fewest
/// changes, of those one where requests make the most of them.
fn smallest_fix(rejected: &[Rejection]) -> Option<Fix> {
    let fixes = rejected.iter().filter_map(|rejection| {
        let fixes: Option<Vec<&Fix>> = rejection
            .reasons
            .iter()
            .map(|reason| reason.fix.as_ref())
            .collect();
        fixes.filter(|fixes| !fixes.is_empty())
    });
    let cost = |fixes: &Vec<&Fix>| {
        let changes = || fixes.iter().flat_map(|fix| &fix.changes);
        let by_hand = changes().filter(|change| change.request.is_none()).count();
        (changes().count(), by_hand)
    };
    let fixes = fixes.min_by_key(cost)?;
    let texts: Vec<&str> = fixes.iter().map(|fix| fix.text.as_str()).collect();
    Some(Fix {
        text: texts.join(" "),
        changes: fixes.iter().flat_map(|fix| fix.changes.clone()).collect(),
    })
}

/// What a host is short of, and what has to change then.
const CPU: (ReasonCode, ChangeKind) = (ReasonCode::Vcpus, ChangeKind::FreeVcpus);
const MEMORY: (ReasonCode, ChangeKind) = (ReasonCode::Memory, ChangeKind::FreeMemory);
const DISK: (ReasonCode, ChangeKind) = (ReasonCode::Disk, ChangeKind::FreeDisk);

fn change(kind: ChangeKind, host: &HostName, from: Value, to: Value) -> Change {
    Change {
        kind,
        target: host.to_string(),
        from,
        to,
        request: None,
    }
}

fn about(host: &HostName) -> Evidence {
    Evidence::Host { host: host.clone() }
}

pub(crate) fn is_source(host: &HostName) -> Reason {
    Reason::new(ReasonCode::IsSource, "the server is on this host").shown_by(about(host))
}

pub(crate) fn not_named(named: &HostName) -> Reason {
    let named_host = named.clone();
    Reason::new(ReasonCode::NotNamed, format!("{named} was asked for"))
        .shown_by(Evidence::Named { named_host })
}

pub(crate) fn unknown(host: &HostName) -> Reason {
    Reason::new(ReasonCode::Unknown, "no such host is known").shown_by(about(host))
}

pub(crate) fn disabled(host: &HostName) -> Reason {
    let (from, to) = (json!("disabled"), json!("enabled"));
    // The one way of Nova's that needs no microversion.
    let request = ApiRequest {
        method: "PUT",
        path: "/v2.1/os-services/enable".to_owned(),
        body: json!({ "host": host, "binary": "nova-compute" }),
    };
    let enable = Change {
        request: Some(request),
        ..change(ChangeKind::Allocation, host, from, to)
    };
    Reason::new(ReasonCode::Disabled, "the host is disabled")
        .shown_by(about(host))
        .fixed_by(format!("Enable {host}."), enable)
}

pub(crate) fn down(host: &HostName) -> Reason {
    let start = change(ChangeKind::Agent, host, json!("down"), json!("up"));
    Reason::new(ReasonCode::Down, "the host's agent is down")
        .shown_by(about(host))
        .fixed_by(format!("Bring the agent of {host} back."), start)
}

/// What its hypervisor lacks.
pub(crate) fn hypervisor(host: &Host, need: &Need) -> Option<Reason> {
    if host.hypervisor_type != need.hypervisor_type {
        let (here, there) = (&host.hypervisor_type, &need.hypervisor_type);
        let text = format!("the hypervisor is {here}, the source's is {there}");
        let evidence = Evidence::HypervisorType {
            hypervisor_type: here.clone(),
            needed_hypervisor_type: there.clone(),
        };
        return Some(Reason::new(ReasonCode::HypervisorType, text).shown_by(evidence));
    }
    let (here, there) = (host.hypervisor_version, need.hypervisor_version);
    (here < there).then(|| {
        let text = format!("the hypervisor's version is {here}, the source's is {there}");
        let evidence = Evidence::HypervisorVersion {
            hypervisor_version: here,
            needed_hypervisor_version: there,
        };
        let kind = ChangeKind::HypervisorVersion;
        let upgrade = change(kind, &host.name, json!(here), json!(there));
        Reason::new(ReasonCode::HypervisorTooOld, text)
            .shown_by(evidence)
            .fixed_by(format!("Upgrade the hypervisor of {}.", host.name), upgrade)
    })
}

pub(crate) fn arch(host: &Host, need: &Need) -> Option<Reason> {
    let (here, there) = (&host.arch, &need.arch);
    (here != there).then(|| {
        let text = format!("the processors are {here}, the source's are {there}");
        Reason::new(ReasonCode::Cpu, text).shown_by(Evidence::Arch {
            arch: here.clone(),
            needed_arch: there.clone(),
        })
    })
}

/// The shared storage that a host does not reach.
pub(crate) fn storage(host: &Host, need: &Need) -> Reason {
    let pools: BTreeSet<_> = need.pools.difference(&host.pools).cloned().collect();
    let names: Vec<_> = pools.iter().map(String::as_str).collect();
    let names = names.join(", ");
    let reached = host.pools.union(&pools).collect::<Vec<_>>();
    let connect = change(
        ChangeKind::Pools,
        &host.name,
        json!(host.pools),
        json!(reached),
    );
    Reason::new(
        ReasonCode::Storage,
        format!("storage {names} is not reachable"),
    )
    .fixed_by(
        format!("Connect {} to the storage {names}.", host.name),
        connect,
    )
    .shown_by(Evidence::Pools { pools })
}

/// What of a host's capacity is too little for what is needed, with so much in use. One that is
/// over-full of something still takes servers that need none of it.
pub fn short_of(
    host: &HostName,
    capacity: Resources,
    used: Resources,
    needed: Resources,
) -> Vec<Reason> {
    let free = capacity.less(used);
    let vcpus = Evidence::Vcpus {
        needed_vcpus: needed.vcpus,
        free_vcpus: free.vcpus,
    };
    let memory = Evidence::Memory {
        needed_mib: needed.memory_mb,
        free_mib: free.memory_mb,
    };
    let disk = Evidence::Disk {
        needed_gib: needed.disk_gb,
        free_gib: free.disk_gb,
    };
    let of = |get: fn(Resources) -> i64| (get(capacity), get(free), get(needed));
    [
        (CPU, "vcpus", of(|it| it.vcpus), vcpus),
        (MEMORY, "MiB of memory", of(|it| it.memory_mb), memory),
        (DISK, "GiB of disk", of(|it| it.disk_gb), disk),
    ]
    .into_iter()
    .filter(|(_, _, (_, free, needed), _)| *needed > 0 && free < needed)
    .map(|((code, kind), what, (capacity, free, needed), evidence)| {
        let text = format!("{free} {what} are free, {needed} are needed");
        let reason = Reason::new(code, text).shown_by(evidence);
        // What is larger than the host does not fit an empty one either.
        if needed > capacity {
            return reason;
        }
        let more = needed.saturating_sub(free);
        let to_free = change(kind, host, json!(free), json!(needed));
        reason.fixed_by(format!("Free {more} {what} on {host}."), to_free)
    })
    .collect()
}

/// What a server's group has against a host.
pub fn group(host: &HostName, need: &Need, group: &Membership, violation: &Violation) -> Reason {
    let (uuid, name) = (group.group, &group.name);
    match violation {
        Violation::Affinity { hosts } => {
            let names: Vec<_> = hosts.iter().map(HostName::as_str).collect();
            let text = format!("server group {name} keeps together on {}", names.join(", "));
            let leave = Change {
                kind: ChangeKind::Group,
                target: need.server.to_string(),
                from: json!(uuid),
                to: Value::Null,
                request: None,
            };
            let hosts = hosts.clone();
            Reason::new(ReasonCode::Affinity, text)
                .shown_by(Evidence::Affinity { group: uuid, hosts })
                .fixed_by(
                    format!("Take the server out of the server group {name}."),
                    leave,
                )
        }
        Violation::AntiAffinity { there, most } => {
            let (there, most) = (*there, *most);
            let text = format!(
                "server group {name} allows {most} of its servers on a host, and {there} are \
                 here or may come to be"
            );
            let reason =
                Reason::new(ReasonCode::AntiAffinity, text).shown_by(Evidence::AntiAffinity {
                    group: uuid,
                    most,
                    there,
                });
            // A group that allows none leaves nothing to be moved away.
            let Some(may_be) = most.checked_sub(1) else {
                return reason;
            };
            let kind = ChangeKind::GroupMembersOnHost;
            let away = change(kind, host, json!(there), json!(may_be));
            let more = there.saturating_sub(may_be);
            let text = format!("Move {more} of the servers of group {name} away from {host}.");
            reason.fixed_by(text, away)
        }
    }
}
