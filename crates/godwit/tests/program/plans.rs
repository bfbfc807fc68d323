//! Plans and maintenance of a whole service on simulated hosts: from the request to where guests are
//! in the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use godwit_test_support::wait_for;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::process::{Process, run, text, up};
use crate::session::Session;

/// How long a plan or a run may take; simulated time passes fifty times as fast.
const PATIENCE: Duration = Duration::from_secs(120);

/// Four hosts in two pods, which share a pool. The last one is empty.
const FLEET: &str = "
pools:
  - {name: ceph, kind: rbd, shared: true, capacity_bytes: 1000000000000, free_bytes: 900000000000}
  - {name: nfs, kind: dir, shared: true, capacity_bytes: 1000000000000, free_bytes: 900000000000}
hosts:
  - {name: h1, pod: p1, pools: [ceph, nfs], capacity: {vcpus: 16, memory_mib: 16384, disk_gib: 100}}
  - {name: h2, pod: p1, pools: [ceph, nfs], capacity: {vcpus: 16, memory_mib: 16384, disk_gib: 100}}
  - {name: h3, pod: p2, pools: [ceph, nfs], capacity: {vcpus: 16, memory_mib: 16384, disk_gib: 100}}
  - {name: h4, pod: p2, pools: [ceph, nfs], capacity: {vcpus: 16, memory_mib: 16384, disk_gib: 100}}
servers:
  - {name: a, host: h1, vcpus: 1, memory_mib: 512, disks: [{pool: ceph}]}
  - {name: b, host: h1, vcpus: 1, memory_mib: 512, disks: [{pool: ceph}]}
  - {name: c, host: h1, vcpus: 1, memory_mib: 512, disks: [{pool: ceph}]}
  - {name: d, host: h2, vcpus: 1, memory_mib: 512, disks: [{pool: ceph}]}
  - {name: e, host: h3, vcpus: 1, memory_mib: 512, disks: [{pool: ceph}]}
";

/// A service, and an administrator of it.
struct Cloud {
    _process: Process,
    folder: TempDir,
    nova: Session,
    native: Session,
}

/// Where servers are, by name.
type Places = BTreeMap<String, String>;

impl Cloud {
    async fn start() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let (file, data) = (folder.path().join("fleet.yaml"), folder.path().join("data"));
        std::fs::write(&file, FLEET)?;
        let more = ["--speed", "50", "--fleet", text(&file)];
        let mut process = Process::start(&up(text(&data), &more))?;
        let url = process.says("ready").await?;
        let nova = Session::log_in(&url, "admin", "admin").await?;
        let token = nova.token().to_owned();
        let native = Session::with_token(&url.replace("/v2.1", "/relocation/v1"), token);
        Ok(Self {
            _process: process,
            folder,
            nova,
            native,
        })
    }

    /// What is answered with this status.
    async fn asks(
        &self,
        call: (Method, &str),
        body: Option<Value>,
        status: StatusCode,
    ) -> Result<Value> {
        let (method, path) = call;
        let (answered, said) = self.native.ask(method, path, body).await?;
        ensure!(answered == status, "{path}: {answered} {said}");
        Ok(said)
    }

    /// The document at `path`, once it is as `is` wants it.
    async fn once(&self, path: &str, is: impl Fn(&Value) -> bool) -> Result<Value> {
        wait_for(path, PATIENCE, async || {
            let document = self.native.get(path).await?;
            match is(&document) {
                true => Ok(Some(document)),
                false => bail!("it is {document}"),
            }
        })
        .await
    }

    /// A plan, once it is made or aborted.
    async fn plans(&self, wanted: Value) -> Result<Value> {
        let asked = self.asks((Method::POST, "/plans"), Some(wanted), StatusCode::CREATED);
        let path = format!("/plans/{}", id(&asked.await?)?);
        self.once(&path, |it| it["state"] != "initializing").await
    }

    /// The run of a plan that is ready; its path.
    async fn runs(&self, plan: &Value) -> Result<String> {
        ensure!(plan["state"] == "ready", "{plan}");
        let path = format!("/plans/{}/runs", id(plan)?);
        let run = self.asks((Method::POST, &path), None, StatusCode::ACCEPTED);
        Ok(format!("/runs/{}", id(&run.await?)?))
    }

    async fn ended(&self, run: &str) -> Result<Value> {
        self.once(run, |it| !it["ended_at"].is_null()).await
    }

    async fn places(&self) -> Result<Places> {
        let servers = self.native.get("/servers?fields=name,host,status").await?;
        let servers = servers["items"].as_array().context("no list")?.iter();
        let place = |it: &Value| {
            ensure!(it["status"] == "ACTIVE", "{it}");
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            Ok((text(&it["name"]), text(&it["host"])))
        };
        servers.map(place).collect()
    }

    async fn server(&self, name: &str) -> Result<String> {
        let servers = self.native.get("/servers?fields=name,id").await?;
        let mut servers = servers["items"].as_array().context("no list")?.iter();
        let found = servers.find(|it| it["name"] == name).context("no server")?;
        id(found)
    }

    async fn promises_hold(&self) -> Result<()> {
        let data = self.folder.path().join("data");
        let arguments = ["db", "check", "--invariants", "--data", text(&data)];
        let output = run(&arguments).await?;
        ensure!(output.status.success(), "{output:?}");
        Ok(())
    }
}

