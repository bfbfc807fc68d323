//! Guests that stand still because we paused them, to get their move over with.
//!
//! libvirt cannot tell such a pause from one that the user asked for, and a crash of libvirt in
//! the wrong moment leaves the guest paused for ever. So the pause is written down before it
//! happens, in a file that outlives this process: see [`super::witness`] for what follows from it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use atomic_write_file::AtomicWriteFile;
use uuid::Uuid;

use super::config::Unfit;
use crate::driver::DriverError;

/// The file's name.
const FILE: &str = "paused-by-moves.json";

/// The guests. Cheap to clone.
#[derive(Clone)]
pub(super) struct Paused(Arc<Inner>);

struct Inner {
    path: PathBuf,
    guests: Mutex<BTreeSet<Uuid>>,
    /// One writer at a time.
    writing: tokio::sync::Mutex<()>,
}

impl Paused {
    /// What the file in `directory` says.
    pub(super) fn open(directory: &Path) -> Result<Self, Unfit> {
        let path = directory.join(FILE);
        let unfit = |source| Unfit::State { path: path.clone(), source };
        fs::create_dir_all(directory).map_err(unfit)?;
        let guests = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(|error| unfit(error.into()))?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => BTreeSet::new(),
            Err(error) => return Err(unfit(error)),
        };
        Ok(Self(Arc::new(Inner {
            path,
            guests: Mutex::new(guests),
            writing: tokio::sync::Mutex::new(()),
        })))
    }

    /// Did we pause this guest?
    pub(super) fn contains(&self, guest: Uuid) -> bool {
        self.guests().contains(&guest)
    }

    /// We are about to pause it.
    pub(super) async fn insert(&self, guest: Uuid) -> Result<(), DriverError> {
        self.change(|guests| guests.insert(guest)).await
    }

    /// It no longer stands still because of us.
    pub(super) async fn remove(&self, guest: Uuid) -> Result<(), DriverError> {
        self.change(|guests| guests.remove(&guest)).await
    }

    /// Forgets those for which `keep` says no.
    pub(super) async fn retain(&self, keep: impl Fn(Uuid) -> bool) -> Result<(), DriverError> {
        self.change(|guests| {
            let before = guests.len();
            guests.retain(|guest| keep(*guest));
            guests.len() != before
        })
        .await
    }

    /// Makes a change, on disk when this returns; `change` says whether there was one.
    async fn change(
        &self,
        change: impl FnOnce(&mut BTreeSet<Uuid>) -> bool,
    ) -> Result<(), DriverError> {
        let _writing = self.0.writing.lock().await;
        let mut guests = self.guests().clone();
        if !change(&mut guests) {
            return Ok(());
        }
        let path = self.0.path.clone();
        let written = {
            let guests = guests.clone();
            tokio::task::spawn_blocking(move || write(&path, &guests)).await
        };
        let written = written.map_err(io::Error::other).and_then(|written| written);
        written.map_err(|error| {
            DriverError::Unavailable(format!("{}: {error}", self.0.path.display()))
        })?;
        *self.guests() = guests;
        Ok(())
    }

    fn guests(&self) -> std::sync::MutexGuard<'_, BTreeSet<Uuid>> {
        self.0.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn write(path: &Path, guests: &BTreeSet<Uuid>) -> io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(&serde_json::to_vec(guests)?)?;
    file.commit()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_pause_outlives_the_process() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let paused = Paused::open(directory.path()).unwrap();
        paused.insert(one).await.unwrap();
        paused.insert(two).await.unwrap();
        paused.remove(two).await.unwrap();

        let later = Paused::open(directory.path()).unwrap();
        assert!(later.contains(one) && !later.contains(two));
        later.retain(|guest| guest == two).await.unwrap();
        assert!(!Paused::open(directory.path()).unwrap().contains(one));
    }

    #[test]
    fn a_broken_file_is_no_empty_file() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join(FILE), "[").unwrap();
        assert!(matches!(Paused::open(directory.path()), Err(Unfit::State { .. })));
    }
}
