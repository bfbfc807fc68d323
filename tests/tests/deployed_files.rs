//! Files that a deployment is made of, looked at by the programs that will read them.

use std::fs;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use system_tests::sdk::repository;

/// How exposed a unit may be, by systemd's own count. The agent has to get at disks.
const EXPOSURE: &[(&str, &str)] = &[
    ("godwit-api", "20"),
    ("godwit-conductor", "20"),
    ("godwit-agent", "35"),
];

fn run(program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(repository())
        .output()
        .with_context(|| format!("cannot run {program}: has scripts/install-testbed been run?"))?;
    let (said, complained) = (
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(
        output.status.success(),
        "{program} {arguments:?}:\n{said}\n{complained}"
    );
    Ok(said)
}

#[test]
fn alert_rules_fire_when_they_should() -> Result<()> {
    run(
        "promtool",
        &["check", "config", "deploy/prometheus/prometheus.yml"],
    )?;
    let tests = "deploy/prometheus/tests/godwit.test.yml";
    run("promtool", &["test", "rules", tests]).map(drop)
}

#[test]
fn units_leave_little() -> Result<()> {
    for (unit, most) in EXPOSURE {
        let path = repository().join(format!("deploy/systemd/{unit}.service"));
        let threshold = format!("--threshold={most}");
        let path = path.to_string_lossy();
        let offline = ["security", "--offline=true", &threshold, &path];
        run("systemd-analyze", &offline)?;
    }
    Ok(())
}

#[test]
fn the_balancers_configuration_is_good() -> Result<()> {
    run("haproxy", &["-c", "-f", "deploy/docker/haproxy.cfg"]).map(drop)
}

#[test]
fn scripts_of_containers_are_for_any_shell() -> Result<()> {
    for script in ["prepare", "database"] {
        run("dash", &["-n", &format!("deploy/docker/{script}")])?;
    }
    run("bash", &["-n", "deploy/docker/healthy"]).map(drop)
}

/// A panel without a description explains nothing, and one that asks a particular source is empty
/// elsewhere.
#[test]
fn dashboards_are_whole() -> Result<()> {
    for file in fs::read_dir(repository().join("deploy/grafana/dashboards"))? {
        let path = file?.path();
        let dashboard: Value = serde_json::from_slice(&fs::read(&path)?)?;
        let mut ids = vec![];
        for panel in dashboard["panels"].as_array().context("no panels")? {
            ids.push(panel["id"].as_i64().context("a panel without an id")?);
            if panel["type"] == "row" {
                continue;
            }
            let title = &panel["title"];
            let described = panel["description"]
                .as_str()
                .is_some_and(|it| !it.is_empty());
            ensure!(described, "{}: {title} says nothing", path.display());
            for target in panel["targets"].as_array().context("no targets")? {
                let source = &target["datasource"]["uid"];
                ensure!(source == "${datasource}", "{title} asks {source}");
            }
        }
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        ensure!(ids.len() == count, "{}: an id is twice", path.display());
    }
    Ok(())
}
