//! `godwit doctor` where something is wrong; [`crate::roles`] has it where nothing is.

use std::path::Path;

use anyhow::Result;
use serde_json::{Value, json};

use crate::process::{run, text};

/// What it says of a configuration in which something is wrong.
async fn complains(file: &Path) -> Result<String> {
    let output = run(&["doctor", "--config", text(file)]).await?;
    let said = String::from_utf8(output.stdout)?;
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("nothing is wrong"), "{said}");
    Ok(said)
}

async fn complains_of(directory: &Path, config: Value) -> Result<String> {
    let file = directory.join("godwit.yaml");
    std::fs::write(&file, config.to_string())?;
    complains(&file).await
}

#[tokio::test]
async fn a_configuration_that_cannot_be_read() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let said = complains(&directory.path().join("none.yaml")).await?;
    assert!(
        said.starts_with("wrong configuration: cannot read"),
        "{said}"
    );
    let said = complains_of(directory.path(), json!({"databse": {}})).await?;
    assert!(said.contains("unknown field `databse`"), "{said}");
    assert!(
        said.contains("docs/godwit.yaml"),
        "it says what to do: {said}"
    );
    Ok(())
}

#[tokio::test]
async fn certificates_access_rules_and_a_database_that_are_not_there() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let missing = directory.path().join("missing");
    let said = complains_of(
        directory.path(),
        json!({
            "database": {"url": format!("sqlite://{}", missing.join("godwit.db").display())},
            "policy": {"file": directory.path()},
            "conductor": {"tls": {
                "ca": missing.join("ca.pem"),
                "cert": missing.join("c.pem"),
                "key": missing.join("c.key"),
            }},
        }),
    )
    .await?;
    for line in [
        "good  configuration: ",
        "wrong certificate of the conductor: ",
        "wrong access rules: ",
        "odd   tokens: ",
        "wrong database: ",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    Ok(())
}

#[tokio::test]
async fn a_keystone_that_does_not_answer() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let password = directory.path().join("password");
    std::fs::write(&password, "secret-of-godwit")?;
    // Taken, and nobody answers there.
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let said = complains_of(
        directory.path(),
        json!({
            "database": {"url": format!("sqlite://{}/godwit.db", directory.path().display())},
            "auth": {"mode": "keystone", "keystone": {
                "url": format!("http://{}/v3", taken.local_addr()?),
                "username": "godwit",
                "password_file": password,
                "timeout": 1,
            }},
        }),
    )
    .await?;
    assert!(said.contains("wrong tokens: "), "{said}");
    assert!(
        said.contains("docs/keystone.md"),
        "it says what to do: {said}"
    );
    assert!(!said.contains("secret-of-godwit"), "{said}");
    Ok(())
}

#[cfg(feature = "libvirt")]
#[tokio::test]
async fn a_host_without_libvirt() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let nowhere = directory.path().join("no-socket");
    let said = complains_of(
        directory.path(),
        json!({"agent": {
            "host": "host-1",
            "conductors": ["http://127.0.0.1:1"],
            "insecure_loopback": true,
            "state_dir": directory.path().join("none"),
            "libvirt": {"uri": format!("qemu+unix:///system?socket={}", nowhere.display())},
        }}),
    )
    .await?;
    for line in [
        "odd   certificate of the agent: there is none",
        "odd   conductor at http://127.0.0.1:1: ",
        "wrong conductors: none answers",
        "odd   journal: there is no ",
        "wrong hypervisor: ",
    ] {
        assert!(said.contains(line), "{line}:\n{said}");
    }
    Ok(())
}
