//! `/migrations`: fields, filters, and who sees which.

use godwit_api::relocation::views::migration::FIELDS;
use godwit_core::failure::FailureCode;
use godwit_core::reason::ReasonCode;
use serde_json::{Value, json};

use crate::migrations::fleet;
use crate::seed::{Migration, NO_SERVER, SERVER, Server, migration_uuid};
use crate::world::{ADMIN, DEMO, LAB, Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

#[tokio::test]
async fn a_migration_says_all_that_is_known_of_it() {
    let world = World::new().await;
    world.moving("running").await;
    world.sql(
        "UPDATE migrations SET intent = 'abort', dirty_rate = 7, throughput = 9, downtime_ms = 250,
            failure_code = 'link-lost', failure_message = 'The link to host-2 broke.',
            dest_host = '192.0.2.2', deadline = '2026-11-21 00:00:00',
            started_at = '2026-11-01 01:00:30';
         INSERT INTO claims (migration_id, host, vcpus, memory_mb, disk_gb, created_at)
            SELECT id, 'host-2', 1, 128, 2, created_at FROM migrations;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, request_id, detail, user_id, project_id)
            SELECT 'migration', id, 1, created_at, 'requested', NULL, 'accepted', 'api', 'req-1',
                '{\"host\": \"host-2\"}', 'u-manager', project_id FROM migrations;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, detail)
            SELECT 'migration', id, 2, created_at, 'handed_over', 'running', 'running',
                'agent:host-1', 'null' FROM migrations;",
    );
    let timeline = json!([
        {"event": "requested", "from": null, "to": "accepted", "at": "2026-11-01T01:00:00Z",
            "actor": {"service": "api", "host": null, "user": "u-manager", "project": DEMO,
                "request_id": "req-1"},
            "detail": {"host": "host-2"}},
        {"event": "handed_over", "from": "running", "to": "running",
            "at": "2026-11-01T01:00:00Z",
            "actor": {"service": "agent", "host": "host-1", "user": null, "project": null,
                "request_id": null},
            "detail": null},
    ]);
    let mut expected = json!({
        "uuid": migration_uuid(1), "id": 1, "server": SERVER, "instance_uuid": SERVER,
        "project": DEMO, "kind": "live", "migration_type": "live-migration", "status": "running",
        "phase": "running", "intent": "abort",
        "reasons": [{"code": "link-lost", "text": "The link to host-2 broke.", "evidence": {},
            "fix": null}],
        "source_compute": "host-1", "source_node": "host-1.example.org",
        "dest_compute": "host-2", "dest_node": "host-2.example.org", "dest_host": "192.0.2.2",
        "old_instance_type_id": 1, "new_instance_type_id": 1,
        "user_id": "u-manager", "project_id": DEMO,
        "memory_total_bytes": 1000, "memory_processed_bytes": 400, "memory_remaining_bytes": 600,
        "disk_total_bytes": 50, "disk_processed_bytes": 20, "disk_remaining_bytes": 30,
        "bytes": 420, "dirty_bytes_per_second": 7, "throughput_bytes_per_second": 9,
        "downtime_seconds": 0.25,
        "claims": [{"host": "host-2", "vcpus": 1, "memory_mib": 128, "disk_gib": 2}],
        "deadline": "2026-11-21T00:00:00Z", "run": null, "fence_proof": null,
        "created_at": "2026-11-01T01:00:00Z", "updated_at": "2026-11-01T01:01:00Z",
        "started_at": "2026-11-01T01:00:30Z", "ended_at": null,
        "timeline": timeline,
    });
    let shown = world.native(Who::Admin, "/migrations/1").await.ok();
    assert_eq!(shown, expected);
    let names: Vec<_> = shown.as_object().unwrap().keys().collect();
    assert_eq!(names, FIELDS);
    let by_uuid = format!("/migrations/{}", migration_uuid(1));
    assert_eq!(world.native(Who::Admin, &by_uuid).await.ok(), shown);
    let listed = world.native(Who::Admin, "/migrations").await;
    assert_eq!(listed.items(), [shown]);

    let reader = world.native(Who::Reader, "/migrations/1").await.ok();
    let (source, destination) = (&reader["source_compute"], &reader["dest_compute"]);
    assert!(source.as_str().unwrap().len() == 56 && source != destination);
    expected["source_compute"] = source.clone();
    expected["dest_compute"] = destination.clone();
    expected["claims"][0]["host"] = destination.clone();
    expected["timeline"][1]["actor"]["host"] = source.clone();
    for name in ["source_node", "dest_node", "dest_host"] {
        expected[name] = Value::Null;
    }
    expected["timeline"][0]["detail"] = Value::Null;
    expected["reasons"][0]["text"] = json!(FailureCode::LinkLost.meaning());
    assert_eq!(reader, expected);
}

