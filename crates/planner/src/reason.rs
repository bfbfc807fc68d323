//! Why a host is out of the question, and what would change that.

use std::collections::BTreeSet;

use godwit_core::host::management::{Standing, Unmanaged};
use godwit_core::host::scope::{Because, Level};
use godwit_core::ids::HostName;
use godwit_core::reason::{ApiRequest, Change, ChangeKind};
pub use godwit_core::reason::{DisabledScope, Evidence, Fix, Reason, ReasonCode, Rejection};
use godwit_core::server_group::{Membership, Violation};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use crate::inventory::{Host, Need};

mod live;
mod place;
mod room;

pub(crate) use self::live::{local_storage, moves_no_guests, never_converges, stopped};
pub(crate) use self::place::{agent_too_old, agent_upgraded, joined, other_cluster};
pub use self::room::short_of;
pub(crate) use self::room::{Amount, freed, short};

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

/// What stands for itself in a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

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

/// Nobody answers where the server is, and nobody has declared that host dead: it can go nowhere.
pub fn source_not_fenced(source: &HostName) -> Reason {
    let text = format!("{source}, where the server is, is silent, and nobody declared it dead");
    Reason {
        fix: Some(Fix::fence(source)),
        ..Reason::new(ReasonCode::SourceNotFenced, text).shown_by(about(source))
    }
}

/// Nothing is put on a host, because it, or what it is in, was disabled: all of that.
pub(crate) fn disabled(host: &HostName, because: &[Because]) -> Reason {
    let scopes = because.iter().map(|it| DisabledScope {
        scope: it.level,
        name: it.name.clone(),
    });
    let evidence = Evidence::Disabled {
        host: host.clone(),
        scopes: scopes.collect(),
    };
    let names = |of_host: &str| {
        let names = because.iter().map(|it| called(it, of_host));
        names.collect::<Vec<_>>().join(" and ")
    };
    let verb = match because {
        [_] => "is",
        _ => "are",
    };
    let text = format!("{} {verb} disabled", names("the host"));
    let enable = format!("Enable {}.", names(host.as_str()));
    Reason::new(ReasonCode::Disabled, text)
        .shown_by(evidence)
        .fixed_by_all(enable, because.iter().map(enabling).collect())
}

/// Nothing is put on a host, because somebody holds it for maintenance.
pub(crate) fn held(host: &HostName, holders: &[String]) -> Reason {
    let evidence = Evidence::Held {
        host: host.clone(),
        holders: holders.to_vec(),
    };
    let text = format!("it is held for maintenance by {}", holders.join(" and "));
    let (texts, changes): (Vec<String>, Vec<Change>) =
        holders.iter().map(|it| released(host, it)).unzip();
    Reason::new(ReasonCode::Maintenance, text)
        .shown_by(evidence)
        .fixed_by_all(texts.join(" "), changes)
}

/// A holder releases a host from maintenance.
pub(crate) fn released(host: &HostName, holder: &str) -> (String, Change) {
    let encoded = utf8_percent_encode(holder, SEGMENT);
    let request = ApiRequest {
        method: "DELETE",
        path: format!("/relocation/v1/hosts/{host}/maintenance?holder={encoded}"),
        body: Value::Null,
    };
    let release = Change {
        request: Some(request),
        ..change(ChangeKind::Maintenance, host, json!(holder), Value::Null)
    };
    (format!("Have {holder} release {host}."), release)
}

/// Clusters take no part in moves: those of the source and of the destination.
pub fn unmanaged(clusters: &[&Unmanaged]) -> Reason {
    let names = clusters.iter().map(|it| it.cluster.clone());
    let names: BTreeSet<String> = names.collect();
    let text = clusters.iter().map(|it| match it.reconciling {
        true => format!("the hosts of cluster {} are still looked at", it.cluster),
        false => format!("cluster {} is not managed", it.cluster),
    });
    let text = text.collect::<Vec<_>>().join(", and ");
    let (texts, changes): (Vec<String>, Vec<Change>) =
        clusters.iter().map(|it| managed(it)).unzip();
    Reason::new(ReasonCode::Unmanaged, text)
        .shown_by(Evidence::Clusters { clusters: names })
        .fixed_by_all(texts.join(" "), changes)
}

