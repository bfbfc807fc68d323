//! The commands that are clients of `/relocation/v1`, against a whole service.

use std::path::Path;
use std::process::Output;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::process::{Process, run_in, text, up};

/// A running `up`, and the folder in which its clouds.yaml is.
struct Service {
    _process: Process,
    folder: tempfile::TempDir,
}

impl Service {
    async fn start(more: &[&str]) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut process = Process::start(&up(text(folder.path()), more))?;
        process.says("ready").await?;
        // What is said last comes behind clouds.yaml.
        process.says("metrics").await?;
        Ok(Self {
            _process: process,
            folder,
        })
    }

    /// A command of an administrator, who stands where clouds.yaml is.
    async fn admin(&self, arguments: &[&str]) -> Result<Output> {
        self.as_user("admin", arguments).await
    }

    async fn as_user(&self, user: &str, arguments: &[&str]) -> Result<Output> {
        let mut all = vec!["--os-cloud", user];
        all.extend(arguments);
        run_in(self.folder.path(), &[], &all).await
    }

    /// The document that a command ends with.
    async fn document(&self, arguments: &[&str]) -> Result<Value> {
        let output = self.admin(arguments).await?;
        serde_json::from_slice(&output.stdout).with_context(|| format!("{output:?}"))
    }
}

