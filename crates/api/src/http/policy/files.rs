//! Policy files: which there are, whether they changed, and what they say.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use godwit_policy::{InvalidOverrides, Overrides};
use serde_saphyr::DuplicateKeyPolicy;

use crate::http::config::PolicyConfig;

/// A policy file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    #[error("cannot read the policy file {path}: {cause}")]
    Unreadable { path: PathBuf, cause: io::Error },
    #[error("the policy file {path}: {cause}")]
    NotYaml {
        path: PathBuf,
        /// Where it stops being YAML.
        cause: String,
    },
    /// It is YAML, but no policy file.
    #[error("the policy file {path}: {cause}")]
    NotAPolicy {
        path: PathBuf,
        /// What it should be.
        cause: InvalidOverrides,
    },
}

/// Reads one policy file: YAML, of which JSON is a part.
pub fn read_file(path: &Path) -> Result<Overrides, PolicyFileError> {
    let text = fs::read_to_string(path).map_err(|cause| PolicyFileError::Unreadable {
        path: path.to_owned(),
        cause,
    })?;
    // A rule that is given twice counts as given last, as with the reader that Nova uses.
    let options = serde_saphyr::options! { duplicate_keys: DuplicateKeyPolicy::LastWins };
    let contents: serde_json::Value =
        serde_saphyr::from_str_with_options(&text, options).map_err(|error| {
            PolicyFileError::NotYaml {
                path: path.to_owned(),
                cause: error.without_snippet().to_string(),
            }
        })?;
    Overrides::read(&contents).map_err(|cause| PolicyFileError::NotAPolicy {
        path: path.to_owned(),
        cause,
    })
}

/// All the files' rules, later files winning.
pub(super) fn read_all(config: &PolicyConfig) -> Result<Overrides, PolicyFileError> {
    let mut all = Overrides::default();
    for path in paths(config) {
        match read_file(&path) {
            Ok(overrides) => all.extend(overrides),
            // No file overrides nothing; and one may go between the look and the reading.
            Err(PolicyFileError::Unreadable { cause, .. })
                if cause.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(all)
}

/// What tells one state of a file from another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    path: PathBuf,
    state: Option<(SystemTime, u64)>,
}

/// The state of every file there is.
pub(super) fn stamp_all(config: &PolicyConfig) -> Vec<Stamp> {
    let stamp = |path: PathBuf| {
        let metadata = fs::metadata(&path).ok();
        let state = metadata.and_then(|it| Some((it.modified().ok()?, it.len())));
        Stamp { path, state }
    };
    paths(config).into_iter().map(stamp).collect()
}

fn paths(config: &PolicyConfig) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = config.file.iter().cloned().collect();
    for directory in &config.directories {
        let entries = fs::read_dir(directory).into_iter().flatten().flatten();
        let mut names: Vec<_> = entries
            .filter(|entry| !entry.file_name().as_encoded_bytes().starts_with(b"."))
            .map(|entry| entry.path())
            .filter(|path| path.is_file())
            .collect();
        names.sort();
        paths.extend(names);
    }
    paths
}