/// A cluster takes part in moves.
pub(crate) fn managed(cluster: &Unmanaged) -> (String, Change) {
    let name = &cluster.cluster;
    let encoded = utf8_percent_encode(name, SEGMENT);
    let request = ApiRequest {
        method: "PUT",
        path: format!("/relocation/v1/scopes/cluster/{encoded}/management"),
        body: json!({ "managed": true }),
    };
    let (text, from) = match cluster.reconciling {
        true => (
            format!("Wait until each host of cluster {name} was looked at."),
            Standing::Reconciling,
        ),
        false => (format!("Have cluster {name} managed."), Standing::Unmanaged),
    };
    let change = Change {
        kind: ChangeKind::Management,
        target: format!("{}/{name}", Level::Cluster),
        from: json!(from),
        to: json!(Standing::Managed),
        request: (!cluster.reconciling).then_some(request),
    };
    (text, change)
}

/// What was disabled, of a host that is called so.
fn called(because: &Because, host: &str) -> String {
    match because.level {
        Level::Host => host.to_owned(),
        level @ (Level::Zone | Level::Pod | Level::Cluster) => {
            format!("the {level} {}", because.name)
        }
    }
}

/// Says that what was disabled shall be enabled.
pub(crate) fn enable(because: &Because) -> String {
    format!("Enable {}.", called(because, &because.name))
}

/// Enables what was disabled.
pub(crate) fn enabling(because: &Because) -> Change {
    let name = &because.name;
    let (target, path, body) = match because.level {
        // The one way of Nova's that needs no microversion.
        Level::Host => (
            name.clone(),
            "/v2.1/os-services/enable".to_owned(),
            json!({ "host": name, "binary": "nova-compute" }),
        ),
        level @ (Level::Zone | Level::Pod | Level::Cluster) => {
            let encoded = utf8_percent_encode(name, SEGMENT);
            (
                format!("{level}/{name}"),
                format!("/relocation/v1/scopes/{level}/{encoded}/allocation"),
                json!({ "state": "enabled" }),
            )
        }
    };
    Change {
        kind: ChangeKind::Allocation,
        target,
        from: json!("disabled"),
        to: json!("enabled"),
        request: Some(ApiRequest {
            method: "PUT",
            path,
            body,
        }),
    }
}

pub(crate) fn down(host: &HostName) -> Reason {
    let (text, start) = agent_up(host);
    Reason::new(ReasonCode::Down, "the host's agent is down")
        .shown_by(about(host))
        .fixed_by(text, start)
}

/// A host's agent comes back.
pub(crate) fn agent_up(host: &HostName) -> (String, Change) {
    let start = change(ChangeKind::Agent, host, json!("down"), json!("up"));
    (format!("Bring the agent of {host} back."), start)
}

pub(crate) fn hypervisor_type(host: &Host, need: &Need) -> Option<Reason> {
    let (here, there) = (&host.hypervisor_type, &need.hypervisor_type);
    (here != there).then(|| {
        let text = format!("the hypervisor is {here}, the source's is {there}");
        let evidence = Evidence::HypervisorType {
            hypervisor_type: here.clone(),
            needed_hypervisor_type: there.clone(),
        };
        Reason::new(ReasonCode::HypervisorType, text).shown_by(evidence)
    })
}

/// Versions of another type of hypervisor say nothing.
pub(crate) fn hypervisor_too_old(host: &Host, need: &Need) -> Option<Reason> {
    if host.hypervisor_type != need.hypervisor_type {
        return None;
    }
    let (here, there) = (host.hypervisor_version, need.hypervisor_version);
    (here < there).then(|| {
        let text = format!("the hypervisor's version is {here}, the source's is {there}");
        let evidence = Evidence::HypervisorVersion {
            hypervisor_version: here,
            needed_hypervisor_version: there,
        };
        let (fix, upgrade) = upgraded(host, there);
        Reason::new(ReasonCode::HypervisorTooOld, text)
            .shown_by(evidence)
            .fixed_by(fix, upgrade)
    })
}