fn said(output: &Output) -> String {
    [&output.stdout, &output.stderr]
        .map(|it| String::from_utf8_lossy(it).into_owned())
        .concat()
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[tokio::test]
async fn hosts_candidates_and_reasons_are_told() -> Result<()> {
    let service = Service::start(&["--servers", "3"]).await?;
    let hosts = service.document(&["hosts", "--json"]).await?;
    let mut names: Vec<&str> = hosts["items"]
        .as_array()
        .context("no list")?
        .iter()
        .filter_map(|it| it["name"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["host-1", "host-2", "host-3"]);
    assert!(hosts["next"].is_null(), "{hosts}");
    let table = service.admin(&["hosts"]).await?;
    assert_eq!(code(&table), Some(0), "{table:?}");
    assert!(said(&table).contains("host-3"), "{table:?}");

    let candidates = service.document(&["candidates", "vm-1", "--json"]).await?;
    let item = &candidates["items"][0];
    let host = item["host"].as_str().context("no host")?;
    let output = service.admin(&["why-not", "vm-1", host]).await?;
    let expected = if item["suitable"] == true { 0 } else { 3 };
    assert_eq!(code(&output), Some(expected), "{output:?}");
    let output = service.admin(&["why-not", "vm-1", "nowhere"]).await?;
    assert_eq!(code(&output), Some(1), "{output:?}");
    let own = names.iter().find(|name| {
        let items = candidates["items"].as_array();
        !items.into_iter().flatten().any(|it| it["host"] == **name)
    });
    let output = service
        .admin(&["why-not", "vm-1", own.context("it is nowhere")?])
        .await?;
    assert_eq!(code(&output), Some(3), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn a_check_changes_nothing_and_a_drain_asks_first() -> Result<()> {
    let service = Service::start(&["--servers", "3"]).await?;
    let maintenance = async || -> Result<Value> {
        let hosts = service.document(&["hosts", "--json"]).await?;
        let items = hosts["items"].as_array().into_iter().flatten();
        let host = items.into_iter().find(|it| it["name"] == "host-1");
        Ok(host.context("no host-1")?["maintenance"]["state"].clone())
    };
    let check = service.admin(&["drain", "host-1", "--check"]).await?;
    let json = service
        .document(&["drain", "host-1", "--check", "--json"])
        .await?;
    let is_blocked = json["blocked"].as_array().is_some_and(|it| !it.is_empty());
    assert_eq!(
        code(&check),
        Some(if is_blocked { 3 } else { 0 }),
        "{check:?}"
    );
    assert!(said(&check).starts_with("host-1: "), "{check:?}");

    let output = service.admin(&["drain", "host-1"]).await?;
    assert_eq!(code(&output), Some(2), "{output:?}");
    assert!(said(&output).contains("--yes"), "{output:?}");
    assert_eq!(maintenance().await?, "none");

    let output = service
        .admin(&["drain", "host-1", "--yes", "--reason", "disks"])
        .await?;
    assert_eq!(code(&output), Some(0), "{output:?}");
    assert_ne!(maintenance().await?, "none");
    let output = service
        .admin(&["undrain", "host-1", "--holder", "nobody"])
        .await?;
    assert_eq!(code(&output), Some(1), "{output:?}");
    assert!(said(&output).contains("holder-unknown"), "{output:?}");
    assert!(said(&output).contains("request req-"), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn what_is_not_there_and_what_one_may_not_is_refused_with_the_reason() -> Result<()> {
    let service = Service::start(&["--servers", "3"]).await?;
    let nil = "00000000-0000-0000-0000-000000000000";
    for arguments in [
        &["drain", "nowhere", "--check"][..],
        &["candidates", "no-server"],
        &["run", "show", nil],
        &["plan", "run", nil],
        &["watch", "no-thing"],
    ] {
        let output = service.admin(arguments).await?;
        assert_eq!(code(&output), Some(1), "{arguments:?}: {output:?}");
        assert!(output.stdout.is_empty(), "{output:?}");
        assert!(String::from_utf8(output.stderr)?.starts_with("godwit: "));
    }
    let output = service
        .as_user("reader", &["drain", "host-1", "--yes"])
        .await?;
    assert_eq!(code(&output), Some(1), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_moves_is_watched_to_its_end() -> Result<()> {
    let service = Service::start(&["--servers", "3", "--speed", "20"]).await?;
    let output = service.admin(&["watch", "vm-1"]).await?;
    assert_eq!(code(&output), Some(0), "{output:?}");
    assert!(said(&output).contains("never moved"), "{output:?}");
    let url = std::fs::read_to_string(service.folder.path().join("clouds.yaml"))?;
    let url = url
        .split("auth_url: ")
        .nth(1)
        .and_then(|it| it.split("/identity").next());
    let url = format!("{}/v2.1", url.context("no address")?);
    let manager = crate::session::Session::log_in(&url, "manager", "demo").await?;
    manager.migrate(&manager.server("vm-1").await?).await?;
    let output = service
        .admin(&["watch", "vm-1", "--timeout", "60", "--json"])
        .await?;
    assert_eq!(code(&output), Some(0), "{output:?}");
    let migration: Value = serde_json::from_slice(&output.stdout)?;
    assert_eq!(migration["status"], "completed");

    let events = service
        .document(&["events", "--types", "migration.*", "--json"])
        .await?;
    assert!(
        events["items"].as_array().is_some_and(|it| !it.is_empty()),
        "{events}"
    );
    let busy = manager.server("vm-busy").await?;
    manager.migrate(&busy).await?;
    let output = service
        .admin(&["watch", "vm-busy", "--timeout", "1"])
        .await?;
    assert_eq!(code(&output), Some(6), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn a_token_and_a_password_are_enough_and_nobody_reads_them() -> Result<()> {
    let service = Service::start(&["--servers", "1"]).await?;
    let clouds = std::fs::read_to_string(service.folder.path().join("clouds.yaml"))?;
    let url = clouds
        .split("auth_url: ")
        .nth(1)
        .and_then(|it| it.lines().next());
    let url = url.context("no address")?;
    let empty = tempfile::tempdir()?;
    let variables = [
        ("OS_AUTH_URL", url),
        ("OS_USERNAME", "admin"),
        ("OS_PASSWORD", "admin"),
        ("OS_PROJECT_NAME", "admin"),
        ("OS_USER_DOMAIN_NAME", "Default"),
        ("OS_PROJECT_DOMAIN_NAME", "Default"),
    ];
    let output = run_in(empty.path(), &variables, &["hosts"]).await?;
    assert_eq!(code(&output), Some(0), "{output:?}");

    let wrong = [
        &variables[..2],
        &[("OS_PASSWORD", "hunter2")],
        &variables[3..],
    ]
    .concat();
    let output = run_in(empty.path(), &wrong, &["hosts"]).await?;
    assert_eq!(code(&output), Some(1), "{output:?}");
    assert!(!said(&output).contains("hunter2"), "{output:?}");

    let data = text(service.folder.path());
    let issued = crate::process::run(&["token", "issue", "--data", data]).await?;
    let token = String::from_utf8(issued.stdout)?;
    let base = url.trim_end_matches("/identity");
    let variables = [("OS_TOKEN", token.trim()), ("OS_ENDPOINT", base)];
    let output = run_in(empty.path(), &variables, &["hosts"]).await?;
    assert_eq!(code(&output), Some(0), "{output:?}");
    Ok(())
}

#[tokio::test]
async fn a_cloud_that_is_not_there_gets_one_clear_line() -> Result<()> {
    let empty = tempfile::tempdir()?;
    let nobody = std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let clouds = format!(
        "clouds: {{a: {{auth: {{auth_url: 'http://{nobody}', username: u, password: hunter2}}}}}}"
    );
    write(empty.path(), "clouds.yaml", &clouds)?;
    let output = run_in(empty.path(), &[], &["hosts"]).await?;
    assert_eq!(code(&output), Some(1), "{output:?}");
    let said = said(&output);
    assert!(
        said.contains(&format!("cannot reach http://{nobody}")),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
    let output = run_in(empty.path(), &[], &["--os-cloud", "b", "hosts"]).await?;
    assert_eq!(code(&output), Some(1), "{output:?}");
    let output = run_in(
        empty.path(),
        &[],
        &["--os-cloud", "a", "db", "check", "--data", "d"],
    )
    .await?;
    assert_eq!(code(&output), Some(2), "{output:?}");
    Ok(())
}

fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    Ok(std::fs::write(folder.join(name), text)?)
}
