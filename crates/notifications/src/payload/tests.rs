//! What each kind of notification carries, written by hand from Nova's samples.

use godwit_core::failure::FailureCode;
use godwit_core::server::TaskState;
use godwit_store::Lock;
use serde_json::{Value, json};

use crate::fixtures::Told;
use crate::table::{End, Moment, Payload, Sender, State};

fn moment(at: End, state: State, task: Option<TaskState>) -> Moment {
    Moment { at, state, task }
}

fn carried(told: &Told, payload: Payload) -> Value {
    told.subject().payload(payload)
}

fn flavor() -> Value {
    json!({
        "nova_object.name": "FlavorPayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.4",
        "nova_object.data": {
            "flavorid": "42",
            "name": "m1.nano",
            "description": null,
            "disabled": false,
            "ephemeral_gb": 1,
            "extra_specs": {"hw:cpu_policy": "shared"},
            "is_public": true,
            "memory_mb": 512,
            "projects": null,
            "root_gb": 5,
            "rxtx_factor": 1.0,
            "swap": 64,
            "vcpu_weight": 0,
            "vcpus": 2,
        },
    })
}

fn root_volume() -> Value {
    json!({
        "nova_object.name": "BlockDevicePayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.0",
        "nova_object.data": {
            "boot_index": 0,
            "delete_on_termination": true,
            "device_name": "/dev/vda",
            "tag": "root",
            "volume_id": "a07f71dc-8151-4e7d-a0cc-cd24a3f11113",
        },
    })
}

/// An action on the server, at its source and being moved live.
fn action() -> Value {
    json!({
        "nova_object.name": "InstanceActionPayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.8",
        "nova_object.data": {
            "uuid": "5e770000-0000-4000-8000-000000000001",
            "user_id": "member",
            "tenant_id": "demo",
            "reservation_id": "r-npxv0e40",
            "display_name": "vm-1",
            "display_description": "the first",
            "host_name": "vm-one",
            "host": "host-1",
            "node": "node-1",
            "os_type": "linux",
            "architecture": null,
            "availability_zone": "nova",
            "flavor": flavor(),
            "image_uuid": "155d900f-4e14-4e4c-a73d-069cbf4541e6",
            "key_name": "my-key",
            "kernel_id": "",
            "ramdisk_id": "",
            "created_at": "2023-11-14T21:13:20Z",
            "launched_at": "2023-11-14T21:13:30Z",
            "terminated_at": null,
            "deleted_at": null,
            "updated_at": "2023-11-14T22:13:28Z",
            "state": "active",
            "power_state": "running",
            "task_state": "migrating",
            "progress": 40,
            "ip_addresses": [],
            "block_devices": [root_volume()],
            "metadata": {"tier": "gold"},
            "locked": true,
            "locked_reason": "mine",
            "auto_disk_config": "AUTO",
            "request_id": "req-1",
            "action_initiator_user": "admin",
            "action_initiator_project": "admin-project",
            "fault": null,
        },
    })
}

#[test]
fn an_action_carries_all_of_the_server() {
    let migrating = moment(End::Source, State::Current, Some(TaskState::Migrating));
    let told = Told::live("admitted");
    assert_eq!(carried(&told, Payload::Action(migrating)), action());
}

#[test]
fn an_action_at_the_destination_has_the_server_there() {
    let there = moment(End::Destination, State::Resized, None);
    let told = Told::cold("booted");
    let mut expected = action();
    let data = &mut expected["nova_object.data"];
    data["host"] = json!("host-2");
    data["node"] = json!("node-2");
    data["state"] = json!("resized");
    data["task_state"] = Value::Null;
    assert_eq!(carried(&told, Payload::Action(there)), expected);
}

#[test]
fn what_was_asked_meanwhile_names_who_asked() {
    let mut told = Told::live("abort_requested");
    told.event.user_id = Some("member".to_owned());
    told.event.request_id = Some("req-2".to_owned());
    let migrating = moment(End::Source, State::Current, Some(TaskState::Migrating));
    let mut expected = action();
    let data = &mut expected["nova_object.data"];
    data["request_id"] = json!("req-2");
    data["action_initiator_user"] = json!("member");
    data["action_initiator_project"] = Value::Null;
    assert_eq!(carried(&told, Payload::Action(migrating)), expected);
}

