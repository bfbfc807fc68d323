//! A host: what it has, what of it is free, and whether it may be used.

use godwit_core::host::link::{Link, as_seen};
use godwit_core::host::maintenance::State;
use godwit_core::ids::HostName;
use godwit_core::resources::Resources;
use godwit_core::time::Timestamp;
use godwit_facts::Basis;
use godwit_store::HostLoad;
use serde::Serialize;
use serde_json::Value;

use super::allocation::AllocationView;
use super::fence::FenceProofView;
use crate::relocation::visibility::Visibility;

/// The fields, in their order.
pub const FIELDS: &[&str] = &[
    "name",
    "zone",
    "pod",
    "cluster",
    "hypervisors",
    "cpu",
    "capacity",
    "allocation_ratios",
    "free",
    "pools",
    "links",
    "agent",
    "allocation",
    "maintenance",
    "fence",
];

#[derive(Debug, Serialize)]
pub struct HostView<'a> {
    name: &'a HostName,
    zone: &'a str,
    pod: Option<&'a str>,
    cluster: Option<&'a str>,
    hypervisors: [HypervisorView<'a>; 1],
    cpu: CpuView<'a>,
    /// What it has.
    capacity: RoomView,
    allocation_ratios: RatiosView,
    /// What of `capacity` times `allocation_ratios` nobody takes: what placements count with.
    free: RoomView,
    pools: Vec<&'a str>,
    links: Vec<Link>,
    agent: AgentView<'a>,
    allocation: AllocationView<'a>,
    maintenance: MaintenanceView,
    fence: Option<FenceProofView<'a>>,
}

#[derive(Debug, Serialize)]
struct HypervisorView<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    version: String,
}

#[derive(Debug, Serialize)]
struct CpuView<'a> {
    arch: &'a str,
    model: Option<&'a str>,
    features: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
struct RoomView {
    vcpus: i64,
    memory_mib: i64,
    disk_gib: i64,
}

/// How much more than it has a host may be given.
#[derive(Debug, Serialize)]
struct RatiosView {
    vcpus: f64,
    memory: f64,
    disk: f64,
}

#[derive(Debug, Serialize)]
struct AgentView<'a> {
    state: &'static str,
    since: Option<Timestamp>,
    seen_at: Option<Timestamp>,
    version: &'a str,
}

#[derive(Debug, Serialize)]
struct MaintenanceView {
    state: State,
}

impl<'a> HostView<'a> {
    pub fn new(load: &'a HostLoad, maintenance: State, sees: Visibility<'_>, basis: Basis) -> Self {
        let (facts, service) = (&load.host.facts, &load.host.service);
        let used = load.servers.plus(load.claims);
        let pools = facts.storage_pools.iter();
        Self {
            name: &facts.name,
            zone: &service.zone,
            pod: load.topology.pod.as_deref(),
            cluster: load.topology.cluster.as_deref(),
            hypervisors: [HypervisorView {
                kind: &facts.hypervisor_type,
                version: version(facts.hypervisor_version),
            }],
            cpu: CpuView::new(&facts.arch, &facts.cpu_info),
            capacity: facts.resources().into(),
            allocation_ratios: RatiosView {
                vcpus: basis.ratios.cpu,
                memory: basis.ratios.memory,
                disk: basis.ratios.disk,
            },
            free: basis.ratios.capacity(facts.resources()).less(used).into(),
            pools: pools.map(|pool| pool.id.as_str()).collect(),
            links: as_seen(&facts.links, load.host.stream_bytes_per_second),
            agent: AgentView::new(load, basis),
            allocation: AllocationView::of_host(load, sees),
            maintenance: MaintenanceView { state: maintenance },
            fence: FenceProofView::of_host(service, sees),
        }
    }
}

impl<'a> CpuView<'a> {
    /// The processor as agents describe it, and Nova; of what was imported any of it may be missing.
    fn new(arch: &'a str, info: &'a Value) -> Self {
        let features = info.get("features").and_then(Value::as_array);
        Self {
            arch,
            model: info.get("model").and_then(Value::as_str),
            features: features
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
                .collect(),
        }
    }
}

impl From<Resources> for RoomView {
    fn from(room: Resources) -> Self {
        Self {
            vcpus: room.vcpus,
            memory_mib: room.memory_mb,
            disk_gib: room.disk_gb,
        }
    }
}

impl<'a> AgentView<'a> {
    /// It is up since it introduced itself last, and down since nobody waits for it any more.
    fn new(load: &'a HostLoad, basis: Basis) -> Self {
        let (host, service) = (&load.host, &load.host.service);
        // What the events say holds, whatever this process's clock says.
        let told = service.is_told_silent();
        let up = service.is_up(basis.now, basis.down_time) && !told;
        let silent = service.last_seen_up.map(|at| at.plus(basis.down_time));
        let silent = silent.filter(|at| told || *at < basis.now);
        let down = [service.forced_down_at, silent];
        Self {
            state: if up { "up" } else { "down" },
            since: match up {
                true => host.updated_at.or(Some(host.created_at)),
                false => down.into_iter().flatten().min(),
            },
            seen_at: service.last_seen_up,
            version: &service.version,
        }
    }
}

/// `8.1.2`, as Nova counts it: major × 1 000 000 + minor × 1 000 + micro.
fn version(number: i64) -> String {
    let (major, rest) = (number.div_euclid(1_000_000), number.rem_euclid(1_000_000));
    format!("{major}.{}.{}", rest / 1_000, rest % 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_three_numbers() {
        assert_eq!(version(8_000_000), "8.0.0");
        assert_eq!(version(10_002_013), "10.2.13");
    }

    #[test]
    fn a_processor_is_described_as_far_as_it_is_known() {
        let info = serde_json::json!({"model": "EPYC", "features": ["svm", 7, "avx2"]});
        let known = CpuView::new("x86_64", &info);
        assert_eq!(
            (known.model, known.features),
            (Some("EPYC"), vec!["svm", "avx2"])
        );
        for unknown in [Value::Null, serde_json::json!({"features": "svm"})] {
            let cpu = CpuView::new("x86_64", &unknown);
            assert_eq!((cpu.model, cpu.features), (None, Vec::new()));
        }
    }
}
