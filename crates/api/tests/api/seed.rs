//! Rows, put where they are by SQL: states that only a long history could bring about are
//! needed here at once.

use godwit_core::live;
use godwit_core::phase::Phase;
use godwit_core::time::Clock;
use godwit_store::{HostFacts, HostRegistration};
use godwit_test_support::fleet::store::registration;
use serde_json::json;
use uuid::Uuid;

use crate::world::{ADMIN, DEMO, World};

/// The server of most tests.
pub(crate) const SERVER: &str = "24f55ce2-268d-5091-9bd6-17514ba6c04d";
/// An extra spec of flavors that have any.
pub(crate) const EXTRA_SPEC: &str = "hw:cpu_policy";
/// A volume of servers that have one.
pub(crate) const VOLUME: &str = "0e2c5a5e-1b1f-4a0e-9f1e-3d3c0f5f1a11";
/// A server that does not exist.
pub(crate) const NO_SERVER: &str = "11111111-2222-4333-8444-555555555555";

/// The server group of a server that is in one.
pub(crate) const GROUP: &str = "5b5fa4b4-9d2c-4f9e-9d5c-0d6a1a4bb0a1";

/// The uuid of the seeded migration `id`.
pub(crate) fn migration_uuid(id: i64) -> String {
    format!("00000000-0000-4000-8000-{id:012}")
}

/// The uuid of a seeded host, as a hypervisor.
pub(crate) fn hypervisor_uuid(host: &str) -> Uuid {
    Uuid::from_u128(serial(host))
}

/// The uuid of a seeded host's service.
pub(crate) fn service_uuid(host: &str) -> Uuid {
    Uuid::from_u128(serial(host) << 16)
}

fn serial(host: &str) -> u128 {
    host.bytes().map(u128::from).sum()
}

/// A server to be.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    pub(crate) uuid: &'static str,
    pub(crate) name: &'static str,
    pub(crate) project: &'static str,
    pub(crate) host: Option<&'static str>,
    pub(crate) vm_state: &'static str,
    pub(crate) task_state: Option<&'static str>,
    pub(crate) locked: bool,
    pub(crate) launched: bool,
    pub(crate) deleted: bool,
    pub(crate) fault: bool,
    /// Minutes after 2026-11-01T00:00:00Z.
    pub(crate) age: i64,
    pub(crate) extra_specs: &'static str,
    pub(crate) image: bool,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            uuid: SERVER,
            name: "vm-1",
            project: DEMO,
            host: Some("host-1"),
            vm_state: "active",
            task_state: None,
            locked: false,
            launched: true,
            deleted: false,
            fault: false,
            age: 0,
            extra_specs: "{}",
            image: true,
        }
    }
}

/// A migration to be.
#[derive(Clone, Debug)]
pub(crate) struct Migration {
    pub(crate) id: i64,
    pub(crate) server: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) status: &'static str,
    pub(crate) hidden: bool,
    pub(crate) imported: bool,
    pub(crate) deleted: bool,
    pub(crate) sampled: bool,
    pub(crate) source: &'static str,
    pub(crate) destination: Option<&'static str>,
    pub(crate) user: Option<&'static str>,
    pub(crate) project: Option<&'static str>,
    /// Minutes after 2026-11-01T00:00:00Z.
    pub(crate) age: i64,
    pub(crate) updated: bool,
}

impl Default for Migration {
    fn default() -> Self {
        Self {
            id: 1,
            server: SERVER,
            kind: "live-migration",
            status: "running",
            hidden: false,
            imported: false,
            deleted: false,
            sampled: true,
            source: "host-1",
            destination: Some("host-2"),
            user: Some("u-manager"),
            project: Some(DEMO),
            age: 60,
            updated: true,
        }
    }
}

fn text(value: Option<&str>) -> String {
    value.map_or("NULL".to_owned(), |value| format!("'{value}'"))
}

fn minute(minutes: i64) -> String {
    let day = 1 + minutes / 1_440;
    let (hour, minute) = (minutes / 60 % 24, minutes % 60);
    format!("2026-11-{day:02} {hour:02}:{minute:02}:00")
}

const ENDED: [&str; 7] = [
    "confirmed",
    "reverted",
    "completed",
    "cancelled",
    "failed",
    "error",
    "done",
];

impl World {
    /// A flavor, and a running server on `host-1`.
    pub(crate) async fn populate(&self) {
        self.host("host-1").await;
        self.host("host-2").await;
        self.server(Server::default());
    }

    /// Gives every flavor an extra spec.
    pub(crate) fn extra_spec(&self) {
        let specs = json!({ EXTRA_SPEC: "shared" });
        self.sql(&format!("UPDATE flavors SET extra_specs = '{specs}'"));
    }

