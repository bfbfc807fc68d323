//! Lists of servers: whose, which, in which order and pages.

use serde_json::Value;

use crate::seed::SERVER;
use crate::servers::{BROKEN, FOREIGN, GONE, PAUSED, fleet};
use crate::world::{ADMIN, LAB, Who, World};

fn ids(document: &Value) -> Vec<&str> {
    let items = document["servers"].as_array().unwrap().iter();
    items.map(|item| item["id"].as_str().unwrap()).collect()
}

async fn listed(world: &World, who: Who, minor: u32, query: &str) -> Value {
    let plain = world
        .get(who, minor, &format!("/v2.1/servers{query}"))
        .await
        .ok();
    let detail = world
        .get(who, minor, &format!("/v2.1/servers/detail{query}"))
        .await
        .ok();
    assert_eq!(ids(&plain), ids(&detail), "{query}");
    plain
}

#[tokio::test]
async fn a_list_is_of_ones_own_project_unless_all_are_asked_for() {
    let world = fleet().await;
    let list = async |who, query: &str| listed(&world, who, 80, query).await;
    assert_eq!(ids(&list(Who::Reader, "").await), [BROKEN, PAUSED, SERVER]);
    assert_eq!(ids(&list(Who::Stranger, "").await), [FOREIGN]);
    assert!(
        ids(&list(Who::Admin, "").await).is_empty(),
        "the administrators' project has none"
    );
    for query in ["?all_tenants=1", "?all_tenants", "?all_tenants=True"] {
        assert_eq!(
            ids(&list(Who::Admin, query).await),
            [FOREIGN, BROKEN, PAUSED, SERVER]
        );
    }
    assert!(ids(&list(Who::Admin, "?all_tenants=0").await).is_empty());
    let lab = format!("?all_tenants=1&project_id={LAB}");
    assert_eq!(ids(&list(Who::Admin, &lab).await), [FOREIGN]);
    let ignored = format!("?tenant_id={LAB}");
    assert_eq!(
        ids(&list(Who::Reader, &ignored).await),
        [BROKEN, PAUSED, SERVER]
    );
    let answer = world
        .get(Who::Reader, 80, "/v2.1/servers?all_tenants=1")
        .await;
    assert_eq!(answer.forbidden(), "servers:index:get_all_tenants");
    let answer = world
        .get(Who::Reader, 80, "/v2.1/servers/detail?all_tenants=1")
        .await;
    assert_eq!(answer.forbidden(), "servers:detail:get_all_tenants");
    let answer = world
        .get(Who::Admin, 80, "/v2.1/servers?all_tenants=maybe")
        .await;
    let text = answer.bad_request();
    assert!(
        text.starts_with("Unrecognized value 'maybe', acceptable "),
        "{text}"
    );
    let path = "/v2.1/servers?locked=maybe";
    let answer = world.get(Who::Reader, 73, path).await;
    assert_eq!(answer.bad_request(), text);
}

