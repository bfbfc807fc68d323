//! The journal on disk: `UUID.json`, one a migration.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use atomic_write_file::AtomicWriteFile;
use godwit_core::ids::MigrationUuid;
use serde::{Deserialize, Serialize};

use super::{Entry, JournalError};

/// Raised when an older agent could not understand an entry.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Page {
    format: u32,
    entry: Entry,
}

#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
}

impl Files {
    pub(super) fn open(directory: PathBuf) -> Result<Self, JournalError> {
        match fs::create_dir_all(&directory) {
            Ok(()) => Ok(Self { directory }),
            Err(source) => Err(disk(&directory, source)),
        }
    }

    pub(super) fn read_all(&self) -> Result<BTreeMap<MigrationUuid, Entry>, JournalError> {
        let failed = |source| disk(&self.directory, source);
        let mut entries = BTreeMap::new();
        for file in fs::read_dir(&self.directory).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            // What a kill left of an unfinished replacement has another name.
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let entry = read(&path)?;
                entries.insert(entry.what.migration, entry);
            }
        }
        Ok(entries)
    }

    pub(super) async fn write(&self, entry: Entry) -> Result<(), JournalError> {
        let path = self.path(entry.what.migration);
        let written = {
            let path = path.clone();
            blocking(move || replace(&path, entry)).await
        };
        written.map_err(|source| disk(&path, source))
    }

    pub(super) async fn remove(&self, migration: MigrationUuid) -> Result<(), JournalError> {
        let path = self.path(migration);
        let removed = {
            let path = path.clone();
            blocking(move || fs::remove_file(path)).await
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(disk(&path, source)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn path(&self, migration: MigrationUuid) -> PathBuf {
        self.directory.join(format!("{migration}.json"))
    }
}

fn disk(path: &Path, source: io::Error) -> JournalError {
    let path = path.to_owned();
    JournalError::Disk { path, source }
}

fn read(path: &Path) -> Result<Entry, JournalError> {
    let damaged = |problem: String| JournalError::Damaged {
        path: path.to_owned(),
        problem,
    };
    let text = fs::read(path).map_err(|source| disk(path, source))?;
    let page: Page = serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if page.format != FORMAT {
        return Err(damaged(format!(
            "its format is {}, not {FORMAT}",
            page.format
        )));
    }
    let name = path.file_stem().and_then(|stem| stem.to_str());
    if name != Some(page.entry.what.migration.to_string().as_str()) {
        let migration = page.entry.what.migration;
        return Err(damaged(format!("it is about migration {migration}")));
    }
    Ok(page.entry)
}

fn replace(path: &Path, entry: Entry) -> io::Result<()> {
    let format = FORMAT;
    let text = serde_json::to_vec_pretty(&Page { format, entry })?;
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(&text)?;
    // Syncs the file, renames it, and syncs the directory.
    file.commit()
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}
