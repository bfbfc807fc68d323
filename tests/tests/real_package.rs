//! The Debian package: made of the binary under test, installed, run as its units run it, upgraded
//! and removed, in a tree of Debian's packages (`tests/containers/tree`).

use std::fs;

use anyhow::Result;
use system_tests::package::{make, try_in_tree};

#[test]
fn real_package_is_installed_upgraded_and_removed() -> Result<()> {
    let directory = tempfile::Builder::new().prefix("godwit-").tempdir()?;
    let given = directory.path().join("given");
    fs::create_dir(&given)?;
    for revision in ["1", "2"] {
        make(&given, &["--revision", revision])?;
    }
    try_in_tree(directory.path(), &["try-package", "units"])
}
