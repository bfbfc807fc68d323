//! How long a source file may be.
//!
//! A file that needs scrolling holds more than one concern. Somewhat too long is worth a look;
//! far too long is a file that nobody dares to split any more.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use crate::protocol;

/// Above this many lines a file is worth a look.
const LOOK: usize = 400;
/// Above this many lines a file is to be split now.
const LIMIT: usize = 600;

/// Warns of long files below `crates` and `tests`, and fails when one is too long that somebody
/// wrote.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut too_long = Vec::new();
    for top in ["crates", "tests"] {
        for file in rust_files(&root.join(top))? {
            if file.ends_with(protocol::GENERATED) {
                continue;
            }
            let lines = std::fs::read_to_string(&file)
                .with_context(|| format!("cannot read {}", file.display()))?
                .lines()
                .count();
            let name = file.strip_prefix(root).unwrap_or(&file).display();
            if lines > LIMIT {
                too_long.push(format!("{name} has {lines} lines; the limit is {LIMIT}"));
            } else if lines > LOOK {
                eprintln!("{name} has {lines} lines, more than {LOOK}");
            }
        }
    }
    ensure!(too_long.is_empty(), "{}", too_long.join("\n"));
    Ok(())
}

/// Every source file below a folder, sorted.
pub(crate) fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut ahead = vec![directory.to_owned()];
    while let Some(directory) = ahead.pop() {
        let entries = std::fs::read_dir(&directory)
            .with_context(|| format!("cannot list {}", directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}