fn id(document: &Value) -> Result<String> {
    let id = document["id"]
        .as_str()
        .with_context(|| format!("no id in {document}"))?;
    Ok(id.to_owned())
}

/// Servers that are on `host`.
fn on<'a>(places: &'a Places, host: &str) -> Vec<&'a str> {
    let there = places.iter().filter(|(_, place)| *place == host);
    there.map(|(name, _)| name.as_str()).collect()
}

/// All operations are done as planned, and said so.
fn is_as_planned(run: &Value) -> Result<()> {
    ensure!(run["state"] == "completed", "{run}");
    ensure!(run["percent"] == 100, "{run}");
    let operations = run["operations"].as_array().context("no operations")?;
    ensure!(!operations.is_empty(), "{run}");
    ensure!(
        operations.iter().all(|it| it["state"] == "completed"),
        "{run}"
    );
    Ok(())
}

/// What is true of places before and after.
type Holds = fn(&Places, &Places) -> bool;

#[tokio::test]
async fn servers_and_hosts_are_moved_as_planned() -> Result<()> {
    let cloud = Cloud::start().await?;
    let (a, b) = (cloud.server("a").await?, cloud.server("b").await?);
    let forms: [(Value, &str, &str, Holds); 4] = [
        (
            json!({"servers": [a], "destination": "h4"}),
            "server",
            "live",
            |_, after| after["a"] == "h4",
        ),
        (
            json!({"servers": [a]}),
            "server",
            "live",
            |before, after| after["a"] != before["a"],
        ),
        (
            json!({"servers": [a, b], "constraints": [{"before": [b, a]}]}),
            "servers",
            "live",
            |before, after| after["a"] != before["a"] && after["b"] != before["b"],
        ),
        (json!({"host": "h1"}), "host", "live", |before, after| {
            on(after, "h1").is_empty() && on(before, "h1").contains(&"c")
        }),
    ];
    for (wanted, kind, operation, holds) in forms {
        let before = cloud.places().await?;
        let plan = cloud.plans(wanted.clone()).await?;
        assert_eq!(plan["type"], kind, "{wanted}");
        let run = cloud.runs(&plan).await?;
        let run = cloud.ended(&run).await?;
        is_as_planned(&run)?;
        let planned = plan["operations"].as_array().context("no list")?;
        assert!(planned.iter().all(|it| it["kind"] == operation), "{plan}");
        let after = cloud.places().await?;
        assert!(holds(&before, &after), "{wanted}: {before:?} {after:?}");
        for it in planned {
            let moved = planned
                .iter()
                .filter(|other| other["server"] == it["server"]);
            assert_eq!(moved.count(), 1, "a server moves once: {plan}");
        }
        // Whom nobody named is where it was.
        for name in ["d", "e"] {
            assert_eq!(after[name], before[name], "{wanted}");
        }
    }
    cloud.promises_hold().await
}