/// A host's hypervisor gets this version.
pub(crate) fn upgraded(host: &Host, needed: i64) -> (String, Change) {
    let (kind, here) = (ChangeKind::HypervisorVersion, host.hypervisor_version);
    let upgrade = change(kind, &host.name, json!(here), json!(needed));
    (format!("Upgrade the hypervisor of {}.", host.name), upgrade)
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

/// Of processors of another architecture that alone is said.
pub(crate) fn cpu_features(host: &Host, need: &Need) -> Option<Reason> {
    let missing = need.cpu_features.difference(&host.cpu_features);
    let missing_features: BTreeSet<String> = missing.cloned().collect();
    if missing_features.is_empty() || host.arch != need.arch {
        return None;
    }
    let names: Vec<_> = missing_features.iter().map(String::as_str).collect();
    let text = format!("the processors have no {}", names.join(", "));
    let evidence = Evidence::CpuFeatures { missing_features };
    Some(Reason::new(ReasonCode::Cpu, text).shown_by(evidence))
}

/// The shared storage that a host does not reach.
pub(crate) fn storage(host: &Host, need: &Need) -> Reason {
    let pools: BTreeSet<_> = need.pools.difference(&host.pools).cloned().collect();
    let names: Vec<_> = pools.iter().map(String::as_str).collect();
    let text = format!("storage {} is not reachable", names.join(", "));
    let (fix, connect) = connected(host, &pools);
    Reason::new(ReasonCode::Storage, text)
        .fixed_by(fix, connect)
        .shown_by(Evidence::Pools { pools })
}

/// A host reaches these pools as well.
pub(crate) fn connected(host: &Host, pools: &BTreeSet<String>) -> (String, Change) {
    let reached: Vec<_> = host.pools.union(pools).collect();
    let (from, to) = (json!(host.pools), json!(reached));
    let names: Vec<_> = pools.difference(&host.pools).map(String::as_str).collect();
    let names = names.join(", ");
    (
        format!("Connect {} to the storage {names}.", host.name),
        change(ChangeKind::Pools, &host.name, from, to),
    )
}

/// A server leaves its group, if it is in one.
pub(crate) fn leaving_group(need: &Need) -> Option<(String, Change)> {
    let group = need.group.as_ref()?;
    let leave = Change {
        kind: ChangeKind::Group,
        target: need.server.to_string(),
        from: json!(group.group),
        to: Value::Null,
        request: Some(ApiRequest {
            method: "DELETE",
            path: format!(
                "/relocation/v1/groups/{}/members/{}",
                group.group, need.server
            ),
            body: Value::Null,
        }),
    };
    let (server, name) = (need.server, &group.name);
    let text = format!("Take server {server} out of the server group {name}.");
    Some((text, leave))
}

/// So many members of a group may stay on a host, of those that are there.
pub(crate) fn members_away(
    host: &HostName,
    group: &str,
    (there, may_be): (u32, u32),
) -> (String, Change) {
    let more = there.saturating_sub(may_be);
    let kind = ChangeKind::GroupMembersOnHost;
    (
        format!("Move {more} of the servers of group {group} away from {host}."),
        change(kind, host, json!(there), json!(may_be)),
    )
}

/// What a server's group has against a host.
pub fn group(host: &HostName, need: &Need, group: &Membership, violation: &Violation) -> Reason {
    violated(host, group, violation, leaving_group(need))
}

/// What a group has against a server that would come in, on a host where it is or may come to be.
pub fn joining(host: &HostName, group: &Membership, violation: &Violation) -> Reason {
    violated(host, group, violation, None)
}

fn violated(
    host: &HostName,
    group: &Membership,
    violation: &Violation,
    leaving: Option<(String, Change)>,
) -> Reason {
    let (uuid, name) = (group.group, &group.name);
    match violation {
        Violation::Affinity { hosts } => {
            let names: Vec<_> = hosts.iter().map(HostName::as_str).collect();
            let text = format!("server group {name} keeps together on {}", names.join(", "));
            let hosts = hosts.clone();
            let reason = Reason::new(ReasonCode::Affinity, text)
                .shown_by(Evidence::Affinity { group: uuid, hosts });
            match leaving {
                Some((text, leave)) => reason.fixed_by(text, leave),
                None => reason,
            }
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
            let (text, away) = members_away(host, name, (there, may_be));
            reason.fixed_by(text, away)
        }
    }
}
