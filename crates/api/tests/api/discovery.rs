//! Version documents, negotiation on answers, and what is no route.

use godwit_api::config::ApiConfig;
use serde_json::{Value, json};

use crate::seed::SERVER;
use crate::world::{ADMIN, Who, World};

fn versions(base: &str) -> Value {
    json!({"versions": [
        {"id": "v2.0", "status": "DEPRECATED", "version": "", "min_version": "",
         "updated": "2025-07-04T12:00:00Z",
         "links": [{"rel": "self", "href": format!("{base}/v2/")}]},
        {"id": "v2.1", "status": "CURRENT", "version": "2.104", "min_version": "2.1",
         "updated": "2013-07-23T11:33:21Z",
         "links": [{"rel": "self", "href": format!("{base}/v2.1/")}]},
    ]})
}

fn current(base: &str) -> Value {
    json!({"version": {"id": "v2.1", "status": "CURRENT", "version": "2.104",
        "min_version": "2.1", "updated": "2013-07-23T11:33:21Z",
        "links": [
            {"rel": "self", "href": format!("{base}/v2.1/")},
            {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}],
        "media-types": [{"base": "application/json",
            "type": "application/vnd.openstack.compute+json;version=2.1"}]}})
}

fn legacy(base: &str, root: &str) -> Value {
    json!({"version": {"id": "v2.0", "status": "DEPRECATED", "version": "",
        "min_version": "", "updated": "2025-07-04T12:00:00Z",
        "links": [
            {"rel": "self", "href": format!("{base}/{root}/")},
            {"rel": "describedby", "type": "text/html", "href": "http://docs.openstack.org/"}],
        "media-types": [{"base": "application/json",
            "type": "application/vnd.openstack.compute+json;version=2"}]}})
}

#[tokio::test]
async fn documents_need_no_token_and_take_any_method() {
    let world = World::new().await;
    let base = format!("http://{}", world.address);
    for (path, expected, versioned) in [
        ("/", versions(&base), None),
        ("/v2", legacy(&base, "v2"), Some(false)),
        ("/v2/", legacy(&base, "v2"), Some(false)),
        ("/v2.1", current(&base), Some(true)),
        ("/v2.1/", current(&base), Some(true)),
        ("/v2.1/?foo=bar", current(&base), Some(true)),
    ] {
        for method in ["GET", "PUT", "DELETE", "OPTIONS", "POST"] {
            let answer = world.ask(method, path).send().await;
            assert_eq!(answer.ok(), expected, "{method} {path}");
            let version = answer.header("x-openstack-nova-api-version");
            assert_eq!(version.is_some(), versioned == Some(true), "{path}");
            let id = answer.header("x-openstack-request-id");
            assert_eq!(id.is_some(), versioned.is_some(), "{path}");
        }
    }
}

#[tokio::test]
async fn versions_are_negotiated_and_echoed() {
    let world = World::new().await;
    world.populate().await;
    let path = format!("/v2.1/servers/{SERVER}");
    for (header, echoed) in [
        ("compute 2.80", "2.80"),
        ("compute latest", "2.104"),
        ("volume 3.1", "2.1"),
    ] {
        for path in ["/v2.1/", path.as_str()] {
            let ask = world.ask("GET", path).by(Who::Admin);
            let answer = ask.header("OpenStack-API-Version", header).send().await;
            assert_eq!(answer.status, 200);
            assert_eq!(
                answer.header("openstack-api-version"),
                Some(&*format!("compute {echoed}"))
            );
            assert_eq!(answer.header("x-openstack-nova-api-version"), Some(echoed));
            let vary: Vec<_> = answer.headers.get_all("vary").iter().collect();
            assert_eq!(
                vary,
                ["OpenStack-API-Version", "X-OpenStack-Nova-API-Version"]
            );
        }
    }
    for path in ["/v2.1/", path.as_str()] {
        let ask = |header| {
            world
                .ask("GET", path)
                .by(Who::Admin)
                .header("OpenStack-API-Version", header)
        };
        let answer = ask("compute 2.999").send().await;
        assert_eq!(
            answer.fault(406, "computeFault"),
            "Version 2.999 is not supported by the API. Minimum is 2.1 and maximum is 2.104."
        );
        assert_eq!(
            answer.header("openstack-api-version"),
            Some("compute 2.999")
        );
        let answer = ask("compute abc").send().await;
        assert_eq!(
            answer.bad_request(),
            "API Version String abc is of invalid format. Must be of format MajorNum.MinorNum."
        );
        assert_eq!(answer.header("openstack-api-version"), None);
    }
}

