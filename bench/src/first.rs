//! The first command of the README, as a newcomer runs it: how long it compiles.

use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;

use crate::table::Table;

/// Builds in an empty directory, with all that is downloaded already there.
pub(crate) async fn measure() -> Result<Table> {
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .context("the benchmarks have no parent directory")?;
    let directory = tempfile::tempdir()?;
    let begin = Instant::now();
    let status = Command::new("cargo")
        .args(["build", "--release", "--offline", "--quiet", "--target-dir"])
        .arg(directory.path())
        .current_dir(checkout)
        .kill_on_drop(true)
        .status()
        .await
        .context("cannot run cargo")?;
    let took = begin.elapsed();
    ensure!(status.success(), "the first command ends with {status}");
    let binary = directory.path().join("release/godwit").metadata()?.len();
    let mut table = Table::new(
        "The first command: `cargo build --release`, empty target directory",
        &["what", "figure"],
    );
    table.row(vec![
        "until it is built".to_owned(),
        format!("{} s", took.as_secs()),
    ]);
    table.row(vec![
        "size of the binary".to_owned(),
        format!("{} MiB", binary >> 20),
    ]);
    Ok(table)
}
