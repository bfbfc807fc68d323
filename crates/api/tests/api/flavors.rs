//! `/flavors`, `/flavors/detail` and one of them.

use godwit_api::nova::microversion::Microversion;
use serde_json::{Value, json};

use crate::seed::{SERVER, Server};
use crate::world::{Who, World};

async fn fleet() -> World {
    populated(World::new().await)
}

/// With two flavors, of which one has an extra spec.
fn populated(world: World) -> World {
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
        ("?is_public=true", &["f1", other]),
        ("?is_public=False", &[]),
        ("?sort_key=rxtx_factor", &["f1", other]),
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
        ("is_public=x", "Invalid is_public filter [x]"),
        (
            "sort_key=vcpu",
            "Invalid input for query parameters sort_key. Value: vcpu. 'vcpu' is not one of ['created_at', 'description', 'disabled', 'ephemeral_gb', 'flavorid', 'id', 'is_public', 'memory_mb', 'name', 'root_gb', 'rxtx_factor', 'swap', 'updated_at', 'vcpu_weight', 'vcpus']",
        ),
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
    for (minor, query, expected) in [
        (101, "name=m1", 400),
        (102, "name=m1", 200),
        (102, "name=(", 400),
        (102, "sort_key=rxtx_factor", 400),
    ] {
        let path = format!("/v2.1/flavors?{query}");
        let answer = world.get(Who::Reader, minor, &path).await;
        assert_eq!(answer.status, expected, "{query}");
    }
    let named = world
        .get(Who::Reader, 102, "/v2.1/flavors?name=^m1.t")
        .await;
    let named = named.ok()["flavors"].as_array().unwrap().clone();
    assert_eq!(named.iter().map(|it| &it["id"]).collect::<Vec<_>>(), ["f1"]);
    // Whoever is no administrator asks about the kind of flavors in vain.
    let path = "/v2.1/flavors?is_public=x";
    assert_eq!(world.get(Who::Reader, 80, path).await.status, 200);
    let swapless = world.get(Who::Admin, 1, "/v2.1/flavors/f1").await.ok();
    assert_eq!(swapless["flavor"]["swap"], json!(""));
}

/// The flavor of a server is another matter, which another rule decides.
#[tokio::test]
async fn who_sees_extra_specs_in_flavors() {
    for (rules, seen) in [
        (json!({}), true),
        (
            json!({"os_compute_api:os-flavor-extra-specs:index": "role:manager"}),
            false,
        ),
        (
            json!({"os_compute_api:servers:show:flavor-extra-specs": "!"}),
            true,
        ),
    ] {
        let world = populated(World::under(rules).await);
        let get = async |path| world.get(Who::Reader, 61, path).await.ok();
        let one = get("/v2.1/flavors/f127").await;
        let all = get("/v2.1/flavors/detail").await;
        for flavor in [&one["flavor"], &all["flavors"][1]] {
            assert_eq!(flavor["id"], "f127");
            assert_eq!(flavor.get("extra_specs").is_some(), seen);
        }
    }
}

#[tokio::test]
async fn extra_specs_are_listed_and_shown() {
    let world = fleet().await;
    for minor in [1, 61, 104] {
        let get = async |who, path: &str| {
            world
                .get(who, minor, &format!("/v2.1/flavors/{path}"))
                .await
        };
        for (path, expected) in [
            ("f1/os-extra_specs", json!({"extra_specs": {}})),
            (
                "f127/os-extra_specs",
                json!({"extra_specs": {"hw:cpu_policy": "shared"}}),
            ),
            (
                "f127/os-extra_specs/hw:cpu_policy",
                json!({"hw:cpu_policy": "shared"}),
            ),
            (
                "f127/os-extra_specs/hw%3Acpu_policy",
                json!({"hw:cpu_policy": "shared"}),
            ),
        ] {
            assert_eq!(get(Who::Reader, path).await.ok(), expected, "{path}");
        }
        for (path, text) in [
            ("x/os-extra_specs", "Flavor x could not be found."),
            ("%00/os-extra_specs", "Flavor \0 could not be found."),
            ("x/os-extra_specs/k", "Flavor x could not be found."),
            (
                "f1/os-extra_specs/k",
                "Flavor f1 has no extra specs with key k.",
            ),
            (
                "f1/os-extra_specs/%00",
                "Flavor f1 has no extra specs with key \0.",
            ),
        ] {
            assert_eq!(get(Who::Reader, path).await.not_found(), text);
        }
        // Who may not know them hears nothing of the flavor either.
        for (path, rule) in [
            ("x/os-extra_specs", "index"),
            ("x/os-extra_specs/k", "show"),
        ] {
            let refusal = get(Who::Nobody, path).await.forbidden();
            assert_eq!(refusal, format!("os-flavor-extra-specs:{rule}"));
        }
    }
}

#[tokio::test]
async fn extra_specs_take_no_parameters_since_2_102() {
    let world = fleet().await;
    for path in ["os-extra_specs", "os-extra_specs/hw:cpu_policy"] {
        let path = format!("/v2.1/flavors/f127/{path}?x=1");
        assert_eq!(world.get(Who::Reader, 101, &path).await.status, 200);
        let text = "Additional properties are not allowed ('x' was unexpected)";
        let refusal = world.get(Who::Reader, 102, &path).await;
        assert_eq!(refusal.bad_request(), text);
    }
}

/// Nova names only the project when it asks for these.
#[tokio::test]
async fn rules_of_extra_specs_do_not_know_the_user() {
    let own = json!("user_id:%(user_id)s");
    let world = World::under(json!({
        "os_compute_api:os-flavor-extra-specs:index": own,
        "os_compute_api:os-flavor-extra-specs:show": own,
    }));
    let world = populated(world.await);
    for path in ["f127/os-extra_specs", "f127/os-extra_specs/hw:cpu_policy"] {
        let path = format!("/v2.1/flavors/{path}");
        world.get(Who::Reader, 61, &path).await.forbidden();
    }
    let flavor = world.get(Who::Reader, 61, "/v2.1/flavors/f127").await.ok();
    assert_eq!(
        flavor["flavor"]["extra_specs"],
        json!({"hw:cpu_policy": "shared"})
    );
}
