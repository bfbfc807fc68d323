//! The API reference in `api-ref/` is what the API does: every route has its page, every page
//! names what the table of routes names, and every sample is replayed.
//!
//! A sample is an exchange: `world` (which rows there are), `as` (who asks), `request`,
//! `response`. With `UPDATE_SAMPLES=1` in the environment the responses are written anew.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use godwit_api::http::route::Route;
use godwit_api::nova::routes::{OPERATIONS, Takes, Versions, find};
use godwit_api::nova::schema::query::QuerySchema;
use serde_json::{Value, json};

use crate::seed::{GROUP, Migration, SERVER, Server};
use crate::world::{Who, World};

fn reference() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../api-ref")
}

struct Page {
    name: String,
    /// `GET /servers`
    title: String,
    text: String,
}

/// The pages of routes; the others describe what all routes share.
fn pages() -> Vec<Page> {
    let entries = fs::read_dir(reference())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let pages = entries
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let title = text
                .lines()
                .next()
                .unwrap_or_default()
                .trim_start_matches("# ")
                .to_owned();
            Page {
                name: path.file_name().unwrap().to_string_lossy().into_owned(),
                title,
                text,
            }
        });
    pages
        .filter(|page| !["README.md", "versions.md"].contains(&&*page.name))
        .collect()
}

fn samples() -> Vec<(String, Value)> {
    let directory = reference().join("samples");
    let entries = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut samples: Vec<_> = entries
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let sample = serde_json::from_str(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            (
                path.file_name().unwrap().to_string_lossy().into_owned(),
                sample,
            )
        })
        .collect();
    samples.sort_by(|a, b| a.0.cmp(&b.0));
    samples
}

fn title(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

/// The route that a sample is of; `None`: a version document.
fn route_of(sample: &Value) -> Option<&'static Route> {
    let request = &sample["request"];
    let path = request["path"].as_str().unwrap().split('?').next().unwrap();
    let path = path.strip_prefix("/v2.1").unwrap_or("");
    let method = request["method"].as_str().unwrap().parse().unwrap();
    find(&method, path).map(|found| &found.first.route)
}

#[test]
fn every_route_has_one_page_and_every_page_a_route() {
    let mut titles: Vec<_> = pages().into_iter().map(|page| page.title).collect();
    let mut routes: Vec<_> = OPERATIONS.iter().map(|it| title(&it.route)).collect();
    titles.sort();
    routes.sort();
    // Several actions share a route, and a page.
    routes.dedup();
    assert_eq!(titles, routes);
    let readme = fs::read_to_string(reference().join("README.md")).unwrap();
    for page in pages() {
        assert!(
            readme.contains(&format!("({})", page.name)),
            "README.md leads to {}",
            page.name
        );
    }
}

#[test]
fn every_page_names_rules_parameters_actions_and_versions() {
    for page in pages() {
        let says = |what: &str| assert!(page.text.contains(what), "{}: {what}", page.name);
        let operations = OPERATIONS.iter();
        for operation in operations.filter(|it| title(&it.route) == page.title) {
            says(&range(operation.versions));
            for rule in operation.route.all_rules() {
                says(&format!("`{rule}`"));
            }
            match operation.takes {
                Takes::Query(query) => {
                    for parameter in query.iter().flat_map(|query| parameters(query)) {
                        says(&format!("`{parameter}`"));
                    }
                }
                Takes::Body(body) => {
                    for (member, _) in body.iter().flat_map(|it| it.schema.properties) {
                        says(&format!("`{member}`"));
                    }
                }
                Takes::Action(name, _) => says(&format!("## `{name}`")),
            }
        }
    }
}

fn range(versions: Versions) -> String {
    match versions.until {
        None => format!("Since {}", versions.since),
        Some(until) => format!("Since {}, until {until}", versions.since),
    }
}

