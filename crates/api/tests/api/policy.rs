//! Who may do what is decided by rules, and by nobody without asking them.

use std::time::Duration;

use godwit_api::config::PolicyConfig;
use godwit_policy::registry::RULES;
use serde_json::{Value, json};

use crate::access::requests;
use crate::seed::SERVER;
use crate::world::{Wanted, Who, World};

fn denying_all() -> Value {
    let rules = RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|name| *name != "context_is_admin");
    rules.map(|name| (name.to_owned(), json!("!"))).collect()
}

#[tokio::test]
async fn no_route_forgets_to_ask() {
    let world = World::under(denying_all()).await;
    world.moving("running").await;
    world.group(&[SERVER]);
    for request in requests() {
        let answer = request.send(&world, Who::Admin).await;
        match request.first_rule {
            None => assert_eq!(answer.status, 200, "{:?}", request.route),
            Some(rule) => {
                let rule = rule.strip_prefix("os_compute_api:").unwrap();
                assert_eq!(answer.forbidden(), rule);
            }
        }
    }
    assert_eq!(world.woken(), 0);
}

#[tokio::test]
async fn a_changed_file_counts_for_the_next_request() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    let policy = PolicyConfig {
        file: Some(file.clone()),
        check_interval: Duration::ZERO,
        ..PolicyConfig::default()
    };
    let world = World::with(Wanted {
        policy,
        ..Wanted::default()
    })
    .await;
    world.moving("running").await;
    let show = format!("/v2.1/servers/{SERVER}/migrations/1");
    let status = async |who| world.get(who, 80, &show).await.status;
    assert_eq!(status(Who::Manager).await, 403);
    let rule = |check: &str| json!({"os_compute_api:servers:migrations:show": check}).to_string();
    std::fs::write(&file, rule("role:manager")).unwrap();
    assert_eq!(status(Who::Manager).await, 200);
    assert_eq!(status(Who::Admin).await, 200, "has the role, too");
    std::fs::write(&file, rule("role:nobody or not a rule")).unwrap();
    assert_eq!(status(Who::Admin).await, 403);
    // Who is an administrator is decided anew, though the token is remembered.
    std::fs::write(
        &file,
        json!({"context_is_admin": "role:manager"}).to_string(),
    )
    .unwrap();
    assert_eq!(status(Who::Manager).await, 200);
    let foreign = world.get(Who::Stranger, 80, &show).await;
    assert_eq!(foreign.status, 200, "an administrator sees every project");
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status(Who::Manager).await, 403);
}

#[tokio::test]
async fn an_old_rule_in_the_file_drives_its_successors() {
    let rules = json!({"os_compute_api:os-migrations:index": "role:reader"});
    let world = World::under(rules).await;
    world.moving("running").await;
    let list = world.get(Who::Reader, 80, "/v2.1/os-migrations").await.ok();
    assert_eq!(list["migrations"][0]["source_compute"], "host-1");
}
