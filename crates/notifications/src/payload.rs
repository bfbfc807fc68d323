//! Nova's objects, as its notifications carry them: a name and a version beside the fields.
//!
//! The fields are those of Nova's samples. What this service does not know is told as Nova tells what
//! a server does not have: no addresses, no alias of an image, `null`. Fields that Nova has added since
//! come with a higher version of the object, which readers ask for by name.

use godwit_core::failure::Failure;
use godwit_core::ids::HostName;
use godwit_core::migration::Request;
use godwit_core::server::VmState;
use godwit_core::time::Timestamp;
use godwit_store::{Flavor, MigrationEvent, MigrationRecord, Server, Volume};
use serde_json::{Value, json};

use crate::envelope::{Notification, message_id};
use crate::table::{End, Moment, Notice, Payload, Sender, State};

/// What a notification is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subject<'a> {
    pub(crate) record: &'a MigrationRecord,
    pub(crate) server: &'a Server,
    pub(crate) event: &'a MigrationEvent,
}

/// Whose doing it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Initiator<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) project: Option<&'a str>,
    pub(crate) request: Option<&'a str>,
}

impl<'a> Subject<'a> {
    /// Who asked for this, or else for the move that it belongs to.
    pub(crate) fn initiator(&self) -> Initiator<'a> {
        if self.event.user_id.is_some() {
            return Initiator {
                user: self.event.user_id.as_deref(),
                project: self.event.project_id.as_deref(),
                request: self.event.request_id.as_deref(),
            };
        }
        Initiator {
            user: self.record.user_id.as_deref(),
            project: self.record.project_id.as_deref(),
            request: self.record.request_id.as_deref(),
        }
    }

    /// The one that tells it, as Nova names its services. `process` stands for those that are on no
    /// host of a move.
    pub(crate) fn publisher(&self, sender: Sender, process: &str) -> String {
        match sender {
            Sender::Compute(end) => format!("nova-compute:{}", self.end(end).0),
            Sender::Api => format!("nova-api:{process}"),
            Sender::Conductor => format!("nova-conductor:{process}"),
        }
    }

    /// One of the notifications of its event, told by `process`. `index`: which of them it is.
    pub(crate) fn notification(
        &self,
        notice: &Notice,
        index: usize,
        process: &str,
    ) -> Notification<'a> {
        let migration = self.record.migration.uuid.0;
        Notification {
            id: message_id(migration, self.event.sequence, index),
            publisher: self.publisher(notice.sender, process),
            event_type: notice.event_type,
            priority: notice.priority,
            payload: self.payload(notice.payload),
            at: self.event.at,
            initiator: self.initiator(),
        }
    }

    pub(crate) fn payload(&self, payload: Payload) -> Value {
        match payload {
            Payload::Action(moment) => object("InstanceActionPayload", "1.8", self.action(moment)),
            Payload::ResizePrep(moment) => {
                let mut fields = self.action(moment);
                // To the same flavor: a cold move.
                fields["new_flavor"] = flavor(&self.server.flavor);
                object("InstanceActionResizePrepPayload", "1.3", fields)
            }
            Payload::ComputeTask => object("ComputeTaskPayload", "1.0", self.compute_task()),
        }
    }

    /// The host at an end of the move, and what its hypervisor calls itself. A move that has no
    /// destination has the server at its source.
    fn end(&self, end: End) -> (&'a HostName, Option<&'a str>) {
        let (record, server) = (self.record, self.server);
        let source = &record.migration.source_compute;
        match (end, &record.dest_compute) {
            (End::Destination, Some(host)) => (host, record.dest_node.as_deref()),
            (End::Destination, None) | (End::Source, _) => {
                let there = (server.host.as_ref() == Some(source)).then_some(server);
                let node = there.and_then(|it| it.node.as_deref());
                (source, record.source_node.as_deref().or(node))
            }
        }
    }

    fn state(&self, state: State) -> VmState {
        match (state, &self.record.migration.request) {
            (State::Resized, _) => VmState::Resized,
            (State::Before, Request::Cold(request)) => request.was,
            (State::Before, Request::Evacuation(request)) => request.was,
            (State::Before, Request::Live(_)) | (State::Current, _) => self.server.vm_state,
        }
    }

    /// Why the move does not get there, if the event says so.
    fn reason(&self) -> Option<Failure> {
        let said = self.event.detail.get("failure")?;
        serde_json::from_value(said.clone()).ok()
    }

    fn action(&self, moment: Moment) -> Value {
        let server = self.server;
        let launch = &server.launch;
        let (host, node) = self.end(moment.at);
        let Initiator {
            user,
            project,
            request,
        } = self.initiator();
        let volumes: Vec<Value> = launch
            .volumes
            .iter()
            .map(|it| block_device(it, launch.root_device_name.as_deref()))
            .collect();
        let said_of_itself = |key: &str| launch.image_properties.get(key);
        json!({
            "uuid": server.uuid,
            "user_id": server.user_id,
            "tenant_id": server.project_id,
            "reservation_id": launch.reservation_id,
            "display_name": server.name,
            "display_description": server.description,
            "host_name": server.hostname,
            "host": host,
            "node": node,
            "os_type": said_of_itself("os_type"),
            "architecture": said_of_itself("architecture"),
            "availability_zone": server.availability_zone,
            "flavor": flavor(&server.flavor),
            "image_uuid": server.image_ref,
            "key_name": server.key_name,
            "kernel_id": launch.kernel_id,
            "ramdisk_id": launch.ramdisk_id,
            "created_at": time(server.created_at),
            "launched_at": server.launched_at.map(time),
            "terminated_at": server.terminated_at.map(time),
            "deleted_at": server.deleted_at.map(time),
            "updated_at": server.updated_at.map(time),
            "state": self.state(moment.state),
            "power_state": server.power_state.word(),
            "task_state": moment.task,
            "progress": server.progress,
            "ip_addresses": [],
            "block_devices": volumes,
            "metadata": server.metadata,
            "locked": server.lock.is_some(),
            "locked_reason": server.lock.as_ref().and_then(|it| it.reason.as_ref()),
            "auto_disk_config": if launch.auto_disk_config { "AUTO" } else { "MANUAL" },
            "request_id": request,
            "action_initiator_user": user,
            "action_initiator_project": project,
            "fault": self.reason().map(|it| exception(&it)),
        })
    }

    fn compute_task(&self) -> Value {
        let (server, asked) = (self.server, &self.record.migration.request);
        let forced = asked.is_forced().then(|| asked.host()).flatten();
        let spec = json!({
            "availability_zone": null,
            "flavor": flavor(&server.flavor),
            "force_hosts": forced.map(|host| [host]),
            "force_nodes": null,
            "ignore_hosts": null,
            "image": null,
            "instance_group": null,
            "instance_uuid": server.uuid,
            "num_instances": 1,
            "numa_topology": null,
            "pci_requests": null,
            "project_id": server.project_id,
            "requested_destination": null,
            "retry": null,
            "scheduler_hints": {},
            "security_groups": [],
            "user_id": server.user_id,
        });
        let known = self.record.migration.failure.clone();
        json!({
            "instance_uuid": server.uuid,
            "reason": self.reason().or(known).map(|it| exception(&it)),
            "request_spec": object("RequestSpecPayload", "1.1", spec),
            "state": server.vm_state,
        })
    }
}

