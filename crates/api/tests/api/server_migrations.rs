//! `/servers/{id}/migrations` and one of them.

use godwit_api::nova::microversion::Microversion;
use godwit_core::status::{MigrationKind, MigrationStatus};
use serde_json::{Value, json};

use crate::seed::{Migration, NO_SERVER, SERVER, Server, migration_uuid};
use crate::world::{ADMIN, Who, World};

fn list() -> String {
    format!("/v2.1/servers/{SERVER}/migrations")
}

fn one(id: &str) -> String {
    format!("/v2.1/servers/{SERVER}/migrations/{id}")
}

#[tokio::test]
async fn every_version_shows_what_it_should() {
    let world = World::new().await;
    world.moving("running").await;
    let mut seen = Vec::<(String, Value)>::new();
    for version in Microversion::all() {
        let index = world.get(Who::Admin, version.minor(), &list()).await;
        let show = world.get(Who::Admin, version.minor(), &one("1")).await;
        let documents = match index.status {
            404 => {
                assert_eq!(show.not_found(), index.not_found());
                index.json()
            }
            _ => {
                assert_eq!(index.ok()["migrations"], json!([show.ok()["migration"]]));
                index.ok()
            }
        };
        if seen.last().is_none_or(|(_, last)| *last != documents) {
            seen.push((format!("from {version}"), documents));
        }
    }
    insta::assert_json_snapshot!(seen);
}

#[tokio::test]
async fn hosts_in_the_list_are_for_administrators_and_always_in_one() {
    let world = World::new().await;
    world.moving("running").await;
    let hosts = [
        "dest_compute",
        "dest_host",
        "dest_node",
        "source_compute",
        "source_node",
    ];
    let shown = world.get(Who::Manager, 80, &list()).await.ok();
    for host in hosts {
        assert_eq!(
            shown["migrations"][0].get(host),
            Some(&Value::Null),
            "{host}"
        );
    }
    assert_eq!(shown["migrations"][0]["id"], 1);
    assert_eq!(
        world.get(Who::Manager, 80, &one("1")).await.forbidden(),
        "servers:migrations:show"
    );
    let shown = world.get(Who::Admin, 80, &one("1")).await.ok();
    assert_eq!(shown["migration"]["dest_node"], "host-2.example.org");
}

#[tokio::test]
async fn only_live_migrations_in_progress_are_there() {
    let world = World::new().await;
    world.populate().await;
    let mut id = 0;
    let mut expected = Vec::new();
    for kind in MigrationKind::ALL {
        for status in MigrationStatus::ALL {
            id += 1;
            let (kind, status) = (kind.as_str(), status.as_str());
            world.migration(Migration {
                id,
                kind,
                status,
                imported: true,
                ..Migration::default()
            });
            let answer = world.get(Who::Admin, 80, &one(&id.to_string())).await;
            if kind != "live-migration" {
                let text = format!("Migration {id} for server {SERVER} is not live-migration.");
                assert_eq!(answer.not_found(), text);
            } else if ["queued", "preparing", "running", "post-migrating"].contains(&status) {
                assert_eq!(answer.ok()["migration"]["status"], status);
                expected.push(id);
            } else {
                let text = format!("Live migration {id} for server {SERVER} is not in progress.");
                assert_eq!(answer.not_found(), text);
            }
        }
    }
    let shown = world.get(Who::Admin, 80, &list()).await.ok();
    let ids: Vec<_> = shown["migrations"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| &it["id"])
        .collect();
    assert_eq!(json!(ids), json!(expected));
}

#[tokio::test]
async fn deleted_rows_are_gone_and_hidden_ones_are_not() {
    let world = World::new().await;
    world.populate().await;
    world.migration(Migration {
        id: 1,
        hidden: true,
        imported: true,
        ..Migration::default()
    });
    world.migration(Migration {
        id: 2,
        deleted: true,
        imported: true,
        ..Migration::default()
    });
    let shown = world.get(Who::Admin, 80, &list()).await.ok();
    assert_eq!(shown["migrations"].as_array().unwrap().len(), 1);
    assert_eq!(world.get(Who::Admin, 80, &one("1")).await.status, 200);
    assert_eq!(world.get(Who::Admin, 80, &one("2")).await.status, 404);
}

