//! The directory of `godwit up`: everything it keeps, and nobody else in it.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Error, Result, bail, ensure};

use crate::config::{DatabaseConfig, refuse_password};
use crate::keys::{self, KeyFiles};

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

    /// The database that belongs to the directory: a file in it, unless another was named.
    pub(crate) fn database(&self) -> Result<DatabaseConfig> {
        let path = self.named_database();
        match std::fs::read_to_string(&path) {
            Ok(url) => Ok(DatabaseConfig::at(url)),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let file = self.own_database();
                Ok(DatabaseConfig::at(format!("sqlite://{}", file.display())))
            }
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// The database at `url`, if the directory may take it. One that has a database never takes
    /// another: the records there are about the simulated world here.
    pub(crate) fn database_at(&self, url: &str) -> Result<DatabaseConfig> {
        refuse_password(url).map_err(Error::msg)?;
        let relative = url
            .strip_prefix("sqlite:")
            .is_some_and(|path| !path.starts_with('/'));
        ensure!(!relative, "{url} has to name an absolute path");
        let known = self.database()?.url;
        let has_one = self.named_database().exists() || self.own_database().exists();
        ensure!(
            known == url || !has_one,
            "{} belongs to the database {known}, and not to {url}",
            self.0.display()
        );
        Ok(DatabaseConfig::at(url.to_owned()))
    }

    /// From now on `database` belongs to the directory.
    pub(crate) fn remember(&self, database: &DatabaseConfig) -> Result<()> {
        if self.database()?.url == database.url {
            return Ok(());
        }
        keys::write(&self.named_database(), &database.url, 0o600)
    }

    fn own_database(&self) -> PathBuf {
        self.0.join("godwit.db")
    }

    /// The file that holds the URL of a database elsewhere.
    fn named_database(&self) -> PathBuf {
        self.0.join("database.url")
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

    /// Makes the directory if need be, and locks it: who has the answer is alone in it until that is
    /// dropped (or the process ends, however it does).
    pub(crate) fn occupy(&self) -> Result<File> {
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
        Ok(lock)
    }
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
    fn it_belongs_to_one_database() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::at(parent.path()).unwrap();
        let own = directory.database().unwrap();
        assert!(own.url.starts_with("sqlite:///") && own.url.ends_with("/godwit.db"));

        let named = "postgres://godwit@db/one";
        let database = directory.database_at(named).unwrap();
        assert_eq!(directory.database().unwrap(), own);
        directory.remember(&database).unwrap();
        assert_eq!(directory.database().unwrap(), database);
        assert_eq!(directory.database_at(named).unwrap(), database);
        for other in ["postgres://godwit@db/other", &own.url] {
            let error = directory.database_at(other).unwrap_err().to_string();
            assert!(error.contains(named) && error.contains(other), "{error}");
        }
    }

    #[test]
    fn one_with_a_database_of_its_own_takes_no_other() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::at(parent.path()).unwrap();
        let own = directory.database().unwrap();
        std::fs::write(parent.path().join("godwit.db"), "").unwrap();
        directory.database_at("postgres://db/x").unwrap_err();
        assert_eq!(directory.database_at(&own.url).unwrap(), own);
        directory.remember(&own).unwrap();
        assert!(!parent.path().join("database.url").exists());
    }

    #[test]
    fn what_it_would_remember_wrongly_or_could_not_keep_secret_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let directory = DataDirectory::at(parent.path()).unwrap();
        for url in [
            "sqlite:godwit.db",
            "sqlite::memory:",
            "postgres://godwit:secret@db/x",
        ] {
            let error = directory.database_at(url).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
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