/// A versioned object.
pub(crate) fn object(name: &str, version: &str, fields: Value) -> Value {
    json!({
        "nova_object.name": name,
        "nova_object.namespace": "nova",
        "nova_object.version": version,
        "nova_object.data": fields,
    })
}

fn flavor(flavor: &Flavor) -> Value {
    let spec = &flavor.spec;
    let fields = json!({
        "flavorid": flavor.flavorid,
        "name": spec.name,
        "description": null,
        "disabled": false,
        "ephemeral_gb": spec.ephemeral_gb,
        "extra_specs": flavor.extra_specs,
        "is_public": true,
        "memory_mb": spec.memory_mb,
        "projects": null,
        "root_gb": spec.root_gb,
        "rxtx_factor": 1.0,
        "swap": spec.swap_mb,
        "vcpu_weight": 0,
        "vcpus": spec.vcpus,
    });
    object("FlavorPayload", "1.4", fields)
}

/// `root`: what the guest boots from.
fn block_device(volume: &Volume, root: Option<&str>) -> Value {
    let boots = volume.device.is_some() && volume.device.as_deref() == root;
    let fields = json!({
        "boot_index": boots.then_some(0),
        "delete_on_termination": volume.delete_on_termination,
        "device_name": volume.device,
        "tag": volume.tag,
        "volume_id": volume.id,
    });
    object("BlockDevicePayload", "1.0", fields)
}

/// A reason in place of an exception: its code for the class, and no trace, which would be of
/// another program.
fn exception(reason: &Failure) -> Value {
    let fields = json!({
        "exception": reason.code,
        "exception_message": reason.message,
        "function_name": "",
        "module_name": "godwit",
        "traceback": "",
    });
    object("ExceptionPayload", "1.1", fields)
}

/// As Nova writes instants: to the second.
pub(crate) fn time(at: Timestamp) -> String {
    at.datetime().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[cfg(test)]
mod tests;
