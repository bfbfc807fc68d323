//! What dashboards and exporters ask for around servers.

use godwit_test_support::postgres::TempPostgres;
use serde_json::{Value, json};

use crate::seed::{SERVER, Server, VOLUME};
use crate::world::{DEMO, LAB, Wanted, Who, World};

async fn world() -> World {
    let world = World::new().await;
    world.populate().await;
    world
}

#[tokio::test]
async fn volumes_are_those_that_the_server_shows() {
    let world = world().await;
    world.volume();
    let path = format!("/v2.1/servers/{SERVER}/os-volume_attachments");
    let first = async |minor| {
        let list = world.get(Who::Reader, minor, &path).await.ok();
        list["volumeAttachments"][0].clone()
    };
    let plain = json!({
        "id": VOLUME, "volumeId": VOLUME, "serverId": SERVER, "device": "/dev/vdb",
    });
    assert_eq!(first(69).await, plain);
    assert_eq!(first(70).await["tag"], "data");
    assert_eq!(first(78).await.get("delete_on_termination"), None);
    assert_eq!(first(79).await["delete_on_termination"], true);
    let named = first(89).await;
    assert_eq!(named.get("id"), None);
    assert!(named["attachment_id"].is_string() && named["bdm_uuid"].is_string());
    let one = format!("{path}/{VOLUME}");
    let one = world.get(Who::Reader, 89, &one).await.ok();
    assert_eq!(one["volumeAttachment"], named);
    let server = format!("/v2.1/servers/{SERVER}");
    let server = world.get(Who::Reader, 89, &server).await.ok()["server"].clone();
    assert_eq!(
        server["os-extended-volumes:volumes_attached"][0]["id"],
        VOLUME
    );
    for (query, count) in [
        ("?offset=1", 0),
        ("?limit=0", 1),
        ("?offset=99999999999999999999", 0),
    ] {
        let list = world
            .get(Who::Reader, 89, &format!("{path}{query}"))
            .await
            .ok();
        assert_eq!(
            list["volumeAttachments"].as_array().unwrap().len(),
            count,
            "{query}"
        );
    }
    let none = world
        .get(Who::Reader, 89, &format!("{path}/x"))
        .await
        .not_found();
    assert_eq!(
        none,
        format!("Instance {SERVER} is not attached to volume x")
    );
    let hidden = world.get(Who::Stranger, 89, &path).await.not_found();
    assert_eq!(hidden, format!("Instance {SERVER} could not be found."));
}

#[tokio::test]
async fn an_attachment_that_the_volume_service_did_not_name_is_left_out_of_newer_versions() {
    let world = world().await;
    let old = json!({"volumes": [{"id": VOLUME, "delete_on_termination": false}]});
    world.sql(&format!("UPDATE servers SET launch = '{old}'"));
    let path = format!("/v2.1/servers/{SERVER}/os-volume_attachments");
    let list = async |minor| world.get(Who::Reader, minor, &path).await.ok();
    let expected = json!([{"id": VOLUME, "volumeId": VOLUME, "serverId": SERVER}]);
    assert_eq!(list(2).await["volumeAttachments"], expected);
    assert_eq!(list(89).await["volumeAttachments"], json!([]));
}

#[tokio::test]
async fn of_networks_nothing_is_known() {
    let world = world().await;
    let get = async |path: &str| {
        let path = format!("/v2.1/servers/{SERVER}/{path}");
        world.get(Who::Reader, 80, &path).await
    };
    assert_eq!(
        get("os-interface").await.ok(),
        json!({"interfaceAttachments": []})
    );
    assert_eq!(
        get("os-security-groups").await.ok(),
        json!({"security_groups": []})
    );
    assert_eq!(get("ips").await.ok(), json!({"addresses": {}}));
    assert_eq!(get("tags").await.ok(), json!({"tags": []}));
    assert_eq!(get("metadata").await.ok(), json!({"metadata": {"k": "v"}}));
    assert_eq!(get("metadata/k").await.ok(), json!({"meta": {"k": "v"}}));
    assert_eq!(
        get("metadata/x").await.not_found(),
        "Metadata item was not found"
    );
    let tags = format!("/v2.1/servers/{SERVER}/tags");
    assert_eq!(world.get(Who::Reader, 25, &tags).await.status, 404);
    let groups = async |minor| {
        world
            .get(Who::Reader, minor, "/v2.1/os-security-groups")
            .await
    };
    assert_eq!(groups(35).await.ok(), json!({"security_groups": []}));
    assert_eq!(groups(36).await.status, 404);
}

