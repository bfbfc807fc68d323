//! `godwit up`.

use std::path::Path;

use anyhow::Result;
use godwit_test_support::http;
use godwit_test_support::postgres::TempPostgres;
use nix::sys::signal::Signal;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::process::{Process, run, text, up};
use crate::session::Session;

/// A running `up`, and where it serves.
struct Up {
    process: Process,
    url: String,
    metrics: String,
}

impl Up {
    async fn start(data: &Path, more: &[&str]) -> Result<Self> {
        let mut process = Process::start(&up(text(data), more))?;
        let url = process.says("ready").await?;
        let metrics = process.says("metrics").await?;
        Ok(Self {
            process,
            url,
            metrics,
        })
    }

    async fn admin(&self) -> Result<Session> {
        Session::log_in(&self.url, "admin", "admin").await
    }

    async fn manager(&self) -> Result<Session> {
        Session::log_in(&self.url, "manager", "demo").await
    }
}

async fn promises_hold(data: &Path) {
    let arguments = ["db", "check", "--invariants", "--data", text(data)];
    let output = run(&arguments).await.unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[tokio::test]
async fn a_server_moves_and_is_still_there_after_a_restart() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let mut up = Up::start(&data, &["--servers", "3"]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);

    let servers = manager.servers().await?;
    let names: Vec<_> = servers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["vm-1", "vm-2", "vm-busy"]);
    let server = manager.server("vm-1").await?;
    let source = admin.place(&server).await?;
    manager.migrate(&server).await?;
    let migration = admin.until(&server, "completed").await?;
    let destination = admin.place(&server).await?;
    assert_ne!(destination, source);
    assert_eq!(migration["dest_compute"], destination.as_str());

    assert!(up.process.end(Signal::SIGTERM).await?.success());
    promises_hold(&data).await;

    let mut up = Up::start(&data, &["--hosts", "5", "--servers", "9"]).await?;
    assert_eq!(up.manager().await?.servers().await?, servers);
    let admin = up.admin().await?;
    assert_eq!(admin.place(&server).await?, destination);
    assert_eq!(admin.newest_migration(&server).await?, migration);
    assert!(up.process.end(Signal::SIGINT).await?.success());
    Ok(())
}

/// An empty database is filled, the directory remembers it, and another directory invents
/// nothing beside what is known there.
async fn goes_on_with_a_database(url: &str) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let mut up = Up::start(&data, &["--servers", "3", "--database", url]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);
    let servers = manager.servers().await?;
    let server = manager.server("vm-1").await?;
    manager.migrate(&server).await?;
    admin.until(&server, "completed").await?;
    let destination = admin.place(&server).await?;
    assert!(up.process.end(Signal::SIGTERM).await?.success());
    assert!(!data.join("godwit.db").exists());
    promises_hold(&data).await;

    let mut up = Up::start(&data, &[]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);
    assert_eq!(admin.place(&server).await?, destination);
    manager.migrate(&server).await?;
    admin.until(&server, "completed").await?;
    let destination = admin.place(&server).await?;
    assert!(up.process.end(Signal::SIGTERM).await?.success());

    let elsewhere = directory.path().join("elsewhere");
    let mut up = Up::start(&elsewhere, &["--hosts", "5", "--database", url]).await?;
    assert_eq!(up.manager().await?.servers().await?, servers);
    let admin = up.admin().await?;
    assert_eq!(admin.place(&server).await?, destination);
    let services = admin.get("/os-services?binary=nova-compute").await?;
    assert_eq!(services["services"].as_array().map(Vec::len), Some(3));
    assert!(up.process.end(Signal::SIGTERM).await?.success());
    promises_hold(&elsewhere).await;
    Ok(())
}

#[tokio::test]
async fn the_database_may_be_another_file() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("elsewhere.db");
    goes_on_with_a_database(&format!("sqlite://{}", file.display())).await
}

#[tokio::test]
async fn the_database_may_be_in_a_postgres() -> Result<()> {
    let server = TempPostgres::shared()?;
    goes_on_with_a_database(&server.create_database()?).await
}

