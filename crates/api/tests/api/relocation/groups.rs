//! `/groups/{id}/members/{server}`: who is let into a server group, and who may let in.

use serde_json::{Value, json};

use super::ROOT;
use crate::answers::Answer;
use crate::seed::{GROUP, SERVER, Server};
use crate::world::{DEMO, LAB, Who, World};

const SECOND: &str = "22222222-2222-4222-8222-222222222222";
const THIRD: &str = "33333333-2222-4222-8222-222222222222";

/// Three servers on the same host, of which one is in a group that allows two there.
async fn three() -> World {
    let world = World::new().await;
    world.host("host-1").await;
    for uuid in [SERVER, SECOND, THIRD] {
        world.server(Server {
            uuid,
            host: Some("host-1"),
            ..Server::default()
        });
    }
    world.group(&[SERVER]);
    world
}

async fn send(world: &World, who: Who, method: &str, group: &str, server: &str) -> Answer {
    let path = format!("{ROOT}/groups/{group}/members/{server}");
    world.ask(method, &path).by(who).send().await
}

async fn members(world: &World) -> Value {
    let path = format!("/v2.1/os-server-groups/{GROUP}");
    let group = world.get(Who::Reader, 64, &path).await.ok();
    group["server_group"]["members"].clone()
}

#[tokio::test]
async fn a_manager_puts_own_servers_into_own_groups_and_takes_them_out() {
    let world = three().await;
    let group = json!({"id": GROUP, "name": "web", "project": DEMO, "policy": "anti-affinity",
        "max_server_per_host": 2, "members": [SERVER, SECOND]});
    for time in ["first", "again"] {
        let joined = send(&world, Who::Manager, "PUT", GROUP, SECOND).await;
        assert_eq!(joined.ok(), group, "{time}");
        super::openapi::conforms(&joined, "Group");
    }
    assert_eq!(members(&world).await, json!([SERVER, SECOND]));
    let server = world
        .native(Who::Reader, &format!("/servers/{SECOND}"))
        .await;
    assert_eq!(server.ok()["groups"], json!([GROUP]));

    let left = send(&world, Who::Manager, "DELETE", GROUP, SECOND).await;
    assert_eq!((left.status, left.text.as_str()), (204, ""));
    assert_eq!(members(&world).await, json!([SERVER]));
    let again = send(&world, Who::Manager, "DELETE", GROUP, SECOND).await;
    again.problem(404, "not-found");
}

#[tokio::test]
async fn a_broken_rule_is_a_refusal_with_its_reasons() {
    let world = three().await;
    send(&world, Who::Manager, "PUT", GROUP, SECOND).await.ok();
    for (who, sees_hosts) in [(Who::Admin, true), (Who::Manager, false)] {
        let refused = send(&world, who, "PUT", GROUP, THIRD).await;
        let problem = refused.problem(409, "group-conflict");
        super::openapi::conforms(&refused, "Problem");
        let reasons = problem["reasons"].as_array().unwrap();
        let reason = &reasons[0];
        assert_eq!(
            (reasons.len(), &reason["code"]),
            (1, &json!("anti-affinity"))
        );
        assert_eq!(
            (&reason["evidence"]["there"], &reason["evidence"]["most"]),
            (&json!(2), &json!(2))
        );
        assert_eq!(
            refused.text.contains("host-1"),
            sees_hosts,
            "{}",
            refused.text
        );
    }
    assert_eq!(members(&world).await, json!([SERVER, SECOND]));
    // Elsewhere it is in nobody's way.
    world.sql(&format!(
        "UPDATE servers SET host = 'host-2' WHERE uuid = '{THIRD}'"
    ));
    send(&world, Who::Manager, "PUT", GROUP, THIRD).await.ok();
    assert_eq!(members(&world).await, json!([SERVER, SECOND, THIRD]));
}

#[tokio::test]
async fn a_server_is_in_one_group_of_its_own_project() {
    let world = three().await;
    let other = "44444444-2222-4222-8222-222222222222";
    world.sql(&format!(
        "INSERT INTO server_groups (uuid, name, project_id, user_id, policy, created_at)
         SELECT '{other}', 'db', project_id, user_id, 'affinity', created_at FROM server_groups;"
    ));
    let refused = send(&world, Who::Manager, "PUT", other, SERVER).await;
    let problem = refused.problem(409, "group-conflict");
    assert!(
        problem["detail"].as_str().unwrap().contains(GROUP),
        "{problem}"
    );
    world.sql(&format!(
        "UPDATE server_groups SET project_id = '{LAB}' WHERE uuid = '{other}'"
    ));
    let refused = send(&world, Who::Admin, "PUT", other, SECOND).await;
    refused.problem(409, "group-conflict");
    // What a domain says is not for the API to take back.
    world.sql("UPDATE server_group_members SET origin = 'observed'");
    let refused = send(&world, Who::Manager, "DELETE", GROUP, SERVER).await;
    refused.problem(409, "group-conflict");
    assert_eq!(members(&world).await, json!([SERVER]));
}

#[tokio::test]
async fn what_is_another_projects_is_not_there() {
    let world = three().await;
    for (group, server) in [
        (GROUP, "99999999-2222-4222-8222-222222222222"),
        ("99999999-2222-4222-8222-222222222222", SERVER),
        (GROUP, "vm-1"),
        ("web", SERVER),
    ] {
        for method in ["PUT", "DELETE"] {
            let answer = send(&world, Who::Manager, method, group, server).await;
            answer.problem(404, "not-found");
        }
    }
    for method in ["PUT", "DELETE"] {
        let answer = send(&world, Who::Stranger, method, GROUP, SERVER).await;
        answer.problem(404, "not-found");
        for who in [Who::Member, Who::Reader, Who::Nobody] {
            let answer = send(&world, who, method, GROUP, SERVER).await;
            answer.problem(403, "forbidden");
        }
    }
    world.sql(&format!(
        "UPDATE servers SET project_id = '{LAB}' WHERE uuid = '{SECOND}'"
    ));
    let answer = send(&world, Who::Manager, "PUT", GROUP, SECOND).await;
    answer.problem(404, "not-found");
    let path = format!("{ROOT}/groups/{GROUP}/members/{THIRD}");
    let ask = world.ask("PUT", &path).by(Who::Manager);
    let answer = ask.json(&json!({"force": true})).send().await;
    assert_eq!(answer.invalid(), ["#/force"]);
    assert_eq!(members(&world).await, json!([SERVER]));
}
