//! Schemathesis, which knows nothing but the OpenAPI document that is served.

use anyhow::{Result, ensure};
use nix::sys::signal::Signal;

use crate::process::{Process, run, text, up};
use crate::scripts;

/// Whatever is sent, answers are as the document says, and nothing is half-made by it.
#[tokio::test]
async fn the_native_api_is_what_its_document_says() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let data = directory.path().join("data");
    let mut process = Process::start(&up(text(&data), &["--speed", "10"]))?;
    process.says("ready").await?;
    let clouds = data.join("clouds.yaml");
    scripts::passes(".venv", &clouds, "test_schemathesis.py").await?;
    ensure!(
        process.end(Signal::SIGTERM).await?.success(),
        "it does not end well"
    );
    let checked = run(&["db", "check", "--invariants", "--data", text(&data)]).await?;
    ensure!(checked.status.success(), "{checked:?}");
    Ok(())
}