#[tokio::test]
async fn quotas_are_unlimited_and_say_what_is_used() {
    let world = world().await;
    let path = format!("/v2.1/os-quota-sets/{DEMO}");
    let set = async |minor, more: &str| {
        let answer = world
            .get(Who::Reader, minor, &format!("{path}{more}"))
            .await;
        answer.ok()["quota_set"].as_object().unwrap().clone()
    };
    for (minor, count) in [(35, 15), (36, 11), (56, 11), (57, 8)] {
        for more in ["", "/detail", "/defaults"] {
            assert_eq!(set(minor, more).await.len(), count, "2.{minor} {more}");
        }
    }
    let newest = set(80, "").await;
    assert_eq!(
        (&newest["id"], &newest["cores"]),
        (&json!(DEMO), &json!(-1))
    );
    let detail = set(80, "/detail").await;
    assert_eq!(
        detail["ram"],
        json!({"limit": -1, "in_use": 128, "reserved": 0})
    );
    assert_eq!(detail["key_pairs"]["in_use"], 0);
    let foreign = world.get(Who::Stranger, 80, &path).await;
    assert_eq!(foreign.forbidden(), "os-quota-sets:show");
    let strict = world.get(Who::Reader, 75, &format!("{path}?x=1")).await;
    let text = "Additional properties are not allowed ('x' was unexpected)";
    assert_eq!(strict.bad_request(), text);
    set(75, "?user_id=u").await;
    set(104, "/defaults?x=1").await;
}

const HOURS: &str = "start=2026-11-10T00:00:00&end=2026-11-10T06:00:00";

/// A server that is there, one that ended an hour later, one that ended before, one of another
/// project, and one that never began.
async fn history(world: &World) {
    world.populate().await;
    let more = [
        (
            "33333333-3333-4333-8333-333333333333",
            DEMO,
            "2026-11-10 01:00:00",
            true,
        ),
        (
            "44444444-4444-4444-8444-444444444444",
            DEMO,
            "2026-11-09 01:00:00",
            true,
        ),
        ("55555555-5555-4555-8555-555555555555", LAB, "", true),
        ("66666666-6666-4666-8666-666666666666", LAB, "", false),
    ];
    for (uuid, project, ended, launched) in more {
        world.server(Server {
            uuid,
            project,
            launched,
            deleted: !ended.is_empty(),
            ..Server::default()
        });
        if !ended.is_empty() {
            let end = format!("terminated_at = '{ended}'");
            world.sql(&format!("UPDATE servers SET {end} WHERE uuid = '{uuid}'"));
        }
    }
}

#[tokio::test]
async fn usage_is_hours_times_sizes() {
    let world = World::new().await;
    history(&world).await;
    usage(world).await;
}

#[tokio::test]
async fn usage_is_hours_times_sizes_on_postgres() {
    let server = TempPostgres::shared().unwrap();
    let world = World::with(Wanted {
        postgres: Some(server.create_database().unwrap()),
        ..Wanted::default()
    })
    .await;
    history(&world).await;
    usage(world).await;
}

