//! The Debian package: made of the binary under test, installed, run as its units run it, upgraded
//! and removed, in a tree of Debian's packages (`tests/containers/tree`).

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use system_tests::process::godwit;
use system_tests::sdk::repository;

fn run(program: &Path, arguments: &[&str], xtask: Option<&Path>) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(repository());
    if let Some(xtask) = xtask {
        command.env("GODWIT_XTASK", xtask);
    }
    let output = command
        .output()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{} {arguments:?}:\n{said}\n{complained}",
        program.display()
    );
    Ok(said)
}

#[test]
fn real_package_is_installed_upgraded_and_removed() -> Result<()> {
    let binary = godwit()?;
    // Built with the binary; else cargo does it.
    let xtask = binary.with_file_name("xtask");
    let xtask = xtask.is_file().then_some(xtask.as_path());
    let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
    let given = directory.path().join("given");
    fs::create_dir(&given)?;

    let scripts = repository().join("scripts");
    let containers = repository().join("tests/containers");
    for revision in ["1", "2"] {
        let binary = binary.to_string_lossy();
        let out = given.to_string_lossy();
        let options = ["--binary", &*binary, "--revision", revision, "--out", &*out];
        run(&scripts.join("package"), &options, xtask)?;
    }
    fs::copy(containers.join("try-package"), given.join("try-package"))?;
    let tree = containers.join("tree");
    run(&tree, &["make", "bookworm"], None)?;
    let place = directory.path().to_string_lossy();
    let said = run(
        &tree,
        &["run", "bookworm", &place, "/given/try-package"],
        None,
    )?;
    ensure!(said.ends_with("== good\n"), "{said}");
    Ok(())
}
