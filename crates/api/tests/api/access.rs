//! Who gets what: everybody at every route, and the table of it in `docs/access.md`.
//!
//! With `UPDATE_ACCESS=1` in the environment the table is written anew.

use std::collections::{HashMap, HashSet};
use std::fmt::Write;
use std::path::Path;

use godwit_api::http::route::Route;
use godwit_api::nova::microversion::Microversion;
use godwit_api::nova::routes::{OPERATIONS, Operation, Takes};
use serde_json::{Value, json};

use crate::answers::{Answer, Ask};
use crate::seed::{EXTRA_SPEC, GROUP, SERVER, Server, VOLUME, hypervisor_uuid, service_uuid};
use crate::world::{DEMO, LAB, Who, World};

/// A request that is valid and makes sense.
pub(crate) struct Request {
    pub(crate) route: &'static Route,
    /// What the body asks for, where it may be one of several things.
    action: Option<&'static str>,
    /// What is special about it, if anything is.
    special: Option<&'static str>,
    /// The rule that is asked first.
    pub(crate) first_rule: Option<&'static str>,
    /// The newest version in which this exists.
    version: Microversion,
    path: String,
    body: Option<Value>,
    scene: Scene,
}

/// What there has to be so that a request can be granted.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Scene {
    /// A server at rest, to which something was done before, of a flavor with an extra spec, in a
    /// server group; and an aggregate without hosts.
    Still,
    /// A server that was stopped.
    Off,
    /// The same as at rest, with its host in the aggregate.
    Grouped,
    /// A server that moves.
    Moving,
    /// A server that was moved and waits to be confirmed.
    Moved,
    /// A server whose host is dead.
    Abandoned,
    /// A server that an administrator locked.
    Locked,
}

impl Scene {
    async fn set(self) -> World {
        let world = World::new().await;
        match self {
            Self::Still | Self::Grouped => {
                world.populate().await;
                world.history();
                world.extra_spec();
                world.group(&[SERVER]);
                world.volume();
                let hosts: &[&str] = match self {
                    Self::Grouped => &["host-1"],
                    _ => &[],
                };
                world.aggregate(None, hosts);
            }
            Self::Off => {
                world.host("host-1").await;
                world.server(Server {
                    vm_state: "stopped",
                    ..Server::default()
                });
            }
            Self::Moving => world.moving("running").await,
            Self::Moved => world.moved().await,
            Self::Abandoned => world.abandoned(Server::default()).await,
            Self::Locked => {
                world.host("host-1").await;
                world.server(Server {
                    locked: true,
                    ..Server::default()
                });
            }
        }
        world
    }
}

/// A valid body, and where it makes sense.
fn act(action: &str) -> (Value, Scene) {
    let (value, scene) = match action {
        "os-migrateLive" => (
            json!({"host": null, "block_migration": "auto"}),
            Scene::Still,
        ),
        "evacuate" => (json!({}), Scene::Abandoned),
        "os-resetState" => (json!({"state": "error"}), Scene::Still),
        "migrate" | "lock" | "unlock" | "os-stop" => (Value::Null, Scene::Still),
        "os-start" => (Value::Null, Scene::Off),
        "reboot" => (json!({"type": "SOFT"}), Scene::Still),
        "confirmResize" | "revertResize" => (Value::Null, Scene::Moved),
        "force_complete" => (Value::Null, Scene::Moving),
        "add_host" => (json!({"host": "host-2"}), Scene::Still),
        "remove_host" => (json!({"host": "host-1"}), Scene::Grouped),
        "set_metadata" => (json!({"metadata": {"k": "v"}}), Scene::Still),
        other => panic!("say here what a valid {other} is"),
    };
    (json!({ action: value }), scene)
}

/// A valid body for what is no action.
fn write(path: &str) -> Value {
    match path {
        "/os-services/{id}" => json!({"status": "disabled"}),
        "/os-server-groups" => json!({"server_group": {"name": "db", "policy": "affinity"}}),
        "/os-aggregates" | "/os-aggregates/{id}" => json!({"aggregate": {"name": "another"}}),
        other => panic!("say here what may be written to {other}"),
    }
}

