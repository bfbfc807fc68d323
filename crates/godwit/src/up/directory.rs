//! The directory of `godwit up`: everything it keeps, and nobody else in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::keys::KeyFiles;

/// Where things lie in a directory of `up`, whether one is running in it or not.
#[derive(Clone, Debug)]
pub(crate) struct DataDirectory(PathBuf);

impl DataDirectory {
    /// The directory at `path`, made absolute: what is written into it must not depend on where
    /// somebody stands.
    pub(crate) fn at(path: &Path) -> Result<Self> {
        let path = std::path::absolute(path)
            .with_context(|| format!("cannot tell where {} is", path.display()))?;
        Ok(Self(path))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn database_url(&self) -> String {
        format!("sqlite://{}", self.0.join("godwit.db").display())
    }

    /// The keys that sign and verify tokens.
    pub(crate) fn keys(&self) -> KeyFiles {
        KeyFiles::below(&self.0)
    }

    /// What clients read to log in.
    pub(crate) fn clouds(&self) -> PathBuf {
        self.0.join("clouds.yaml")
    }

    /// The agents' journals, a directory for each host.
    pub(crate) fn journals(&self) -> PathBuf {
        self.0.join("journals")
    }

    /// Access rules, if somebody wants other ones.
    pub(crate) fn policy(&self) -> PathBuf {
        self.0.join("policy.yaml")
    }

    /// Makes the directory if need be, and locks it until the answer is dropped (or the process
    /// ends, however it does).
    pub(crate) fn occupy(&self) -> Result<Occupied> {
        let here = self.0.display();
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.0)
            .with_context(|| format!("cannot make the directory {here}"))?;
        let path = self.0.join("lock");
        let mut lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let _ = lock.read_to_string(&mut holder);
                bail!("{here} is in use by another `godwit up` (process {holder})");
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock {}", path.display()));
            }
        }
        lock.set_len(0)
            .and_then(|()| write!(lock, "{}", std::process::id()))
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Occupied { _lock: lock })
    }
}

/// The right to be alone in a directory.
#[derive(Debug)]
pub(crate) struct Occupied {
    _lock: File,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn two_cannot_be_in_one_directory() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::at(&parent.path().join("a/b")).unwrap();
        let first = directory.occupy().unwrap();
        let error = directory.occupy().unwrap_err().to_string();
        let us = format!("(process {})", std::process::id());
        assert!(error.contains("in use") && error.ends_with(&us), "{error}");
        drop(first);
        directory.occupy().unwrap();
    }

    #[test]
    fn it_is_for_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::at(&parent.path().join("data")).unwrap();
        let _occupied = directory.occupy().unwrap();
        let mode = std::fs::metadata(directory.path())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }
}