#[tokio::test]
async fn the_busy_one_moves_until_somebody_acts() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut up = Up::start(directory.path(), &["--speed", "20"]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);
    let server = manager.server("vm-busy").await?;
    let source = admin.place(&server).await?;

    manager.migrate(&server).await?;
    let migration = admin.until(&server, "running").await?;
    manager.abort(&server, &migration).await?;
    admin.until(&server, "cancelled").await?;
    assert_eq!(admin.place(&server).await?, source);

    manager.migrate(&server).await?;
    let migration = admin.until(&server, "running").await?;
    manager.force_complete(&server, &migration).await?;
    admin.until(&server, "completed").await?;
    assert_ne!(admin.place(&server).await?, source);

    assert!(up.process.end(Signal::SIGTERM).await?.success());
    promises_hold(directory.path()).await;
    Ok(())
}

#[tokio::test]
async fn a_host_that_is_forced_down_is_evacuated_and_repaired() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut up = Up::start(directory.path(), &["--speed", "50"]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);
    let (server, stays) = (manager.server("vm-1").await?, manager.server("vm-4").await?);
    let grave = admin.place(&server).await?;
    assert_eq!(admin.place(&stays).await?, grave);
    let services = format!("/os-services?host={grave}&binary=nova-compute");
    let services = admin.get(&services).await?;
    let service = format!(
        "/os-services/{}",
        services["services"][0]["id"].as_str().unwrap()
    );
    let force_down = async |down: bool| -> Result<()> {
        let body = json!({ "forced_down": down });
        let (status, said) = admin.ask(Method::PUT, &service, Some(body)).await?;
        assert_eq!(status, StatusCode::OK, "{said}");
        Ok(())
    };

    force_down(true).await?;
    let action = format!("/servers/{server}/action");
    let evacuate = Some(json!({"evacuate": {}}));
    let (status, said) = admin.ask(Method::POST, &action, evacuate).await?;
    assert_eq!(status, StatusCode::OK, "{said}");
    admin.until(&server, "completed").await?;
    assert_ne!(admin.place(&server).await?, grave);
    force_down(false).await?;
    // What nobody evacuated goes on, and can move again.
    manager.migrate(&stays).await?;
    admin.until(&stays, "completed").await?;
    assert_ne!(admin.place(&stays).await?, grave);

    assert!(up.process.end(Signal::SIGTERM).await?.success());
    promises_hold(directory.path()).await;
    Ok(())
}

#[tokio::test]
async fn a_kill_in_the_midst_of_a_move_leaves_nothing_open() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut up = Up::start(directory.path(), &[]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);
    let server = manager.server("vm-busy").await?;
    let source = admin.place(&server).await?;
    manager.migrate(&server).await?;
    admin.until(&server, "running").await?;
    up.process.end(Signal::SIGKILL).await?;

    let up = Up::start(directory.path(), &[]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);
    admin.until(&server, "failed").await?;
    assert_eq!(admin.place(&server).await?, source);
    let other = manager.server("vm-1").await?;
    manager.migrate(&other).await?;
    admin.until(&other, "completed").await?;
    promises_hold(directory.path()).await;
    Ok(())
}

const FLEET: &str = "
pools:
  - {name: ceph, kind: rbd, shared: true, capacity_bytes: 1000000, free_bytes: 400000}
  - {name: local, kind: dir}
groups: [{id: 66666666-2222-4333-8444-555555555555, name: web, policy: anti-affinity}]
hosts:
  - name: big
    zone: east
    pod: p1
    cluster: c1
    pools: [ceph, local]
    hypervisors: [{type: QEMU, version: 9.1.0}]
    cpu: {arch: x86_64, model: Turin, features: [avx512]}
    capacity: {vcpus: 64, memory_mib: 65536, disk_gib: 900}
    links:
      - {name: eth0, role: management, bytes_per_second: 125000000}
      - {name: eth1, role: migration, bytes_per_second: 3125000000, stream_bytes_per_second: 1250000000}
  - {name: small, zone: west, pools: [ceph, local], capacity: {vcpus: 8, memory_mib: 8192, disk_gib: 90},
     hypervisors: [{type: QEMU, version: 9.1.0}]}
