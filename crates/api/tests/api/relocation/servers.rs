//! `/servers`: what there is to be moved, and who sees what of it.

use serde_json::{Value, json};

use crate::seed::{GROUP, NO_SERVER, SERVER, Server};
use crate::world::{DEMO, LAB, Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";
const THIRD: &str = "33333333-3333-4333-8333-333333333333";

/// Two servers of one project on two hosts, and a newer one of another project.
async fn three() -> World {
    let world = World::new().await;
    world.populate().await;
    let disks = json!([
        {"target": "vda", "path": "/nfs/a", "pool": "nfs-1", "format": "qcow2",
            "virtual_bytes": 100, "allocated_bytes": 7, "backing": "/nfs/base",
            "read_only": false},
        {"target": "vdb", "path": "/local/b", "pool": null, "format": "raw",
            "virtual_bytes": 0, "allocated_bytes": 0, "backing": null, "read_only": false},
    ]);
    world.sql(&format!("UPDATE servers SET disks = '{disks}'"));
    world.server(Server {
        uuid: OTHER,
        name: "vm-2",
        host: Some("host-2"),
        vm_state: "stopped",
        age: 5,
        ..Server::default()
    });
    world.server(Server {
        uuid: THIRD,
        name: "vm-lab",
        project: LAB,
        age: 9,
        ..Server::default()
    });
    world.group(&[SERVER, OTHER]);
    world
}

async fn ids(world: &World, who: Who, query: &str) -> Vec<Value> {
    let answer = world.native(who, &format!("/servers?{query}")).await;
    answer.items().iter().map(|it| it["id"].clone()).collect()
}

#[tokio::test]
async fn a_server_says_what_it_takes_and_what_it_is_made_of() {
    let world = three().await;
    let mut expected = json!({
        "id": SERVER, "name": "vm-1", "project": DEMO, "host": "host-1", "status": "ACTIVE",
        "vcpus": 1, "memory_mib": 128,
        "disks": [
            {"target": "vda", "pool": "nfs-1", "format": "qcow2", "virtual_bytes": 100,
                "allocated_bytes": 7, "backing": ["/nfs/base"]},
            {"target": "vdb", "pool": null, "format": "raw", "virtual_bytes": null,
                "allocated_bytes": null, "backing": []},
        ],
        "groups": [GROUP], "dirty_bytes_per_second": null,
    });
    let path = format!("/servers/{SERVER}");
    let shown = world.native(Who::Admin, &path).await.ok();
    assert_eq!(shown, expected);
    let listed = world.native(Who::Admin, "/servers").await;
    assert_eq!(listed.items()[2], expected);

    world.sql("UPDATE servers SET dirty_bytes_per_second = 4096 WHERE name = 'vm-1'");
    expected["dirty_bytes_per_second"] = json!(4096);

    let own = world.native(Who::Reader, &path).await.ok();
    assert_eq!(own["host"].as_str().unwrap().len(), 56, "an opaque id");
    expected["host"] = own["host"].clone();
    expected["disks"][0]["pool"] = json!(null);
    expected["disks"][0]["backing"] = json!([]);
    assert_eq!(own, expected);
}

#[tokio::test]
async fn lists_are_of_what_is_asked_for_and_seen() {
    let world = three().await;
    assert_eq!(ids(&world, Who::Admin, "").await, [THIRD, OTHER, SERVER]);
    assert_eq!(
        ids(&world, Who::Admin, "host=host-1").await,
        [THIRD, SERVER]
    );
    assert_eq!(ids(&world, Who::Admin, "host=host-9").await, [""; 0]);
    let of = |project: &str| format!("project={project}");
    assert_eq!(ids(&world, Who::Admin, &of(LAB)).await, [THIRD]);
    assert_eq!(ids(&world, Who::Reader, "").await, [OTHER, SERVER]);
    assert_eq!(ids(&world, Who::Reader, &of(DEMO)).await, [OTHER, SERVER]);
    assert_eq!(ids(&world, Who::Reader, &of(LAB)).await, [""; 0]);
    assert_eq!(ids(&world, Who::Stranger, "").await, [THIRD]);
    let hidden = world.native(Who::Reader, "/servers?host=host-1").await;
    hidden.problem(403, "forbidden");
    for (who, path) in [
        (Who::Reader, format!("/servers/{THIRD}")),
        (Who::Admin, format!("/servers/{NO_SERVER}")),
        (Who::Admin, "/servers/vm-1".to_owned()),
    ] {
        world.native(who, &path).await.problem(404, "not-found");
    }
}

#[tokio::test]
async fn pages_are_the_whole_list_each_server_once() {
    let world = three().await;
    let base = format!("http://{}", world.address);
    for limit in [1, 2, 3] {
        let query = format!("limit={limit}&with_total=true&fields=id");
        let mut path = format!("{}/servers?{query}", super::ROOT);
        let mut all = Vec::new();
        loop {
            let page = world.ask("GET", &path).by(Who::Admin).send().await;
            assert_eq!(page.ok()["total"], 3);
            all.extend(page.items());
            match page.ok()["next"].as_str() {
                Some(next) => path = next.strip_prefix(&base).unwrap().to_owned(),
                None => break,
            }
        }
        let expected = [THIRD, OTHER, SERVER].map(|id| json!({ "id": id }));
        assert_eq!(all, expected);
    }
    for (query, pointer) in [
        ("name=x", "?name"),
        ("host=a%20b", "?host"),
        ("marker=7", "?marker"),
        (&*format!("marker={NO_SERVER}"), "?marker"),
    ] {
        let answer = world.native(Who::Admin, &format!("/servers?{query}")).await;
        assert_eq!(answer.invalid(), [pointer], "{query}");
    }
}