#[tokio::test]
async fn the_legacy_root_knows_no_versions() {
    let world = World::new().await;
    world.populate().await;
    let server = format!("/v2/servers/{SERVER}");
    let answer = world.get(Who::Admin, 80, &server).await;
    assert!(
        answer.ok()["server"].get("locked").is_none(),
        "it is version 2.1"
    );
    assert_eq!(answer.header("openstack-api-version"), None);
    let answer = world
        .get(
            Who::Admin,
            80,
            &format!("/v2/{ADMIN}/servers/{SERVER}/migrations"),
        )
        .await;
    assert_eq!(answer.not_found(), "The resource could not be found.");
    assert_eq!(answer.header("openstack-api-version"), None);
    let answer = world.get(Who::Admin, 999, "/v2/servers").await;
    assert_eq!(answer.status, 200, "versions are not even looked at");
}

#[tokio::test]
async fn paths_without_a_version_are_choices() {
    let world = World::new().await;
    for (path, shown) in [
        ("/foo", "foo"),
        ("/v3/", "v3"),
        ("/healthcheck", "healthcheck"),
        ("/a/b?c=d", "a/b"),
        ("/v2.10/servers", "v2.10/servers"),
    ] {
        let options = world.ask("OPTIONS", path).send().await;
        assert_eq!((options.status, options.text.as_str()), (200, ""), "{path}");
        for method in ["GET", "POST"] {
            let answer = world
                .ask(method, path)
                .header("Accept", "text/html")
                .send()
                .await;
            assert_eq!(answer.status, 300);
            assert_eq!(answer.header("content-type"), Some("application/json"));
            assert_eq!(answer.header("x-openstack-request-id"), None);
            let href = |root| json!([{"rel": "self", "href": format!("http://{}/{root}/{shown}", world.address)}]);
            let document = answer.json();
            assert_eq!(document["choices"][0]["links"], href("v2"));
            assert_eq!(document["choices"][1]["links"], href("v2.1"));
            assert_eq!(document["choices"][1]["id"], "v2.1");
        }
    }
}

#[tokio::test]
async fn a_version_can_be_shown_below_a_project_and_by_its_id() {
    let world = World::new().await;
    let base = format!("http://{}", world.address);
    let get = async |path: &str| world.get(Who::Admin, 1, path).await;
    assert_eq!(get(&format!("/v2.1/{ADMIN}/")).await.ok(), current(&base));
    assert_eq!(get("/v2.1/versions/v2.1").await.ok(), current(&base));
    assert_eq!(get("/v2.1/versions/v2.0").await.ok(), legacy(&base, "v2.1"));
    assert_eq!(
        get("/v2.1/versions/v9").await.not_found(),
        "The resource could not be found."
    );
    assert_eq!(get(&format!("/v2.1/{ADMIN}")).await.status, 404);
    for path in [format!("/v2.1/{ADMIN}/"), "/v2.1/versions/v2.1".to_owned()] {
        assert_eq!(world.ask("GET", &path).send().await.status, 401);
    }
}