fn parameters(query: &'static QuerySchema) -> impl Iterator<Item = &'static str> {
    query
        .editions
        .iter()
        .flat_map(|edition| edition.parameters.iter().map(|it| it.name))
}

#[test]
fn every_route_and_action_has_a_sample_and_every_sample_a_place() {
    let samples = samples();
    let versions = fs::read_to_string(reference().join("versions.md")).unwrap();
    for operation in OPERATIONS {
        let title = title(&operation.route);
        let of_route = samples
            .iter()
            .filter(|(_, it)| route_of(it).is_some_and(|found| self::title(found) == title));
        let of_route: Vec<_> = of_route.map(|(_, sample)| sample).collect();
        let good = |sample: &&&Value| sample["response"]["status"].as_u64().unwrap() < 300;
        assert!(!of_route.is_empty(), "no sample of {title}");
        let named = |it: &&&Value| match operation.action() {
            Some(action) => it["request"]["body"].get(action).is_some(),
            None => true,
        };
        assert!(
            of_route.iter().filter(named).filter(good).count() > 0,
            "no good sample of {title} {:?}",
            operation.action()
        );
    }
    let pages = pages();
    for (name, sample) in &samples {
        let link = format!("(samples/{name})");
        let Some(route) = route_of(sample) else {
            assert!(versions.contains(&link), "versions.md leads to {name}");
            continue;
        };
        let page = pages
            .iter()
            .find(|page| page.title == title(route))
            .unwrap();
        assert!(page.text.contains(&link), "{} leads to {name}", page.name);
        let status = sample["response"]["status"].as_u64().unwrap();
        assert!(
            page.text.contains(&format!("| {status} |")),
            "{} explains {status}",
            page.name
        );
        let mut fields = BTreeSet::new();
        if status == 200 {
            collect_fields(&sample["response"]["body"], &mut fields);
        }
        for field in fields {
            assert!(
                page.text.contains(&format!("`{field}`")),
                "{} explains {field}",
                page.name
            );
        }
    }
}

/// The names of all members, but those inside of what users fill themselves.
fn collect_fields(value: &Value, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                into.insert(name.clone());
                if !["metadata", "extra_specs", "links", "media-types"].contains(&name.as_str())
                    && !name.ends_with("_links")
                {
                    collect_fields(member, into);
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_fields(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test]
async fn every_sample_is_what_happens() {
    let update = std::env::var_os("UPDATE_SAMPLES").is_some();
    for (name, mut sample) in samples() {
        let response = replay(&sample).await;
        if update {
            sample["response"] = response;
            let text = format!("{}\n", serde_json::to_string_pretty(&sample).unwrap());
            fs::write(reference().join("samples").join(&name), text).unwrap();
        } else {
            assert_eq!(
                sample["response"], response,
                "{name}; UPDATE_SAMPLES=1 writes it anew"
            );
        }
    }
}

async fn replay(sample: &Value) -> Value {
    let world = World::new().await;
    match sample["world"].as_str().unwrap() {
        "empty" => {}
        "one server" => world.populate().await,
        "one server, migrating" => world.moving("running").await,
        "one server, locked" => {
            world.host("host-1").await;
            world.server(Server {
                locked: true,
                ..Server::default()
            });
        }
        "one server, stopped" => {
            world.host("host-1").await;
            world.server(Server {
                vm_state: "stopped",
                ..Server::default()
            });
        }
        "one server, waiting to be confirmed" => world.moved().await,
        "one server, its host dead" => world.abandoned(Server::default()).await,
        "one server, with a history" => {
            world.populate().await;
            world.history();
        }
        "one server, its flavor with an extra spec" => {
            world.populate().await;
            world.extra_spec();
        }
        "one server, in a group" => {
            world.populate().await;
            world.group(&[SERVER]);
        }
        "one server, with a volume" => {
            world.populate().await;
            world.volume();
        }
        "one server, its host in a zone" => {
            world.populate().await;
            world.aggregate(Some("east"), &["host-1", "host-2"]);
        }
        "one server, an empty aggregate" => {
            world.populate().await;
            world.aggregate(None, &[]);
        }
        "one server, an empty zone" => {
            world.populate().await;
            world.aggregate(Some("east"), &[]);
        }
        "two servers, several migrations" => several(&world).await,
        other => panic!("there is no world {other:?}"),
    }
    let request = &sample["request"];
    let text = |name: &str| request[name].as_str().unwrap();
    let mut ask = world
        .ask(text("method"), text("path"))
        .header("Host", "api.example.org");
    if let Some(version) = request["microversion"].as_str() {
        ask = ask.header("OpenStack-API-Version", &format!("compute {version}"));
    }
    if let Some(who) = sample["as"].as_str() {
        let who = Who::ALL
            .into_iter()
            .find(|it| format!("{it:?}").eq_ignore_ascii_case(who));
        ask = ask.by(who.unwrap());
    }
    if let Some(body) = request.get("body") {
        ask = ask.json(body);
    }
    let answer = ask.send().await;
    let mut body = if answer.text.is_empty() {
        Value::Null
    } else {
        answer.json()
    };
    // What is made has another id every time.
    if text("method") == "POST"
        && let Some(id) = body.pointer_mut("/server_group/id")
    {
        *id = json!(GROUP);
    }
    json!({ "status": answer.status, "body": body })
}

async fn several(world: &World) {
    world.moving("running").await;
    let uuid = "72a8abeb-396a-5d6f-8b61-5ff34b2c94ca";
    world.server(Server {
        uuid,
        name: "vm-2",
        age: 5,
        ..Server::default()
    });
    for (id, status, age) in [(2, "completed", 10), (3, "error", 20)] {
        world.migration(Migration {
            id,
            server: uuid,
            status,
            age,
            ..Migration::default()
        });
    }
}