#[tokio::test]
async fn ids_are_numbers_written_as_numbers_are() {
    let world = World::new().await;
    world.moving("running").await;
    let other = "22222222-2222-4222-8222-222222222222";
    world.server(Server {
        uuid: other,
        ..Server::default()
    });
    world.migration(Migration {
        id: 7,
        server: other,
        ..Migration::default()
    });
    for (id, shown) in [
        ("999999", "999999"),
        ("7", "7"),
        ("-1", "-1"),
        ("0", "0"),
        ("01", "01"),
        ("+1", "+1"),
        ("%201", " 1"),
        ("1.json", "1.json"),
        ("1e0", "1e0"),
        ("99999999999999999999", "99999999999999999999"),
        ("%D9%A1", "\u{d9}\u{a1}"),
        (&migration_uuid(1), &migration_uuid(1)),
    ] {
        let text = format!("In-progress live migration {shown} is not found for server {SERVER}.");
        assert_eq!(world.get(Who::Admin, 80, &one(id)).await.not_found(), text);
    }
}

#[tokio::test]
async fn the_caller_is_answered_in_its_own_words() {
    let world = World::new().await;
    world.moving("running").await;
    let upper = SERVER.to_uppercase();
    let answer = world
        .get(
            Who::Admin,
            80,
            &format!("/v2.1/servers/{upper}/migrations/9"),
        )
        .await;
    let text = format!("In-progress live migration 9 is not found for server {upper}.");
    assert_eq!(answer.not_found(), text);
}

#[tokio::test]
async fn without_samples_and_changes_there_is_null() {
    let world = World::new().await;
    world.populate().await;
    world.migration(Migration {
        status: "queued",
        sampled: false,
        updated: false,
        user: None,
        project: None,
        ..Migration::default()
    });
    let shown = world.get(Who::Admin, 80, &one("1")).await.ok();
    for field in [
        "memory_total_bytes",
        "memory_processed_bytes",
        "memory_remaining_bytes",
        "disk_total_bytes",
        "disk_processed_bytes",
        "disk_remaining_bytes",
        "updated_at",
        "user_id",
        "project_id",
        "dest_host",
    ] {
        assert_eq!(shown["migration"].get(field), Some(&Value::Null), "{field}");
    }
}

#[tokio::test]
async fn unknown_parameters_are_refused_from_2_102_on() {
    let world = World::new().await;
    world.moving("running").await;
    for path in [list(), one("1"), format!("/v2.1/servers/{SERVER}")] {
        let path = format!("{path}?foo=1&bar");
        assert_eq!(world.get(Who::Admin, 101, &path).await.status, 200);
        assert_eq!(
            world.get(Who::Admin, 102, &path).await.bad_request(),
            "Additional properties are not allowed ('bar', 'foo' were unexpected)"
        );
    }
    let answer = world
        .get(Who::Admin, 102, &format!("/v2.1/servers/{NO_SERVER}?foo=1"))
        .await;
    assert_eq!(answer.status, 400, "before anybody looks for the server");
    let path = format!("{}?foo=%ff", one("9"));
    assert_eq!(
        world.get(Who::Admin, 80, &path).await.bad_request(),
        "Query string is not UTF-8 encoded"
    );
    let ask = world.ask("DELETE", &path).by(Who::Admin).version(102);
    assert_eq!(
        ask.send().await.status,
        404,
        "nobody reads the query of this"
    );
}

#[tokio::test]
async fn the_vendors_type_where_it_is_preferred() {
    let world = World::new().await;
    world.moving("running").await;
    for (accept, expected) in [
        ("", "application/json"),
        ("text/html", "application/json"),
        ("application/json;q=0.1", "application/json"),
        (
            "application/vnd.openstack.compute+json",
            "application/vnd.openstack.compute+json",
        ),
    ] {
        let ask = world.ask("GET", &list()).by(Who::Admin).version(80);
        let answer = ask.header("Accept", accept).send().await;
        assert_eq!(answer.header("content-type"), Some(expected), "{accept}");
    }
}

#[tokio::test]
async fn the_project_may_stand_in_the_url() {
    let world = World::new().await;
    world.moving("running").await;
    let path = format!("/v2.1/{ADMIN}/servers/{SERVER}/migrations");
    assert_eq!(
        world.get(Who::Admin, 80, &path).await.ok(),
        world.get(Who::Admin, 80, &list()).await.ok()
    );
}