#[tokio::test]
async fn a_host_enters_maintenance_by_a_plan_and_its_guests_come_home() -> Result<()> {
    let cloud = Cloud::start().await?;
    let before = cloud.places().await?;
    let wanted = json!({"host": "h1", "enter_maintenance": true, "return_home": "now",
        "holder": "kernel", "reason": "a new kernel"});
    let plan = cloud.plans(wanted).await?;
    assert_eq!(plan["type"], "maintenance");
    let run = cloud.runs(&plan).await?;
    is_as_planned(&cloud.ended(&run).await?)?;
    let path = "/hosts/h1/maintenance";
    let held = cloud.once(path, |it| it["safe_to_reboot"] == true).await?;
    assert_eq!(
        (
            &held["state"],
            &held["percent"],
            &held["holders"][0]["holder"]
        ),
        (&json!("in_maintenance"), &json!(100), &json!("kernel"))
    );
    assert!(on(&cloud.places().await?, "h1").is_empty());

    let leave = (Method::DELETE, "/hosts/h1/maintenance?holder=kernel");
    let left = cloud.asks(leave, None, StatusCode::ACCEPTED).await?;
    assert_eq!(left["state"], "leaving");
    let home = left["run"].as_str().context("no way home")?;
    let home = cloud.ended(&format!("/runs/{home}")).await?;
    assert_eq!(home["type"], "return_home");
    is_as_planned(&home)?;
    let free = cloud.once(path, |it| it["state"] == "none").await?;
    assert_eq!(
        (&free["run"], &free["percent"]),
        (&Value::Null, &Value::Null)
    );
    assert_eq!(cloud.places().await?, before);
    cloud.promises_hold().await
}

/// Hosts of a run of many that are emptied, and held.
fn ready(run: &Value) -> Vec<String> {
    let hosts = run["hosts"].as_array().into_iter().flatten();
    let ready = hosts.filter(|it| it["state"] == "ready");
    let names = ready.filter_map(|it| it["host"].as_str());
    names.map(str::to_owned).collect()
}

#[tokio::test]
async fn hosts_are_emptied_one_after_the_other_and_get_their_guests_back() -> Result<()> {
    let cloud = Cloud::start().await?;
    let before = cloud.places().await?;
    let wanted = json!({"hosts": ["h1", "h2"], "max_unavailable": 1, "return_home": "now"});
    let plan = cloud.plans(wanted).await?;
    assert_eq!(plan["type"], "rolling");
    let run = cloud.runs(&plan).await?;
    let mut done = BTreeSet::new();
    while done.len() < 2 {
        // One that is done is ready still while its guests return.
        let turn = |it: &Value| ready(it).into_iter().find(|host| !done.contains(host));
        let shown = cloud.once(&run, |it| turn(it).is_some()).await?;
        let host = turn(&shown).context("none is ready")?;
        assert_eq!(ready(&shown), std::slice::from_ref(&host), "{shown}");
        assert!(on(&cloud.places().await?, &host).is_empty(), "{host}");
        let path = format!("{run}/hosts/{host}/done");
        let said = (Method::POST, path.as_str());
        cloud.asks(said, None, StatusCode::ACCEPTED).await?;
        done.insert(host);
    }
    is_as_planned(&cloud.ended(&run).await?)?;
    assert_eq!(cloud.places().await?, before, "everybody is at home");
    for host in ["h1", "h2"] {
        let path = format!("/hosts/{host}/maintenance");
        cloud.once(&path, |it| it["state"] == "none").await?;
    }
    cloud.promises_hold().await
}