servers:
  - id: 24f55ce2-268d-5091-9bd6-17514ba6c04d
    name: db
    project: lab
    host: small
    vcpus: 2
    memory_mib: 2048
    dirty_bytes_per_second: 1234567
    groups: [66666666-2222-4333-8444-555555555555]
    disks:
      - {target: vda, pool: ceph, format: raw, virtual_bytes: 5000, allocated_bytes: 4000, backing: [/base]}
      - {pool: local, allocated_bytes: 100}
  - {name: idle, host: small, status: SHUTOFF, vcpus: 1, memory_mib: 512}
";

#[tokio::test]
async fn it_has_what_a_fleet_file_says() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (file, data) = (
        directory.path().join("fleet.yaml"),
        directory.path().join("data"),
    );
    std::fs::write(&file, FLEET)?;
    let more = ["--speed", "50", "--fleet", text(&file)];
    let mut up = Up::start(&data, &more).await?;
    let url = up.url.replace("/v2.1", "/relocation/v1");
    let token = up.admin().await?.token().to_owned();
    let admin = Session::with_token(&url, token);

    let hosts = admin.get("/hosts").await?;
    // They are listed in the order in which their agents came.
    let named = |name: &str| {
        let mut hosts = hosts["items"].as_array().into_iter().flatten();
        hosts.find(|it| it["name"] == name).expect("it is listed")
    };
    let [big, small] = ["big", "small"].map(named);
    let place = [
        &big["zone"],
        &big["pod"],
        &big["cluster"],
        &small["zone"],
        &small["pod"],
    ];
    assert_eq!(
        place,
        [
            &json!("east"),
            &json!("p1"),
            &json!("c1"),
            &json!("west"),
            &json!(null)
        ]
    );
    assert_eq!(
        big["hypervisors"],
        json!([{"type": "QEMU", "version": "9.1.0"}])
    );
    assert_eq!(big["cpu"]["features"], json!(["avx512"]));
    assert_eq!(
        big["capacity"],
        json!({"vcpus": 64, "memory_mib": 65536, "disk_gib": 900})
    );
    assert_eq!(big["pools"], json!(["ceph", "local"]));
    let migration = json!({"name": "eth1", "role": "migration", "bytes_per_second": 3_125_000_000_i64,
        "stream_bytes_per_second": 1_250_000_000});
    assert_eq!(big["links"][1], migration);
    assert_eq!(small["free"]["memory_mib"], 8192 - 2048 - 512);

    let pools = admin.get("/pools").await?;
    let mut ceph = pools["items"][0].clone();
    let reaching = ceph["hosts"].as_array_mut().expect("a list");
    reaching.sort_by_key(ToString::to_string);
    let expected = json!({"name": "ceph", "kind": "rbd", "shared": true, "hosts": ["big", "small"],
        "capacity_bytes": 1_000_000, "free_bytes": 400_000});
    assert_eq!(ceph, expected);
    let local = &pools["items"][1];
    assert_eq!(
        (&local["kind"], &local["shared"]),
        (&json!("dir"), &json!(false))
    );

    let servers = admin.get("/servers").await?;
    let db = servers["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|it| it["name"] == "db")
        .unwrap();
    let id = db["id"].as_str().unwrap();
    assert_eq!(id, "24f55ce2-268d-5091-9bd6-17514ba6c04d");
    assert_eq!(
        (&db["host"], &db["dirty_bytes_per_second"]),
        (&json!("small"), &json!(1_234_567))
    );
    assert_eq!(
        db["groups"],
        json!(["66666666-2222-4333-8444-555555555555"])
    );
    let disk = json!({"target": "vda", "pool": "ceph", "format": "raw", "virtual_bytes": 5000,
        "allocated_bytes": 4000, "backing": ["/base"]});
    assert_eq!(db["disks"][0], disk);
    assert_eq!(db["disks"][1]["pool"], "local");
    assert_eq!(
        servers["items"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|it| it["status"] == "SHUTOFF")
            .count(),
        1
    );
    let stranger = Session::log_in(&up.url, "stranger", "lab").await?;
    assert_eq!(stranger.servers().await?.len(), 1);

    // Its local disk goes along.
    let candidates = admin.get(&format!("/servers/{id}/candidates")).await?;
    assert_eq!(candidates["items"][0]["suitable"], true, "{candidates}");
    let nova = up.admin().await?;
    nova.migrate(id).await?;
    nova.until(id, "completed").await?;
    assert_eq!(nova.place(id).await?, "big");
    let moved = admin.get("/servers").await?.to_string();
    assert!(moved.contains("\"host\":\"big\""), "{moved}");

    assert!(up.process.end(Signal::SIGTERM).await?.success());
    promises_hold(&data).await;
    // What is there already is kept.
    let mut up = Up::start(&data, &more).await?;
    assert_eq!(up.admin().await?.place(id).await?, "big");
    assert!(up.process.end(Signal::SIGTERM).await?.success());
    Ok(())
}

