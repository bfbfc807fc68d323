//! What a project gets, whatever the state of its things: never a host's name, and nothing of
//! other projects.

use std::fmt::Write;

use godwit_api::relocation::routes::OPERATIONS;
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::migration::Settling;
use godwit_core::run::Event;
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::time::Clock;
use godwit_store::{Actor, ChangeNote, Message};
use serde_json::{Value, json};
use uuid::Uuid;

use super::plans::{made, moves, send};
use super::{ROOT, filled};
use crate::seed::{Migration, SERVER, Server, migration_uuid};
use crate::world::{ADMIN, DEMO, LAB, Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// What only says something to operators.
const HOSTS: [&str; 4] = ["host-1", "host-2", "example.org", "192.0.2."];

/// A migration of every type in every status, however it is to end, of a server of `DEMO`'s and one
/// of `LAB`'s, asked for by an administrator elsewhere. Everything about them names hosts.
async fn every_state(world: &World) -> i64 {
    world.host("host-1").await;
    world.host("host-2").await;
    world.server(Server::default());
    world.server(Server {
        uuid: OTHER,
        name: "vm-lab",
        project: LAB,
        ..Server::default()
    });
    let settlings = [None].into_iter().chain(Settling::ALL.iter().map(Some));
    let mut sql = String::new();
    let mut id = 0;
    for settling in settlings {
        for kind in MigrationKind::ALL {
            for status in MigrationStatus::ALL {
                for server in [SERVER, OTHER] {
                    id += 1;
                    world.migration(Migration {
                        id,
                        server,
                        kind: kind.as_str(),
                        status: status.as_str(),
                        imported: true,
                        user: Some("u-admin"),
                        project: Some(ADMIN),
                        age: id,
                        ..Migration::default()
                    });
                    if let Some(settling) = settling {
                        let _ = write!(
                            sql,
                            "UPDATE migrations SET settling = '{settling}' WHERE id = {id};"
                        );
                    }
                }
            }
        }
    }
    for (number, code) in FailureCode::ALL.iter().enumerate() {
        let all = FailureCode::ALL.len();
        let _ = write!(
            sql,
            "UPDATE migrations SET failure_code = '{code}',
                failure_message = 'host-2 refused what u-admin of {ADMIN} asked of host-1.'
             WHERE id % {all} = {number};"
        );
    }
    let enable = json!({"method": "PUT", "path": "/v2.1/host-2", "body": {"host": "host-2"}});
    let fix = json!({"text": "Enable host-2.", "changes": [{
        "kind": "allocation", "target": "host-2", "from": "disabled", "to": "enabled",
        "request": enable,
    }]});
    let proof = json!({
        "kind": "operator", "at": null,
        "evidence": {"host": "host-1", "forced_down": true, "last_heard_at": null},
        "by": {"user": "u-admin", "project": ADMIN, "request_id": "req-1"},
        "reason": "host-1 burns",
    });
    let detail = json!({
        "destination": "host-2", "receiver": {"target": "tcp://192.0.2.2"},
        "rejected": [{"host": "host-1", "why": "full"}, {"host": "host-2", "reasons": [
            {"code": "affinity", "text": "It keeps together on host-1.",
                "evidence": {"hosts": ["host-1"], "pools": ["local:host-2"]}, "fix": fix},
            {"code": "not-named", "text": "host-1 was asked for",
                "evidence": {"named_host": "host-1", "free_mib": 7}, "fix": null},
        ]}],
        "fix": fix, "fence_proof": proof,
        "failure": {"code": "link-lost", "message": "host-1 lost host-2."},
    });
    let disks = json!([{
        "target": "vda", "path": "/disks/host-1/a", "pool": "local-of-host-1", "format": "qcow2",
        "virtual_bytes": 1, "allocated_bytes": 1, "backing": "/disks/host-1/b",
        "read_only": false,
    }]);
    let _ = write!(
        sql,
        "UPDATE servers SET disks = '{disks}';
         UPDATE migrations SET dest_host = '192.0.2.2', intent = 'abort', downtime_ms = 3;
         INSERT INTO claims (migration_id, host, vcpus, memory_mb, disk_gb, created_at)
            SELECT id, 'host-2', 1, 128, 1, created_at FROM migrations;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, request_id, detail, user_id, project_id)
            SELECT 'migration', id, 1, created_at, 'requested', NULL, status, 'api', 'req-1',
                '{detail}', 'u-admin', '{ADMIN}' FROM migrations;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, detail)
            SELECT 'migration', id, 2, created_at, 'placed', status, status, 'agent:host-1',
                '{detail}' FROM migrations;"
    );
    let _ = write!(
        sql,
        "UPDATE host_logs SET event_sequence = 2 WHERE host = 'host-1';
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, to_status, actor, detail,
                user_id, project_id)
            SELECT 'host', l.id, 2, h.created_at, 'disabled', '', 'api', '{detail}', 'u-admin',
                '{ADMIN}'
            FROM host_logs AS l JOIN hosts AS h ON h.name = l.host WHERE l.host = 'host-1';
         INSERT INTO discrepancies (kind, subject, server_uuid, host, detail, opened_at)
            SELECT 'seen_nowhere', uuid, uuid, 'host-1', 'host-1 has it no more', created_at
            FROM servers;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, to_status, actor,
                owner_project_id, detail)
            SELECT 'discrepancy', d.id, 1, d.opened_at, 'opened', '', 'agent:host-1',
                s.project_id, '{detail}'
            FROM discrepancies AS d JOIN servers AS s ON s.uuid = d.server_uuid;"
    );
    world.sql(&sql);
    id
}