#[tokio::test]
async fn filters() {
    let world = fleet().await;
    for (query, expected) in [
        ("status=MIGRATING", &[SERVER][..]),
        ("status=paused", &[PAUSED]),
        ("status=ERROR&status=MIGRATING", &[BROKEN, SERVER]),
        ("status=nope&status=ERROR", &[BROKEN]),
        ("host=host-2", &[PAUSED]),
        ("host=host", &[]),
        ("node=host-.*org", &[FOREIGN, PAUSED, SERVER]),
        ("name=vm", &[FOREIGN, PAUSED, SERVER]),
        ("name=^vm-2$", &[PAUSED]),
        ("vm_state=error", &[BROKEN]),
        ("vm_state=nope", &[]),
        ("task_state=migrating", &[SERVER]),
        ("task_state=nope", &[]),
        ("power_state=1&name=broken", &[BROKEN]),
        ("power_state=4", &[]),
        ("power_state=x", &[]),
        ("uuid=22222222-2222-4222-8222-222222222222", &[PAUSED]),
        ("flavor=f1&name=broken", &[BROKEN]),
        ("flavor=f2", &[]),
        (
            "image=70a599e0-31e7-49b7-b260-868f441e862b",
            &[FOREIGN, PAUSED, SERVER],
        ),
        ("locked=true", &[PAUSED]),
        ("locked=false&name=vm", &[FOREIGN, SERVER]),
        ("user_id=u-owner&name=broken", &[BROKEN]),
        ("user_id=nobody", &[]),
        ("deleted=True", &[GONE]),
        ("deleted=False&name=broken", &[BROKEN]),
        ("status=DELETED", &[GONE]),
        ("vm_state=deleted", &[GONE]),
        ("changes-since=2026-11-01T00:25:00Z", &[GONE, FOREIGN]),
        ("changes-before=2026-11-01T00:15:00Z", &[PAUSED, SERVER]),
        (
            "changes-before=2026-11-20T00:00:00Z",
            &[GONE, FOREIGN, BROKEN, PAUSED, SERVER],
        ),
        ("ip=10.0.0.1", &[]),
        ("uuid=x", &[]),
        ("hostname=vm-1&name=vm-1", &[SERVER]),
        ("availability_zone=nov&name=broken", &[BROKEN]),
        ("availability_zone=elsewhere", &[]),
        ("key_name=k", &[]),
        ("config_drive=True", &[]),
        ("config_drive=^$&name=broken", &[BROKEN]),
        ("locked_by=admin", &[PAUSED]),
        ("progress=7&name=broken", &[BROKEN]),
        ("created_at=2026-11-01&name=broken", &[BROKEN]),
        ("terminated_at=2", &[]),
        ("launch_index=0&name=broken", &[BROKEN]),
        ("launch_index=(", &[]),
        ("description=nothing&name=broken", &[BROKEN]),
        ("tags=a", &[]),
        ("not-tags=a&name=broken", &[BROKEN]),
        ("name=a%00b", &[]),
        ("limit=0", &[]),
        ("limit=1&limit=2", &[FOREIGN, BROKEN]),
    ] {
        let list = listed(&world, Who::Admin, 80, &format!("?all_tenants=1&{query}")).await;
        assert_eq!(ids(&list), expected, "{query}");
    }
}

#[tokio::test]
async fn filters_that_are_not_for_everybody_are_ignored() {
    let world = fleet().await;
    let own = [BROKEN, PAUSED, SERVER];
    for query in [
        "?host=host-2",
        "?deleted=True",
        "?node=x",
        "?uuid=22222222-2222-4222-8222-222222222222",
        "?_x=1",
        "?metadata=x",
        "?hostname=x",
    ] {
        assert_eq!(
            ids(&listed(&world, Who::Reader, 80, query).await),
            own,
            "{query}"
        );
    }
    assert_eq!(
        ids(&listed(&world, Who::Reader, 82, "?vm_state=error").await),
        own
    );
    assert_eq!(
        ids(&listed(&world, Who::Reader, 83, "?vm_state=error").await),
        [BROKEN]
    );
    assert_eq!(
        ids(&listed(&world, Who::Reader, 80, "?name=vm&status=PAUSED").await),
        [PAUSED]
    );
    for query in ["?status=deleted", "?vm_state=deleted"] {
        let answer = world
            .get(Who::Reader, 83, &format!("/v2.1/servers{query}"))
            .await;
        assert_eq!(
            answer.fault(403, "forbidden"),
            "Only administrators may list deleted instances"
        );
    }
}

#[tokio::test]
async fn queries_are_refused() {
    let world = fleet().await;
    for (minor, query, text) in [
        (
            80,
            "limit=x",
            "Invalid input for query parameters limit. Value: x. 'x' does not match '^[0-9]*$'",
        ),
        (
            1,
            "limit=-1",
            "Invalid input for query parameters limit. Value: -1. '-1' does not match '^[0-9]*$'",
        ),
        (75, "foo=1", "'foo' does not match any of the regexes: '^_'"),
        (
            75,
            "foo=1&bar=2",
            "'bar', 'foo' do not match any of the regexes: '^_'",
        ),
        (80, "_x=1", "Invalid filter field: _x."),
        (38, "status=nope", "Invalid status value"),
        (80, "marker=nope", "marker [nope] not found"),
        (
            80,
            "marker=11111111-2222-4333-8444-555555555555",
            "marker [11111111-2222-4333-8444-555555555555] not found",
        ),
        (
            80,
            "name=%28",
            "Invalid input for query parameters name. Value: (. '(' is not a 'regex'",
        ),
        (
            80,
            "sort_dir=up",
            "Invalid input received: Unknown sort direction, must be 'desc' or 'asc'",
        ),
        (
            80,
            "sort_dir=asc&sort_dir=asc",
            "Invalid input received: Sort direction size exceeds sort key size",
        ),
        (
            80,
            "changes-since=x",
            "Invalid input for query parameters changes-since. Value: x. 'x' is not a 'date-time'",
        ),
        (80, "marker=%ff", "Query string is not UTF-8 encoded"),
        (80, "metadata=x", "Invalid filter field: metadata."),
        (1, "services=x", "Invalid filter field: services."),
    ] {
        for path in ["servers", "servers/detail"] {
            let answer = world
                .get(Who::Admin, minor, &format!("/v2.1/{path}?{query}"))
                .await;
            assert_eq!(answer.bad_request(), text, "{query}");
        }
    }
    assert!(ids(&listed(&world, Who::Admin, 37, "?all_tenants=1&status=nope").await).is_empty());
    assert_eq!(
        ids(&listed(&world, Who::Reader, 74, "?foo=1").await).len(),
        3
    );
    assert_eq!(
        ids(&listed(&world, Who::Reader, 25, "?tags=x").await).len(),
        3,
        "not known yet"
    );
}

