//! Roles as processes of their own, without hypervisors: system tests have those.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use godwit_test_support::ca::{Role, TestCa};
use godwit_test_support::{http, wait_for};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::process::{Process, refused, run, text};
use crate::session::Session;

/// How long agents may take to register.
const KNOWN: Duration = Duration::from_secs(60);

/// Writes a configuration for all roles on this machine; returns its path.
fn configured(directory: &Path) -> Result<String> {
    configured_with(directory, ("insecure_loopback", json!(true)))
}

/// The same, with what the conductor proves by that it is one.
fn configured_with(directory: &Path, (means, proof): (&str, Value)) -> Result<String> {
    let key = directory.join("token.key.pem");
    std::fs::write(&key, rcgen::KeyPair::generate()?.serialize_pem())?;
    let config = json!({
        "log": {"format": "pretty"},
        "database": {"url": format!("sqlite://{}/godwit.db", directory.display())},
        "api": {"listen": "127.0.0.1:0", "metrics": "127.0.0.1:0"},
        "identity": {"development": true, "private_key": key},
        "conductor": {
            "listen": "127.0.0.1:0",
            "metrics": "127.0.0.1:0",
            means: proof,
        },
    });
    let file = directory.join("godwit.yaml");
    std::fs::write(&file, config.to_string())?;
    Ok(text(&file).to_owned())
}

#[tokio::test]
async fn each_serves_and_stops() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = configured(directory.path())?;
    let doctor = run(&["doctor", "--config", &config]).await?;
    assert_eq!(doctor.status.code(), Some(1), "{doctor:?}");
    let said = String::from_utf8(doctor.stdout)?;
    assert!(said.contains("wrong database: "), "{said}");
    let upgrade = ["db", "upgrade", "--config", &config];
    assert!(run(&upgrade).await?.status.success());
    let again = String::from_utf8(run(&upgrade).await?.stdout)?;
    assert_eq!(again, "the schema is up to date\n");

    let mut conductor = Process::start(&["conductor", "--config", &config])?;
    assert!(
        conductor
            .says("ready")
            .await?
            .starts_with("http://127.0.0.1:")
    );
    let mut api = Process::start(&["api", "--config", &config])?;
    let url = api.says("ready").await?;
    let metrics = api.says("metrics").await?;

    let reader = Session::log_in(&url, "reader", "demo").await?;
    assert_eq!(reader.servers().await?, []);
    let text = http::client().get(metrics).send().await?.text().await?;
    assert!(text.contains("godwit_http_requests_total"), "{text}");
    assert!(text.contains("godwit_build_info{"), "{text}");
    let pool = "godwit_api_database_connections{state=\"most\"} 8";
    assert!(text.contains(pool), "{text}");

    assert!(api.end(Signal::SIGTERM).await?.success());
    assert!(conductor.end(Signal::SIGTERM).await?.success());
    Ok(())
}

#[tokio::test]
async fn simulated_hosts_serve_a_conductor_in_another_process() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let ca = TestCa::new()?;
    let authority = ca.write(directory.path())?;
    let here = [IpAddr::from([127, 0, 0, 1])];
    for (role, name) in [
        (Role::Conductor, "conductor-1"),
        (Role::Agent, "host-7"),
        (Role::Agent, "host-8"),
    ] {
        ca.issue(role, name, &here)?.write(directory.path(), name)?;
    }
    let files = json!({
        "ca": authority,
        "cert": directory.path().join("conductor-1.pem"),
        "key": directory.path().join("conductor-1.key"),
    });
    let config = configured_with(directory.path(), ("tls", files))?;
    let upgrade = ["db", "upgrade", "--config", &config];
    assert!(run(&upgrade).await?.status.success());
    let mut conductor = Process::start(&["conductor", "--config", &config])?;
    let address = conductor.says("ready").await?;
    let hosts = directory.path().join("hosts.yaml");
    let settings = json!({"simulated_agents": {
        "conductors": [address],
        "listen": "127.0.0.1",
        "metrics": "127.0.0.1:0",
        "tls": {"ca": authority, "directory": directory.path()},
        "state_dir": directory.path().join("hosts"),
    }});
    std::fs::write(&hosts, settings.to_string())?;
    let serve = ["simulated-agents", "--config", text(&hosts)];
    let fleet = "--first 7 --hosts 2 --servers 1 --speed 50";
    let fleet: Vec<_> = fleet.split(' ').collect();
    let mut agents = Process::start(&[&serve[..], &fleet].concat())?;
    agents.says("ready").await?;
    let observed = agents.says("metrics").await?;
    let mut api = Process::start(&["api", "--config", &config])?;
    let url = api.says("ready").await?;
    let manager = Session::log_in(&url, "manager", "demo").await?;
    let admin = Session::log_in(&url, "admin", "admin").await?;
    wait_for("the hosts and the server to be known", KNOWN, async || {
        let services = admin.get("/os-services?binary=nova-compute").await?;
        let hosts = services["services"].as_array().map_or(0, Vec::len);
        let known = hosts == 2 && manager.servers().await?.len() == 1;
        Ok(known.then_some(()))
    })
    .await?;

    let ready = observed.replace("/metrics", "/healthz/ready");
    assert_eq!(http::client().get(ready).send().await?.status(), 200);
    let text = http::client().get(observed).send().await?.text().await?;
    assert!(text.contains("godwit_agent_registered 2"), "{text}");

    let doctor = ["doctor", "--config", &config];
    let said = String::from_utf8(run(&doctor).await?.stdout)?;
    for line in [
        "good  certificate of the conductor: godwit://conductor/conductor-1 is good for ",
        "good  tokens: they can be checked",
        "good  clock: ",
        "good  conductor conductor-1: ",
        "good  agent host-7: it answers",
        "good  agent host-8: it answers",
        "good  clocks of agents: they go with this machine's",
        "nothing is wrong",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }

    let server = manager.server("vm-1").await?;
    assert_eq!(admin.place(&server).await?, "host-7");
    manager.migrate(&server).await?;
    admin.until(&server, "completed").await?;
    assert_eq!(admin.place(&server).await?, "host-8");
    assert!(agents.end(Signal::SIGTERM).await?.success());
    let output = run(&doctor).await?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("wrong agent host-8: at https://"), "{said}");
    for mut process in [api, conductor] {
        assert!(process.end(Signal::SIGTERM).await?.success());
    }
    Ok(())
}

#[tokio::test]
async fn a_restored_database_is_told() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = configured(directory.path())?;
    assert!(
        run(&["db", "upgrade", "--config", &config])
            .await?
            .status
            .success()
    );
    let told = run(&["db", "restored", "--config", &config]).await?;
    assert!(told.status.success(), "{told:?}");
    let said = String::from_utf8(told.stdout)?;
    assert_eq!(
        said,
        "there is no sign of life in the backup\nconductors may be started\n"
    );
    let nobody = ["db", "restored", "--config", &config, "--dead", "host-9"];
    let said = refused(&nobody).await;
    assert!(said.contains("knows no host host-9"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_role_never_touches_the_schema() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let config = configured(directory.path())?;
    std::fs::write(directory.path().join("godwit.db"), "")?;
    for role in ["api", "conductor"] {
        let said = refused(&[role, "--config", &config]).await;
        assert!(said.contains("`godwit db upgrade`"), "{role}: {said}");
    }
    Ok(())
}
