//! `/runs`: what may be run, what comes of it, and what may be asked of a run.

use godwit_api::config::{ApiConfig, QuotaConfig};
use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{OperationUuid, RunUuid};
use godwit_core::run::{Event, Outcome};
use godwit_core::time::Clock;
use godwit_store::{Actor, ChangeNote};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ROOT;
use super::plans::{OTHER, made, moves, opaque, populate, send, two};
use crate::answers::Answer;
use crate::seed::{NO_SERVER, SERVER, migration_uuid};
use crate::world::{DEMO, Who, World};

/// The document of a 202.
#[track_caller]
fn accepted(answer: &Answer) -> Value {
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.json()
}

async fn post(world: &World, who: Who, path: &str) -> Answer {
    send(world, who, ("POST", path), &Value::Null).await
}

/// A plan of the server of most tests that is ready.
async fn ready(world: &World, who: Who) -> String {
    let body = json!({"servers": [SERVER]});
    let id = made(&send(world, who, ("POST", "/plans"), &body).await);
    world.plan_is_made(&id, moves(&[SERVER], &[])).await;
    id
}

async fn run(world: &World, who: Who, plan: &str) -> Answer {
    post(world, who, &format!("/plans/{plan}/runs")).await
}

async fn shown(world: &World, who: Who, id: &Value) -> Value {
    let path = format!("/runs/{}", id.as_str().unwrap());
    world.native(who, &path).await.ok()
}

impl World {
    /// Something happens to a run that a conductor drives.
    async fn run_goes_on(&self, id: &Value, event: Event) {
        let run: RunUuid = id.as_str().unwrap().parse().unwrap();
        let note = ChangeNote::new(Actor::Conductor, self.clock.now());
        self.store.run_apply(run, event, note).await.unwrap();
    }
}

#[tokio::test]
async fn a_plan_is_run_once_and_its_run_shows_how_it_goes() {
    let world = two().await;
    let plan = ready(&world, Who::Manager).await;
    world.advance(5);
    let answer = run(&world, Who::Manager, &plan).await;
    let begun = accepted(&answer);
    let id = begun["id"].as_str().unwrap();
    let uri = format!("http://{}{ROOT}/runs/{id}", world.address);
    assert_eq!(answer.header("location"), Some(uri.as_str()));
    let estimate = json!({"low": 1.5, "mid": 2.0, "high": 4.0});
    let operation = json!({
        "id": Uuid::from_u128(1), "kind": "live", "server": SERVER, "source": opaque("host-1"),
        "destination": opaque("host-2"), "after": [], "after_done": null,
        "because": [{"code": "asked"}],
        "estimates": {"bytes": estimate, "seconds": estimate, "downtime_seconds": estimate},
        "state": "waiting", "migration": null, "attempts": 0, "reasons": [],
        "actual": {"bytes": null, "seconds": null, "downtime_seconds": null},
        "started_at": null, "ended_at": null,
    });
    let request = answer.header("x-openstack-request-id").unwrap();
    let expected = json!({
        "id": id, "plan": plan, "state": "pending", "type": "server", "project": DEMO,
        "actor": {"user": "u-manager", "project": DEMO, "request_id": request},
        "priority": "user", "deadline": null, "waits_for": [], "waits_for_others": false,
        "created_at": "2026-11-20T12:00:05Z", "updated_at": begun["updated_at"],
        "started_at": null, "ended_at": null, "cancel_requested_at": null, "percent": 0,
        "eta_seconds": null, "messages": [], "operations": [operation], "revisions": [],
        "estimated_makespan_seconds": estimate, "makespan_seconds": null,
        "lower_bound_seconds": 1.25, "hosts": [], "uri": uri,
    });
    assert_eq!(begun, expected);
    assert_eq!(shown(&world, Who::Reader, &begun["id"]).await, expected);
    let of_plan = world
        .native(Who::Reader, &format!("/plans/{plan}"))
        .await
        .ok();
    assert_eq!(of_plan["runs"], json!([id]));
    let again = run(&world, Who::Manager, &plan).await;
    again.problem(409, "plan-already-run");
    let path = format!("/plans/{plan}");
    let deleted = send(&world, Who::Manager, ("DELETE", &path), &Value::Null).await;
    deleted.problem(409, "plan-already-run");

    let snapshot = world.native(Who::Reader, "/snapshot").await.ok();
    assert_eq!(snapshot["runs"][0]["id"], begun["id"]);
    world.run_goes_on(&begun["id"], Event::RoomClaimed).await;
    world.advance(3);
    let skip = Event::SkipRequested(OperationUuid(Uuid::from_u128(1)));
    world.run_goes_on(&begun["id"], skip).await;
    let ended = shown(&world, Who::Admin, &begun["id"]).await;
    assert_eq!(ended["makespan_seconds"], 3.0);
    assert_eq!(ended["operations"][0]["destination"], "host-2");
    assert_eq!(ended["operations"][0]["state"], "skipped");
}