#[tokio::test]
async fn reasons_have_their_evidence_and_what_would_change_them() {
    let world = World::new().await;
    world.moving("running").await;
    let fix = json!({"text": "Free 512 MiB of memory on host-2.", "changes": [{
        "kind": "free-mib", "target": "host-2", "from": 512, "to": 1024, "request": null,
    }]});
    let memory = json!({
        "code": "memory", "text": "512 MiB of memory are free, 1024 are needed",
        "evidence": {"needed_mib": 1024, "free_mib": 512}, "fix": fix,
    });
    // As a release wrote it that knew neither.
    let old = json!({"code": "is-source", "text": "the server is on this host"});
    let detail = json!({
        "failure": {"code": "no-valid-host", "message": "None."}, "fix": fix,
        "rejected": [
            {"host": "host-1", "reasons": [old]}, {"host": "host-2", "reasons": [memory]},
        ],
    });
    world.sql(&format!(
        "UPDATE migrations SET failure_code = 'no-valid-host', failure_message = 'None.';
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, detail)
            SELECT 'migration', id, 1, created_at, 'not_placed', 'accepted', 'error',
                'conductor', '{detail}' FROM migrations;"
    ));
    let reasons = async |who| {
        let shown = world.native(who, "/migrations/1").await.ok();
        let listed = world.native(who, "/migrations?fields=reasons").await;
        assert_eq!(listed.items(), [json!({"reasons": shown["reasons"]})]);
        shown["reasons"].clone()
    };
    assert_eq!(
        reasons(Who::Admin).await,
        json!([
            {"code": "no-valid-host", "text": "None.", "evidence": {"hosts": 2}, "fix": fix},
            {"code": "is-source", "text": "the server is on this host",
                "evidence": {"host": "host-1"}, "fix": null},
            {"code": "memory", "text": "512 MiB of memory are free, 1024 are needed",
                "evidence": {"host": "host-2", "needed_mib": 1024, "free_mib": 512}, "fix": fix},
        ])
    );
    let shown = world.native(Who::Reader, "/migrations/1").await.ok();
    let (source, destination) = (&shown["source_compute"], &shown["dest_compute"]);
    assert_eq!(
        reasons(Who::Reader).await,
        json!([
            {"code": "no-valid-host", "text": FailureCode::NoValidHost.meaning(),
                "evidence": {"hosts": 2}, "fix": null},
            {"code": "is-source", "text": ReasonCode::IsSource.meaning(),
                "evidence": {"host": source}, "fix": null},
            {"code": "memory", "text": ReasonCode::Memory.meaning(),
                "evidence": {"host": destination, "needed_mib": 1024, "free_mib": 512},
                "fix": null},
        ])
    );
}

#[tokio::test]
async fn an_evacuation_shows_what_it_took_for_proof() {
    let world = World::new().await;
    world.populate().await;
    let evacuation = Migration {
        kind: "evacuation",
        status: "done",
        imported: true,
        ..Migration::default()
    };
    world.migration(evacuation);
    let by = json!({"user": "u-admin", "project": ADMIN, "request_id": "req-9"});
    let mut proof = json!({
        "kind": "operator", "at": "2026-11-01T00:59:00Z", "by": by,
        "evidence": {
            "host": "host-1", "forced_down": true, "last_heard_at": "2026-11-01T00:58:00Z",
        },
        "reason": "host-1 burns",
    });
    let shown = async |who| {
        let shown = world.native(who, "/migrations/1").await.ok();
        let listed = world.native(who, "/migrations?fields=fence_proof").await;
        assert_eq!(
            listed.items(),
            [json!({"fence_proof": shown["fence_proof"]})]
        );
        shown
    };
    assert_eq!(shown(Who::Admin).await["fence_proof"], Value::Null);
    let detail = json!({"destination": "host-2", "fence_proof": proof});
    world.sql(&format!(
        "INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, detail)
            SELECT 'migration', id, 1, created_at, 'placed', 'accepted', 'pre-migrating',
                'conductor', '{detail}' FROM migrations;"
    ));
    assert_eq!(shown(Who::Admin).await["fence_proof"], proof);
    let seen = shown(Who::Reader).await;
    proof["evidence"]["host"] = seen["source_compute"].clone();
    (proof["by"]["user"], proof["by"]["project"]) = (Value::Null, Value::Null);
    // It may name hosts.
    proof["reason"] = Value::Null;
    assert_eq!(seen["fence_proof"], proof);
}

#[tokio::test]
async fn a_host_is_to_a_project_what_nova_calls_it() {
    let world = World::new().await;
    world.moving("running").await;
    let path = format!("/v2.1/servers/{SERVER}");
    let server = world.get(Who::Reader, 80, &path).await.ok();
    let shown = world.native(Who::Reader, "/migrations/1").await.ok();
    assert_eq!(shown["source_compute"], server["server"]["hostId"]);
    assert_ne!(shown["dest_compute"], shown["source_compute"]);
}

