//! Who may read what, by rules.

use godwit_api::relocation::routes::OPERATIONS;
use godwit_policy::registry::RULES;
use serde_json::{Value, json};

use crate::world::{Who, World};

fn paths() -> impl Iterator<Item = (&'static str, Option<&'static str>)> {
    let reading = OPERATIONS.iter().filter(|it| it.route.method == "GET");
    reading.map(|it| {
        let path = it.route.path.strip_prefix(super::ROOT).unwrap();
        (path, it.route.rules.first().copied())
    })
}

#[tokio::test]
async fn everybody_at_every_route() {
    let world = World::new().await;
    world.moving("running").await;
    // In the order of `Who::ALL`.
    let (list, show): ([u16; 10], [u16; 10]) = (
        [200, 200, 200, 200, 200, 200, 403, 403, 403, 403],
        [200, 200, 200, 200, 200, 404, 403, 403, 403, 403],
    );
    let operators = [200, 200, 403, 403, 403, 403, 403, 403, 403, 403];
    for (path, rule) in paths() {
        let expected = match (rule, path) {
            (None, _) => [200; 10],
            (
                Some(_),
                "/hosts"
                | "/hosts/{host}"
                | "/pools"
                | "/scopes"
                | "/hosts/{host}/drain-check"
                | "/hosts/{host}/maintenance"
                | "/hosts/{host}/allocation"
                | "/hosts/{host}/topology"
                | "/scopes/{kind}/{scope}/allocation",
            ) => operators,
            // A zone has none.
            (Some(_), "/scopes/{kind}/{scope}/management") => {
                operators.map(|code| if code == 200 { 404 } else { code })
            }
            (Some(_), "/migrations/{id}") => show,
            (
                Some(_),
                "/webhooks/{id}" | "/webhooks/{id}/deliveries" | "/plans/{id}" | "/runs/{id}",
            ) => show.map(|code| if code == 200 { 404 } else { code }),
            (Some(_), "/servers/{id}/candidates") => {
                [404, 404, 404, 403, 403, 404, 403, 403, 403, 403]
            }
            (Some(_), "/servers/{id}") => show.map(|code| if code == 200 { 404 } else { code }),
            (Some(_), _) => list,
        };
        let mut codes = Vec::new();
        for who in Who::ALL {
            let answer = world.native(who, &super::filled(path)).await;
            codes.push(answer.status);
        }
        assert_eq!(codes, expected, "{path}");
    }
    let document = world.ask("GET", &format!("{}/openapi.json", super::ROOT));
    assert_eq!(document.send().await.status, 200, "without a token");
}

#[tokio::test]
async fn no_route_forgets_to_ask() {
    let denying: Value = RULES
        .iter()
        .map(|rule| rule.name)
        .filter(|name| *name != "context_is_admin")
        .map(|name| (name.to_owned(), json!("!")))
        .collect();
    let world = World::under(denying).await;
    world.moving("running").await;
    for operation in OPERATIONS {
        let route = &operation.route;
        let path = super::filled(route.path);
        let answer = world.ask(route.method.as_str(), &path).by(Who::Admin);
        let answer = answer.send().await;
        match route.rules.first() {
            None => assert_eq!(answer.status, 200),
            Some(rule) => {
                let problem = answer.problem(403, "forbidden");
                assert!(
                    problem["detail"].as_str().unwrap().contains(rule),
                    "{problem}"
                );
            }
        }
    }
}

#[tokio::test]
async fn hosts_are_seen_by_those_whom_a_rule_allows() {
    let world = World::under(json!({"relocation:hosts:see": "role:manager"})).await;
    world.moving("running").await;
    let source = async |who| {
        let answer = world.native(who, "/migrations?host=host-1").await;
        (answer.status == 200).then(|| answer.items()[0]["source_compute"].clone())
    };
    assert_eq!(source(Who::Manager).await, Some(json!("host-1")));
    assert_eq!(source(Who::Member).await, None);
    let snapshot = world.native(Who::Manager, "/snapshot").await.ok();
    assert_eq!(snapshot["hosts"].as_array().unwrap().len(), 2);
    let other = world.native(Who::Stranger, "/migrations").await;
    assert!(
        other.items().is_empty(),
        "hosts, but still no other project's migrations"
    );
}