#[tokio::test]
async fn what_is_not_to_be_run_is_not() {
    let world = two().await;
    let body = json!({"servers": [SERVER]});
    let id = made(&send(&world, Who::Manager, ("POST", "/plans"), &body).await);
    run(&world, Who::Manager, &id)
        .await
        .problem(409, "plan-not-ready");
    world.plan_is_made(&id, moves(&[], &[SERVER])).await;
    run(&world, Who::Manager, &id)
        .await
        .problem(409, "plan-not-ready");
    let plan = ready(&world, Who::Manager).await;
    for (who, status, code) in [
        (Who::Reader, 403, "forbidden"),
        (Who::Member, 403, "forbidden"),
        (Who::Stranger, 404, "not-found"),
    ] {
        run(&world, who, &plan).await.problem(status, code);
    }
    let path = format!("/plans/{plan}/runs");
    let odd = send(&world, Who::Manager, ("POST", &path), &json!({"now": 1})).await;
    assert_eq!(odd.invalid(), ["#/now"]);
    let ask = world.ask("POST", &format!("{ROOT}{path}")).by(Who::Manager);
    let old = ask.header("If-Match", "\"1\"").send().await;
    old.problem(412, "precondition-failed");
    world.advance(600);
    run(&world, Who::Manager, &plan)
        .await
        .problem(409, "plan-expired");
    let all = world.native(Who::Admin, "/runs?with_total=true").await.ok();
    assert_eq!(all["total"], 0);
}

#[tokio::test]
async fn a_plan_whose_server_has_moved_is_stale_and_says_what_has_changed() {
    let world = two().await;
    let plan = ready(&world, Who::Manager).await;
    world.sql("UPDATE servers SET host = 'host-2', node = 'host-2.example.org'");
    let refused = run(&world, Who::Admin, &plan).await;
    let problem = refused.problem(409, "plan-stale");
    let moved = json!({"code": "server-host", "server": SERVER, "was": "host-1", "is": "host-2"});
    assert_eq!(problem["differences"], json!([moved]));
    let problem = run(&world, Who::Manager, &plan)
        .await
        .problem(409, "plan-stale");
    let moved = json!({"code": "server-host", "server": SERVER, "was": opaque("host-1"),
        "is": opaque("host-2")});
    assert_eq!(problem["differences"], json!([moved]));
    world.sql("UPDATE servers SET deleted_at = created_at");
    let problem = run(&world, Who::Admin, &plan)
        .await
        .problem(409, "plan-stale");
    assert_eq!(problem["differences"][0]["is"], Value::Null);
}

#[tokio::test]
async fn only_what_matters_to_a_plan_makes_it_stale() {
    let world = two().await;
    world.host("host-3").await;
    let plan = ready(&world, Who::Manager).await;
    world.sql("UPDATE services SET disabled = 1 WHERE host = 'host-2'");
    let problem = run(&world, Who::Admin, &plan)
        .await
        .problem(409, "plan-stale");
    let disabled = json!({"code": "host-enabled", "host": "host-2", "was": "yes", "is": "no"});
    assert_eq!(problem["differences"], json!([disabled]));
    // Whoever may not see hosts learns that something of one has changed.
    let problem = run(&world, Who::Manager, &plan)
        .await
        .problem(409, "plan-stale");
    let disabled =
        json!({"code": "host-enabled", "host": opaque("host-2"), "was": null, "is": null});
    assert_eq!(problem["differences"], json!([disabled]));
    world.sql("UPDATE services SET disabled = 0 WHERE host = 'host-2'");
    // A host that the plan is not about, and another server on one that it is.
    world.sql("UPDATE services SET disabled = 1 WHERE host = 'host-3'");
    world.sql(&format!(
        "UPDATE servers SET host = 'host-2', power_state = 4 WHERE uuid = '{OTHER}'"
    ));
    accepted(&run(&world, Who::Manager, &plan).await);
}