/// What a path's `{id}` may be.
fn id(path: &str) -> String {
    match path {
        "/versions/{id}" => "v2.1".to_owned(),
        path if path.starts_with("/flavors/") => "f1".to_owned(),
        "/servers/{server_id}/os-instance-actions/{id}" => "req-1".to_owned(),
        "/os-services/{id}" => service_uuid("host-2").to_string(),
        "/os-server-groups/{id}" => GROUP.to_owned(),
        "/os-hypervisors/{id}" | "/os-hypervisors/{id}/uptime" => {
            hypervisor_uuid("host-1").to_string()
        }
        "/servers/{server_id}/os-volume_attachments/{id}" => VOLUME.to_owned(),
        "/extensions/{id}" => "os-volumes".to_owned(),
        path if path.starts_with("/os-quota-sets/") || path.starts_with("/os-simple-tenant") => {
            DEMO.to_owned()
        }
        "/os-hypervisors/{id}/search" | "/os-hypervisors/{id}/servers" => "host-1".to_owned(),
        _ => "1".to_owned(),
    }
}

/// Something to ask of each route, once for each action.
pub(crate) fn requests() -> Vec<Request> {
    let all = OPERATIONS.iter().map(of_operation);
    all.flat_map(|plain| {
        let special = plain.specials();
        std::iter::once(plain).chain(special)
    })
    .collect()
}

fn of_operation(operation: &'static Operation) -> Request {
    let route = &operation.route;
    let path = route
        .path
        .replace("{server_id}", SERVER)
        .replace("{migration_id}", "1")
        .replace("/metadata/{key}", "/metadata/k")
        .replace("{key}", EXTRA_SPEC)
        .replace("{id}", &id(route.path));
    let plain = match route.path.contains("{migration_id}") {
        true => Scene::Moving,
        false => Scene::Still,
    };
    let (body, scene) = match operation.takes {
        Takes::Query(_) => (None, plain),
        Takes::Body(_) => (Some(write(route.path)), plain),
        Takes::Action(name, _) => {
            let (body, scene) = act(name);
            (Some(body), scene)
        }
    };
    Request {
        route,
        action: operation.action(),
        special: None,
        first_rule: route.rules.first().copied(),
        version: operation.versions.until.unwrap_or(Microversion::MAX),
        path,
        body,
        scene,
    }
}

impl Request {
    /// The same, asked so that a rule decides which is not asked of everybody; or that is not
    /// asked, where the plain request is the one that it decides.
    fn specials(&self) -> Vec<Self> {
        let further = self.route.rules.iter().skip(1);
        further.map(|rule| self.special(rule)).collect()
    }

    fn special(&self, rule: &'static str) -> Self {
        let same = || Self {
            route: self.route,
            action: self.action,
            special: None,
            first_rule: self.first_rule,
            version: self.version,
            path: self.path.clone(),
            body: self.body.clone(),
            scene: self.scene,
        };
        let queried = |special, query: &str| Self {
            special: Some(special),
            path: format!("{}?{query}", self.path),
            ..same()
        };
        let bound = |body| Self {
            special: Some("to a named host"),
            first_rule: Some(rule),
            body: Some(body),
            ..same()
        };
        match rule.strip_prefix("os_compute_api:").unwrap() {
            "servers:index:get_all_tenants" | "servers:detail:get_all_tenants" => {
                queried("of every project", "all_tenants=1")
            }
            "os-migrations:index:all_projects" => {
                queried("of the servers' project", &format!("project_id={DEMO}"))
            }
            "limits:other_project" => queried("of another project", &format!("tenant_id={LAB}")),
            "os-migrate-server:migrate_live:host" => {
                let body = json!({"host": "host-2", "block_migration": "auto"});
                bound(json!({ "os-migrateLive": body }))
            }
            "os-migrate-server:migrate:host" => bound(json!({"migrate": {"host": "host-2"}})),
            "os-lock-server:unlock:unlock_override" => Self {
                special: Some("what an administrator locked"),
                scene: Scene::Locked,
                ..same()
            },
            other => panic!("say here when {other} is asked"),
        }
    }

