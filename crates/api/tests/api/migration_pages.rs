//! `/os-migrations` in pages, and the links in its answers.

use godwit_api::config::ApiConfig;

use crate::migrations::{NEWEST_FIRST, fleet, ids, listed};
use crate::seed::{Migration, SERVER, migration_uuid};
use crate::world::{ADMIN, DEMO, Who, World};

#[tokio::test]
async fn pages_follow_each_other_and_nothing_is_lost() {
    let world = fleet().await;
    for limit in [1, 2, 3, 4, 10, 11] {
        let mut path = format!("/v2.1/os-migrations?limit={limit}");
        let mut all = Vec::new();
        for _ in 0..20 {
            let page = world.get(Who::Admin, 80, &path).await.ok();
            let ids = ids(&page);
            let full = ids.len() == limit;
            all.extend(ids);
            let Some(links) = page.get("migrations_links") else {
                assert!(!full);
                break;
            };
            assert!(full);
            assert_eq!(links[0]["rel"], "next");
            let href = links[0]["href"].as_str().unwrap();
            path = href
                .strip_prefix(&format!("http://{}", world.address))
                .unwrap()
                .to_owned();
        }
        assert_eq!(all, NEWEST_FIRST, "limit {limit}");
    }
}

#[tokio::test]
async fn a_marker_need_not_be_listed_itself() {
    let world = fleet().await;
    for (marker, expected) in [(9, &[8, 7][..]), (10, &[8, 7]), (3, &[2, 1])] {
        let query = format!("?limit=2&marker={}", migration_uuid(marker));
        assert_eq!(listed(&world, 59, &query).await, expected, "{marker}");
    }
    let query = format!("?limit=2&status=running&marker={}", migration_uuid(4));
    assert_eq!(listed(&world, 59, &query).await, [3, 12]);
}

#[tokio::test]
async fn a_list_has_no_more_than_the_configuration_allows() {
    let config = ApiConfig {
        max_limit: 3,
        ..ApiConfig::default()
    };
    let world = World::configured(config).await;
    world.populate().await;
    for id in 1..=4 {
        world.migration(Migration {
            id,
            imported: true,
            age: id,
            ..Migration::default()
        });
    }
    for query in ["", "?limit=1000", "?limit=3"] {
        let page = world
            .get(Who::Admin, 59, &format!("/v2.1/os-migrations{query}"))
            .await
            .ok();
        assert_eq!(ids(&page), [4, 3, 2], "{query}");
        assert!(page.get("migrations_links").is_some());
    }
    assert_eq!(
        listed(&world, 58, "").await.len(),
        4,
        "once there was no limit"
    );
}

#[tokio::test]
async fn links_name_the_project_where_the_url_does() {
    let world = fleet().await;
    let base = format!("http://{}", world.address);
    let first = async |path: &str| {
        let page = world.get(Who::Admin, 80, path).await.ok();
        let self_link = page["migrations"][0]["links"][0]["href"]
            .as_str()
            .unwrap()
            .to_owned();
        let next = page["migrations_links"][0]["href"]
            .as_str()
            .unwrap()
            .to_owned();
        (self_link, next)
    };
    let uuid = migration_uuid(3);
    let (own, next) = first("/v2.1/os-migrations?status=running&limit=1").await;
    assert_eq!(own, format!("{base}/v2.1/servers/{SERVER}/migrations/3"));
    assert_eq!(
        next,
        format!("{base}/v2.1/os-migrations?limit=1&status=running&marker={uuid}")
    );
    let (own, next) = first(&format!(
        "/v2.1/{ADMIN}/os-migrations?status=running&limit=1"
    ))
    .await;
    assert_eq!(
        own,
        format!("{base}/v2.1/{ADMIN}/servers/{SERVER}/migrations/3")
    );
    assert!(
        next.starts_with(&format!("{base}/v2.1/{ADMIN}/os-migrations?")),
        "{next}"
    );
    let (own, _) = first(&format!(
        "/v2.1/os-migrations?status=running&limit=1&project_id={DEMO}"
    ))
    .await;
    assert_eq!(
        own,
        format!("{base}/v2.1/servers/{SERVER}/migrations/3"),
        "another's project"
    );
    // In this version nobody may ask for projects, so what the URL says of one is not heard.
    let unheard = format!("/v2.1/os-migrations?status=running&project_id={ADMIN}");
    let page = world.get(Who::Admin, 79, &unheard).await;
    assert_eq!(page.status, 400);
    let page = world.get(Who::Admin, 58, &unheard).await.ok();
    let links = &page["migrations"][0]["links"];
    let own = links[0]["href"].as_str().unwrap();
    assert!(own.starts_with(&format!("{base}/v2.1/servers/")), "{own}");
}
