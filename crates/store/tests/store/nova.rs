//! A dump of a Nova's database, to be imported.

use std::path::Path;

use godwit_store::Dump;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::bench::{migration, server, uuid};

/// A dump to be.
pub(crate) struct Nova(TempDir);

impl Nova {
    /// Two hosts; server 1 on the first one, with an unfinished migration.
    pub(crate) fn new() -> Self {
        let nova = Self(tempfile::tempdir().unwrap());
        nova.write(
            "services",
            &[
                service(1, "vm", "nova-scheduler"),
                service(2, "vm", "nova-osapi_compute"),
                service(3, "h1", "nova-compute"),
                service(4, "h2", "nova-compute"),
            ],
        );
        nova.write("compute_nodes", &[node(1, "h1"), node(2, "h2")]);
        nova.write("instances", &[instance(10, 1)]);
        nova.write("migrations", &[moving(20, 1, "running")]);
        nova
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, table: &str, rows: &[Value]) {
        let lines: String = rows.iter().map(|row| format!("{row}\n")).collect();
        self.write_text(table, &lines);
    }

    pub(crate) fn write_text(&self, table: &str, text: &str) {
        std::fs::write(self.path().join(format!("{table}.jsonl")), text).unwrap();
    }

    pub(crate) fn dump(&self) -> Dump {
        Dump::open(self.path()).unwrap()
    }
}

pub(crate) fn row(columns: Value, more: Value) -> Value {
    let mut row = columns;
    let more = more.as_object().unwrap().clone();
    row.as_object_mut().unwrap().extend(more);
    row
}

pub(crate) fn service(id: i64, host: &str, binary: &str) -> Value {
    json!({"created_at": "2026-11-01T00:00:00", "updated_at": "2026-11-01T01:00:00",
        "deleted_at": null, "deleted": 0, "id": id, "host": host, "binary": binary,
        "topic": "t", "report_count": 7, "disabled": 0, "disabled_reason": null,
        "last_seen_up": "2026-11-01T01:00:00", "forced_down": false, "version": 73,
        "uuid": uuid("nova", &format!("{host}{id}"))})
}

pub(crate) fn node(id: i64, host: &str) -> Value {
    json!({"created_at": "2026-11-01T00:00:00", "updated_at": null, "deleted_at": null,
        "deleted": 0, "id": id, "service_id": 1, "vcpus": 8, "memory_mb": 8192, "local_gb": 100,
        "vcpus_used": 2, "memory_mb_used": 1024, "local_gb_used": 10, "hypervisor_type": "QEMU",
        "hypervisor_version": 8_000_000, "cpu_info": "{\"arch\": \"x86_64\"}",
        "free_disk_gb": -5, "running_vms": 1, "current_workload": 0,
        "hypervisor_hostname": format!("{host}.example.org"), "host_ip": "192.0.2.1",
        "host": host, "uuid": uuid("node", host)})
}

pub(crate) fn instance(id: i64, n: u128) -> Value {
    json!({"created_at": "2026-11-01 00:00:00", "updated_at": "2026-11-01 00:00:05.250000",
        "deleted_at": null, "deleted": 0, "id": id, "uuid": server(n), "user_id": "u",
        "project_id": "p", "image_ref": "", "kernel_id": "", "ramdisk_id": "",
        "launch_index": 0, "key_name": null, "power_state": 1, "vm_state": "active",
        "memory_mb": 512, "vcpus": 2, "hostname": "srv", "host": "h1", "user_data": "I2Nsb3Vk",
        "reservation_id": "r-1", "launched_at": "2026-11-01 00:00:04", "terminated_at": null,
        "display_name": "Servér", "display_description": null, "availability_zone": "nova",
        "locked": true, "locked_by": "owner", "instance_type_id": 5,
        "root_device_name": "/dev/vda", "access_ip_v4": "192.0.2.9", "access_ip_v6": null,
        "config_drive": "True", "task_state": "migrating", "progress": 250,
        "auto_disk_config": 1, "root_gb": 10, "ephemeral_gb": 2, "node": "h1.example.org"})
}

pub(crate) fn moving(id: i64, n: u128, status: &str) -> Value {
    json!({"created_at": "2026-11-02T00:00:00", "updated_at": null, "deleted_at": null,
        "deleted": 0, "id": id, "uuid": migration(n), "instance_uuid": server(1),
        "source_compute": "h1", "dest_compute": "h2", "source_node": "h1.example.org",
        "dest_node": "h2.example.org", "dest_host": null, "status": status,
        "old_instance_type_id": 5, "new_instance_type_id": 5,
        "migration_type": "live-migration", "hidden": 0, "memory_total": 100,
        "memory_processed": 40, "memory_remaining": 60, "disk_total": null,
        "disk_processed": null, "disk_remaining": null, "user_id": null, "project_id": null})
}