    /// The operation, if it is an action and nothing is special about it.
    pub(crate) fn plain_action(&self) -> Option<&'static Operation> {
        let is_this = |it: &&Operation| {
            std::ptr::eq(&it.route, self.route) && it.action().is_some() && self.special.is_none()
        };
        OPERATIONS.iter().find(is_this)
    }

    /// A world in which it can be granted.
    pub(crate) async fn world(&self) -> World {
        self.scene.set().await
    }

    /// What is to be sent.
    pub(crate) fn ask<'a>(&self, world: &'a World, who: Who) -> Ask<'a> {
        let ask = world
            .ask(self.route.method.as_str(), &format!("/v2.1{}", self.path))
            .by(who)
            .version(self.version.minor());
        match &self.body {
            Some(body) => ask.json(body),
            None => ask,
        }
    }

    /// Asks it in a world of its own.
    pub(crate) async fn send(&self, world: &World, who: Who) -> Answer {
        self.ask(world, who).send().await
    }

    /// Everybody's codes. A world that somebody changed is of no use to the next.
    /// The rules that refused go to the others.
    async fn codes(
        &self,
        worlds: &mut HashMap<Scene, World>,
        refusals: &mut HashSet<String>,
    ) -> Vec<u16> {
        let mut codes = Vec::new();
        for who in Who::ALL {
            let world = match worlds.remove(&self.scene) {
                Some(world) => world,
                None => self.scene.set().await,
            };
            let answer = self.send(&world, who).await;
            if answer.status == 403 {
                let rule = format!("os_compute_api:{}", answer.forbidden());
                assert!(self.route.all_rules().any(|it| it == rule), "{answer:?}");
                refusals.insert(rule);
            }
            codes.push(answer.status);
            if answer.status >= 300 || self.route.method == "GET" {
                assert_eq!(world.woken(), 0, "{answer:?}");
                worlds.insert(self.scene, world);
            }
        }
        codes
    }

    fn name(&self) -> String {
        let mut name = format!("`{} {}`", self.route.method, self.route.path);
        if let Some(action) = self.action {
            let _ = write!(name, " `{action}`");
        }
        if let Some(special) = self.special {
            let _ = write!(name, ", {special}");
        }
        name
    }
}

const HEAD: &str = "\
# Who gets what

What the API answers to everybody with the default policy: at each route the code of a request \
that is valid and makes sense, in the newest version that has it. 403 is policy's refusal and \
names the rule; 404 is also what hides the servers of other projects. The servers of these \
answers belong to one project; *elsewhere* is another one, and the last three have a token for \
no project at all. Where a request can ask for more, and then has to be allowed by another rule, \
that has a line of its own.

This page is generated by `crates/api/tests/api/access.rs`; `UPDATE_ACCESS=1` writes it anew.

";

#[tokio::test]
async fn the_table_of_codes_is_what_happens() {
    let mut table = HEAD.to_owned();
    let names: Vec<_> = Who::ALL.iter().map(|who| who.title()).collect();
    let _ = writeln!(table, "| Request | Version | {} |", names.join(" | "));
    let _ = writeln!(table, "|---|---|{}", "---|".repeat(names.len()));
    let (mut worlds, mut refusals) = (HashMap::new(), HashSet::new());
    for request in requests() {
        let codes = request.codes(&mut worlds, &mut refusals).await;
        let codes: Vec<_> = codes.iter().map(u16::to_string).collect();
        let (name, version) = (request.name(), request.version);
        let _ = writeln!(table, "| {name} | {version} | {} |", codes.join(" | "));
    }
    for rule in OPERATIONS.iter().flat_map(|it| it.route.rules) {
        assert!(refusals.contains(*rule), "{rule} refuses nobody");
    }
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/access.md");
    if std::env::var_os("UPDATE_ACCESS").is_some() {
        std::fs::write(&file, &table).unwrap();
    }
    let written = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(written, table, "UPDATE_ACCESS=1 writes it anew");
}
