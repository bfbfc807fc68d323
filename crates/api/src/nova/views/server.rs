//! A server (`contract: actions.md §8.1`).

mod parts;

use std::collections::BTreeMap;

use godwit_core::ids::{HostName, ServerGroupUuid, ServerUuid};
use godwit_core::server::display_status;
use godwit_store::Server;
use serde::Serialize;

pub use self::parts::HostStatus;
use self::parts::{FaultView, FlavorField, ImageField, VolumeView, shows_fault, shows_progress};
use super::{Gated, HostIds, Microversion, milestone};
use crate::http::timestamps::{Micros, Seconds};
use crate::nova::links::{Link, Links, To};

/// What an item of a plain list shows.
#[derive(Debug, Serialize)]
pub struct ServerEntry<'a> {
    id: ServerUuid,
    name: &'a str,
    links: [Link<'a>; 2],
}

impl<'a> ServerEntry<'a> {
    pub fn new(server: &'a Server, links: &'a Links) -> Self {
        Self {
            id: server.uuid,
            name: &server.name,
            links: links.pair(To::Server(server.uuid)),
        }
    }
}

/// What of a server a caller may see, and in which words.
#[derive(Clone, Copy, Debug)]
pub struct ServerVisibility {
    pub version: Microversion,
    /// Where it is.
    pub extended: bool,
    pub extra_specs: bool,
    /// Is the caller an administrator? Then a fault has details.
    pub admin: bool,
    /// Is one server shown, rather than a list?
    pub alone: bool,
    /// How its host is, where the caller may see that.
    pub host_status: Option<HostStatus>,
    /// The server group of the one server that is shown.
    pub group: Option<ServerGroupUuid>,
}

