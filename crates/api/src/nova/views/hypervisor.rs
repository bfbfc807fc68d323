//! A compute host, as a hypervisor (`contract: actions.md §10`).

use godwit_core::ids::{HostName, ServerUuid};
use godwit_store::{Host, HostedServer, Hypervisor};
use serde::Serialize;
use serde_json::Value;

use super::server::Empty;
use super::service::{Id, Liveness, State, Status};
use super::{Gated, Microversion, milestone};
use crate::nova::python;

/// What an item of a plain list shows.
#[derive(Debug, Serialize)]
pub struct HypervisorEntry<'a> {
    id: Id,
    hypervisor_hostname: &'a str,
    state: State,
    status: Status,
    #[serde(skip_serializing_if = "Option::is_none")]
    servers: Gated<Vec<HostedServerView<'a>>>,
}

#[derive(Debug, Serialize)]
struct HostedServerView<'a> {
    name: &'a str,
    uuid: ServerUuid,
}

impl<'a> From<&'a HostedServer> for HostedServerView<'a> {
    fn from(server: &'a HostedServer) -> Self {
        Self {
            name: &server.instance_name,
            uuid: server.uuid,
        }
    }
}

/// The servers of a host, where they were asked for: once a host without any did not have the
/// field, later it says that there are none.
fn servers(
    hosted: Option<&[HostedServer]>,
    version: Microversion,
) -> Gated<Vec<HostedServerView<'_>>> {
    let shown = hosted.filter(|hosted| !hosted.is_empty() || version >= milestone::STRICT_SERVERS);
    shown.map(|hosted| hosted.iter().map(HostedServerView::from).collect())
}

impl<'a> HypervisorEntry<'a> {
    /// The entry of `host`, with the servers on it where they were asked for.
    pub fn new(
        host: &'a Host,
        hosted: Option<&'a [HostedServer]>,
        version: Microversion,
        liveness: Liveness,
    ) -> Self {
        Self {
            id: Id::in_version(version, host.id, host.uuid),
            hypervisor_hostname: &host.facts.node,
            state: State::of(&host.service, liveness),
            status: Status::of(&host.service),
            servers: servers(hosted, version),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct HypervisorView<'a> {
    #[serde(flatten)]
    entry: HypervisorEntry<'a>,
    hypervisor_type: &'a str,
    hypervisor_version: i64,
    host_ip: Option<&'a str>,
    service: ServiceOfHost<'a>,
    #[serde(flatten)]
    figures: Option<Figures>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cpu_info: Gated<CpuInfo<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uptime: Gated<()>,
}

#[derive(Debug, Serialize)]
struct ServiceOfHost<'a> {
    id: Id,
    host: &'a HostName,
    disabled_reason: Option<&'a str>,
}

/// A JSON text once, an object later.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum CpuInfo<'a> {
    Text(String),
    Object(&'a Value),
    Unknown(Empty),
}

impl<'a> CpuInfo<'a> {
    fn new(info: &'a Value, version: Microversion) -> Self {
        if version < milestone::CPU_INFO_OBJECT {
            return Self::Text(python::dumps(info));
        }
        match info {
            Value::Object(_) => Self::Object(info),
            _ => Self::Unknown(Empty {}),
        }
    }
}

/// How large a host is, and how full. GiB and MiB.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
pub struct Figures {
    vcpus: i64,
    memory_mb: i64,
    local_gb: i64,
    vcpus_used: i64,
    memory_mb_used: i64,
    local_gb_used: i64,
    free_ram_mb: i64,
    free_disk_gb: i64,
    current_workload: i64,
    running_vms: i64,
    disk_available_least: i64,
}

impl Figures {
    fn of(hypervisor: &Hypervisor) -> Self {
        let (facts, usage) = (&hypervisor.host.facts, &hypervisor.usage);
        Self {
            vcpus: facts.vcpus,
            memory_mb: facts.memory_mb,
            local_gb: facts.local_gb,
            vcpus_used: usage.room.vcpus,
            memory_mb_used: usage.room.memory_mb,
            local_gb_used: usage.room.disk_gb,
            free_ram_mb: facts.memory_mb.saturating_sub(usage.room.memory_mb),
            free_disk_gb: facts.local_gb.saturating_sub(usage.room.disk_gb),
            current_workload: usage.current_workload,
            running_vms: usage.running_vms,
            disk_available_least: facts.local_free_gb,
        }
    }

    fn plus(self, other: Self) -> Self {
        Self {
            vcpus: self.vcpus.saturating_add(other.vcpus),
            memory_mb: self.memory_mb.saturating_add(other.memory_mb),
            local_gb: self.local_gb.saturating_add(other.local_gb),
            vcpus_used: self.vcpus_used.saturating_add(other.vcpus_used),
            memory_mb_used: self.memory_mb_used.saturating_add(other.memory_mb_used),
            local_gb_used: self.local_gb_used.saturating_add(other.local_gb_used),
            free_ram_mb: self.free_ram_mb.saturating_add(other.free_ram_mb),
            free_disk_gb: self.free_disk_gb.saturating_add(other.free_disk_gb),
            current_workload: self.current_workload.saturating_add(other.current_workload),
            running_vms: self.running_vms.saturating_add(other.running_vms),
            disk_available_least: self
                .disk_available_least
                .saturating_add(other.disk_available_least),
        }
    }
}

impl<'a> HypervisorView<'a> {
    /// The document of `hypervisor`, with the servers on it where they were asked for.
    pub fn new(
        hypervisor: &'a Hypervisor,
        hosted: Option<&'a [HostedServer]>,
        version: Microversion,
        liveness: Liveness,
    ) -> Self {
        let host = &hypervisor.host;
        let full = version < milestone::HYPERVISOR_UPTIME;
        Self {
            entry: HypervisorEntry::new(host, hosted, version, liveness),
            hypervisor_type: &host.facts.hypervisor_type,
            hypervisor_version: host.facts.hypervisor_version,
            host_ip: host.facts.host_ip.as_deref(),
            service: ServiceOfHost {
                id: Id::in_version(version, host.service.id, host.service.uuid),
                host: &host.facts.name,
                disabled_reason: host.service.disabled_reason.as_deref(),
            },
            figures: full.then(|| Figures::of(hypervisor)),
            cpu_info: full.then(|| CpuInfo::new(&host.facts.cpu_info, version)),
            // Agents do not say since when their machines run.
            uptime: (!full).then_some(()),
        }
    }
}

/// An entry, and since when it runs.
#[derive(Debug, Serialize)]
pub struct Uptime<'a> {
    #[serde(flatten)]
    entry: HypervisorEntry<'a>,
    uptime: &'static str,
}

impl<'a> Uptime<'a> {
    pub fn new(host: &'a Host, version: Microversion, liveness: Liveness) -> Self {
        Self {
            entry: HypervisorEntry::new(host, None, version, liveness),
            // Agents do not say.
            uptime: "",
        }
    }
}

#[derive(Debug, Serialize)]
pub struct Statistics {
    count: usize,
    #[serde(flatten)]
    figures: Figures,
}

impl Statistics {
    pub fn of(hypervisors: &[Hypervisor]) -> Self {
        let figures = hypervisors.iter().map(Figures::of);
        Self {
            count: hypervisors.len(),
            figures: figures.fold(Figures::default(), Figures::plus),
        }
    }
}
