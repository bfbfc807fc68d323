//! `/limits`.

use serde_json::{Value, json};

use crate::seed::Server;
use crate::world::{DEMO, LAB, Who, World};

async fn absolute(world: &World, who: Who, minor: u32, query: &str) -> Value {
    let answer = world.get(who, minor, &format!("/v2.1/limits{query}")).await;
    let limits = answer.ok()["limits"].clone();
    assert_eq!(limits["rate"], json!([]));
    limits["absolute"].clone()
}

#[tokio::test]
async fn each_project_sees_what_it_uses() {
    let world = World::new().await;
    world.populate().await;
    let foreign = "44444444-4444-4444-8444-444444444444";
    for (uuid, deleted) in [
        (foreign, false),
        ("55555555-5555-4555-8555-555555555555", true),
    ] {
        world.server(Server {
            uuid,
            project: LAB,
            deleted,
            ..Server::default()
        });
    }
    world.sql(&format!(
        "UPDATE servers SET memory_mb = 512 WHERE uuid = '{foreign}'"
    ));
    let used = |limits: &Value| {
        ["totalInstancesUsed", "totalCoresUsed", "totalRAMUsed"].map(|name| limits[name].clone())
    };
    let own = absolute(&world, Who::Reader, 80, "").await;
    assert_eq!(used(&own), [json!(1), json!(1), json!(128)]);
    assert_eq!(own["maxTotalInstances"], -1);
    let other = absolute(&world, Who::Stranger, 80, "").await;
    assert_eq!(used(&other), [json!(1), json!(1), json!(512)]);
    let nothing = absolute(&world, Who::Admin, 80, "").await;
    assert_eq!(used(&nothing), [json!(0), json!(0), json!(0)]);
    let asked = absolute(&world, Who::Admin, 80, &format!("?tenant_id={LAB}")).await;
    assert_eq!(asked, other);
    let refused = world
        .get(Who::Reader, 80, &format!("/v2.1/limits?tenant_id={DEMO}"))
        .await;
    assert_eq!(refused.forbidden(), "limits:other_project");
}

#[tokio::test]
async fn fewer_things_are_limited_in_later_versions() {
    let world = World::new().await;
    let has = async |minor, name| {
        absolute(&world, Who::Reader, minor, "")
            .await
            .get(name)
            .is_some()
    };
    for (name, last) in [
        ("maxTotalFloatingIps", 35),
        ("totalSecurityGroupsUsed", 35),
        ("maxImageMeta", 38),
        ("maxPersonality", 56),
        ("maxPersonalitySize", 56),
    ] {
        assert!(has(last, name).await, "{name} in 2.{last}");
        assert!(!has(last + 1, name).await, "{name} behind 2.{last}");
    }
    let strict = world.get(Who::Reader, 75, "/v2.1/limits?reserved=1").await;
    let text = "Additional properties are not allowed ('reserved' was unexpected)";
    assert_eq!(strict.bad_request(), text);
    absolute(&world, Who::Reader, 74, "?reserved=1").await;
}
