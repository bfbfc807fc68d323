//! What cannot work says why, and ends.

use anyhow::Result;
use nix::sys::signal::Signal;

use crate::process::{Process, refused, text, up};

#[tokio::test]
async fn two_in_one_directory() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = text(directory.path());
    let mut first = Process::start(&up(data, &[]))?;
    first.says("ready").await?;
    let said = refused(&up(data, &[])).await;
    assert!(said.contains("in use by another `godwit up`"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_fleet_file_that_contradicts_itself() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let (file, data) = (
        directory.path().join("fleet.yaml"),
        directory.path().join("data"),
    );
    let one = "hosts: [{name: a, capacity: {vcpus: 1, memory_mib: 1}}]\n";
    for (more, place) in [
        (
            "servers: [{host: b, vcpus: 1, memory_mib: 1}]",
            "servers[0].host: no host is called b",
        ),
        (
            "servers: [{host: a, vcpus: 1, memory_mib: 1, odd: 1}]",
            "line 2",
        ),
        ("servers: [", "line"),
    ] {
        std::fs::write(&file, format!("{one}{more}"))?;
        let said = refused(&up(text(&data), &["--fleet", text(&file)])).await;
        assert!(
            said.contains("fleet.yaml") && said.contains(place),
            "{said}"
        );
        assert!(!data.exists());
    }
    Ok(())
}

#[tokio::test]
async fn an_address_that_is_taken() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0))?;
    let address = taken.local_addr()?.to_string();
    let data = text(directory.path());
    for option in ["--listen", "--metrics"] {
        let mut arguments = up(data, &[]);
        let place = arguments.iter().position(|it| *it == option).unwrap();
        arguments[place + 1] = &address;
        let said = refused(&arguments).await;
        assert!(
            said.contains(&format!("cannot listen on {address}")),
            "{said}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn passwords_that_everybody_knows_on_a_real_address() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut arguments = up(text(directory.path()), &[]);
    arguments[4] = "0.0.0.0:0";
    let said = refused(&arguments).await;
    assert!(said.contains("no loopback address"), "{said}");
    Ok(())
}

#[tokio::test]
async fn a_password_that_everybody_sees() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let database = ["--database", "postgres://godwit:secret@db/godwit"];
    let said = refused(&up(text(directory.path()), &database)).await;
    assert!(
        said.contains("passfile") && !said.contains("secret"),
        "{said}"
    );
    Ok(())
}

#[tokio::test]
async fn a_directory_that_belongs_to_another_database() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = text(directory.path());
    let mut first = Process::start(&up(data, &[]))?;
    first.says("ready").await?;
    first.end(Signal::SIGTERM).await?;
    let other = format!("sqlite://{data}/other.db");
    let said = refused(&up(data, &["--database", &other])).await;
    assert!(said.contains("belongs to the database"), "{said}");
    Ok(())
}

#[tokio::test]
async fn servers_without_hosts() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let said = refused(&up(text(directory.path()), &["--hosts", "0"])).await;
    assert!(said.contains("servers need hosts"), "{said}");
    Ok(())
}

#[tokio::test]
async fn configurations_that_do_not_work() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("godwit.yaml");
    let database = format!("sqlite://{}/godwit.db", directory.path().display());
    let nowhere = "sqlite:///nonexistent/godwit.db";
    for (role, config, says) in [
        ("api", "apj: {}\n".to_owned(), "unknown field `apj`"),
        (
            "api",
            "api:\n  listen: 127.0.0.1:0\n".to_owned(),
            "no section `database`",
        ),
        (
            "conductor",
            format!("database: {{url: '{database}'}}\n"),
            "neither `tls` nor `insecure_loopback`",
        ),
        (
            "conductor",
            format!(
                "database: {{url: '{database}'}}\n\
                 conductor: {{insecure_loopback: true, listen: '0.0.0.0:0'}}\n"
            ),
            "without TLS",
        ),
        (
            "conductor",
            format!(
                "database: {{url: '{nowhere}'}}\n\
                 conductor: {{insecure_loopback: true, listen: '127.0.0.1:0'}}\n"
            ),
            "/nonexistent/godwit.db",
        ),
        (
            "api",
            "database: {url: 'mysql://db/x'}\napi: {listen: '127.0.0.1:0'}\n".to_owned(),
            "mysql",
        ),
    ] {
        std::fs::write(&file, &config)?;
        let said = refused(&[role, "--config", text(&file)]).await;
        assert!(said.contains(says), "{config}{said}");
    }
    let said = refused(&["api", "--config", "/nonexistent.yaml"]).await;
    assert!(said.contains("/nonexistent.yaml"), "{said}");
    Ok(())
}

#[tokio::test]
async fn tools_without_anything_to_work_on() -> Result<()> {
    for command in [
        &["db", "check"][..],
        &["token", "issue"],
        &["db", "upgrade"],
    ] {
        let mut arguments = command.to_vec();
        arguments.extend(["--data", "/nonexistent/godwit-data"]);
        let said = refused(&arguments).await;
        assert!(said.contains("/nonexistent/godwit-data"), "{said}");
    }
    Ok(())
}
