//! `docker compose up`, really run: a server is moved from outside, each container is killed while
//! servers move, and nothing is lost; down and up again, the history is still there.
//!
//! Docker runs on a machine of its own (`tests/containers/machine`), with images of Debian's
//! packages under the names that the file wants. Grafana has no package and is left out; its
//! provisioning and dashboards are tried elsewhere. Cgroups there have no controllers, so the file
//! runs with the override that takes its limits away, and the limits are looked at as text.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use godwit_test_support::wait_for_blocking;
use serde_json::Value;
use system_tests::process::godwit;
use system_tests::sdk::repository;
use tempfile::TempDir;

const UP: Duration = Duration::from_secs(180);
const MOVE: Duration = Duration::from_secs(90);

/// Everything but Grafana, and what ends by itself.
const SERVICES: [&str; 8] = [
    "database",
    "conductor-1",
    "conductor-2",
    "api-1",
    "api-2",
    "balancer",
    "hosts",
    "prometheus",
];

/// A machine with Docker; ends with the value.
struct Machine(TempDir);

impl Machine {
    fn up() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
        let machine = Self(directory);
        machine.script("up", &[])?;
        Ok(machine)
    }

    fn script(&self, verb: &str, arguments: &[&str]) -> Result<String> {
        let output = Command::new(repository().join("tests/containers/machine"))
            .arg(verb)
            .arg(self.0.path())
            .args(arguments)
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{verb} {arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs `docker compose` on the files of the checkout.
    fn compose(&self, arguments: &[&str]) -> Result<String> {
        let files = [
            "env",
            "GODWIT_BINARY=target/compose/godwit",
            "docker",
            "compose",
            "--project-directory",
            "/checkout",
            "--file",
            "/checkout/docker-compose.yml",
            "--file",
            "/checkout/deploy/docker/compose.unlimited.yml",
        ];
        self.script("run", &[&files[..], arguments].concat())
    }

    fn start(&self) -> Result<()> {
        let mut up = vec!["up", "--detach"];
        up.extend(SERVICES);
        self.compose(&up)?;
        self.await_healthy()
    }

    /// Each service by its name: is it healthy?
    fn await_healthy(&self) -> Result<()> {
        wait_for_blocking("every container to be healthy", UP, || {
            let said = self.compose(&["ps", "--format", "json"])?;
            let health: BTreeMap<String, String> = said
                .lines()
                .map(|line| {
                    let container: Value = serde_json::from_str(line)?;
                    let text = |key: &str| container[key].as_str().unwrap_or_default().to_owned();
                    Ok((text("Service"), text("Health")))
                })
                .collect::<Result<_>>()?;
            for service in SERVICES {
                let found = health.get(service).map(String::as_str);
                ensure!(found == Some("healthy"), "{service} is {found:?}");
            }
            Ok(Some(()))
        })
    }

    /// The unmodified client, from outside of every container.
    fn openstack(&self, cloud: &str, arguments: &[&str]) -> Result<String> {
        let pid = self.script("pid", &[])?;
        let output = Command::new("nsenter")
            .arg(format!("--net=/proc/{}/ns/net", pid.trim()))
            .arg(repository().join(".venv/bin/openstack"))
            .args(["--os-cloud", cloud])
            .args(arguments)
            .env(
                "OS_CLIENT_CONFIG_FILE",
                repository().join("deploy/docker/clouds.yaml"),
            )
            .output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{arguments:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn await_server(&self, name: &str) -> Result<()> {
        wait_for_blocking("the servers to be adopted", UP, || {
            self.openstack("manager", &["server", "show", name])?;
            Ok(Some(()))
        })
    }

    /// `kill -9`, as by the kernel: what Docker itself is told to kill, it does not start again.
    fn kill9(&self, service: &str) -> Result<()> {
        let container = self.compose(&["ps", "--quiet", service])?;
        let format = "{{.State.Pid}}";
        let pid = self.script(
            "run",
            &["docker", "inspect", "--format", format, container.trim()],
        )?;
        self.script("run", &["kill", "-KILL", pid.trim()]).map(drop)
    }

    fn migrations(&self) -> Result<Vec<Value>> {
        let said = self.openstack(
            "admin",
            &["server", "migration", "list", "--format", "json"],
        )?;
        Ok(serde_json::from_str(&said)?)
    }

    fn check_invariants(&self) -> Result<()> {
        self.compose(&[
            "exec",
            "-T",
            "api-1",
            "godwit",
            "db",
            "check",
            "--invariants",
        ])
        .map(drop)
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.compose(&["logs"]).unwrap_or_default());
        }
        if let Err(error) = self.script("down", &[]) {
            eprintln!("{error:#}");
        }
    }
}

/// The binary under test, where the image's build finds it.
fn place_binary() -> Result<PathBuf> {
    let place = repository().join("target/compose/godwit");
    fs::create_dir_all(place.parent().context("no parent")?)?;
    fs::copy(godwit()?, &place)?;
    Ok(place)
}

#[test]
fn real_compose_loses_nothing() -> Result<()> {
    place_binary()?;
    let machine = Machine::up()?;
    machine.start()?;
    machine.await_server("vm-1")?;
    let migrate = ["server", "migrate", "--live-migration", "vm-1", "--wait"];
    machine.openstack("manager", &migrate)?;

    for (index, victim) in SERVICES.iter().enumerate() {
        let server = format!("vm-{}", index + 2);
        let migrate = ["server", "migrate", "--live-migration", &server];
        machine.openstack("manager", &migrate)?;
        machine.kill9(victim)?;
        machine.await_healthy()?;
    }
    wait_for_blocking("every migration to end", MOVE, || {
        let ended = ["completed", "failed", "error", "cancelled"];
        let migrations = machine.migrations()?;
        let open = migrations
            .iter()
            .filter(|it| !ended.contains(&it["Status"].as_str().unwrap_or_default()));
        let open: Vec<_> = open.collect();
        ensure!(open.is_empty(), "{open:?}");
        Ok(Some(()))
    })?;
    // Whatever was answered is there: one for each that was asked for.
    let before = machine.migrations()?.len();
    ensure!(before == SERVICES.len() + 1, "{before} migrations");
    machine.check_invariants()?;

    machine.compose(&["down"])?;
    machine.start()?;
    ensure!(machine.migrations()?.len() == before, "history is lost");
    machine.check_invariants()?;

    // An upgrade that older processes would not survive.
    machine.compose(&["build"])?;
    machine.compose(&["stop", "api-1", "api-2", "conductor-1", "conductor-2"])?;
    machine.start()?;
    ensure!(machine.migrations()?.len() == before, "history is lost");
    machine.check_invariants()
}

#[test]
fn real_compose_limits_everything_and_holds_no_secret() -> Result<()> {
    let machine = Machine::up()?;
    let file = "/checkout/docker-compose.yml";
    let config = [
        "docker", "compose", "--file", file, "config", "--format", "json",
    ];
    // Up to what `prepare` makes of it, which needs a Keystone.
    let keystone = "GODWIT_KEYSTONE_URL=https://keystone.example.org:5000/v3";
    let told = machine.script("run", &[&["env", keystone][..], &config[..]].concat())?;
    let told: Value = serde_json::from_str(&told)?;
    let url = &told["services"]["prepare"]["environment"]["GODWIT_KEYSTONE_URL"];
    ensure!(keystone.ends_with(url.as_str().unwrap_or("-")), "{url}");

    let config: Value = serde_json::from_str(&machine.script("run", &config)?)?;
    for (name, service) in config["services"].as_object().context("no services")? {
        let limits = &service["deploy"]["resources"]["limits"];
        for limit in ["cpus", "memory", "pids"] {
            ensure!(!limits[limit].is_null(), "{name} has no limit of {limit}");
        }
        ensure!(service["read_only"] == true, "{name} writes to its image");
        let user = service["user"].as_str().unwrap_or("0");
        ensure!(!user.starts_with('0') && user != "root", "{name} is root");
        let dropped = service["cap_drop"][0].as_str();
        ensure!(dropped == Some("ALL"), "{name} keeps capabilities");
        for port in service["ports"].as_array().into_iter().flatten() {
            ensure!(
                port["host_ip"] == "127.0.0.1",
                "{name} is published: {port}"
            );
        }
        for (key, value) in service["environment"].as_object().into_iter().flatten() {
            let secret = key.contains("PASSWORD") && !key.ends_with("__FILE");
            ensure!(!secret, "{name} is given {key}={value}");
        }
    }
    Ok(())
}
