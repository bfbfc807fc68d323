//! The Debian package, made of the binary under test, and the tree of Debian's packages in which it is
//! tried (`tests/containers/tree`).

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::process::godwit;
use crate::sdk::repository;

/// Where scripts and their helpers are that run in the tree.
fn containers() -> PathBuf {
    repository().join("tests/containers")
}

/// Runs a program in the checkout, and returns what it prints.
fn run(command: &mut Command) -> Result<String> {
    let output = command
        .current_dir(repository())
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{command:?}:\n{said}\n{complained}"
    );
    Ok(said)
}

/// Makes a package in the directory `out`, with more `options` of `scripts/package`.
///
/// # Errors
/// It cannot be made.
pub fn make(out: &Path, options: &[&str]) -> Result<()> {
    let binary = godwit()?;
    let mut command = Command::new(repository().join("scripts/package"));
    command.arg("--binary").arg(&binary).arg("--out").arg(out);
    // Built with the binary; else cargo does it.
    let xtask = binary.with_file_name("xtask");
    if xtask.is_file() {
        command.env("GODWIT_XTASK", xtask);
    }
    run(command.args(options)).map(drop)
}

/// Runs the first of `scripts` in the tree, where `directory` is at hand. What is in `given` below
/// it, and the scripts, are at `/given`.
///
/// # Errors
/// It fails, or does not end with `== good`.
pub fn try_in_tree(directory: &Path, scripts: &[&str]) -> Result<()> {
    for script in scripts {
        let copy = directory.join("given").join(script);
        fs::copy(containers().join(script), copy)?;
    }
    let first = scripts.first().context("nothing is to be tried")?;
    let tree = containers().join("tree");
    run(Command::new(&tree).args(["make", "bookworm"]))?;
    let said = run(Command::new(&tree)
        .args(["run", "bookworm"])
        .arg(directory)
        .arg(format!("/given/{first}")))?;
    ensure!(said.ends_with("== good\n"), "{said}");
    Ok(())
}
