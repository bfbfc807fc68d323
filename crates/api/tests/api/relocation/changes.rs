//! Whatever changes something, with a request of each that is granted.

use godwit_api::config::{ApiConfig, QuotaConfig};
use godwit_api::relocation::routes::{OPERATIONS, Operation};
use godwit_core::ids::RunUuid;
use godwit_core::run::Event;
use godwit_core::time::Clock;
use godwit_store::{Actor, ChangeNote};
use serde_json::{Value, json};
use uuid::Uuid;

use super::ROOT;
use super::plans::{OTHER, made, moves, populate, send};
use super::webhooks::{config, create};
use crate::answers::{Answer, Ask};
use crate::seed::{GROUP, SERVER};
use crate::world::{Who, World};

/// A request that changes something, which is granted to an administrator.
pub(super) struct Change<'a> {
    pub(super) operation: &'static Operation,
    pub(super) world: &'a World,
    /// Behind the root, with its query.
    pub(super) path: String,
    pub(super) body: Value,
}

/// All operations that change something.
pub(super) fn all() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(|it| it.route.method != "GET")
}

/// What all of them need.
pub(super) async fn scene() -> World {
    let quotas = QuotaConfig {
        webhooks: 10,
        open_plans: 1_000,
        ..QuotaConfig::default()
    };
    let world = populate(World::configured(ApiConfig { quotas, ..config() }).await).await;
    world.group(&[]);
    world
}

impl<'a> Change<'a> {
    /// What `operation` may be asked for; of several forms the one of this number.
    pub(super) async fn of(world: &'a World, operation: &'static Operation, form: usize) -> Self {
        let (path, body) = granted(world, operation, form).await;
        Self {
            operation,
            world,
            path,
            body,
        }
    }

    /// The request, once more or for the first time.
    pub(super) fn ask(&self) -> Ask<'a> {
        self.ask_at(&self.path)
    }

    pub(super) fn ask_at(&self, path: &str) -> Ask<'a> {
        let method = self.operation.route.method.as_str();
        let ask = self.world.ask(method, &format!("{ROOT}{path}"));
        ask.by(Who::Admin)
    }

    pub(super) async fn send(&self, key: Option<&str>, body: &Value) -> Answer {
        let ask = match key {
            Some(key) => self.ask().header("Idempotency-Key", key),
            None => self.ask(),
        };
        match body {
            Value::Null => ask.send().await,
            body => ask.json(body).send().await,
        }
    }
}

/// All that there is to be seen, so that it shows whether something was done.
pub(super) async fn everything(world: &World) -> Vec<String> {
    let mut texts = Vec::new();
    for path in [
        "/events?limit=1000",
        "/plans",
        "/runs",
        "/webhooks",
        "/hosts",
        "/scopes",
        "/servers",
        "/hosts/host-1/maintenance",
        "/hosts/host-2/topology",
    ] {
        let answer = world.native(Who::Admin, path).await;
        assert_eq!(answer.status, 200, "{path}");
        texts.push(answer.text);
    }
    texts
}

/// Forms of requests for a plan.
pub(super) const PLANS: usize = 5;

fn wanted_plan(form: usize) -> Value {
    match form {
        0 => json!({"servers": [SERVER], "fallback": "cold", "valid_seconds": 60,
            "priority": "drain", "affinity": "strict"}),
        1 => json!({"servers": [SERVER, OTHER], "reason": "its fan",
            "constraints": [{"at_most": [1, [SERVER, OTHER]]}]}),
        2 => json!({"host": "host-1", "allow_partial": true, "affinity": "best_effort"}),
        3 => json!({"host": "host-1", "enter_maintenance": true, "immovable": "skip",
            "return_home": "now", "holder": "me", "deadline": "2026-11-21T12:00:00Z"}),
        _ => json!({"hosts": ["host-1", "host-2"], "max_unavailable": 1}),
    }
}

