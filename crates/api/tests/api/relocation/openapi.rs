//! `/openapi.json` is what the API does: its routes are those of the table, its words those of the
//! code, and what is answered conforms to it.

use std::collections::BTreeSet;

use godwit_api::relocation::problem::Code;
use godwit_api::relocation::routes::{OPERATIONS, Takes};
use godwit_api::relocation::views::migration::{FIELDS, kind};
use godwit_api::relocation::views::webhook::{self, DELIVERY_FIELDS};
use godwit_api::relocation::views::{
    candidate, event, host, maintenance, plan, pool, run, scope, server, snapshot,
};
use godwit_core::event_type::{self, KINDS};
use godwit_core::fence::{FenceKind, FenceRequest};
use godwit_core::host::maintenance::State;
use godwit_core::plan::options::Priority;
use godwit_core::plan::{PlanKind, PlanState};
use godwit_core::reason::ChangeKind;
use godwit_core::run::{OperationKind, OperationState, RunState};
use godwit_core::status::{MigrationKind, MigrationStatus};
use godwit_core::webhook::DeliveryState;
use serde_json::{Value, json};

use super::ROOT;
use super::host_events::{disable, opened};
use super::plans::{made, moves, send};
use crate::answers::Answer;
use crate::seed::{Migration, SERVER, Server};
use crate::world::{LAB, Who, World};

fn document() -> Value {
    serde_json::from_str(godwit_api::relocation::openapi::DOCUMENT).unwrap()
}

/// What a local reference leads to.
fn resolved<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            let found = document.pointer(pointer);
            found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => value,
    }
}