#[tokio::test]
async fn a_run_is_cancelled_and_then_has_ended() {
    let world = two().await;
    let plan = ready(&world, Who::Manager).await;
    let begun = accepted(&run(&world, Who::Manager, &plan).await);
    let path = format!("/runs/{}", begun["id"].as_str().unwrap());
    let cancel = format!("{path}/cancel");
    let cancelling = async |who, body: Value| send(&world, who, ("POST", &cancel), &body).await;
    cancelling(Who::Reader, Value::Null)
        .await
        .problem(403, "forbidden");
    cancelling(Who::Stranger, Value::Null)
        .await
        .problem(404, "not-found");
    let odd = cancelling(Who::Manager, json!({"abort_running": "yes", "x": 1})).await;
    assert_eq!(odd.invalid(), ["#/x", "#/abort_running"]);
    let ask = world
        .ask("POST", &format!("{ROOT}{cancel}"))
        .by(Who::Manager);
    let old = ask.header("If-Match", "\"77\"").send().await;
    old.problem(412, "precondition-failed");
    let answer = cancelling(Who::Manager, json!({"abort_running": true})).await;
    let cancelled = accepted(&answer);
    assert_eq!(cancelled["state"], "cancelled");
    assert_eq!(cancelled["cancel_requested_at"], "2026-11-20T12:00:00Z");
    assert_eq!(cancelled["operations"][0]["state"], "cancelled");
    let again = cancelling(Who::Manager, Value::Null).await;
    again.problem(409, "already-ended");
}

#[tokio::test]
async fn an_operation_that_waits_is_left_out() {
    let world = two().await;
    let body = json!({"servers": [SERVER, OTHER]});
    let plan = made(&send(&world, Who::HomeAdmin, ("POST", "/plans"), &body).await);
    world
        .plan_is_made(&plan, moves(&[SERVER, OTHER], &[]))
        .await;
    run(&world, Who::Manager, &plan)
        .await
        .problem(403, "forbidden");
    let begun = accepted(&run(&world, Who::HomeAdmin, &plan).await);
    let path = format!("/runs/{}", begun["id"].as_str().unwrap());
    let skip = async |who, operation: &str| {
        post(&world, who, &format!("{path}/operations/{operation}/skip")).await
    };
    let first = Uuid::from_u128(1).to_string();
    skip(Who::Manager, &first).await.problem(403, "forbidden");
    let skipped = accepted(&skip(Who::HomeAdmin, &first).await);
    assert_eq!(skipped["operations"][0]["state"], "skipped");
    skip(Who::HomeAdmin, &first)
        .await
        .problem(409, "already-ended");
    skip(Who::HomeAdmin, NO_SERVER)
        .await
        .problem(404, "not-found");
    skip(Who::HomeAdmin, "x").await.problem(404, "not-found");
    // The project sees of it what is its own.
    let seen = shown(&world, Who::Reader, &begun["id"]).await;
    assert_eq!(seen["operations"].as_array().unwrap().len(), 1);
    let text = seen.to_string();
    assert!(!text.contains("host-") && !text.contains(OTHER), "{text}");
}

#[tokio::test]
async fn a_host_of_a_run_of_many_is_given_its_guests_back() {
    let world = two().await;
    let body = json!({"hosts": ["host-1", "host-2"], "max_unavailable": 1});
    let plan = made(&send(&world, Who::Admin, ("POST", "/plans"), &body).await);
    world.plan_is_made(&plan, moves(&[SERVER], &[])).await;
    let begun = accepted(&run(&world, Who::Admin, &plan).await);
    let hosts =
        json!([{"host": "host-1", "state": "waiting"}, {"host": "host-2", "state": "waiting"}]);
    assert_eq!(begun["hosts"], hosts);
    let path = format!("/runs/{}", begun["id"].as_str().unwrap());
    let done =
        async |host: &str| post(&world, Who::Admin, &format!("{path}/hosts/{host}/done")).await;
    done("host-1").await.problem(409, "wrong-state");
    done("host-9").await.problem(404, "not-found");
    world.run_goes_on(&begun["id"], Event::RoomClaimed).await;
    // Something is still to leave it.
    done("host-1").await.problem(409, "wrong-state");
    let skip = format!("{path}/operations/{}/skip", Uuid::from_u128(1));
    accepted(&post(&world, Who::Admin, &skip).await);
    let finished = accepted(&done("host-1").await);
    assert_eq!(finished["hosts"][0]["state"], "emptying");
    let manager = format!("{path}/hosts/host-1/done");
    post(&world, Who::Manager, &manager)
        .await
        .problem(403, "forbidden");
}

