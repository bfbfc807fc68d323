//! A migration, its server and an event of it.

use std::collections::BTreeMap;
use std::time::Duration;

use godwit_core::evacuation;
use godwit_core::migration::{
    ColdRequest, EvacuationRequest, Limits, LiveRequest, Migration, Placement, Request, StorageMode,
};
use godwit_core::phase::Phase;
use godwit_core::plan::options::Affinity;
use godwit_core::resources::Resources;
use godwit_core::server::{PowerState, TaskState, VmState};
use godwit_core::status::MigrationKind;
use godwit_core::{cold, live};
use godwit_store::{
    Flavor, FlavorSpec, Launch, Lock, LockedBy, MigrationEvent, MigrationRecord, Progress, Server,
    Volume,
};
use godwit_test_support::fleet::{MIGRATION, SERVER, at, host};
use serde_json::Value;

use crate::payload::Subject;

/// What a notification is about.
#[derive(Clone)]
pub(crate) struct Told {
    pub(crate) record: MigrationRecord,
    pub(crate) server: Server,
    pub(crate) event: MigrationEvent,
}

impl Told {
    /// From `host-1` to `host-2`.
    pub(crate) fn live(name: &str) -> Self {
        let request = Request::Live(LiveRequest::anywhere());
        let phase = Phase::Live(live::Phase::Running);
        Self::of(name, MigrationKind::LiveMigration, request, phase)
    }

    pub(crate) fn cold(name: &str) -> Self {
        let request = Request::Cold(ColdRequest {
            host: None,
            was: VmState::Active,
            affinity: Affinity::Strict,
        });
        let phase = Phase::Cold(cold::Phase::Stopping);
        Self::of(name, MigrationKind::Migration, request, phase)
    }

    pub(crate) fn evacuation(name: &str) -> Self {
        let request = Request::Evacuation(EvacuationRequest {
            host: Some(host(3)),
            forced: true,
            was: VmState::Stopped,
            end_stopped: true,
            affinity: Affinity::Strict,
        });
        let phase = Phase::Evacuation(evacuation::Phase::Choosing);
        let mut told = Self::of(name, MigrationKind::Evacuation, request, phase);
        told.record.migration.placement = None;
        told.record.dest_compute = Some(host(3));
        told.record.dest_node = None;
        told
    }

    pub(crate) fn subject(&self) -> Subject<'_> {
        Subject {
            record: &self.record,
            server: &self.server,
            event: &self.event,
        }
    }

    fn of(name: &str, kind: MigrationKind, request: Request, phase: Phase) -> Self {
        let migration = Migration {
            uuid: MIGRATION,
            server: SERVER,
            kind,
            phase,
            intent: None,
            request,
            source_compute: host(1),
            placement: Some(Placement {
                host: host(2),
                node: "node-2".to_owned(),
                storage: StorageMode::Shared,
            }),
            limits: Limits {
                // So that somebody confirms it.
                confirm: Duration::ZERO,
                ..Limits::default()
            },
            deadline: Some(at(100)),
            failure: None,
            generation: 3,
            effect_sequence: 3,
        };
        let event = MigrationEvent {
            sequence: 7,
            at: at(9),
            name: name.to_owned(),
            from_status: Some(migration.status()),
            to_status: migration.status(),
            actor: "conductor".to_owned(),
            request_id: None,
            user_id: None,
            project_id: None,
            detail: Value::Null,
        };
        Self {
            record: record(migration),
            server: server(),
            event,
        }
    }
}

fn record(migration: Migration) -> MigrationRecord {
    MigrationRecord {
        id: 1,
        migration,
        source_node: Some("node-1".to_owned()),
        dest_compute: Some(host(2)),
        dest_node: Some("node-2".to_owned()),
        dest_host: None,
        old_flavor_id: Some(1),
        new_flavor_id: Some(1),
        user_id: Some("admin".to_owned()),
        project_id: Some("admin-project".to_owned()),
        request_id: Some("req-1".to_owned()),
        progress: Progress::default(),
        created_at: at(1),
        updated_at: Some(at(9)),
        status_since: at(9),
        started_at: Some(at(8)),
        ended_at: None,
        hidden: false,
        imported: false,
    }
}

fn server() -> Server {
    Server {
        id: 1,
        uuid: SERVER,
        name: "vm-1".to_owned(),
        hostname: "vm-one".to_owned(),
        instance_name: "instance-00000001".to_owned(),
        description: Some("the first".to_owned()),
        project_id: "demo".to_owned(),
        user_id: "member".to_owned(),
        host: Some(host(1)),
        node: Some("node-1".to_owned()),
        vm_state: VmState::Active,
        task_state: Some(TaskState::Migrating),
        power_state: PowerState::Running,
        progress: 40,
        lock: Some(Lock {
            by: LockedBy::Owner,
            reason: Some("mine".to_owned()),
        }),
        room: Resources::default(),
        flavor: Flavor {
            id: 1,
            flavorid: "42".to_owned(),
            spec: FlavorSpec {
                name: "m1.nano".to_owned(),
                vcpus: 2,
                memory_mb: 512,
                root_gb: 5,
                ephemeral_gb: 1,
                swap_mb: 64,
            },
            extra_specs: BTreeMap::from([("hw:cpu_policy".to_owned(), "shared".to_owned())]),
        },
        image_ref: Some("155d900f-4e14-4e4c-a73d-069cbf4541e6".to_owned()),
        key_name: Some("my-key".to_owned()),
        availability_zone: Some("nova".to_owned()),
        config_drive: false,
        metadata: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
        fault: None,
        launch: Launch {
            reservation_id: Some("r-npxv0e40".to_owned()),
            root_device_name: Some("/dev/vda".to_owned()),
            auto_disk_config: true,
            image_properties: BTreeMap::from([("os_type".to_owned(), "linux".to_owned())]),
            volumes: vec![Volume {
                id: "a07f71dc-8151-4e7d-a0cc-cd24a3f11113".to_owned(),
                delete_on_termination: true,
                device: Some("/dev/vda".to_owned()),
                tag: Some("root".to_owned()),
                attachment_id: None,
                mapping_uuid: None,
            }],
            ..Launch::default()
        },
        created_at: at(-3_600),
        updated_at: Some(at(8)),
        launched_at: Some(at(-3_590)),
        terminated_at: None,
        deleted_at: None,
        settled_at: None,
        dirty_bytes_per_second: None,
        generation: 5,
    }
}