/// All local references in a document.
fn references<'a>(value: &'a Value, into: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(members) => {
            into.extend(members.get("$ref").and_then(Value::as_str));
            members.values().for_each(|it| references(it, into));
        }
        Value::Array(items) => items.iter().for_each(|it| references(it, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn it_is_served_to_everybody() {
    let world = World::new().await;
    let answer = world
        .ask("GET", &format!("{ROOT}/openapi.json"))
        .send()
        .await;
    assert_eq!(answer.ok(), document());
    assert_eq!(document()["openapi"], "3.1.0");
    assert_eq!(document()["servers"], json!([{"url": ROOT}]));
}

#[test]
fn its_routes_and_query_keys_are_those_of_the_table() {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let methods = |path: &str| paths[path].as_object().unwrap().keys().cloned();
    let documented: BTreeSet<(String, String)> = paths
        .keys()
        .flat_map(|path| methods(path).map(move |method| (path.clone(), method)))
        .collect();
    let mut served = BTreeSet::new();
    for operation in OPERATIONS {
        let route = &operation.route;
        let path = route.path.strip_prefix(ROOT).unwrap();
        let method = route.method.as_str().to_lowercase();
        let described = &document["paths"][path][&method];
        let open = described["security"] == json!([]);
        assert_eq!(open, operation.is_open(), "{path}");
        let parameters = described["parameters"].as_array().unwrap().iter();
        let parameters = parameters.map(|it| resolved(&document, it));
        let (mut query, mut ids) = (Vec::new(), Vec::new());
        for parameter in parameters {
            let name = parameter["name"].as_str().unwrap();
            match parameter["in"].as_str() {
                Some("query") => query.push(name),
                Some("path") => ids.push(format!("{{{name}}}")),
                Some("header") => {}
                other => panic!("{other:?}"),
            }
        }
        match operation.takes {
            Takes::Query(keys) => assert_eq!(query, keys, "{path}"),
            Takes::Body => assert!(query.is_empty(), "{path}"),
        }
        assert!(ids.iter().all(|id| path.contains(id.as_str())), "{path}");
        assert_eq!(ids.len(), path.matches('{').count(), "{path}");
        for rule in route.all_rules() {
            let description = described["description"].as_str().unwrap();
            assert!(description.contains(rule), "{path} says {rule}");
        }
        served.insert((path.to_owned(), method));
    }
    assert_eq!(documented, served);
}

#[test]
fn its_references_lead_somewhere_and_nothing_is_left_over() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    for reference in &found {
        resolved(&document, &json!({ "$ref": reference }));
    }
    for part in ["schemas", "parameters", "responses"] {
        for name in document["components"][part].as_object().unwrap().keys() {
            let reference = format!("#/components/{part}/{name}");
            assert!(
                found.contains(reference.as_str()),
                "nobody refers to {reference}"
            );
        }
    }
}

#[test]
fn its_words_are_those_of_the_code() {
    let document = document();
    let schema = |name: &str| document["components"]["schemas"][name].clone();
    let words = |list: Vec<&str>| json!(list);
    let codes = Code::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(schema("ProblemCode")["enum"], words(codes));
    let statuses = MigrationStatus::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(schema("MigrationStatus")["enum"], words(statuses));
    let migration = &schema("Migration")["properties"];
    let kinds = MigrationKind::ALL.iter().map(|it| kind(*it)).collect();
    assert_eq!(migration["kind"]["enum"], words(kinds));
    let states = DeliveryState::ALL.iter().map(|it| it.as_str()).collect();
    let delivery = &schema("Delivery")["properties"];
    assert_eq!(delivery["state"]["enum"], words(states));
    let fields: Vec<_> = delivery.as_object().unwrap().keys().collect();
    assert_eq!(fields, DELIVERY_FIELDS);
    let webhook = &schema("WebhookFields")["properties"];
    let fields: Vec<_> = webhook.as_object().unwrap().keys().collect();
    assert_eq!(fields, webhook::FIELDS);
    for (name, fields) in [("Event", event::FIELDS), ("Snapshot", snapshot::FIELDS)] {
        let properties = &schema(name)["properties"];
        let named: Vec<_> = properties.as_object().unwrap().keys().collect();
        assert_eq!(named, fields);
        assert_eq!(&schema(&format!("{name}Fields"))["properties"], properties);
    }
    let changes = ChangeKind::ALL.iter().map(|it| it.as_str()).collect();
    let change = &schema("Change")["properties"];
    assert_eq!(change["kind"]["enum"], words(changes));
    let kinds = FenceKind::ALL.iter().map(|it| it.as_str()).collect();
    let proof = &schema("FenceProof")["properties"];
    assert_eq!(proof["kind"]["enum"], words(kinds));
    let wanted = FenceRequest::ALL.iter().map(|it| it.as_str()).collect();
    let fence = &schema("NewFence")["properties"];
    assert_eq!(fence["kind"]["enum"], words(wanted));
    let plan = &schema("Plan")["properties"];
    let states = PlanState::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(plan["state"]["enum"], words(states));
    let types = PlanKind::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(plan["type"]["enum"], words(types));
    let priorities = Priority::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(plan["priority"]["enum"], words(priorities));
    let kinds = OperationKind::ALL.iter().map(|it| it.as_str()).collect();
    let operation = &schema("Operation")["properties"];
    assert_eq!(operation["kind"]["enum"], words(kinds));
    let states = RunState::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(schema("Run")["properties"]["state"]["enum"], words(states));
    let states = OperationState::ALL.iter().map(|it| it.as_str()).collect();
    let operation = &schema("RunOperation")["properties"];
    assert_eq!(operation["state"]["enum"], words(states));
    let states = State::ALL.iter().map(|it| it.as_str()).collect();
    let maintenance = &schema("Maintenance")["properties"];
    assert_eq!(maintenance["state"]["enum"], words(states));
    for (name, expected) in [
        ("Host", host::FIELDS),
        ("HostFields", host::FIELDS),
        ("ServerFields", server::FIELDS),
        ("PoolFields", pool::FIELDS),
        ("CandidateFields", candidate::FIELDS),
        ("ScopeFields", scope::FIELDS),
        ("Plan", plan::FIELDS),
        ("PlanFields", plan::FIELDS),
        ("Run", run::FIELDS),
        ("RunFields", run::FIELDS),
        ("Maintenance", maintenance::FIELDS),
        ("MaintenanceFields", maintenance::FIELDS),
    ] {
        let properties = &schema(name)["properties"];
        let fields: Vec<_> = properties.as_object().unwrap().keys().collect();
        assert_eq!(fields, expected, "{name}");
    }
    let types = MigrationKind::ALL.iter().map(|it| it.as_str()).collect();
    assert_eq!(migration["migration_type"]["enum"], words(types));
    let fields: Vec<_> = migration.as_object().unwrap().keys().collect();
    assert_eq!(fields, FIELDS);
    assert_eq!(&schema("MigrationFields")["properties"], migration);
}

/// What a list takes as `fields` is what its items have, and what shows one thing what that has.
#[test]
fn the_fields_that_may_be_asked_for_are_those_that_are_shown() {
    let document = document();
    let mut several = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let shown = &methods["get"];
        let parameters = shown["parameters"].as_array().into_iter().flatten();
        let mut parameters = parameters.map(|it| resolved(&document, it));
        let Some(fields) = parameters.find(|it| it["name"] == "fields") else {
            continue;
        };
        let schema = &shown["responses"]["200"]["content"]["application/json"]["schema"];
        let schema = whole(&document, schema);
        let items = &schema["properties"]["items"]["items"];
        let thing = match items {
            Value::Null => schema,
            items => whole(&document, items),
        };
        let properties: Vec<_> = thing["properties"].as_object().unwrap().keys().collect();
        assert_eq!(
            fields["schema"]["items"]["enum"],
            json!(properties),
            "{path}"
        );
        // Separated by commas, as a page reads them.
        assert_eq!(fields["explode"], false, "{path}");
        several += 1;
    }
    assert!(several > 10, "{several}");
}