async fn usage(world: World) {
    let get = async |who, minor, path: &str| {
        let path = format!("/v2.1/os-simple-tenant-usage{path}");
        world.get(who, minor, &path).await
    };
    let demo = get(Who::Reader, 1, &format!("/{DEMO}?{HOURS}")).await.ok();
    let demo = &demo["tenant_usage"];
    assert_eq!(demo["total_hours"], 7.0);
    assert_eq!(demo["total_vcpus_usage"], 7.0);
    assert_eq!(demo["total_memory_mb_usage"], 7.0 * 128.0);
    assert_eq!(demo["start"], "2026-11-10T00:00:00.000000");
    let servers = demo["server_usages"].as_array().unwrap();
    assert_eq!(servers.len(), 2);
    let expected = json!({
        "hours": 6.0, "flavor": "m1.tiny", "instance_id": SERVER, "name": "vm-1",
        "tenant_id": DEMO, "memory_mb": 128, "local_gb": 1, "vcpus": 1,
        "started_at": "2026-11-01T00:00:00.000000", "ended_at": null, "state": "active",
        "uptime": 19 * 86_400 + 12 * 3_600,
    });
    assert_eq!(servers[0], expected);
    assert_eq!(servers[1]["state"], "terminated");
    assert_eq!(servers[1]["ended_at"], "2026-11-10T01:00:00.000000");

    let all = get(Who::Admin, 1, &format!("?{HOURS}")).await.ok();
    let hours = |usage: &Value| (usage["tenant_id"].clone(), usage["total_hours"].clone());
    let all = all["tenant_usages"].as_array().unwrap();
    let expected = [(json!(DEMO), json!(7.0)), (json!(LAB), json!(6.0))];
    assert_eq!(all.iter().map(hours).collect::<Vec<_>>(), expected);
    assert_eq!(all[0].get("server_usages"), None);
    let detailed = get(Who::Admin, 1, &format!("?{HOURS}&detailed=1"))
        .await
        .ok();
    assert_eq!(
        detailed["tenant_usages"][0]["server_usages"]
            .as_array()
            .unwrap()
            .len(),
        2
    );

    let mut path = format!("?{HOURS}&limit=2");
    let mut seen = Vec::new();
    loop {
        let page = get(Who::Admin, 40, &path).await.ok();
        seen.extend(page["tenant_usages"].as_array().unwrap().iter().map(hours));
        let Some(next) = page["tenant_usages_links"][0]["href"].as_str() else {
            break;
        };
        path = format!("?{}", next.split_once('?').unwrap().1);
    }
    assert_eq!(seen, expected);
    let before = format!("/{DEMO}?start=2026-10-01T00:00:00&end=2026-10-02T00:00:00");
    let nothing = get(Who::Reader, 80, &before).await;
    assert_eq!(nothing.ok(), json!({"tenant_usage": {}}));
    get(Who::Reader, 80, &format!("/{DEMO}")).await.ok();
}

#[tokio::test]
async fn usage_of_no_time_or_no_project_is_refused() {
    let world = world().await;
    let get = async |who, path: &str| {
        let path = format!("/v2.1/os-simple-tenant-usage{path}");
        world.get(who, 80, &path).await
    };
    let text = "Invalid start time. The start time cannot occur after the end time.";
    for query in [
        "?start=2026-11-10T00:00:00&end=2026-11-10T00:00:00",
        "?end=2026-11-10T00:00:00",
        "?start=2026-12-10T00:00:00",
    ] {
        assert_eq!(get(Who::Admin, query).await.bad_request(), text, "{query}");
    }
    let text = "Invalid datetime string: Datetime is in invalid format";
    assert_eq!(get(Who::Admin, "?start=x").await.bad_request(), text);
    for marker in ["x", "11111111-2222-4333-8444-555555555555"] {
        let refused = get(Who::Admin, &format!("?marker={marker}"))
            .await
            .bad_request();
        assert_eq!(refused, format!("Marker {marker} could not be found."));
    }
    let refused = get(Who::Member, "").await;
    assert_eq!(refused.forbidden(), "os-simple-tenant-usage:list");
    let refused = get(Who::Stranger, &format!("/{DEMO}")).await;
    assert_eq!(refused.forbidden(), "os-simple-tenant-usage:show");
}

#[tokio::test]
async fn extensions_are_listed_for_ever() {
    let world = World::new().await;
    let list = async |root: &str| {
        let path = format!("/{root}/extensions");
        let list = world.get(Who::Reader, 80, &path).await.ok();
        list["extensions"].as_array().unwrap().clone()
    };
    let (current, legacy) = (list("v2.1").await, list("v2").await);
    assert_eq!((current.len(), legacy.len()), (99, 100));
    let one = world
        .get(Who::Reader, 80, "/v2.1/extensions/os-volumes")
        .await
        .ok();
    let expected = json!({
        "alias": "os-volumes", "description": "Volumes support.", "links": [],
        "name": "Volumes", "updated": "2014-12-03T00:00:00Z",
        "namespace": "http://docs.openstack.org/compute/ext/fake_xml",
    });
    assert_eq!(one["extension"], expected);
    assert!(current.contains(&expected));
    let gone = world
        .get(Who::Reader, 80, "/v2.1/extensions/OS-EXT-VIF-NET")
        .await;
    assert_eq!(gone.not_found(), "The resource could not be found.");
    world
        .get(Who::Reader, 80, "/v2/extensions/OS-EXT-VIF-NET")
        .await
        .ok();
}