#[tokio::test]
async fn pages_and_orders() {
    let world = fleet().await;
    let first = listed(&world, Who::Reader, 80, "?limit=2").await;
    assert_eq!(ids(&first), [BROKEN, PAUSED]);
    let href = first["servers_links"][0]["href"].as_str().unwrap();
    let expected = format!(
        "http://{}/v2.1/servers?limit=2&marker={PAUSED}",
        world.address
    );
    assert_eq!(href, expected);
    let second = listed(
        &world,
        Who::Reader,
        80,
        &format!("?limit=2&marker={PAUSED}"),
    )
    .await;
    assert_eq!(ids(&second), [SERVER]);
    assert!(second.get("servers_links").is_none());
    let detail = world
        .get(Who::Reader, 80, "/v2.1/servers/detail?limit=1")
        .await
        .ok();
    let href = detail["servers_links"][0]["href"].as_str().unwrap();
    assert!(
        href.ends_with(&format!("/v2.1/servers/detail?limit=1&marker={BROKEN}")),
        "{href}"
    );

    for (query, expected) in [
        (
            "?sort_key=display_name&sort_dir=asc",
            [BROKEN, SERVER, PAUSED],
        ),
        ("?sort_key=display_name", [PAUSED, SERVER, BROKEN]),
        (
            "?sort_key=created_at&sort_dir=asc",
            [SERVER, PAUSED, BROKEN],
        ),
        (
            "?sort_key=kernel_id&sort_key=uuid&sort_dir=asc",
            [PAUSED, SERVER, BROKEN],
        ),
        ("?sort_key=locked&sort_dir=asc", [SERVER, BROKEN, PAUSED]),
        ("?sort_key=progress&sort_dir=asc", [PAUSED, SERVER, BROKEN]),
        (
            "?sort_key=launched_at&sort_dir=%20desc",
            [BROKEN, PAUSED, SERVER],
        ),
    ] {
        assert_eq!(
            ids(&listed(&world, Who::Reader, 80, query).await),
            expected,
            "{query}"
        );
    }
    // Once they were taken, and ignored together with their directions.
    for (minor, query) in [
        (74, "sort_key=id&sort_key=uuid&sort_dir=desc&sort_dir=asc"),
        (
            72,
            "sort_key=locked&sort_key=uuid&sort_dir=desc&sort_dir=asc",
        ),
    ] {
        let list = listed(&world, Who::Reader, minor, &format!("?{query}")).await;
        assert_eq!(ids(&list), [PAUSED, SERVER, BROKEN], "{query}");
    }
    for query in ["?sort_key=id", "?sort_key=id&sort_dir=asc"] {
        let list = listed(&world, Who::Reader, 74, query).await;
        assert_eq!(ids(&list), [BROKEN, PAUSED, SERVER], "{query}");
    }
    let answer = world
        .get(Who::Reader, 75, "/v2.1/servers?sort_key=id")
        .await;
    assert_eq!(answer.status, 400);
    let answer = world
        .get(Who::Reader, 80, "/v2.1/servers?sort_key=host")
        .await;
    assert_eq!(
        answer.fault(403, "forbidden"),
        "Only administrators can sort servers by host"
    );
    let project = format!("/v2.1/{ADMIN}/servers?all_tenants=1&limit=1");
    let page = world.get(Who::Admin, 80, &project).await.ok();
    let own = page["servers"][0]["links"][0]["href"].as_str().unwrap();
    assert_eq!(
        own,
        format!("http://{}/v2.1/{ADMIN}/servers/{FOREIGN}", world.address)
    );
    assert_eq!(
        page["servers"][0]["links"][1]["href"],
        format!("http://{}/{ADMIN}/servers/{FOREIGN}", world.address)
    );
}