#[tokio::test]
async fn a_run_of_a_maintenance_plan_holds_its_host() {
    let world = two().await;
    let body = json!({"host": "host-1", "enter_maintenance": true, "holder": "kernel",
        "reason": "a new kernel", "return_home": "now"});
    let plan = made(&send(&world, Who::Admin, ("POST", "/plans"), &body).await);
    world
        .plan_is_made(&plan, moves(&[SERVER, OTHER], &[]))
        .await;
    let begun = accepted(&run(&world, Who::Admin, &plan).await);
    let held = world
        .native(Who::Admin, "/hosts/host-1/maintenance")
        .await
        .ok();
    assert_eq!(
        (&held["state"], &held["run"]),
        (&json!("entering"), &begun["id"])
    );
    let holder = &held["holders"][0];
    assert_eq!(
        (
            &holder["holder"],
            &holder["reason"],
            &holder["return_home"],
            &holder["by"]
        ),
        (
            &json!("kernel"),
            &json!("a new kernel"),
            &json!("now"),
            &json!("u-admin")
        )
    );
    let plans = world.native(Who::Admin, "/plans").await.items();
    assert_eq!(
        plans.len(),
        1,
        "its run empties the host, and no other is made"
    );
}

#[tokio::test]
async fn runs_are_listed_by_state_type_and_project() {
    let world = two().await;
    let plan = ready(&world, Who::Manager).await;
    let begun = accepted(&run(&world, Who::Manager, &plan).await);
    for (who, query, found) in [
        (Who::Admin, "state=pending", 1),
        (Who::Admin, "state=running", 0),
        (Who::Reader, "type=server", 1),
        (Who::Reader, "type=host", 0),
        (Who::Stranger, "limit=1", 0),
        (Who::Stranger, &format!("project={DEMO}"), 0),
        (Who::Admin, &format!("project={DEMO}&fields=id,percent"), 1),
    ] {
        let list = world
            .native(who, &format!("/runs?with_total=true&{query}"))
            .await;
        assert_eq!(
            (list.items().len(), &list.ok()["total"]),
            (found, &json!(found)),
            "{query}"
        );
    }
    let some = world.native(Who::Admin, "/runs?fields=percent").await;
    assert_eq!(some.items(), [json!({"percent": 0})]);
    let path = format!("/runs/{}", begun["id"].as_str().unwrap());
    world
        .native(Who::Stranger, &path)
        .await
        .problem(404, "not-found");
    for (query, pointer) in [
        ("state=ready", "?state"),
        ("type=x", "?type"),
        ("marker=x", "?marker"),
    ] {
        let answer = world.native(Who::Admin, &format!("/runs?{query}")).await;
        assert_eq!(answer.invalid(), [pointer]);
    }
}

#[tokio::test]
async fn a_migration_names_the_run_that_has_started_it_to_who_sees_that() {
    for (who, shown_to_reader) in [(Who::Manager, true), (Who::Admin, false)] {
        let world = World::new().await;
        world.moving("running").await;
        let plan = ready(&world, who).await;
        let id = accepted(&run(&world, who, &plan).await)["id"].clone();
        world.run_goes_on(&id, Event::RoomClaimed).await;
        let operation = OperationUuid(Uuid::from_u128(1));
        let migration = migration_uuid(1).parse().unwrap();
        let begun = Event::OperationBegun(operation, Some(migration));
        world.run_goes_on(&id, begun).await;
        // Which whoever begins it writes at once.
        world.sql(&format!(
            "UPDATE migrations SET operation_uuid = '{}' WHERE id = 1",
            operation.0
        ));
        let shown = async |who| world.native(who, "/migrations/1").await.ok()["run"].clone();
        assert_eq!(shown(Who::Admin).await, id);
        let expected = if shown_to_reader { id } else { Value::Null };
        assert_eq!(shown(Who::Reader).await, expected, "{who:?}");
    }
}

#[tokio::test]
async fn an_operation_whose_move_failed_says_so_and_one_that_never_began_does_not() {
    let operation = OperationUuid(Uuid::from_u128(1));
    let failed = |code| Failure::new(code, "host-2 is gone.");
    for (code, begun, said, evidence) in [
        (
            FailureCode::LinkLost,
            true,
            "move-failed",
            json!({"failure": "link-lost"}),
        ),
        (
            FailureCode::PowerState,
            false,
            "server-not-running",
            json!({"failure": "power-state"}),
        ),
        (FailureCode::NoValidHost, false, "no-valid-host", json!({})),
    ] {
        let world = World::new().await;
        world.moving("running").await;
        let plan = ready(&world, Who::Manager).await;
        let id = accepted(&run(&world, Who::Manager, &plan).await)["id"].clone();
        world.run_goes_on(&id, Event::RoomClaimed).await;
        let ended = match begun {
            true => {
                let migration = migration_uuid(1).parse().unwrap();
                let begun = Event::OperationBegun(operation, Some(migration));
                world.run_goes_on(&id, begun).await;
                Event::OperationEnded(operation, Outcome::Failed(failed(code)))
            }
            false => Event::OperationRefused(operation, failed(code)),
        };
        world.run_goes_on(&id, ended).await;
        let reasons = async |who| shown(&world, who, &id).await["operations"][0]["reasons"].clone();
        let reason =
            |text| json!([{"code": said, "text": text, "evidence": evidence, "fix": null}]);
        assert_eq!(reasons(Who::Admin).await, reason("host-2 is gone."));
        assert_eq!(reasons(Who::Reader).await, reason(code.meaning()));
    }
}

