//! `/plans`: who may ask for what, what is refused at once, and what is shown of one.

use std::collections::BTreeMap;

use godwit_api::config::{ApiConfig, QuotaConfig};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{OperationUuid, PlanUuid, ServerUuid};
use godwit_core::plan::options::Fallback;
use godwit_core::plan::{Estimate, Estimates};
use godwit_core::reason::{Change, ChangeKind, Evidence, Reason, ReasonCode, WrittenReason};
use godwit_core::resources::Resources;
use godwit_core::run::OperationKind;
use godwit_core::time::Clock;
use godwit_store::{Actor, Blocked, ChangeNote, NotMade, PlanMade, PlannedOperation};
use serde_json::{Value, json};
use sha2::{Digest, Sha224};
use uuid::Uuid;

use super::ROOT;
use crate::answers::Answer;
use crate::seed::{NO_SERVER, SERVER, Server};
use crate::world::{DEMO, LAB, Who, World};

mod again;

/// A server of another project's.
pub(super) const OTHER: &str = "22222222-2222-4222-8222-222222222222";

const ESTIMATE: Estimate = Estimate {
    low: 1.5,
    mid: 2.0,
    high: 4.0,
};

/// Two hosts, and a server of each project on the first.
pub(super) async fn two() -> World {
    populate(World::new().await).await
}

/// Nova's opaque id of a host, as `DEMO` sees it.
pub(super) fn opaque(host: &str) -> String {
    let hash = Sha224::digest(format!("{DEMO}{host}"));
    hex::encode(hash)
}

pub(super) async fn populate(world: World) -> World {
    for name in ["host-1", "host-2"] {
        world.host(name).await;
    }
    world.server(Server::default());
    world.server(Server {
        uuid: OTHER,
        name: "vm-lab",
        project: LAB,
        ..Server::default()
    });
    world
}

pub(super) async fn send(world: &World, who: Who, call: (&str, &str), body: &Value) -> Answer {
    let (method, path) = call;
    let ask = world.ask(method, &format!("{ROOT}{path}")).by(who);
    match body {
        Value::Null => ask.send().await,
        body => ask.json(body).send().await,
    }
}

async fn plan(world: &World, who: Who, body: &Value) -> Answer {
    send(world, who, ("POST", "/plans"), body).await
}

/// The id of a plan that was asked for.
#[track_caller]
pub(super) fn made(answer: &Answer) -> String {
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()["id"].as_str().unwrap().to_owned()
}

fn operation(number: u128, server: &str) -> PlannedOperation {
    PlannedOperation {
        id: OperationUuid(Uuid::from_u128(number)),
        kind: OperationKind::Live,
        server: server.parse().unwrap(),
        source: "host-1".to_owned(),
        destination: "host-2".to_owned(),
        after: Vec::new(),
        after_done: None,
        because: json!([{"code": "asked", "host": "host-1"}]),
        estimates: Estimates {
            bytes: ESTIMATE,
            seconds: ESTIMATE,
            downtime_seconds: ESTIMATE,
        },
        size: Resources {
            vcpus: 1,
            memory_mb: 128,
            disk_gb: 1,
        },
    }
}

pub(super) fn why() -> Reason {
    let memory = Evidence::Memory {
        needed_mib: 8_192,
        free_mib: 3_584,
    };
    let change = Change {
        kind: ChangeKind::FreeMemory,
        target: "host-2".to_owned(),
        from: json!(3_584),
        to: json!(8_192),
        request: None,
    };
    let reason = Reason::new(ReasonCode::Memory, "host-2 has too little memory");
    reason
        .shown_by(memory)
        .fixed_by("Free some of host-2.", change)
}

/// What a planner made of it: these servers go from the first host to the second, those cannot.
pub(super) fn moves(servers: &[&str], blocked: &[&str]) -> PlanMade {
    let operations = (1..).zip(servers);
    let operations = operations.map(|(number, server)| operation(number, server));
    let blocked = blocked.iter().map(|server| Blocked {
        server: server.parse().unwrap(),
        reasons: vec![WrittenReason::from(&why())],
    });
    PlanMade {
        sources: vec!["host-1".to_owned()],
        fingerprint: "0123456789abcdef".to_owned(),
        facts: json!([]),
        room: BTreeMap::new(),
        operations: operations.collect(),
        blocked: blocked.collect(),
        makespan: Some(ESTIMATE),
        lower_bound: Some(1.25),
    }
}

