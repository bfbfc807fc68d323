//! What is written of the fleet.

use godwit_core::migration::Limits;
use godwit_core::resources::Resources;
use godwit_core::time::Timestamp;
use godwit_store::{
    ActionNote, AgentFacts, HostFacts, HostRegistration, NewMigration, StoragePool,
};

use super::{migration, named, server, uuid};

/// What a registered host has.
pub const CAPACITY: Resources = Resources {
    vcpus: 20,
    memory_mb: 20_480,
    disk_gb: 200,
};

pub fn registration(name: &str, at: Timestamp) -> HostRegistration {
    HostRegistration {
        facts: HostFacts {
            name: named(name),
            node: format!("{name}.example.org"),
            hypervisor_type: "QEMU".to_owned(),
            hypervisor_version: 10_000_002,
            host_ip: Some("192.0.2.1".to_owned()),
            cpu_info: serde_json::json!({"arch": "x86_64", "model": "qemu64"}),
            arch: "x86_64".to_owned(),
            vcpus: CAPACITY.vcpus,
            memory_mb: CAPACITY.memory_mb,
            local_gb: CAPACITY.disk_gb,
            local_free_gb: 77,
            storage_pools: vec![StoragePool {
                id: "nfs-1".to_owned(),
                total_bytes: 1 << 40,
                available_bytes: 1 << 39,
                kind: None,
                local: false,
            }],
            links: Vec::new(),
        },
        agent: AgentFacts {
            address: format!("{name}.example.org:9000"),
            boot_id: uuid("boot", name),
            rpc_version: "2.0.0".to_owned(),
            capabilities: vec!["post-copy".to_owned()],
        },
        zone: format!("zone-of-{name}"),
        version: "0.1.0".to_owned(),
        host_uuid: uuid("host", name),
        service_uuid: uuid("service", name),
        at,
    }
}

/// The migration of this number, of the server of the same number.
pub fn new_migration<R>(
    number: impl TryInto<u128> + Copy,
    request: R,
    at: Timestamp,
) -> NewMigration<R> {
    NewMigration {
        uuid: migration(number),
        server: server(number),
        request,
        limits: Limits::default(),
        user_id: Some("admin".to_owned()),
        project_id: Some("admin-project".to_owned()),
        request_id: Some("req-1".to_owned()),
        trace: None,
        at,
    }
}

/// A request of the API.
pub fn asked(request_id: &str, at: Timestamp) -> ActionNote {
    ActionNote {
        request_id: request_id.to_owned(),
        user_id: Some("admin".to_owned()),
        project_id: Some("admin-project".to_owned()),
        trace: None,
        at,
    }
}
