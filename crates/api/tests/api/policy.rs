//! Who may do what: every role on every route.

use std::fmt::Write;
use std::time::Duration;

use godwit_api::config::PolicyConfig;
use godwit_api::routes::{Does, ROUTES, Route};
use godwit_policy::registry::NOVA;
use serde_json::{Value, json};

use crate::answers::Answer;
use crate::seed::SERVER;
use crate::world::{Wanted, Who, World};

/// A body that is valid for an action of the table.
fn body(action: &str) -> Value {
    match action {
        "os-migrateLive" => json!({ action: {"host": null, "block_migration": "auto"} }),
        "force_complete" => json!({ action: null }),
        other => panic!("say here what a valid {other} is"),
    }
}

/// Something valid to send to each route, once for each action.
fn requests() -> Vec<(&'static Route, String, Option<Value>)> {
    let mut all = Vec::new();
    for route in ROUTES {
        let path = route
            .path
            .replace("{server_id}", SERVER)
            .replace("{migration_id}", "1")
            .replace("/versions/{id}", "/versions/v2.1")
            .replace("{id}", "f1");
        match &route.does {
            Does::Handle { .. } => all.push((route, path, None)),
            Does::Act(actions) => {
                all.extend(
                    actions
                        .iter()
                        .map(|it| (route, path.clone(), Some(body(it.name)))),
                );
            }
        }
    }
    all
}

async fn send(world: &World, who: Who, route: &Route, path: &str, body: Option<&Value>) -> Answer {
    let ask = world
        .ask(route.method.as_str(), &format!("/v2.1{path}"))
        .by(who)
        .version(80);
    match body {
        Some(body) => ask.json(body).send().await,
        None => ask.send().await,
    }
}

#[tokio::test]
async fn every_role_on_every_route() {
    let mut matrix = String::new();
    for (route, path, body) in requests() {
        let action = body.as_ref().map_or(String::new(), |body| {
            format!(" {}", body.as_object().unwrap().keys().next().unwrap())
        });
        let _ = writeln!(matrix, "{} {}{action}", route.method, route.path);
        for who in Who::ALL {
            let world = World::new().await;
            world.moving("running").await;
            let answer = send(&world, who, route, &path, body.as_ref()).await;
            let why = match answer.status {
                403 => format!(" {}", answer.forbidden()),
                _ => String::new(),
            };
            let _ = writeln!(
                matrix,
                "    {:<12} {}{why}",
                format!("{who:?}"),
                answer.status
            );
        }
    }
    insta::assert_snapshot!(matrix);
}

fn denying_all() -> Value {
    let rules = NOVA
        .iter()
        .map(|rule| rule.name)
        .filter(|name| *name != "context_is_admin");
    rules.map(|name| (name.to_owned(), json!("!"))).collect()
}

#[tokio::test]
async fn no_route_forgets_to_ask() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    std::fs::write(&file, denying_all().to_string()).unwrap();
    let policy = PolicyConfig {
        file: Some(file),
        ..PolicyConfig::default()
    };
    let world = World::with(Wanted {
        policy,
        ..Wanted::default()
    })
    .await;
    world.moving("running").await;
    for (route, path, body) in requests() {
        let answer = send(&world, Who::Admin, route, &path, body.as_ref()).await;
        match route.rules.first() {
            None => assert_eq!(answer.status, 200, "{route:?}"),
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
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("policy.yaml");
    let text = json!({"os_compute_api:os-migrations:index": "role:reader"}).to_string();
    std::fs::write(&file, text).unwrap();
    let policy = PolicyConfig {
        file: Some(file),
        ..PolicyConfig::default()
    };
    let world = World::with(Wanted {
        policy,
        ..Wanted::default()
    })
    .await;
    world.moving("running").await;
    let list = world.get(Who::Reader, 80, "/v2.1/os-migrations").await.ok();
    assert_eq!(list["migrations"][0]["source_compute"], "host-1");
}
