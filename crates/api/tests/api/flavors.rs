//! `/flavors`, `/flavors/detail` and one of them.

use godwit_api::microversion::Microversion;
use serde_json::{Value, json};

use crate::seed::{SERVER, Server};
use crate::world::{Who, World};

async fn fleet() -> World {
    let world = World::new().await;
    world.server(Server::default());
    let uuid = "22222222-2222-4222-8222-222222222222";
    world.server(Server {
        uuid,
        extra_specs: r#"{"hw:cpu_policy": "shared"}"#,
        ..Server::default()
    });
    world.sql("UPDATE flavors SET memory_mb = 4096, swap_mb = 64 WHERE id <> 1");
    assert_ne!(SERVER, uuid);
    world
}

#[tokio::test]
async fn every_version_shows_what_it_should() {
    let world = fleet().await;
    let mut seen = Vec::<(String, Value)>::new();
    for version in Microversion::all() {
        let list = world
            .get(Who::Reader, version.minor(), "/v2.1/flavors/detail")
            .await;
        let one = world
            .get(Who::Reader, version.minor(), "/v2.1/flavors/f1")
            .await
            .ok();
        let plain = world
            .get(Who::Reader, version.minor(), "/v2.1/flavors")
            .await
            .ok();
        assert_eq!(list.ok()["flavors"][0], one["flavor"]);
        assert_eq!(plain["flavors"][0]["links"], one["flavor"]["links"]);
        assert_eq!(
            plain["flavors"][0].get("description"),
            one["flavor"].get("description")
        );
        let text = list.text.replace(&world.address.to_string(), "H");
        let document: Value = serde_json::from_str(&text).unwrap();
        if seen.last().is_none_or(|(_, last)| *last != document) {
            seen.push((format!("from {version}"), document));
        }
    }
    insta::assert_json_snapshot!(seen);
}

#[tokio::test]
async fn pages_and_filters() {
    let world = fleet().await;
    let ids = async |query: &str| {
        let list = world
            .get(Who::Admin, 80, &format!("/v2.1/flavors{query}"))
            .await
            .ok();
        let items = list["flavors"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let other = "f127";
    for (query, expected) in [
        ("", &["f1", other][..]),
        ("?is_public=None", &["f1", other]),
        ("?is_public=False", &[]),
        ("?limit=1", &["f1"]),
        ("?limit=0", &[]),
        ("?marker=f1", &[other]),
        ("?minRam=1000", &[other]),
        ("?minDisk=9", &[]),
        ("?sort_key=memory_mb&sort_dir=desc", &[other, "f1"]),
    ] {
        assert_eq!(ids(query).await, expected, "{query}");
    }
    let page = world
        .get(Who::Admin, 80, "/v2.1/flavors/detail?limit=1")
        .await
        .ok();
    let href = page["flavors_links"][0]["href"].as_str().unwrap();
    assert!(
        href.ends_with("/v2.1/flavors/detail?limit=1&marker=f1"),
        "{href}"
    );
    for (query, text) in [
        ("marker=x", "marker [x] not found"),
        ("minRam=x", "Invalid minRam filter [x]"),
        ("sort_key=x", "Sort key supplied was not valid."),
        (
            "foo=1",
            "Additional properties are not allowed ('foo' was unexpected)",
        ),
    ] {
        let answer = world
            .get(Who::Admin, 80, &format!("/v2.1/flavors?{query}"))
            .await;
        assert_eq!(answer.bad_request(), text);
    }
    for id in ["x", "%00"] {
        let answer = world
            .get(Who::Admin, 80, &format!("/v2.1/flavors/{id}"))
            .await;
        assert!(answer.not_found().starts_with("Flavor "), "{answer:?}");
    }
    let swapless = world.get(Who::Admin, 1, "/v2.1/flavors/f1").await.ok();
    assert_eq!(swapless["flavor"]["swap"], json!(""));
}