/// Plans of both projects' servers in `DEMO` and elsewhere, one that cannot be, and runs of two; the
/// paths of all.
async fn every_plan(world: &World) -> Vec<String> {
    let body = json!({"servers": [SERVER], "reason": "host-1 is old"});
    let both = json!({"servers": [SERVER, OTHER], "destination": null, "holder": "host-2",
        "allow_partial": true});
    let mut paths = Vec::new();
    for (who, body, moved, blocked) in [
        (Who::Manager, &body, &[SERVER][..], &[][..]),
        (Who::HomeAdmin, &both, &[SERVER], &[OTHER]),
        (Who::Manager, &body, &[], &[SERVER]),
        (Who::Admin, &both, &[SERVER, OTHER], &[]),
    ] {
        let id = made(&send(world, who, ("POST", "/plans"), body).await);
        // An id is of one plan.
        let mut plan = moves(moved, blocked);
        for operation in &mut plan.operations {
            let of_plan = id.parse::<Uuid>().unwrap().as_u128();
            operation.id = Uuid::from_u128(of_plan ^ operation.id.0.as_u128()).into();
        }
        world.plan_is_made(&id, plan).await;
        paths.push(format!("/plans/{id}"));
    }
    for (who, plan) in [(Who::HomeAdmin, 1), (Who::Admin, 0)] {
        let runs = format!("{}/runs", paths[plan]);
        let answer = send(world, who, ("POST", &runs), &Value::Null).await;
        assert_eq!(answer.status, 202, "{answer:?}");
        let id = answer.json()["id"].as_str().unwrap().to_owned();
        let run: godwit_core::ids::RunUuid = id.parse().unwrap();
        let note = || ChangeNote {
            message: Some(Message {
                code: "told".to_owned(),
                text: "host-1 told u-admin".to_owned(),
                at: world.clock.now(),
            }),
            ..ChangeNote::new(Actor::Conductor, world.clock.now())
        };
        let failure = Failure::new(FailureCode::PreCheck, "host-2 said no");
        let event = Event::RoomRefused(failure);
        world.store.run_apply(run, event, note()).await.unwrap();
        paths.push(format!("/runs/{id}"));
    }
    let hold = json!({"reason": "host-1 is old"});
    let path = "/hosts/host-1/maintenance";
    let held = send(world, Who::Admin, ("POST", path), &hold).await;
    assert_eq!(held.status, 202, "{held:?}");
    paths
}

