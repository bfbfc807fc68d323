//! `db import-nova`, as an operator runs it.

use anyhow::Result;

use crate::process::{Process, refused, run, text, up};

/// The rows that the replay of recorded exchanges starts from.
const NOVA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/contract/nova");

#[tokio::test]
async fn a_dump_is_brought_along_once() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = ["--data", text(directory.path())];
    // The first time into nothing: the directory's database is made.
    for says in [
        "migrations: 10001 brought along, 0 here already, 0 left out\n",
        "migrations: 0 brought along, 10001 here already, 0 left out\n",
    ] {
        let output = run(&[&["db", "import-nova", NOVA][..], &data].concat()).await?;
        assert!(output.status.success(), "{output:?}");
        let said = String::from_utf8(output.stdout)?;
        assert!(said.contains(says), "{said}");
        assert!(
            said.contains("services.jsonl.gz:3 (nova-osapi_compute)"),
            "{said}"
        );
    }
    let checked = run(&[&["db", "check", "--invariants"][..], &data].concat()).await?;
    assert_eq!(
        String::from_utf8(checked.stdout)?,
        "the schema is up to date\nevery promise holds\n"
    );
    Ok(())
}

#[tokio::test]
async fn nobody_may_be_at_work_meanwhile() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = text(directory.path());
    let mut up = Process::start(&up(data, &[]))?;
    up.says("ready").await?;
    let said = refused(&["db", "import-nova", NOVA, "--data", data]).await;
    assert!(said.contains("in use by another `godwit up`"), "{said}");

    // By its configuration file the same database is protected by its signs of life.
    let file = directory.path().join("godwit.yaml");
    std::fs::write(
        &file,
        format!("database: {{url: 'sqlite://{data}/godwit.db'}}\n"),
    )?;
    let said = refused(&["db", "import-nova", NOVA, "--config", text(&file)]).await;
    assert!(said.contains("gave a sign of life"), "{said}");
    Ok(())
}

#[tokio::test]
async fn what_is_no_dump_is_refused() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let said = refused(&["db", "import-nova", text(directory.path())]).await;
    assert!(
        said.contains("neither services.jsonl nor services.jsonl.gz"),
        "{said}"
    );
    Ok(())
}
