//! A journal in memory, as its files have it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::JournalError;
use super::files::{Files, Remembered};

#[derive(Debug)]
pub(super) struct Memory<E: Remembered> {
    files: Files<E>,
    entries: Mutex<BTreeMap<E::Key, E>>,
    // Held from reading an entry to having synced its successor, so that files are replaced in
    // the order of what they say.
    pub(super) writing: tokio::sync::Mutex<()>,
}

impl<E: Remembered> Memory<E> {
    pub(super) fn read(files: Files<E>) -> Result<Self, JournalError> {
        Ok(Self {
            entries: Mutex::new(files.read_all()?),
            files,
            writing: tokio::sync::Mutex::default(),
        })
    }

    pub(super) fn find(&self, key: E::Key) -> Option<E> {
        self.lock().get(&key).cloned()
    }

    /// Every entry for which `wanted` holds.
    pub(super) fn select(&self, wanted: impl Fn(&E) -> bool) -> Vec<E> {
        let entries = self.lock();
        let found = entries.values().filter(|entry| wanted(entry));
        found.cloned().collect()
    }

    pub(super) async fn write(&self, entry: E) -> Result<(), JournalError> {
        if self.lock().is_empty() {
            self.files.make_directory()?;
        }
        self.files.write(entry.clone()).await?;
        self.lock().insert(entry.key(), entry);
        Ok(())
    }

    pub(super) async fn forget(&self, over: impl Fn(&E) -> bool) -> Result<(), JournalError> {
        let _writing = self.writing.lock().await;
        for entry in self.select(over) {
            self.files.remove(entry.key()).await?;
            self.lock().remove(&entry.key());
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<E::Key, E>> {
        // A panic elsewhere cannot leave the map half-changed: every change is one insert.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
