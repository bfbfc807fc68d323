//! A journal on disk: `UUID.json`, one a subject.

use std::collections::BTreeMap;
use std::fmt::{Debug, Display};
use std::fs;
use std::io;
use std::marker::PhantomData;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::{JournalError, Outlives};
use crate::replace::replace;

/// What a journal remembers of one subject.
pub(super) trait Remembered:
    Clone + Debug + Serialize + DeserializeOwned + Send + 'static
{
    /// Names the subject, and so the file.
    type Key: Copy + Ord + Debug + Display;
    /// What the subject is.
    const SUBJECT: &'static str;

    fn key(&self) -> Self::Key;
}

/// Raised when an older agent could not understand an entry.
const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Page<E> {
    format: u32,
    entry: E,
}

#[derive(Debug)]
pub(super) struct Files<E> {
    directory: PathBuf,
    outlives: Outlives,
    entries: PhantomData<fn(E)>,
}

impl<E: Remembered> Files<E> {
    pub(super) fn new(directory: PathBuf, outlives: Outlives) -> Self {
        Self {
            directory,
            outlives,
            entries: PhantomData,
        }
    }

    pub(super) fn make_directory(&self) -> Result<(), JournalError> {
        fs::create_dir_all(&self.directory).map_err(|source| disk(&self.directory, source))
    }

    pub(super) fn read_all(&self) -> Result<BTreeMap<E::Key, E>, JournalError> {
        let failed = |source| disk(&self.directory, source);
        let mut entries = BTreeMap::new();
        if !self.directory.exists() {
            return Ok(entries);
        }
        for file in fs::read_dir(&self.directory).map_err(failed)? {
            let path = file.map_err(failed)?.path();
            // What a kill left of an unfinished replacement has another name.
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                // Made, and not written any more: nobody has acted on it.
                if self.outlives == Outlives::Process && is_empty(&path).map_err(failed)? {
                    continue;
                }
                let entry: E = read(&path)?;
                entries.insert(entry.key(), entry);
            }
        }
        Ok(entries)
    }

    pub(super) async fn write(&self, entry: E) -> Result<(), JournalError> {
        let path = self.path(entry.key());
        let written = {
            let (path, outlives) = (path.clone(), self.outlives);
            blocking(move || write(&path, entry, outlives)).await
        };
        written.map_err(|source| disk(&path, source))
    }

    pub(super) async fn remove(&self, key: E::Key) -> Result<(), JournalError> {
        let path = self.path(key);
        let removed = {
            let path = path.clone();
            blocking(move || fs::remove_file(path)).await
        };
        match removed {
            Err(source) if source.kind() != io::ErrorKind::NotFound => Err(disk(&path, source)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn path(&self, key: E::Key) -> PathBuf {
        self.directory.join(format!("{key}.json"))
    }
}

fn is_empty(path: &Path) -> io::Result<bool> {
    Ok(fs::metadata(path)?.len() == 0)
}

fn disk(path: &Path, source: io::Error) -> JournalError {
    let path = path.to_owned();
    JournalError::Disk { path, source }
}

fn read<E: Remembered>(path: &Path) -> Result<E, JournalError> {
    let damaged = |problem: String| JournalError::Damaged {
        path: path.to_owned(),
        problem,
    };
    let text = fs::read(path).map_err(|source| disk(path, source))?;
    let page: Page<E> =
        serde_json::from_slice(&text).map_err(|error| damaged(error.to_string()))?;
    if page.format != FORMAT {
        return Err(damaged(format!(
            "its format is {}, not {FORMAT}",
            page.format
        )));
    }
    let name = path.file_stem().and_then(|stem| stem.to_str());
    let key = page.entry.key();
    if name != Some(key.to_string().as_str()) {
        return Err(damaged(format!("it is about {} {key}", E::SUBJECT)));
    }
    Ok(page.entry)
}

fn write<E: Serialize>(path: &Path, entry: E, outlives: Outlives) -> io::Result<()> {
    let format = FORMAT;
    let text = serde_json::to_vec_pretty(&Page { format, entry })?;
    match outlives {
        Outlives::Machine => replace(path, &text),
        Outlives::Process => overwrite(path, text),
    }
}

/// Writes over what is there, in one call, which a kill does not cut in two: it is as short as that.
/// A file system takes longer to make a file and rename it than all else of a simulated move.
fn overwrite(path: &Path, mut text: Vec<u8>) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    let file = options
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let before = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    text.resize(text.len().max(before), b' ');
    file.write_all_at(&text, 0)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|stopped| Err(io::Error::other(stopped)))
}