/// What a reference leads to; of several forms the first.
fn whole<'a>(document: &'a Value, schema: &'a Value) -> &'a Value {
    let schema = resolved(document, schema);
    match schema["anyOf"].get(0) {
        Some(first) => resolved(document, first),
        None => schema,
    }
}

#[test]
fn the_types_of_events_that_may_be_asked_for_are_those_of_the_table() {
    let kinds = KINDS.iter().map(|kind| format!("{kind}.*"));
    let all: BTreeSet<_> = kinds.chain(event_type::all().map(|it| it.name())).collect();
    let document = document();
    let documented = &document["components"]["schemas"]["EventPattern"]["enum"];
    let documented = documented.as_array().unwrap();
    let named: BTreeSet<_> = documented
        .iter()
        .map(|it| it.as_str().unwrap().to_owned())
        .collect();
    assert_eq!((named, documented.len()), (all.clone(), all.len()));
}

/// Asserts that an answer conforms to a schema of the document.
#[track_caller]
pub(super) fn conforms(answer: &Answer, schema: &str) {
    // The document is the schema's surroundings, in which its references lead somewhere.
    let mut document = document();
    document["$ref"] = json!(format!("#/components/schemas/{schema}"));
    let validator = jsonschema::validator_for(&document).unwrap();
    let value = answer.json();
    let errors: Vec<String> = validator
        .iter_errors(&value)
        .map(|error| error.to_string())
        .collect();
    assert!(errors.is_empty(), "{schema}: {errors:#?} in {value:#}");
}