#[tokio::test]
async fn no_answer_names_hosts_or_what_belongs_to_others() {
    let world = World::new().await;
    let last = every_state(&world).await;
    let planned = every_plan(&world).await;
    let uuids: Vec<String> = (1..=last).map(migration_uuid).collect();
    // Those of `DEMO`'s server have odd numbers, those of `LAB`'s even ones.
    let of = |remainder: usize| uuids.iter().skip(remainder).step_by(2).map(String::as_str);
    let demo = [DEMO, SERVER].into_iter().chain(of(0));
    let lab = [LAB, OTHER, "vm-lab"].into_iter().chain(of(1));
    let (demo, lab): (Vec<&str>, Vec<&str>) = (demo.collect(), lab.collect());
    let mut paths: Vec<String> = vec![
        "/migrations?limit=1000&with_total=true".to_owned(),
        "/migrations?limit=1".to_owned(),
        "/migrations?host=host-1".to_owned(),
        "/migrations?fields=dest_compute,timeline".to_owned(),
        "/migrations?fields=reasons&limit=1000".to_owned(),
        "/events?limit=1000".to_owned(),
        "/events?types=host.*,discrepancy.*".to_owned(),
        "/events?subject=host/host-1".to_owned(),
        "/events?subject=discrepancy/1".to_owned(),
        "/events?types=plan.*,run.*,maintenance.*".to_owned(),
        "/events?after=500&limit=1000".to_owned(),
        "/events?after=999999".to_owned(),
    ];
    let some = uuids.iter().step_by(3);
    paths.extend(some.map(|uuid| format!("/migrations/{uuid}")));
    paths.extend(planned);
    for server in [SERVER, OTHER] {
        paths.push(format!("/servers/{server}"));
        paths.push(format!("/servers/{server}/candidates?with_total=true"));
    }
    paths.extend(OPERATIONS.iter().map(|it| {
        let path = it.route.path.strip_prefix(ROOT).unwrap();
        filled(path)
    }));
    for (who, foreign) in [
        (Who::Manager, &lab),
        (Who::Member, &lab),
        (Who::Reader, &lab),
        (Who::Nobody, &lab),
        (Who::Stranger, &demo),
    ] {
        for path in &paths {
            let answer = world.native(who, path).await;
            assert_ne!(answer.status, 500, "{answer:?}");
            let said = answer.text.as_str();
            let secrets = HOSTS.into_iter().chain([ADMIN, "u-admin"]);
            for secret in secrets.chain(foreign.iter().copied()) {
                assert!(
                    !said.contains(secret),
                    "{who:?} {path}: {secret} in {answer:?}"
                );
            }
        }
    }
    for (who, foreign) in [(Who::Reader, &lab), (Who::Stranger, &demo)] {
        let mut stream = world.listen(who, "?after=0", None).await;
        // Two of each of one's own.
        for _ in 0..last {
            stream.next().await.unwrap();
        }
        let secrets = HOSTS.into_iter().chain([ADMIN, "u-admin"]);
        for secret in secrets.chain(foreign.iter().copied()) {
            assert!(!stream.heard.contains(secret), "{who:?}: {secret}");
        }
    }
    // And there was something to be seen.
    let own = world.native(Who::Reader, "/migrations?limit=1&with_total=true");
    assert_eq!(own.await.ok()["total"], last / 2);
    let plans = world.native(Who::Reader, "/plans").await;
    assert_eq!(plans.items().len(), 3);
    assert_eq!(world.native(Who::Reader, "/runs").await.items().len(), 1);
    let events = world.native(Who::Reader, "/events?types=plan.*,run.*");
    assert!(events.await.items().len() >= 6);
    let others = "/events?types=host.*,discrepancy.*";
    let others = world.native(Who::Admin, others).await;
    assert_eq!(others.items().len(), 3);
    let lost = "/migrations?fields=reasons&limit=1000";
    let reasons = world.native(Who::Reader, lost).await;
    assert!(reasons.text.contains("\"free_mib\":7"), "{reasons:?}");
    let reasons = world.native(Who::Admin, lost).await;
    assert!(reasons.text.contains("/v2.1/host-2"), "{reasons:?}");
    let all = world.native(Who::Admin, "/migrations?limit=1000").await;
    for seen in HOSTS.into_iter().chain([ADMIN, LAB, DEMO, "u-admin"]) {
        assert!(all.text.contains(seen), "{seen}");
    }
}