#[tokio::test]
async fn it_may_begin_without_a_fleet() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut up = Up::start(directory.path(), &["--hosts", "0", "--servers", "0"]).await?;
    assert_eq!(up.manager().await?.servers().await?, []);
    assert!(up.process.end(Signal::SIGTERM).await?.success());
    Ok(())
}

#[tokio::test]
async fn a_token_can_be_had_without_logging_in() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path();
    let up = Up::start(data, &[]).await?;
    let issue = async |more: &[&str]| -> Result<Session> {
        let mut arguments = vec!["token", "issue", "--data", text(data)];
        arguments.extend(more);
        let output = run(&arguments).await?;
        assert!(output.status.success(), "{output:?}");
        let token = String::from_utf8(output.stdout)?.trim().to_owned();
        Ok(Session::with_token(&up.url, token))
    };
    let member = issue(&["--user", "member"]).await?;
    let server = member.server("vm-1").await?;

    let admin = issue(&[]).await?;
    admin.get("/os-migrations").await?;

    let stranger = issue(&["--user", "stranger"]).await?;
    let path = format!("/servers/{server}");
    let (status, _) = stranger.ask(Method::GET, &path, None).await?;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let nobody = issue(&["--user", "nobody", "--project", "demo"]).await?;
    let (status, _) = nobody.ask(Method::GET, "/servers", None).await?;
    assert_eq!(status, StatusCode::FORBIDDEN);
    Ok(())
}

#[tokio::test]
async fn it_can_be_observed() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let up = Up::start(directory.path(), &[]).await?;
    up.manager().await?.servers().await?;
    let text = http::client().get(&up.metrics).send().await?.text().await?;
    for name in [
        "godwit_http_requests_total{method=\"GET\",route=\"/servers\",status=\"200\"} 1",
        "godwit_queue_length 0",
        "godwit_agent_registered 3",
    ] {
        assert!(text.contains(name), "no {name} in\n{text}");
    }
    let base = up.metrics.trim_end_matches("/metrics");
    for check in ["live", "ready"] {
        let answer = http::client().get(format!("{base}/healthz/{check}"));
        let answer = answer.send().await?;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    Ok(())
}

#[tokio::test]
async fn requests_are_logged_and_tokens_are_not() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut up = Up::start(&directory.path().join("data"), &["--servers", "1"]).await?;
    let (manager, admin) = (up.manager().await?, up.admin().await?);
    let server = manager.server("vm-1").await?;
    manager.migrate(&server).await?;
    let migration = admin.until(&server, "completed").await?;
    assert!(up.process.end(Signal::SIGTERM).await?.success());

    let text = std::fs::read_to_string(up.process.log())?;
    let uuid = migration["uuid"].as_str().unwrap_or_default();
    assert!(!uuid.is_empty() && text.contains(uuid), "{text}");
    let path = format!("path=\"/v2.1/servers/{server}/action\"");
    let line = text
        .lines()
        .find(|line| line.contains(&path))
        .expect("the request");
    assert!(
        line.contains("request_id=req-") && line.contains("status=202"),
        "{line}"
    );
    for session in [manager, admin] {
        let signature = session.token().rsplit('.').next().expect("a signature");
        assert!(!text.contains(signature), "a token was logged");
    }
    Ok(())
}

#[tokio::test]
async fn clients_find_a_cloud_for_each_user() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let up = Up::start(directory.path(), &[]).await?;
    let clouds = std::fs::read_to_string(directory.path().join("clouds.yaml"))?;
    let base = up.url.trim_end_matches("/v2.1");
    for user in ["admin", "manager", "member", "reader", "stranger"] {
        assert!(clouds.contains(&format!("  {user}:\n")), "{clouds}");
    }
    assert!(
        clouds.contains(&format!("auth_url: {base}/identity")),
        "{clouds}"
    );
    Ok(())
}