/// Plans in some states, and a run: their paths, and what is there.
async fn plans_and_runs(world: &World) -> Vec<(String, &'static str)> {
    let mut paths = vec![
        ("/plans?with_total=true".to_owned(), "PlanList"),
        ("/plans?limit=1&fields=id,operations".to_owned(), "PlanList"),
        ("/runs?with_total=true".to_owned(), "RunList"),
        ("/runs?fields=id,percent".to_owned(), "RunList"),
        ("/snapshot".to_owned(), "Snapshot"),
        ("/events?types=plan.*,run.*".to_owned(), "EventList"),
    ];
    let body = json!({"servers": [SERVER], "fallback": "cold", "reason": "its fan",
        "deadline": "2026-11-20T13:00:00Z"});
    for (moved, blocked) in [(&[SERVER][..], &[][..]), (&[], &[SERVER])] {
        let asked = send(world, Who::HomeAdmin, ("POST", "/plans"), &body).await;
        conforms(&asked, "Plan");
        let id = made(&asked);
        world.plan_is_made(&id, moves(moved, blocked)).await;
        paths.push((format!("/plans/{id}"), "Plan"));
        paths.push((format!("/plans/{id}?fields=state,blocked"), "PlanFields"));
        let path = format!("/plans/{id}/runs");
        let run = send(world, Who::HomeAdmin, ("POST", &path), &Value::Null).await;
        if run.status != 202 {
            conforms(&run, "Problem");
            continue;
        }
        conforms(&run, "Run");
        let id = run.json()["id"].as_str().unwrap().to_owned();
        paths.push((format!("/runs/{id}"), "Run"));
        paths.push((format!("/runs/{id}?fields=hosts"), "RunFields"));
        let cancel = format!("/runs/{id}/cancel");
        let cancelled = send(world, Who::HomeAdmin, ("POST", &cancel), &Value::Null).await;
        conforms(&cancelled, "Run");
    }
    paths
}