/// Whose room a project waits for is the others' business; that it waits is its own.
#[tokio::test]
async fn a_run_says_that_it_waits_and_names_only_runs_that_are_seen() {
    let world = two().await;
    let mut ids = Vec::new();
    for (number, who) in (7..).zip([Who::Manager, Who::Manager, Who::Admin]) {
        let body = json!({"servers": [SERVER]});
        let plan = made(&send(&world, who, ("POST", "/plans"), &body).await);
        let mut one = moves(&[SERVER], &[]);
        // An id is of one plan.
        one.operations[0].id = OperationUuid(Uuid::from_u128(number));
        world.plan_is_made(&plan, one).await;
        let begun = accepted(&run(&world, who, &plan).await);
        ids.push(begun["id"].as_str().unwrap().to_owned());
    }
    let [waiting, own, other] = &ids[..] else {
        panic!("{ids:?}")
    };
    let waits_for = |of: &[&String]| {
        let of = json!(of);
        world.sql(&format!(
            "UPDATE runs SET waits_for = '{of}' WHERE uuid = '{waiting}'"
        ));
    };
    let path = format!("/runs/{waiting}");
    for (there, seen, others) in [
        (vec![own], vec![own], false),
        (vec![own, other], vec![own], true),
        (vec![other], vec![], true),
        (vec![], vec![], false),
    ] {
        waits_for(&there);
        for who in [Who::Manager, Who::Reader] {
            let shown = world.native(who, &path).await;
            let run = shown.ok();
            assert_eq!(run["waits_for"], json!(seen));
            assert_eq!(run["waits_for_others"], others);
            let listed = world.native(who, "/runs?fields=id,waits_for,waits_for_others");
            let listed = listed.await;
            let item = listed.items().into_iter().find(|it| it["id"] == *waiting);
            let item = item.unwrap();
            assert_eq!(
                (&item["waits_for"], &item["waits_for_others"]),
                (&run["waits_for"], &run["waits_for_others"])
            );
            let snapshot = world.native(who, "/snapshot").await;
            for answer in [shown, listed, snapshot] {
                assert!(!answer.text.contains(other.as_str()), "{answer:?}");
            }
        }
        let whole = world.native(Who::Admin, &path).await.ok();
        assert_eq!(whole["waits_for"], json!(there));
        assert_eq!(whole["waits_for_others"], false);
    }
    waits_for(&[other]);
    let cancelled = post(&world, Who::Manager, &format!("{path}/cancel")).await;
    assert!(!cancelled.text.contains(other.as_str()), "{cancelled:?}");
}

/// A project that runs its plans at once has no more of them for that.
#[tokio::test]
async fn runs_that_go_on_count_as_open_plans() {
    let config = ApiConfig {
        quotas: QuotaConfig {
            open_plans: 1,
            ..QuotaConfig::default()
        },
        ..ApiConfig::default()
    };
    let world = populate(World::configured(config).await).await;
    let plan = ready(&world, Who::Manager).await;
    let begun = accepted(&run(&world, Who::Manager, &plan).await);
    let body = json!({"servers": [SERVER]});
    let ask = async || send(&world, Who::Manager, ("POST", "/plans"), &body).await;
    ask().await.problem(403, "quota-exceeded");
    let path = format!("/runs/{}/cancel", begun["id"].as_str().unwrap());
    let cancelled = accepted(&post(&world, Who::Manager, &path).await);
    assert_eq!(cancelled["state"], "cancelled");
    made(&ask().await);
    // Who holds hosts has the runs that this takes.
    let maintenance = "/hosts/host-1/maintenance";
    let held = send(&world, Who::Admin, ("POST", maintenance), &json!({})).await;
    let held = accepted(&held);
    let run = shown(&world, Who::Admin, &held["run"]).await;
    let plan = run["plan"].as_str().unwrap();
    world.plan_is_made(plan, moves(&[], &[SERVER])).await;
    made(&send(&world, Who::Admin, ("POST", "/plans"), &body).await);
}