#[tokio::test]
async fn the_guests_of_a_fenced_host_are_started_elsewhere() -> Result<()> {
    let cloud = Cloud::start().await?;
    let services = cloud
        .nova
        .get("/os-services?host=h1&binary=nova-compute")
        .await?;
    let service = services["services"][0]["id"]
        .as_str()
        .context("no service")?;
    let path = format!("/os-services/{service}");
    let down = Some(json!({"forced_down": true}));
    let (status, said) = cloud.nova.ask(Method::PUT, &path, down).await?;
    assert_eq!(status, StatusCode::OK, "{said}");
    let plan = cloud.plans(json!({"host": "h1"})).await?;
    let operations = plan["operations"].as_array().context("no operations")?;
    assert_eq!(operations.len(), 3, "{plan}");
    assert!(
        operations.iter().all(|it| it["kind"] == "evacuate"),
        "{plan}"
    );
    let run = cloud.runs(&plan).await?;
    is_as_planned(&cloud.ended(&run).await?)?;
    let places = cloud.places().await?;
    assert!(on(&places, "h1").is_empty(), "{places:?}");
    assert_eq!(places.len(), 5, "{places:?}");
    cloud.promises_hold().await
}

#[tokio::test]
async fn a_plan_to_empty_a_pool_says_that_it_cannot_be() -> Result<()> {
    let cloud = Cloud::start().await?;
    let plan = cloud.plans(json!({"pool": "ceph", "to": "nfs"})).await?;
    assert_eq!(
        (&plan["type"], &plan["state"]),
        (&json!("pool"), &json!("aborted"))
    );
    assert_ne!(
        plan["reasons"],
        json!([]),
        "nobody is told that disks will move"
    );
    let path = format!("/plans/{}/runs", id(&plan)?);
    let refused = cloud
        .asks((Method::POST, &path), None, StatusCode::CONFLICT)
        .await?;
    assert_eq!(refused["code"], "plan-not-ready");
    Ok(())
}

/// The reasons why a plan leaves servers where they are.
fn codes(plan: &Value) -> Vec<&str> {
    let blocked = plan["blocked"].as_array().into_iter().flatten();
    let reasons = blocked.flat_map(|it| it["reasons"].as_array().into_iter().flatten());
    reasons.filter_map(|it| it["code"].as_str()).collect()
}

#[tokio::test]
async fn what_is_disabled_is_not_chosen_until_it_is_enabled() -> Result<()> {
    let cloud = Cloud::start().await?;
    let set = async |scope: &str, state: &str| {
        let body = json!({"state": state, "reason": "its power"});
        let path = format!("/{scope}/allocation");
        cloud
            .asks((Method::PUT, &path), Some(body), StatusCode::OK)
            .await
    };
    let one = json!({"servers": [cloud.server("a").await?]});
    let goes = async || -> Result<String> {
        let plan = cloud.plans(one.clone()).await?;
        let run = cloud.runs(&plan).await?;
        is_as_planned(&cloud.ended(&run).await?)?;
        Ok(cloud.places().await?["a"].clone())
    };
    // Its own pod is left to it, then the other one.
    set("scopes/pod/p2", "disabled").await?;
    assert_eq!(goes().await?, "h2");
    set("scopes/pod/p2", "enabled").await?;
    set("scopes/pod/p1", "disabled").await?;
    let there = goes().await?;
    assert!(["h3", "h4"].contains(&there.as_str()), "{there}");

    // Nowhere is left, until the pod is enabled in which one host is.
    let other = if there == "h3" { "h4" } else { "h3" };
    set(&format!("hosts/{other}"), "disabled").await?;
    let nowhere = cloud.plans(one.clone()).await?;
    assert_eq!(nowhere["state"], "aborted", "{nowhere}");
    assert!(codes(&nowhere).contains(&"disabled"), "{nowhere}");
    set("hosts/h1", "disabled").await?;
    set("scopes/pod/p1", "enabled").await?;
    assert_eq!(goes().await?, "h2");
    cloud.promises_hold().await
}