    /// A group with anti-affinity of the servers' project, with these members.
    pub(crate) fn group(&self, members: &[&str]) {
        let at = minute(0);
        self.sql(&format!(
            "INSERT INTO server_groups (uuid, name, project_id, user_id, policy,
                max_server_per_host, created_at)
             VALUES ('{GROUP}', 'web', '{DEMO}', 'u-owner', 'anti-affinity', 2, '{at}');"
        ));
        for server in members {
            self.sql(&format!(
                "INSERT INTO server_group_members (group_id, server_uuid, origin, created_at)
                 SELECT id, '{server}', 'imported', '{at}' FROM server_groups
                 WHERE uuid = '{GROUP}';"
            ));
        }
    }

    /// Gives every server a volume.
    pub(crate) fn volume(&self) {
        let launch = json!({"volumes": [{
            "id": VOLUME, "delete_on_termination": true, "device": "/dev/vdb", "tag": "data",
            "attachment_id": "2d1b1a4e-7e5b-4f0c-8a51-2b8b2b4b9d10",
            "mapping_uuid": "5f0c8a51-7e5b-4f0c-8a51-9d102b8b2b4b",
        }]});
        self.sql(&format!("UPDATE servers SET launch = '{launch}'"));
    }

    /// The aggregate `rack` of these hosts, which it makes a zone of.
    pub(crate) fn aggregate(&self, zone: Option<&str>, hosts: &[&str]) {
        let zone = text(zone);
        self.sql(&format!(
            "INSERT INTO aggregates (uuid, name, availability_zone, metadata, created_at)
             VALUES ('00000000-0000-4000-8000-0000000000aa', 'rack', {zone}, '{{}}',
                '2026-11-01 00:00:00');"
        ));
        for host in hosts {
            self.sql(&format!(
                "INSERT INTO aggregate_hosts (aggregate_id, host)
                    SELECT id, '{host}' FROM aggregates;
                 UPDATE services SET zone = COALESCE({zone}, zone) WHERE host = '{host}';
                 UPDATE servers SET availability_zone = COALESCE({zone}, availability_zone)
                    WHERE host = '{host}';"
            ));
        }
    }

    /// A host whose agent lives. Nothing is told of it, so that other events have the first positions.
    pub(crate) async fn host(&self, name: &str) {
        self.told_host(name).await;
        self.sql("DELETE FROM events WHERE subject_kind = 'host' AND name = 'registered'");
    }

    /// A host whose agent registers.
    pub(crate) async fn told_host(&self, name: &str) {
        let ordinary = registration(name, self.clock.now());
        let registration = HostRegistration {
            facts: HostFacts {
                hypervisor_version: 8_000_000,
                cpu_info: json!({}),
                vcpus: 64,
                memory_mb: 65_536,
                local_gb: 1_000,
                local_free_gb: 1_000,
                ..ordinary.facts
            },
            zone: "nova".to_owned(),
            host_uuid: hypervisor_uuid(name),
            service_uuid: service_uuid(name),
            ..ordinary
        };
        self.store.host_register(registration).await.unwrap();
    }

    pub(crate) fn server(&self, server: Server) {
        let flavor = match server.extra_specs {
            "{}" => 1,
            specs => specs.len() as i64 + 100,
        };
        let host = text(server.host);
        let node = text(
            server
                .host
                .map(|host| format!("{host}.example.org"))
                .as_deref(),
        );
        let deleted = text(server.deleted.then_some("2026-11-19 00:00:00"));
        let launched = text(server.launched.then(|| minute(server.age)).as_deref());
        let fault = r#"{"code": 500, "message": "It broke.", "details": "how", "created": "2026-11-02T03:04:05Z"}"#;
        let fault = text(server.fault.then_some(fault));
        let image = text(
            server
                .image
                .then_some("70a599e0-31e7-49b7-b260-868f441e862b"),
        );
        let (uuid, name, project) = (server.uuid, server.name, server.project);
        let (vm_state, task) = (server.vm_state, text(server.task_state));
        let (lock, reason) = match server.locked {
            true => ("'admin'", "'it is audited'"),
            false => ("NULL", "NULL"),
        };
        let (created, specs) = (minute(server.age), server.extra_specs);
        self.sql(&format!(
            "INSERT INTO flavors VALUES
                ({flavor}, 'f{flavor}', 'm{flavor}.tiny', 1, 128, 1, 0, 0, '{specs}')
                ON CONFLICT DO NOTHING;
             INSERT INTO servers (uuid, name, hostname, instance_name, project_id, user_id, host,
                node, vm_state, task_state, power_state, progress, locked_by, locked_reason,
                vcpus, memory_mb, disk_gb, flavor_id, image_ref, availability_zone, metadata,
                disks, cpu, fault, created_at, launched_at, deleted_at)
             VALUES ('{uuid}', '{name}', '{name}', 'instance-1', '{project}', 'u-owner', {host},
                {node}, '{vm_state}', {task}, 1, 7, {lock}, {reason},
                1, 128, 1, {flavor}, {image}, 'nova', '{{\"k\": \"v\"}}',
                '[]', 'null', {fault}, '{created}', {launched}, {deleted});"
        ));
    }

    pub(crate) fn migration(&self, migration: Migration) {
        let Migration {
            id,
            server,
            kind,
            status,
            source,
            ..
        } = migration;
        let uuid = migration_uuid(id);
        let destination = text(migration.destination);
        let node = text(
            migration
                .destination
                .map(|it| format!("{it}.example.org"))
                .as_deref(),
        );
        let (user, project) = (text(migration.user), text(migration.project));
        let (created, changed) = (minute(migration.age), minute(migration.age + 1));
        let updated = text(migration.updated.then_some(changed.as_str()));
        let ended = text(ENDED.contains(&status).then_some(changed.as_str()));
        let deleted = text(migration.deleted.then_some(changed.as_str()));
        let amounts = if migration.sampled {
            "1000, 400, 600, 50, 20, 30"
        } else {
            "NULL, NULL, NULL, NULL, NULL, NULL"
        };
        let (hidden, imported) = (migration.hidden, migration.imported);
        let request = match kind {
            "live-migration" => json!({"kind": "live", "host": null, "forced": false,
                "block_migration": "auto", "disk_over_commit": null}),
            "evacuation" => json!({"kind": "evacuation", "host": null, "forced": false,
                "was": "active", "end_stopped": false}),
            _ => json!({"kind": "cold", "host": null, "was": "active"}),
        };
        let limits = json!({"accepted": 300.0, "queued": 86400.0, "preparing": 300.0,
            "completion": 1600.0, "grace": 60.0, "rollback": 120.0, "timeout_action": "abort"});
        self.sql(&format!(
            "INSERT INTO migrations (id, uuid, instance_uuid, migration_type, status, storage,
                request, limits, source_compute, source_node, dest_compute, dest_node,
                old_instance_type_id, new_instance_type_id, user_id, project_id, deadline,
                generation, effect_sequence, event_sequence,
                memory_total, memory_processed, memory_remaining,
                disk_total, disk_processed, disk_remaining,
                created_at, updated_at, status_since, ended_at, hidden, imported, deleted_at)
             VALUES ({id}, '{uuid}', '{server}', '{kind}', '{status}', 'shared',
                '{request}', '{limits}', '{source}', '{source}.example.org', {destination}, {node},
                1, 1, {user}, {project}, NULL, 1, 0, 0, {amounts},
                '{created}', {updated}, '{created}', {ended}, {hidden}, {imported}, {deleted});"
        ));
    }

    /// A server that a live migration in `status` moves.
    pub(crate) async fn moving(&self, status: &'static str) {
        self.host("host-1").await;
        self.host("host-2").await;
        self.server(Server {
            task_state: Some("migrating"),
            ..Server::default()
        });
        let is_shown = |phase: &live::Phase| Phase::from(*phase).status().as_str() == status;
        self.migration(Migration {
            status,
            // Only an imported one has a status that no phase shows.
            imported: !live::Phase::ALL.iter().any(is_shown),
            ..Migration::default()
        });
    }

    /// A server that was moved from `host-1` to `host-2` and waits to be confirmed.
    pub(crate) async fn moved(&self) {
        self.host("host-1").await;
        self.host("host-2").await;
        self.server(Server {
            host: Some("host-2"),
            vm_state: "resized",
            ..Server::default()
        });
        self.migration(Migration {
            kind: "migration",
            status: "finished",
            sampled: false,
            ..Migration::default()
        });
    }

    /// A server on `host-1`, which was declared dead, beside a host that lives.
    pub(crate) async fn abandoned(&self, server: Server) {
        self.host("host-1").await;
        self.host("host-2").await;
        self.server(server);
        self.sql("UPDATE services SET forced_down = TRUE WHERE host = 'host-1'");
    }

    /// What was done to the server of most tests: one thing went well, one failed, and one is
    /// under way.
    pub(crate) fn history(&self) {
        let at = |minute, second| format!("'2026-11-02 00:{minute:02}:{second:02}'");
        let action = |id: i64, name: &str, project: &str, message: &str, updated: &str| {
            let at = at(0, id);
            self.sql(&format!(
                "INSERT INTO instance_actions (id, action, instance_uuid, request_id, user_id,
                    project_id, start_time, message, created_at, updated_at)
                 VALUES ({id}, '{name}', '{SERVER}', 'req-{id}', 'u-admin', '{project}', {at},
                    {message}, {at}, {updated});"
            ));
        };
        action(1, "lock", DEMO, "NULL", &at(0, 1));
        action(2, "live-migration", ADMIN, "'Error'", &at(1, 2));
        action(3, "migrate", DEMO, "NULL", "NULL");
        let event = |action: i64, name: &str, began: &str, rest: &str| {
            self.sql(&format!(
                "INSERT INTO instance_actions_events (action_id, event, start_time, created_at,
                    finish_time, result, traceback, host, details)
                 VALUES ({action}, '{name}', {began}, {began}, {rest});"
            ));
        };
        let done = |rest: &str| format!("{}, 'Success', NULL, {rest}, NULL", at(0, 2));
        event(1, "api_lock", &at(0, 1), &done("NULL"));
        event(
            2,
            "conductor_live_migrate_instance",
            &at(0, 2),
            &done("'conductor-1'"),
        );
        let broken = format!("{}, 'Error', '  File …', 'host-1', 'It broke.'", at(1, 2));
        event(2, "compute_live_migration", &at(0, 3), &broken);
        event(3, "cold_migrate", &at(0, 3), "NULL, NULL, NULL, NULL, NULL");
    }
}
