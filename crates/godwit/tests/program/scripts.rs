//! Scripts of `tests/clients`, which drive a running service by somebody else's programs.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::process::Command;
use tokio::time::timeout;

/// How long one script may take; a minute or two on an idle machine.
const EVERYTHING: Duration = Duration::from_secs(450);

/// Where the scripts are.
pub(crate) fn directory() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients"))
}

/// Runs a script, with the Python of `environment`, a directory of the checkout that
/// `scripts/install-clients` fills, and with the clouds that are in the file `clouds`.
///
/// # Errors
/// Something was not as the script wants it: the error shows what it said.
pub(crate) async fn passes(environment: &str, clouds: &Path, script: &str) -> Result<()> {
    let python = directory().join(format!("../../{environment}/bin/python"));
    let child = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(python)
        .args(["-W", "ignore", script])
        .current_dir(directory())
        .env("OS_CLIENT_CONFIG_FILE", clouds)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let output = timeout(EVERYTHING, child.wait_with_output()).await;
    let output = output.with_context(|| format!("{script} does not end"))??;
    let said = String::from_utf8_lossy(&output.stdout);
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{script}:\n{complained}\n{said}");
    println!("{said}");
    Ok(())
}