impl World {
    async fn plan_is_not_made(&self, id: &str, why: NotMade) {
        let note = ChangeNote::new(Actor::Conductor, self.clock.now());
        let id: PlanUuid = id.parse().unwrap();
        self.store.plan_not_made(id, why, note).await.unwrap();
    }
}

async fn shown(world: &World, who: Who, id: &str) -> Value {
    world.native(who, &format!("/plans/{id}")).await.ok()
}

#[tokio::test]
async fn a_plan_is_asked_for_and_made_in_the_background() {
    let world = two().await;
    let answer = plan(&world, Who::Manager, &json!({"servers": [SERVER]})).await;
    let id = made(&answer);
    let uri = format!("http://{}{ROOT}/plans/{id}", world.address);
    assert_eq!(answer.header("location"), Some(uri.as_str()));
    assert_eq!(world.woken(), 1);
    let request = answer.header("x-openstack-request-id").unwrap();
    let opaque = opaque("host-1");
    let expected = json!({
        "id": id, "state": "initializing", "type": "server", "project": DEMO,
        "actor": {"user": "u-manager", "project": DEMO, "request_id": request},
        "reason": null, "priority": "user", "deadline": null, "sources": [opaque],
        "created_at": "2026-11-20T12:00:00Z", "updated_at": null,
        "valid_until": "2026-11-20T12:10:00Z", "fingerprint": null, "percent": 0,
        "eta_seconds": null, "messages": [], "operations": [], "blocked": [], "reasons": [],
        "makespan_seconds": null, "lower_bound_seconds": null, "runs": [], "uri": uri,
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(shown(&world, Who::Reader, &id).await, expected);
    let claimed = world.store.plan_find(id.parse().unwrap(), None).await;
    assert!(claimed.unwrap().is_some());

    world.advance(2);
    world.plan_is_made(&id, moves(&[SERVER], &[])).await;
    let ready = world.native(Who::Admin, &format!("/plans/{id}")).await;
    assert_ne!(ready.header("etag"), answer.header("etag"));
    let ready = ready.ok();
    let estimate = json!({"low": 1.5, "mid": 2.0, "high": 4.0});
    let operation = json!({
        "id": Uuid::from_u128(1), "kind": "live", "server": SERVER, "source": "host-1",
        "destination": "host-2", "after": [], "after_done": null,
        "because": [{"code": "asked", "host": "host-1"}],
        "estimates": {"bytes": estimate, "seconds": estimate, "downtime_seconds": estimate},
    });
    assert_eq!(ready["operations"], json!([operation]));
    for (field, value) in [
        ("state", json!("ready")),
        ("percent", json!(100)),
        ("valid_until", json!("2026-11-20T12:10:02Z")),
        ("fingerprint", json!("0123456789abcdef")),
        ("makespan_seconds", estimate),
        ("lower_bound_seconds", json!(1.25)),
        ("sources", json!(["host-1"])),
    ] {
        assert_eq!(ready[field], value, "{field}");
    }
}

#[tokio::test]
async fn every_form_of_a_request_has_its_type_and_its_sources() {
    let world = two().await;
    for (body, kind, sources, priority) in [
        (
            json!({"servers": [SERVER]}),
            "server",
            &["host-1"][..],
            "user",
        ),
        (
            json!({"servers": [SERVER], "destination": "host-2", "priority": "emergency"}),
            "server",
            &["host-1"],
            "emergency",
        ),
        (
            json!({"servers": [SERVER, OTHER]}),
            "servers",
            &["host-1"],
            "user",
        ),
        (json!({"host": "host-1"}), "host", &["host-1"], "drain"),
        (
            json!({"host": "host-1", "enter_maintenance": true, "return_home": "now"}),
            "maintenance",
            &["host-1"],
            "drain",
        ),
        (
            json!({"hosts": ["host-2", "host-1"], "max_unavailable": 1}),
            "rolling",
            &["host-2", "host-1"],
            "drain",
        ),
    ] {
        let answer = plan(&world, Who::Admin, &body).await;
        made(&answer);
        let made = answer.json();
        assert_eq!(
            (&made["type"], &made["sources"], &made["priority"]),
            (&json!(kind), &json!(sources), &json!(priority)),
            "{body}"
        );
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_at_once_with_its_place() {
    let world = two().await;
    for (body, pointers) in [
        (json!({}), &["#"][..]),
        (json!({"servers": [SERVER], "host": "host-1"}), &["#"]),
        (json!({"servers": []}), &["#/servers"]),
        (json!({"servers": [SERVER, SERVER]}), &["#/servers/1"]),
        (
            json!({"servers": ["x", SERVER, 7], "odd": 1}),
            &["#/odd", "#/servers/0", "#/servers/2"],
        ),
        (json!({"servers": [SERVER, NO_SERVER]}), &["#/servers/1"]),
        (
            json!({"servers": [SERVER], "destination": "host-9"}),
            &["#/destination"],
        ),
        (json!({"host": "host-9"}), &["#/host"]),
        (json!({"hosts": ["host-1", "host-9"]}), &["#/hosts/1"]),
        (
            json!({"hosts": ["host-1"], "max_unavailable": 0}),
            &["#/max_unavailable"],
        ),
        (json!({"pool": "nfs-1", "to": "nfs-9"}), &["#/to"]),
        (json!({"pool": "nfs-1", "to": "nfs-1"}), &["#/to"]),
        (
            json!({"servers": [SERVER], "enter_maintenance": true}),
            &["#/enter_maintenance"],
        ),
        (
            json!({"servers": [SERVER], "fallback": "warm"}),
            &["#/fallback"],
        ),
        (
            json!({"servers": [SERVER], "valid_seconds": 0}),
            &["#/valid_seconds"],
        ),
        (
            json!({"servers": [SERVER], "deadline": "2026-11-20T12:00:00Z"}),
            &["#/deadline"],
        ),
        (
            json!({"servers": [SERVER], "immovable": "shutdown_restart", "return_home": "now"}),
            &["#/immovable", "#/return_home"],
        ),
        (
            json!({"servers": [SERVER, OTHER],
                "constraints": [{"before": [SERVER, OTHER]}, {"before": [OTHER, SERVER]}]}),
            &["#/constraints"],
        ),
        (
            json!({"servers": [SERVER], "constraints": [{"before": [SERVER, OTHER]}]}),
            &["#/constraints/0"],
        ),
        (
            json!({"host": "host-2", "constraints": [{"before": [SERVER, OTHER]}]}),
            &["#/constraints/0", "#/constraints/0"],
        ),
    ] {
        let answer = plan(&world, Who::Admin, &body).await;
        assert_eq!(answer.invalid(), pointers, "{body}");
    }
    let many = json!({"servers": [SERVER, OTHER], "destination": "host-2"});
    let many = plan(&world, Who::Admin, &many).await;
    let problem = many.problem(400, "destination-needs-one-server");
    assert_eq!(problem["errors"][0]["pointer"], "#/destination");
    let all = world.native(Who::Admin, "/plans?with_total=true").await;
    assert_eq!(all.ok()["total"], 0, "nothing was half made");
}

#[tokio::test]
async fn what_a_project_does_not_see_is_unknown_to_its_plans() {
    let world = two().await;
    for (body, pointers) in [
        (json!({"servers": [OTHER, SERVER]}), &["#/servers/0"][..]),
        (
            json!({"servers": [SERVER], "destination": "host-2"}),
            &["#/destination"],
        ),
        (json!({"host": "host-1"}), &["#/host"]),
        (
            json!({"hosts": ["host-1", "host-2"]}),
            &["#/hosts/0", "#/hosts/1"],
        ),
        (json!({"pool": "nfs-1", "to": "nfs-2"}), &["#/pool", "#/to"]),
        (
            json!({"servers": [SERVER], "constraints": [{"before": [SERVER, OTHER]}]}),
            &["#/constraints/0"],
        ),
    ] {
        let answer = plan(&world, Who::Manager, &body).await;
        assert_eq!(answer.invalid(), pointers, "{body}");
    }
    let own = json!({"servers": [SERVER]});
    for who in [Who::Member, Who::Reader, Who::Nobody, Who::SystemAdmin] {
        plan(&world, who, &own).await.problem(403, "forbidden");
    }
    world.sql("UPDATE servers SET deleted_at = created_at");
    let gone = plan(&world, Who::Admin, &own).await;
    assert_eq!(gone.invalid(), ["#/servers/0"]);
}

#[tokio::test]
async fn who_may_see_hosts_but_one_project_empties_none() {
    let world = World::under(json!({"relocation:hosts:see": "role:manager"})).await;
    let world = populate(world).await;
    let one = json!({"servers": [SERVER], "destination": "host-2"});
    made(&plan(&world, Who::Manager, &one).await);
    let host = plan(&world, Who::Manager, &json!({"host": "host-1"})).await;
    host.problem(403, "forbidden");
}

#[tokio::test]
async fn a_project_sees_of_its_plans_its_own_servers_and_no_hosts() {
    let world = two().await;
    let both = json!({"servers": [SERVER, OTHER], "allow_partial": true, "reason": "host-1 fails"});
    let id = made(&plan(&world, Who::HomeAdmin, &both).await);
    let mut in_turn = moves(&[SERVER, OTHER], &[]);
    let hidden = in_turn.operations[1].id;
    in_turn.operations[0].after.push(hidden);
    world.plan_is_made(&id, in_turn).await;
    let seen = shown(&world, Who::Reader, &id).await;
    assert!(!seen.to_string().contains(&hidden.to_string()), "{seen}");
    let operations = seen["operations"].as_array().unwrap();
    assert_eq!(operations.len(), 1);
    assert_eq!(operations[0]["server"], SERVER);
    assert_eq!(operations[0]["source"], opaque("host-1"));
    assert_eq!(operations[0]["destination"], opaque("host-2"));
    assert_eq!(operations[0]["because"], json!([{"code": "asked"}]));
    let text = seen.to_string();
    assert!(!text.contains("host-") && !text.contains(OTHER), "{text}");
    let all = shown(&world, Who::Admin, &id).await;
    assert_eq!(all["operations"].as_array().unwrap().len(), 2);
    assert_eq!(all["reason"], "host-1 fails");
    let listed = world.native(Who::Manager, "/plans").await.items();
    assert_eq!(listed, [seen]);

    // Managers act on what is their own, and on nothing else.
    for call in [("DELETE", ""), ("POST", "/remake")] {
        let path = format!("/plans/{id}{}", call.1);
        let answer = send(&world, Who::Manager, (call.0, &path), &Value::Null).await;
        answer.problem(403, "forbidden");
        let answer = send(&world, Who::Stranger, (call.0, &path), &Value::Null).await;
        answer.problem(404, "not-found");
    }
    world
        .native(Who::Stranger, &format!("/plans/{id}"))
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_plan_that_cannot_be_says_why() {
    let world = two().await;
    let one = json!({"servers": [SERVER]});
    let blocked = made(&plan(&world, Who::Manager, &one).await);
    world.plan_is_made(&blocked, moves(&[], &[SERVER])).await;
    let aborted = shown(&world, Who::Admin, &blocked).await;
    assert_eq!(
        (&aborted["state"], &aborted["percent"]),
        (&json!("aborted"), &json!(0))
    );
    let expected = json!([{"server": SERVER, "reasons": [why()]}]);
    assert_eq!(
        (&aborted["blocked"], &aborted["reasons"]),
        (&expected, &json!([]))
    );
    let seen = shown(&world, Who::Reader, &blocked).await;
    let reason = json!({"code": "memory", "text": ReasonCode::Memory.meaning(),
        "evidence": {"needed_mib": 8_192, "free_mib": 3_584}, "fix": null});
    assert_eq!(
        seen["blocked"],
        json!([{"server": SERVER, "reasons": [reason]}])
    );

    let silent = made(&plan(&world, Who::Manager, &one).await);
    let failure = Failure::new(FailureCode::SourceNotFenced, "host-1 is silent.");
    let because = Reason::from(&failure);
    let why = NotMade {
        failure,
        reasons: vec![WrittenReason::from(&because)],
    };
    world.plan_is_not_made(&silent, why).await;
    let aborted = shown(&world, Who::Admin, &silent).await;
    assert_eq!(aborted["reasons"], json!([because]));
    let late = made(&plan(&world, Who::Manager, &one).await);
    let failure = Failure::new(FailureCode::TimedOut, "host-1 took too long.");
    let why = NotMade {
        failure,
        reasons: Vec::new(),
    };
    world.plan_is_not_made(&late, why).await;
    let aborted = shown(&world, Who::Reader, &late).await;
    let reason = json!([{"code": "timed-out", "text": FailureCode::TimedOut.meaning(),
        "evidence": {}, "fix": null}]);
    assert_eq!(aborted["reasons"], reason);
}

#[tokio::test]
async fn plans_are_listed_by_state_type_and_project() {
    let world = two().await;
    let one = made(&plan(&world, Who::Manager, &json!({"servers": [SERVER]})).await);
    let two = made(&plan(&world, Who::Admin, &json!({"host": "host-1"})).await);
    let three = made(&plan(&world, Who::Stranger, &json!({"servers": [OTHER]})).await);
    world.plan_is_made(&two, moves(&[SERVER], &[])).await;
    let ids = async |who, query: &str| {
        let list = world
            .native(who, &format!("/plans?fields=id&{query}"))
            .await;
        let items = list.items();
        let id = |it: &Value| it["id"].as_str().unwrap().to_owned();
        items.iter().map(id).collect::<Vec<_>>()
    };
    assert_eq!(ids(Who::Admin, "").await, [&*three, &*two, &*one]);
    assert_eq!(ids(Who::Admin, "state=ready").await, [&*two]);
    assert_eq!(ids(Who::Admin, "type=server").await, [&*three, &*one]);
    assert_eq!(ids(Who::Admin, &format!("project={LAB}")).await, [&*three]);
    assert_eq!(ids(Who::Reader, "").await, [&*one]);
    assert!(ids(Who::Reader, &format!("project={LAB}")).await.is_empty());
    let page = world
        .native(Who::Admin, "/plans?limit=2&with_total=true")
        .await
        .ok();
    assert_eq!(page["total"], 3);
    let base = format!("http://{}{ROOT}", world.address);
    let next = page["next"].as_str().unwrap().strip_prefix(&base).unwrap();
    let rest = world.native(Who::Admin, next).await.items();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["id"], json!(one));
    for (query, pointer) in [
        ("state=done", "?state"),
        ("type=x", "?type"),
        ("marker=x", "?marker"),
    ] {
        let answer = world.native(Who::Admin, &format!("/plans?{query}")).await;
        assert_eq!(answer.invalid(), [pointer]);
    }
}

#[tokio::test]
async fn a_plan_without_a_run_is_deleted_in_the_version_that_was_read() {
    let world = two().await;
    let one = json!({"servers": [SERVER]});
    let answer = plan(&world, Who::Manager, &one).await;
    let (id, version) = (made(&answer), answer.header("etag").unwrap().to_owned());
    let path = format!("/plans/{id}");
    let delete = async |version: &str| {
        let ask = world.ask("DELETE", &format!("{ROOT}{path}"));
        let ask = ask.by(Who::Manager).header("If-Match", version);
        ask.send().await
    };
    world.plan_is_made(&id, moves(&[SERVER], &[])).await;
    delete(&version).await.problem(412, "precondition-failed");
    delete("x").await.problem(400, "invalid-input");
    let reader = send(&world, Who::Reader, ("DELETE", &path), &Value::Null).await;
    reader.problem(403, "forbidden");
    let deleted = delete("*").await;
    assert_eq!((deleted.status, deleted.text.as_str()), (204, ""));
    delete("*").await.problem(404, "not-found");
    world
        .native(Who::Admin, &path)
        .await
        .problem(404, "not-found");

    let id = made(&plan(&world, Who::Manager, &one).await);
    world.plan_is_made(&id, moves(&[], &[SERVER])).await;
    let path = format!("/plans/{id}");
    let ended = send(&world, Who::Manager, ("DELETE", &path), &Value::Null).await;
    ended.problem(409, "already-ended");
}