/// Path and body.
async fn granted(world: &World, operation: &Operation, form: usize) -> (String, Value) {
    let route = &operation.route;
    let path = route.path.strip_prefix(ROOT).unwrap();
    let off = json!({"state": "disabled", "reason": "its fan"});
    match (route.method.as_str(), path) {
        ("PUT", "/hosts/{host}/allocation") => ("/hosts/host-1/allocation".to_owned(), off),
        ("PUT", "/scopes/{kind}/{scope}/allocation") => {
            ("/scopes/zone/nova/allocation".to_owned(), off)
        }
        ("PUT", "/hosts/{host}/topology") => {
            let place = json!({"zone": "nova", "pod": "p1", "cluster": "c1"});
            ("/hosts/host-2/topology".to_owned(), place)
        }
        ("PUT", "/scopes/{kind}/{scope}/management") => {
            let place = json!({"pod": "p1", "cluster": "c1"});
            done(world, ("PUT", "/hosts/host-2/topology"), &place).await;
            let alone = json!({"managed": false, "reason": "its upgrade"});
            ("/scopes/cluster/c1/management".to_owned(), alone)
        }
        ("POST", "/hosts/{host}/maintenance") => {
            let hold = json!({"holder": "me", "reason": "its fan", "immovable": "skip",
                "return_home": "now", "deadline": "2026-11-21T12:00:00Z"});
            ("/hosts/host-1/maintenance".to_owned(), hold)
        }
        ("POST", "/hosts/{host}/fence") => {
            world.host("host-9").await;
            world.sql("UPDATE services SET last_seen_up = created_at WHERE host = 'host-9'");
            world.advance(90);
            for heard in ["host-1", "host-2"] {
                world.host(heard).await;
            }
            let dead = json!({"kind": "operator", "reason": "its power is cut"});
            ("/hosts/host-9/fence".to_owned(), dead)
        }
        ("DELETE", "/hosts/{host}/maintenance") => {
            let hold = json!({"holder": "me"});
            done(world, ("POST", "/hosts/host-1/maintenance"), &hold).await;
            (
                "/hosts/host-1/maintenance?holder=me".to_owned(),
                Value::Null,
            )
        }
        (method, "/groups/{id}/members/{server}") => {
            let member = format!("/groups/{GROUP}/members/{SERVER}");
            if method == "DELETE" {
                done(world, ("PUT", &member), &Value::Null).await;
            }
            (member, Value::Null)
        }
        (_, "/webhooks") => {
            let hook = json!({"url": "https://127.0.0.1/hook", "types": ["migration.*"]});
            (path.to_owned(), hook)
        }
        (_, path) if path.starts_with("/webhooks/") => (of_webhook(world, path).await, Value::Null),
        (_, path) => of_plan(world, (route.method.as_str(), path), form).await,
    }
}

async fn done(world: &World, call: (&str, &str), body: &Value) -> Value {
    let answer = send(world, Who::Admin, call, body).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    answer.json()
}

async fn of_webhook(world: &World, path: &str) -> String {
    let made = create(world, Who::Admin, "https://127.0.0.1/hook").await;
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let row = world.store.webhook_find(id.parse().unwrap(), None).await;
    let row = row.unwrap().unwrap().id;
    world.sql(&format!(
        "INSERT INTO webhook_deliveries (uuid, webhook_id, position, event_type, subject, body,
                state, attempts, not_before, give_up_at, status, error, created_at, ended_at)
            SELECT '{id}', {row}, 7, 'migration.booted', 'migration/x', '{{}}', 'dead', 3,
                created_at, created_at, 500, 'It was answered with 500.', created_at, created_at
            FROM webhooks WHERE id = {row}"
    ));
    path.replace("{id}", &id).replace("{delivery}", &id)
}

/// A plan moves one server; its operation.
async fn is_made(world: &World, plan: &str) -> Uuid {
    let id: Uuid = plan.parse().unwrap();
    let mut one = moves(&[SERVER], &[]);
    for operation in &mut one.operations {
        // An id is of one plan.
        operation.id = id.into();
    }
    world.plan_is_made(plan, one).await;
    id
}

async fn of_plan(world: &World, (method, path): (&str, &str), form: usize) -> (String, Value) {
    if (method, path) == ("POST", "/plans") {
        return (path.to_owned(), wanted_plan(form));
    }
    let rolls = path.ends_with("/done");
    let wanted = wanted_plan(if rolls { PLANS - 1 } else { 0 });
    let plan = made(&send(world, Who::Admin, ("POST", "/plans"), &wanted).await);
    if !path.starts_with("/runs/") {
        if path.ends_with("/runs") {
            is_made(world, &plan).await;
        }
        return (path.replace("{id}", &plan), Value::Null);
    }
    let operation = is_made(world, &plan).await;
    let begun = done(
        world,
        ("POST", &format!("/plans/{plan}/runs")),
        &Value::Null,
    )
    .await;
    let run = begun["id"].as_str().unwrap();
    if rolls {
        let uuid: RunUuid = run.parse().unwrap();
        let note = ChangeNote::new(Actor::Conductor, world.clock.now());
        let claimed = world.store.run_apply(uuid, Event::RoomClaimed, note);
        claimed.await.unwrap();
        let skip = format!("/runs/{run}/operations/{operation}/skip");
        done(world, ("POST", &skip), &Value::Null).await;
    }
    let body = match path.ends_with("/cancel") {
        true => json!({"abort_running": true}),
        false => Value::Null,
    };
    let path = path.replace("{id}", run).replace("{host}", "host-1");
    (path.replace("{operation}", &operation.to_string()), body)
}
