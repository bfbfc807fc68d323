//! `/os-migrations`: fields, filters, pages.

use godwit_api::nova::microversion::Microversion;
use serde_json::{Value, json};

use crate::seed::{Migration, NO_SERVER, Server};
use crate::world::{DEMO, LAB, Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

/// Twelve migrations of many kinds; 1 is the oldest but for 12.
pub(crate) async fn fleet() -> World {
    let world = World::new().await;
    world.populate().await;
    world.server(Server {
        uuid: OTHER,
        name: "vm-2",
        ..Server::default()
    });
    let base = Migration {
        imported: true,
        ..Migration::default()
    };
    for migration in [
        Migration {
            id: 1,
            status: "completed",
            age: 10,
            ..base.clone()
        },
        Migration {
            id: 2,
            status: "error",
            age: 20,
            destination: None,
            ..base.clone()
        },
        Migration {
            id: 3,
            status: "running",
            age: 30,
            user: Some("u-other"),
            ..base.clone()
        },
        Migration {
            id: 4,
            status: "queued",
            age: 40,
            updated: false,
            ..base.clone()
        },
        Migration {
            id: 5,
            kind: "evacuation",
            status: "done",
            age: 50,
            ..base.clone()
        },
        Migration {
            id: 6,
            kind: "resize",
            status: "confirmed",
            age: 60,
            ..base.clone()
        },
        Migration {
            id: 7,
            kind: "migration",
            status: "finished",
            age: 70,
            source: "host-2",
            destination: Some("host-1"),
            ..base.clone()
        },
        Migration {
            id: 8,
            server: OTHER,
            status: "preparing",
            age: 80,
            project: Some(LAB),
            ..base.clone()
        },
        Migration {
            id: 9,
            server: OTHER,
            status: "running",
            age: 90,
            hidden: true,
            ..base.clone()
        },
        Migration {
            id: 10,
            server: OTHER,
            status: "running",
            age: 100,
            deleted: true,
            ..base.clone()
        },
        Migration {
            id: 11,
            server: OTHER,
            status: "running (post-copy)",
            age: 100,
            user: None,
            project: None,
            ..base.clone()
        },
        Migration {
            id: 12,
            server: OTHER,
            status: "running",
            age: 5,
            ..base
        },
    ] {
        world.migration(migration);
    }
    world
}

/// Those of the fleet that are ever listed, oldest row first and newest first.
const BY_ID: [i64; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 11, 12];
pub(crate) const NEWEST_FIRST: [i64; 10] = [11, 8, 7, 6, 5, 4, 3, 2, 1, 12];

pub(crate) fn ids(document: &Value) -> Vec<i64> {
    let items = document["migrations"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_i64().unwrap()).collect()
}

pub(crate) async fn listed(world: &World, minor: u32, query: &str) -> Vec<i64> {
    ids(&world
        .get(Who::Admin, minor, &format!("/v2.1/os-migrations{query}"))
        .await
        .ok())
}

#[tokio::test]
async fn every_version_shows_what_it_should() {
    let world = fleet().await;
    let mut seen = Vec::<(String, Value)>::new();
    for version in Microversion::all() {
        let mut document = world
            .get(Who::Admin, version.minor(), "/v2.1/os-migrations")
            .await
            .ok();
        let address = world.address.to_string();
        let items = document["migrations"].as_array().unwrap();
        // One in progress, one of another type, and one without an owner say it all.
        let some = [3, 5, 11].map(|id| items.iter().find(|item| item["id"] == id).unwrap());
        let text = serde_json::to_string(&some).unwrap().replace(&address, "H");
        document["migrations"] = serde_json::from_str(&text).unwrap();
        if seen.last().is_none_or(|(_, last)| *last != document) {
            seen.push((format!("from {version}"), document));
        }
    }
    insta::assert_json_snapshot!(seen);
}

#[tokio::test]
async fn the_order_is_by_id_and_later_by_age() {
    let world = fleet().await;
    assert_eq!(listed(&world, 1, "").await, BY_ID);
    assert_eq!(listed(&world, 58, "").await, BY_ID);
    assert_eq!(listed(&world, 59, "").await, NEWEST_FIRST);
}

#[tokio::test]
async fn filters_are_exact_and_the_last_value_counts() {
    let world = fleet().await;
    for (query, expected) in [
        ("?status=running", &[3, 12][..]),
        ("?status=RUNNING", &[]),
        ("?status=nope", &[]),
        ("?status=", &[]),
        ("?status=a%00b", &[]),
        ("?status=running&status=error", &[2]),
        ("?status=running;status=queued", &[4]),
        ("?status=running%20(post-copy)", &[11]),
        ("?migration_type=evacuation", &[5]),
        ("?migration_type=migration", &[7]),
        ("?migration_type=nope", &[]),
        ("?host=host-1&status=finished", &[7]),
        ("?host=host-2&status=error", &[]),
        ("?host=nohost", &[]),
        ("?source_compute=host-2", &[7]),
        ("?source_compute=nohost&host=host-1&status=error", &[2]),
        (
            "?instance_uuid=22222222-2222-4222-8222-222222222222",
            &[11, 8, 12],
        ),
        ("?instance_uuid=bad", &[]),
        ("?instance_uuid=11111111-2222-4333-8444-555555555555", &[]),
        ("?hidden=1", &[]),
        ("?hidden=true", &[]),
        ("?hidden=1&hidden=0&status=error", &[2]),
        ("?hidden=&status=error", &[2]),
        ("?user_id=u-other", &[3]),
        ("?user_id=", &[]),
        ("?project_id=ed8da9ca9005471bb18a766d737d3194", &[8]),
        ("?changes-since=2026-11-01T01:11:00Z", &[11, 8, 7]),
        ("?changes-since=2026-11-01T02:11:00%2B01:00", &[11, 8, 7]),
        ("?changes-before=2026-11-01T00:11:00", &[1, 12]),
        (
            "?changes-since=2026-11-01T01:11:00Z&changes-before=2026-11-01T01:11:00Z",
            &[7],
        ),
        ("?limit=0", &[]),
        ("?limit=2", &[11, 8]),
        ("?limit=2&marker=", &[11, 8]),
        ("?limit=2%0A", &[11, 8]),
        ("?limit=99999999999999999999", &NEWEST_FIRST),
        ("?&&limit=1", &[11]),
    ] {
        assert_eq!(listed(&world, 80, query).await, expected, "{query}");
    }
}

#[tokio::test]
async fn before_they_exist_parameters_are_dropped_unseen() {
    let world = fleet().await;
    for query in [
        "?limit=abc",
        "?limit=1",
        "?marker=x",
        "?user_id=u-other",
        "?project_id=x",
        "?changes-since=x",
        "?sort_key=id",
        "?foo=bar",
    ] {
        assert_eq!(listed(&world, 58, query).await, BY_ID, "{query}");
    }
    assert_eq!(listed(&world, 1, "?status=error&foo=bar").await, [2]);
}

#[tokio::test]
async fn queries_are_refused_in_the_validators_words() {
    let world = fleet().await;
    let invalid = |text: &str| format!("Invalid input for query parameters {text}");
    let unexpected =
        |names: &str| format!("Additional properties are not allowed ({names} unexpected)");
    for (minor, query, text) in [
        (
            59,
            "limit=-1",
            invalid("limit. Value: -1. '-1' does not match '^[0-9]*$'"),
        ),
        (
            80,
            "limit=abc",
            invalid("limit. Value: abc. 'abc' does not match '^[0-9]*$'"),
        ),
        (
            80,
            "limit=1.5",
            invalid("limit. Value: 1.5. '1.5' does not match '^[0-9]*$'"),
        ),
        (
            80,
            "limit=+2",
            invalid("limit. Value:  2. ' 2' does not match '^[0-9]*$'"),
        ),
        (
            59,
            "limit=",
            invalid("limit. Value: . '' should be non-empty"),
        ),
        (
            59,
            "limit=1&limit=2",
            invalid("limit. Value: ['1', '2']. ['1', '2'] is too long"),
        ),
        (
            80,
            "marker=a&marker=b",
            invalid("marker. Value: ['a', 'b']. ['a', 'b'] is too long"),
        ),
        (
            59,
            "changes-since=x",
            invalid("changes-since. Value: x. 'x' is not a 'date-time'"),
        ),
        (
            66,
            "changes-before=abc",
            invalid("changes-before. Value: abc. 'abc' is not a 'date-time'"),
        ),
        (
            80,
            "changes-since=2026-11-14T18:00:00+02:00",
            invalid(
                "changes-since. Value: 2026-11-14T18:00:00 02:00. '2026-11-14T18:00:00 02:00' is not a 'date-time'",
            ),
        ),
        (59, "foo=bar", unexpected("'foo' was")),
        (59, "LIMIT=1", unexpected("'LIMIT' was")),
        (80, "limit=2&foo", unexpected("'foo' was")),
        (80, "b=1&a=2&b=3", unexpected("'a', 'b' were")),
        (
            65,
            "changes-before=2020-01-01T00:00:00Z",
            unexpected("'changes-before' was"),
        ),
        (79, "project_id=nope", unexpected("'project_id' was")),
        (79, "user_id=a&user_id=b", unexpected("'user_id' was")),
        (104, "sort_key=id", unexpected("'sort_key' was")),
        (
            80,
            "status=%ff",
            "Query string is not UTF-8 encoded".to_owned(),
        ),
        (
            66,
            "changes-since=2021-01-01&changes-before=2020-01-01",
            "The value of changes-since must be less than or equal to changes-before.".to_owned(),
        ),
        (80, "marker=x", "Marker x could not be found.".to_owned()),
        (80, "marker=1", "Marker 1 could not be found.".to_owned()),
        (
            80,
            "marker=11111111-2222-4333-8444-555555555555",
            format!("Marker {NO_SERVER} could not be found."),
        ),
    ] {
        let path = format!("/v2.1/os-migrations?{query}");
        let answer = world.get(Who::Admin, minor, &path).await;
        assert_eq!(answer.bad_request(), text, "2.{minor} {query}");
        if minor == 104 {
            assert_eq!(
                world.get(Who::Member, minor, &path).await.status,
                400,
                "before policy"
            );
        }
    }
}

#[tokio::test]
async fn managers_see_their_own_project_without_hosts() {
    let world = fleet().await;
    let get = async |who, minor, query: &str| {
        world
            .get(who, minor, &format!("/v2.1/os-migrations{query}"))
            .await
    };
    let all = "os-migrations:index:all_projects";
    assert_eq!(get(Who::Manager, 1, "").await.forbidden(), all);
    assert_eq!(get(Who::Manager, 80, "").await.forbidden(), all);
    assert_eq!(
        get(Who::Manager, 58, &format!("?project_id={DEMO}"))
            .await
            .forbidden(),
        all
    );
    assert_eq!(
        get(Who::Manager, 80, &format!("?project_id={LAB}"))
            .await
            .forbidden(),
        all
    );
    assert_eq!(
        get(Who::Member, 80, "").await.forbidden(),
        "os-migrations:index"
    );
    let own = get(
        Who::Manager,
        80,
        &format!("?project_id={DEMO}&status=error"),
    )
    .await
    .ok();
    let item = &own["migrations"][0];
    assert_eq!(item["id"], 2);
    for host in [
        "dest_compute",
        "dest_host",
        "dest_node",
        "source_compute",
        "source_node",
    ] {
        assert_eq!(item[host], json!(null), "{host}");
    }
}