#[tokio::test]
async fn what_is_answered_conforms_to_it() {
    let world = World::new().await;
    world.moving("running").await;
    world.server(Server {
        uuid: "22222222-2222-4222-8222-222222222222",
        name: "vm-lab",
        project: LAB,
        host: None,
        ..Server::default()
    });
    for (id, kind, status) in [
        (2, "evacuation", "done"),
        (3, "resize", "confirmed"),
        (4, "migration", "error"),
    ] {
        world.migration(Migration {
            id,
            kind,
            status,
            sampled: false,
            destination: None,
            updated: false,
            imported: true,
            ..Migration::default()
        });
    }
    world.sql(
        "UPDATE migrations SET failure_code = 'link-lost', failure_message = 'It broke.',
            downtime_ms = 7 WHERE id = 1;
         INSERT INTO claims (migration_id, host, vcpus, memory_mb, disk_gb, created_at)
            SELECT id, 'host-2', 1, 128, 2, created_at FROM migrations WHERE id = 1;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, request_id, detail, user_id, project_id)
            SELECT 'migration', id, 1, created_at, 'requested', NULL, 'accepted', 'api', 'req-1',
                '{\"a\": 1}', 'u-manager', project_id FROM migrations;
         INSERT INTO events (subject_kind, subject_id, sequence, at, name, from_status, to_status,
                actor, detail)
            SELECT 'migration', id, 2, created_at, 'booted', 'running', 'running', 'agent:host-1',
                'null' FROM migrations;",
    );
    world.told_host("host-3").await;
    disable(&world, "host-3", "a new disk").await;
    opened(&world);
    let ask = world
        .ask("POST", &format!("{ROOT}/webhooks"))
        .by(Who::Manager);
    let wanted = json!({"url": "https://1.1.1.1/", "types": ["migration.*"]});
    let made = ask.json(&wanted).send().await;
    conforms(&made, "WebhookWithSecret");
    let uuid = made.json()["id"].as_str().unwrap().to_owned();
    let row = world.store.webhook_find(uuid.parse().unwrap(), None).await;
    let (id, webhook) = (row.unwrap().unwrap().id, format!("/webhooks/{uuid}"));
    world.sql(&format!(
        "INSERT INTO webhook_deliveries (uuid, webhook_id, position, event_type, subject, body,
                state, attempts, not_before, give_up_at, status, error, created_at, ended_at)
            SELECT '{uuid}', {id}, 7, 'migration.booted', 'migration/x', '{{}}', 'dead', 3,
                created_at, created_at, 500, 'It was answered with 500.', created_at, created_at
            FROM webhooks"
    ));
    for who in [Who::Admin, Who::Reader] {
        for (path, schema) in [
            ("/migrations", "MigrationList"),
            (
                "/migrations?limit=1&with_total=true&fields=uuid,timeline",
                "MigrationList",
            ),
            ("/migrations/1", "Migration"),
            ("/migrations/1", "MigrationFields"),
            ("/migrations/2", "Migration"),
            ("/migrations/2?fields=id", "MigrationFields"),
            ("/servers?with_total=true", "ServerList"),
            ("/servers?limit=1&fields=disks,groups", "ServerList"),
            (&*format!("/servers/{SERVER}"), "ServerFields"),
            ("/events", "EventList"),
            ("/events?limit=1", "EventList"),
            ("/events?fields=type,position", "EventList"),
            ("/snapshot", "Snapshot"),
            ("/snapshot?fields=position,hosts", "SnapshotFields"),
            ("/webhooks", "WebhookList"),
            (&*webhook, "WebhookFields"),
            (&*format!("{webhook}/deliveries"), "DeliveryList"),
        ] {
            let answer = world.native(who, path).await;
            assert_eq!(answer.status, 200, "{path}");
            conforms(&answer, schema);
        }
        for path in [
            "/nowhere",
            "/hosts/nowhere",
            "/migrations?a=1&b=2",
            "/events?after=99",
        ] {
            let answer = world.native(who, path).await;
            assert!(answer.status >= 400, "{path}");
            conforms(&answer, "Problem");
        }
    }
    let plans = plans_and_runs(&world).await;
    for who in [Who::Admin, Who::Reader] {
        for (path, schema) in &plans {
            let answer = world.native(who, path).await;
            assert_eq!(answer.status, 200, "{path}");
            conforms(&answer, schema);
        }
    }
    for (path, body, schema) in [
        (
            "/hosts/host-2/topology",
            json!({"pod": "p1", "cluster": "c1"}),
            "Topology",
        ),
        (
            "/hosts/host-2/allocation",
            json!({"state": "disabled", "reason": "fan"}),
            "Allocation",
        ),
        (
            "/scopes/pod/p1/allocation",
            json!({"state": "disabled", "reason": "power"}),
            "Allocation",
        ),
        (
            "/scopes/cluster/c1/management",
            json!({"managed": false, "reason": "upgrade"}),
            "Management",
        ),
    ] {
        let ask = world.ask("PUT", &format!("{ROOT}{path}")).by(Who::Admin);
        let answer = ask.json(&body).send().await;
        assert_eq!(answer.status, 200, "{path}");
        conforms(&answer, schema);
    }
    let body = json!({"reason": "its fan", "immovable": "skip"});
    let path = "/hosts/host-3/maintenance";
    let held = send(&world, Who::Admin, ("POST", path), &body).await;
    conforms(&held, "Maintenance");
    world.sql("UPDATE services SET forced_down = TRUE WHERE host = 'host-2'");
    for (path, schema) in [
        ("/hosts", "HostList"),
        (
            "/hosts?limit=1&with_total=true&fields=name,fence",
            "HostList",
        ),
        ("/scopes?with_total=true", "ScopeList"),
        ("/scopes?limit=1&fields=scope,allocation", "ScopeList"),
        (
            &*format!("/servers/{SERVER}/candidates?with_total=true"),
            "CandidateList",
        ),
        ("/hosts/host-1/drain-check", "DrainCheck"),
        ("/hosts/host-1/maintenance", "Maintenance"),
        ("/hosts/host-3/maintenance", "Maintenance"),
        (
            "/hosts/host-3/maintenance?fields=state",
            "MaintenanceFields",
        ),
        ("/events?types=maintenance.*", "EventList"),
        ("/pools?with_total=true", "PoolList"),
        ("/pools?fields=name,shared", "PoolList"),
        ("/hosts/host-1", "Host"),
        ("/hosts/host-2", "Host"),
        ("/hosts/host-2?fields=agent", "HostFields"),
    ] {
        let answer = world.native(Who::Admin, path).await;
        assert_eq!(answer.status, 200, "{path}");
        conforms(&answer, schema);
    }
}
