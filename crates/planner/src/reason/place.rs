//! Hosts in another cluster, and those whose agents are left behind.

use godwit_core::host::agent;
use godwit_core::host::scope::Topology;
use godwit_core::ids::HostName;
use godwit_core::reason::{ApiRequest, Change, ChangeKind};
use serde_json::json;

use super::{Evidence, Reason, ReasonCode, change};
use crate::inventory::{Host, Need};

/// Servers do not leave their cluster.
pub(crate) fn other_cluster(host: &Host, need: &Need, (own, there): (&str, &str)) -> Reason {
    let evidence = Evidence::Cluster {
        cluster: there.to_owned(),
        needed_cluster: own.to_owned(),
    };
    let text = format!("the host is in cluster {there}, the server in {own}");
    let reason = Reason::new(ReasonCode::OtherCluster, text).shown_by(evidence);
    match joined(host, &need.topology) {
        Some((fix, join)) => reason.fixed_by(fix, join),
        None => reason,
    }
}

/// A host is put into the cluster of `wanted`; `None`: it would leave its zone, which is a matter of
/// what is on it as well.
pub(crate) fn joined(host: &Host, wanted: &Topology) -> Option<(String, Change)> {
    let Topology { zone, pod, cluster } = wanted;
    if *zone != host.topology.zone {
        return None;
    }
    let name = &host.name;
    let (kind, from) = (ChangeKind::Cluster, json!(host.topology.cluster));
    let request = ApiRequest {
        method: "PUT",
        path: format!("/relocation/v1/hosts/{name}/topology"),
        body: json!({ "zone": zone, "pod": pod, "cluster": cluster }),
    };
    let join = Change {
        request: Some(request),
        ..change(kind, name, from, json!(cluster))
    };
    let cluster = cluster.as_deref().unwrap_or_default();
    Some((format!("Put {name} into cluster {cluster}."), join))
}

pub(crate) fn agent_too_old(host: &HostName, version: &str) -> Reason {
    let needed = agent::oldest();
    let text = format!("the host's agent speaks version {version}, {needed} is the oldest known");
    let (fix, upgrade) = agent_upgraded(host, version);
    Reason::new(ReasonCode::AgentTooOld, text)
        .shown_by(Evidence::AgentVersion {
            host: host.clone(),
            agent_version: version.to_owned(),
            needed_agent_version: needed,
        })
        .fixed_by(fix, upgrade)
}

/// A host's agent is brought to a release that is understood.
pub(crate) fn agent_upgraded(host: &HostName, version: &str) -> (String, Change) {
    let (from, to) = (json!(version), json!(agent::oldest()));
    let upgrade = change(ChangeKind::AgentVersion, host, from, to);
    (format!("Upgrade the agent of {host}."), upgrade)
}
