//! `/snapshot`: what readers of events begin with.

use serde_json::{Value, json};

use crate::seed::{Migration, SERVER, Server};
use crate::world::{DEMO, LAB, Who, World};

const OTHER: &str = "22222222-2222-4222-8222-222222222222";

#[tokio::test]
async fn it_is_of_one_moment_and_as_far_as_it_is_seen() {
    let world = World::new().await;
    world.moving("running").await;
    world.server(Server {
        uuid: OTHER,
        name: "vm-lab",
        project: LAB,
        age: 5,
        ..Server::default()
    });
    world.migration(Migration {
        id: 2,
        server: OTHER,
        status: "completed",
        ..Migration::default()
    });
    let all = world.native(Who::Admin, "/snapshot").await.ok();
    assert_eq!((&all["position"], &all["runs"]), (&json!("0"), &json!([])));
    let host = world.native(Who::Admin, "/hosts/host-1").await.ok();
    assert_eq!(all["hosts"][0], host);
    assert_eq!(all["hosts"].as_array().unwrap().len(), 2);
    let server = json!({"id": SERVER, "name": "vm-1", "project": DEMO, "host": "host-1",
        "status": "MIGRATING", "vcpus": 1, "memory_mib": 128});
    assert_eq!(all["servers"][1], server);
    assert_eq!(all["servers"][0]["id"], OTHER);
    assert_eq!(all["migrations"].as_array().unwrap().len(), 1);
    let shown = world.native(Who::Admin, "/migrations/1").await.ok();
    assert_eq!(all["migrations"][0], shown);

    let own = world.native(Who::Reader, "/snapshot").await.ok();
    assert_eq!(own["hosts"], json!([]));
    assert_eq!(own["servers"].as_array().unwrap().len(), 1);
    let seen = world.native(Who::Reader, "/migrations/1").await.ok();
    assert_eq!(own["migrations"], Value::Array(vec![seen]));
    let other = world.native(Who::Stranger, "/snapshot").await.ok();
    assert_eq!(
        (&other["servers"][0]["id"], &other["migrations"]),
        (&json!(OTHER), &json!([]))
    );

    let some = world
        .native(Who::Admin, "/snapshot?fields=position,hosts")
        .await;
    let some = some.ok();
    assert_eq!(
        some,
        json!({"position": all["position"], "hosts": all["hosts"]})
    );
    for odd in ["fields=odd", "fields=hosts,hosts", "limit=1"] {
        let answer = world.native(Who::Admin, &format!("/snapshot?{odd}")).await;
        answer.problem(400, "invalid-input");
    }

    world.advance(61);
    let later = world.native(Who::Admin, "/snapshot").await.ok();
    assert_eq!(later["hosts"][0]["agent"]["state"], "down");
}