#[derive(Debug, Serialize)]
pub struct ServerView<'a> {
    #[serde(rename = "accessIPv4")]
    access_ipv4: &'a str,
    #[serde(rename = "accessIPv6")]
    access_ipv6: &'a str,
    addresses: Empty,
    created: Seconds,
    flavor: FlavorField<'a>,
    #[serde(rename = "hostId")]
    host_id: String,
    id: ServerUuid,
    image: ImageField<'a>,
    links: [Link<'a>; 2],
    metadata: &'a BTreeMap<String, String>,
    name: &'a str,
    status: &'static str,
    tenant_id: &'a str,
    user_id: &'a str,
    updated: Seconds,
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Gated<FaultView<'a>>,
    #[serde(rename = "OS-DCF:diskConfig")]
    disk_config: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Gated<i32>,
    #[serde(rename = "OS-EXT-AZ:availability_zone")]
    availability_zone: &'a str,
    config_drive: &'static str,
    key_name: Option<&'a str>,
    #[serde(rename = "OS-SRV-USG:launched_at")]
    launched_at: Option<Micros>,
    #[serde(rename = "OS-SRV-USG:terminated_at")]
    terminated_at: Option<Micros>,
    #[serde(rename = "OS-EXT-SRV-ATTR:host")]
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Gated<Option<&'a str>>,
    #[serde(rename = "OS-EXT-SRV-ATTR:instance_name")]
    #[serde(skip_serializing_if = "Option::is_none")]
    instance_name: Gated<&'a str>,
    #[serde(rename = "OS-EXT-SRV-ATTR:hypervisor_hostname")]
    #[serde(skip_serializing_if = "Option::is_none")]
    hypervisor_hostname: Gated<Option<&'a str>>,
    #[serde(rename = "OS-EXT-SRV-ATTR:hostname")]
    #[serde(skip_serializing_if = "Option::is_none")]
    hostname: Gated<&'a str>,
    #[serde(rename = "OS-EXT-SRV-ATTR:kernel_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    kernel_id: Gated<&'a str>,
    #[serde(rename = "OS-EXT-SRV-ATTR:launch_index")]
    #[serde(skip_serializing_if = "Option::is_none")]
    launch_index: Gated<i64>,
    #[serde(rename = "OS-EXT-SRV-ATTR:ramdisk_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    ramdisk_id: Gated<&'a str>,
    #[serde(rename = "OS-EXT-SRV-ATTR:reservation_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    reservation_id: Gated<Option<&'a str>>,
    #[serde(rename = "OS-EXT-SRV-ATTR:root_device_name")]
    #[serde(skip_serializing_if = "Option::is_none")]
    root_device_name: Gated<Option<&'a str>>,
    #[serde(rename = "OS-EXT-SRV-ATTR:user_data")]
    #[serde(skip_serializing_if = "Option::is_none")]
    user_data: Gated<Option<&'a str>>,
    #[serde(rename = "OS-EXT-STS:task_state")]
    task_state: Option<&'static str>,
    #[serde(rename = "OS-EXT-STS:vm_state")]
    vm_state: &'static str,
    #[serde(rename = "OS-EXT-STS:power_state")]
    power_state: i32,
    #[serde(rename = "os-extended-volumes:volumes_attached")]
    volumes_attached: Vec<VolumeView<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked: Gated<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host_status: Gated<HostStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Gated<[Empty; 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trusted_image_certificates: Gated<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    server_groups: Gated<Vec<ServerGroupUuid>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    locked_reason: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned_availability_zone: Gated<()>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scheduler_hints: Gated<Empty>,
}

/// `{}`: what servers have none of here.
#[derive(Debug, Serialize)]
pub struct Empty {}

impl<'a> ServerView<'a> {
    pub fn new(
        server: &'a Server,
        visibility: ServerVisibility,
        links: &'a Links,
        host_ids: &HostIds<'a>,
    ) -> Self {
        let since = |milestone| visibility.version >= milestone;
        let first = visibility.extended;
        let more = first && since(milestone::EXTENDED_ATTRIBUTES);
        let hostname = more || since(milestone::HOSTNAME);
        let host = server.host.as_ref().map(HostName::as_str);
        let status = display_status(server.vm_state, server.task_state);
        let launch = &server.launch;
        let fault = server.fault.as_ref().filter(|_| shows_fault(status));
        let reason = server.lock.as_ref().and_then(|lock| lock.reason.as_deref());
        Self {
            access_ipv4: launch.access_ipv4.as_deref().unwrap_or_default(),
            access_ipv6: launch.access_ipv6.as_deref().unwrap_or_default(),
            addresses: Empty {},
            created: Seconds(server.created_at),
            flavor: FlavorField::new(&server.flavor, visibility, links),
            host_id: host_ids.of(&server.project_id, host),
            id: server.uuid,
            image: ImageField::new(server, visibility, links),
            links: links.pair(To::Server(server.uuid)),
            metadata: &server.metadata,
            name: &server.name,
            status,
            tenant_id: &server.project_id,
            user_id: &server.user_id,
            updated: Seconds(server.updated_at.unwrap_or(server.created_at)),
            fault: fault.map(|fault| FaultView::new(fault, visibility.admin)),
            disk_config: if launch.auto_disk_config {
                "AUTO"
            } else {
                "MANUAL"
            },
            progress: shows_progress(status).then_some(server.progress),
            availability_zone: server.availability_zone.as_deref().unwrap_or_default(),
            config_drive: if server.config_drive { "True" } else { "" },
            key_name: server.key_name.as_deref(),
            launched_at: server.launched_at.map(Micros),
            terminated_at: server.terminated_at.map(Micros),
            host: first.then_some(host),
            instance_name: first.then_some(&server.instance_name),
            hypervisor_hostname: first.then_some(server.node.as_deref()),
            hostname: hostname.then_some(&server.hostname),
            kernel_id: more.then_some(&launch.kernel_id),
            launch_index: more.then_some(launch.launch_index),
            ramdisk_id: more.then_some(&launch.ramdisk_id),
            reservation_id: more.then_some(launch.reservation_id.as_deref()),
            root_device_name: more.then_some(launch.root_device_name.as_deref()),
            user_data: more.then_some(launch.user_data.as_deref()),
            task_state: server.task_state.map(|task| task.as_str()),
            vm_state: server.vm_state.as_str(),
            power_state: server.power_state.as_i32(),
            volumes_attached: VolumeView::list(launch, visibility.version),
            locked: since(milestone::LOCKED).then_some(server.lock.is_some()),
            host_status: visibility
                .host_status
                .filter(|_| since(milestone::HOST_STATUS)),
            description: since(milestone::DESCRIPTION).then_some(server.description.as_deref()),
            tags: since(milestone::TAGS).then_some([]),
            trusted_image_certificates: since(milestone::TRUSTED_CERTIFICATES).then_some(()),
            server_groups: (visibility.alone && since(milestone::SERVER_GROUPS))
                .then(|| visibility.group.into_iter().collect()),
            locked_reason: since(milestone::LOCKED_REASON).then_some(reason),
            pinned_availability_zone: since(milestone::PINNED_ZONE).then_some(()),
            scheduler_hints: since(milestone::SCHEDULER_HINTS).then_some(Empty {}),
        }
    }
}