#[test]
fn a_failure_is_told_as_a_fault() {
    let mut told = Told::cold("move_failed");
    let failure = json!({"code": FailureCode::StopFailed, "message": "It would not stop."});
    told.event.detail = json!({"failure": failure});
    let resizing = moment(End::Source, State::Before, Some(TaskState::ResizeMigrating));
    let mut expected = action();
    let data = &mut expected["nova_object.data"];
    data["task_state"] = json!("resize_migrating");
    data["fault"] = json!({
        "nova_object.name": "ExceptionPayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.1",
        "nova_object.data": {
            "exception": "stop-failed",
            "exception_message": "It would not stop.",
            "function_name": "",
            "module_name": "godwit",
            "traceback": "",
        },
    });
    assert_eq!(carried(&told, Payload::Action(resizing)), expected);
}

#[test]
fn a_cold_moves_preparation_carries_the_flavor_that_it_keeps() {
    let told = Told::cold("placed");
    let preparing = moment(End::Source, State::Before, Some(TaskState::ResizePrep));
    let mut expected = action();
    expected["nova_object.name"] = json!("InstanceActionResizePrepPayload");
    expected["nova_object.version"] = json!("1.3");
    let data = &mut expected["nova_object.data"];
    data["task_state"] = json!("resize_prep");
    data["new_flavor"] = flavor();
    assert_eq!(carried(&told, Payload::ResizePrep(preparing)), expected);
}

#[test]
fn an_evacuation_carries_the_server_as_it_was_on_the_dead_host() {
    let mut told = Told::evacuation("requested");
    told.server.lock = None::<Lock>;
    let rebuilding = moment(End::Source, State::Before, Some(TaskState::Rebuilding));
    let mut expected = action();
    let data = &mut expected["nova_object.data"];
    data["state"] = json!("stopped");
    data["task_state"] = json!("rebuilding");
    data["locked"] = json!(false);
    data["locked_reason"] = Value::Null;
    assert_eq!(carried(&told, Payload::Action(rebuilding)), expected);
}

#[test]
fn that_no_host_was_found_is_told_with_what_was_asked_for() {
    let mut told = Told::evacuation("not_placed");
    let failure = json!({"code": FailureCode::NoValidHost, "message": "No valid host was found."});
    told.event.detail = json!({"rejected": [], "failure": failure});
    let expected = json!({
        "nova_object.name": "ComputeTaskPayload",
        "nova_object.namespace": "nova",
        "nova_object.version": "1.0",
        "nova_object.data": {
            "instance_uuid": "5e770000-0000-4000-8000-000000000001",
            "state": "active",
            "reason": {
                "nova_object.name": "ExceptionPayload",
                "nova_object.namespace": "nova",
                "nova_object.version": "1.1",
                "nova_object.data": {
                    "exception": "no-valid-host",
                    "exception_message": "No valid host was found.",
                    "function_name": "",
                    "module_name": "godwit",
                    "traceback": "",
                },
            },
            "request_spec": {
                "nova_object.name": "RequestSpecPayload",
                "nova_object.namespace": "nova",
                "nova_object.version": "1.1",
                "nova_object.data": {
                    "availability_zone": null,
                    "flavor": flavor(),
                    "force_hosts": ["host-3"],
                    "force_nodes": null,
                    "ignore_hosts": null,
                    "image": null,
                    "instance_group": null,
                    "instance_uuid": "5e770000-0000-4000-8000-000000000001",
                    "num_instances": 1,
                    "numa_topology": null,
                    "pci_requests": null,
                    "project_id": "demo",
                    "requested_destination": null,
                    "retry": null,
                    "scheduler_hints": {},
                    "security_groups": [],
                    "user_id": "member",
                },
            },
        },
    });
    assert_eq!(carried(&told, Payload::ComputeTask), expected);
    let unforced = carried(&Told::live("not_placed"), Payload::ComputeTask);
    let spec = &unforced["nova_object.data"]["request_spec"]["nova_object.data"];
    assert_eq!(spec["force_hosts"], Value::Null);
    assert_eq!(unforced["nova_object.data"]["reason"], Value::Null);
}

#[test]
fn who_tells_it_is_named_as_novas_services_are() {
    let told = Told::live("admitted");
    let subject = told.subject();
    let named = |sender| subject.publisher(sender, "conductor-1");
    assert_eq!(named(Sender::Compute(End::Source)), "nova-compute:host-1");
    assert_eq!(
        named(Sender::Compute(End::Destination)),
        "nova-compute:host-2"
    );
    assert_eq!(named(Sender::Api), "nova-api:conductor-1");
    assert_eq!(named(Sender::Conductor), "nova-conductor:conductor-1");
    let mut unplaced = Told::live("not_placed");
    unplaced.record.dest_compute = None;
    let destination = Sender::Compute(End::Destination);
    assert_eq!(
        unplaced.subject().publisher(destination, "x"),
        "nova-compute:host-1"
    );
}