#[tokio::test]
async fn filters_are_exact() {
    let world = fleet().await;
    let ids = async |who, query: &str| -> Vec<i64> {
        let answer = world.native(who, &format!("/migrations?{query}")).await;
        let items = answer.items();
        items.iter().map(|it| it["id"].as_i64().unwrap()).collect()
    };
    for (query, expected) in [
        ("status=running", &[3, 12][..]),
        ("status=running%20(post-copy)", &[11]),
        ("status=confirmed", &[6]),
        ("kind=live", &[11, 8, 4, 3, 2, 1, 12]),
        ("kind=cold", &[7]),
        ("kind=resize", &[6]),
        ("kind=evacuate", &[5]),
        ("host=host-2&kind=cold", &[7]),
        ("host=host-2&status=error", &[]),
        ("host=nohost", &[]),
        ("server=22222222-2222-4222-8222-222222222222", &[11, 8, 12]),
        ("server=11111111-2222-4333-8444-555555555555", &[]),
        (
            "project=57c79af21c7a417ba95da0325bc7300b&status=queued",
            &[4],
        ),
        ("project=ed8da9ca9005471bb18a766d737d3194", &[]),
        ("project=a%00b", &[]),
    ] {
        assert_eq!(ids(Who::Admin, query).await, expected, "{query}");
        if !query.contains("host=") {
            assert_eq!(ids(Who::Reader, query).await, expected, "{query}");
            assert!(ids(Who::Stranger, query).await.is_empty(), "{query}");
        }
    }
    let named = world.native(Who::Reader, "/migrations?host=host-1").await;
    let problem = named.problem(403, "forbidden");
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("relocation:hosts:see"), "{detail}");
}

#[tokio::test]
async fn what_belongs_to_others_is_as_if_it_were_not() {
    let world = World::new().await;
    world.populate().await;
    world.server(Server {
        uuid: OTHER,
        name: "vm-lab",
        project: LAB,
        ..Server::default()
    });
    let base = Migration {
        imported: true,
        ..Migration::default()
    };
    for migration in [
        Migration {
            id: 1,
            project: Some(ADMIN),
            user: Some("u-admin"),
            ..base.clone()
        },
        Migration {
            id: 2,
            server: OTHER,
            project: Some(DEMO),
            ..base.clone()
        },
        Migration {
            id: 3,
            server: NO_SERVER,
            project: Some(DEMO),
            ..base.clone()
        },
        Migration {
            id: 4,
            deleted: true,
            ..base.clone()
        },
        Migration {
            id: 5,
            hidden: true,
            ..base
        },
    ] {
        world.migration(migration);
    }
    let get = async |who, id: &str| world.native(who, &format!("/migrations/{id}")).await;
    for who in [Who::Manager, Who::Member, Who::Reader] {
        let own = get(who, "1").await.ok();
        assert_eq!(
            (&own["project"], &own["server"]),
            (&json!(DEMO), &json!(SERVER))
        );
        assert_eq!(
            (&own["user_id"], &own["project_id"]),
            (&Value::Null, &Value::Null)
        );
        let listed = world.native(who, "/migrations").await.items();
        assert_eq!(listed.len(), 1);
        for id in [
            "2",
            "3",
            "4",
            "77",
            "x",
            "-1",
            &migration_uuid(2),
            NO_SERVER,
        ] {
            get(who, id).await.problem(404, "not-found");
        }
    }
    assert_eq!(get(Who::Stranger, "2").await.ok()["project"], LAB);
    get(Who::Stranger, "1").await.problem(404, "not-found");
    let admin = get(Who::Admin, "1").await.ok();
    assert_eq!(
        (&admin["user_id"], &admin["project_id"]),
        (&json!("u-admin"), &json!(ADMIN))
    );
    assert_eq!(get(Who::Admin, "3").await.ok()["project"], Value::Null);
    get(Who::Admin, "4").await.problem(404, "not-found");
    assert_eq!(get(Who::Admin, "5").await.ok()["id"], 5);
    let all = world.native(Who::Admin, "/migrations?fields=id").await;
    assert_eq!(
        all.items(),
        [json!({"id": 3}), json!({"id": 2}), json!({"id": 1})]
    );
}

#[tokio::test]
async fn servers_that_are_gone_leave_their_history() {
    let world = World::new().await;
    world.populate().await;
    world.sql("UPDATE servers SET deleted_at = created_at");
    world.migration(Migration {
        status: "completed",
        ..Migration::default()
    });
    let listed = world.native(Who::Reader, "/migrations").await.items();
    assert_eq!(listed.len(), 1);
    assert_eq!(listed[0]["ended_at"], "2026-11-01T01:01:00Z");
}