#[tokio::test]
async fn what_is_no_route_is_a_page_or_a_fault_as_the_client_asks() {
    let world = World::new().await;
    world.populate().await;
    let migrations = format!("/v2.1/servers/{SERVER}/migrations");
    for (method, path) in [
        ("GET", "/v2.1/foo"),
        ("GET", "/v2.1/servers/"),
        ("GET", "/v2.1/os-migrations/detail"),
        ("GET", "/v2.1/os-migrations.json"),
        ("GET", "/v2.1/ABC/servers"),
        ("POST", "/v2.1/os-migrations"),
        ("PATCH", "/v2.1/servers"),
        ("FOO", &migrations),
        ("DELETE", &migrations),
        ("POST", &migrations),
    ] {
        let page = world
            .ask(method, path)
            .by(Who::Admin)
            .version(80)
            .header("Accept", "*/*")
            .send()
            .await;
        assert_eq!(page.status, 404, "{method} {path}");
        assert_eq!(
            page.header("content-type"),
            Some("text/html; charset=UTF-8")
        );
        assert!(page.header("x-openstack-request-id").is_some());
        assert_eq!(page.header("openstack-api-version"), None);
        let json = world
            .ask(method, path)
            .by(Who::Admin)
            .header("Accept", "application/json");
        let json = json.send().await;
        assert_eq!(json.header("content-type"), Some("application/json"));
        let expected = json!({
            "message": "The resource could not be found.<br /><br />\n\n\n",
            "code": "404 Not Found",
            "title": "Not Found",
        });
        assert_eq!((json.status, json.json()), (404, expected));
    }
    let head = world
        .ask("HEAD", &migrations)
        .by(Who::Admin)
        .header("Accept", "application/json");
    let head = head.send().await;
    assert_eq!((head.status, head.text.as_str()), (404, ""));
    let options = world.ask("OPTIONS", &migrations).send().await;
    assert_eq!((options.status, options.text.as_str()), (200, ""));
    assert_eq!(options.header("x-openstack-request-id"), None);
}

#[tokio::test]
async fn repeated_slashes_are_one() {
    let world = World::new().await;
    world.populate().await;
    let answer = world
        .get(Who::Admin, 80, &format!("//v2.1///servers//{SERVER}"))
        .await;
    assert_eq!(answer.ok()["server"]["id"], SERVER);
}

#[tokio::test]
async fn every_request_has_an_id_of_its_own() {
    let world = World::new().await;
    let global = "req-11111111-1111-4111-8111-111111111111";
    let mut ids = Vec::new();
    for _ in 0..3 {
        let ask = world.ask("GET", "/v2.1/servers").by(Who::Reader);
        let answer = ask.header("X-OpenStack-Request-ID", global).send().await;
        let id = answer.header("x-openstack-request-id").unwrap().to_owned();
        assert_eq!(answer.header("x-compute-request-id"), Some(&*id));
        let uuid = id.strip_prefix("req-").unwrap();
        assert_eq!(
            uuid::Uuid::parse_str(uuid).unwrap().get_version_num(),
            4,
            "{id}"
        );
        ids.push(id);
    }
    ids.push(global.to_owned());
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn links_follow_the_configuration() {
    let config = ApiConfig {
        link_prefix: Some("https://cloud.example.org/compute/".to_owned()),
        ..ApiConfig::default()
    };
    let world = World::configured(config).await;
    world.populate().await;
    let base = "https://cloud.example.org/compute";
    assert_eq!(world.ask("GET", "/").send().await.ok(), versions(base));
    let server = world
        .get(Who::Admin, 1, &format!("/v2.1/servers/{SERVER}"))
        .await
        .ok();
    let href = &server["server"]["links"][0]["href"];
    assert_eq!(*href, format!("{base}/v2.1/servers/{SERVER}"));

    let config = ApiConfig {
        scheme_header: Some("X-Forwarded-Proto".to_owned()),
        ..ApiConfig::default()
    };
    let world = World::configured(config).await;
    let ask = |scheme| {
        let ask = world.ask("GET", "/").header("Host", "cloud.example.org");
        ask.header("X-Forwarded-Proto", scheme).send()
    };
    assert_eq!(
        ask("https").await.ok(),
        versions("https://cloud.example.org")
    );
    assert_eq!(
        ask("gopher").await.ok(),
        versions("http://cloud.example.org")
    );
}
