//! What an agent must not forget: for each migration the newest command taken, how far it got,
//! how the move ended and whether a conductor knows, and what the driver saved.
//!
//! ```text
//!   source        known ─► starting ─► moving ────────────────────────► settled
//!   destination   known ─► preparing ─► prepared ─► booting ─► booted ─► settled | cleared
//! ```
//!
//! And of each server, the same of what was last done to its power ([`PowerEntry`]).
//!
//! One file a migration or server, replaced as a whole and synced before anybody acts on it: after a
//! kill at any instant, a file holds either what was or what is. A file that holds neither is
//! damage, and then the agent does not start: with a journal that forgot, a repeated command
//! could begin a second move.

mod entry;
mod files;
mod memory;
mod power;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::ids::MigrationUuid;
use godwit_core::time::Timestamp;
use godwit_rpc::command::{Command, Rank, Side};

pub use entry::{Entry, RecordedOutcome, Stage};
use files::Files;
use memory::Memory;
pub use power::{PowerEntry, PowerJournal, PowerStage};

#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    #[error("the journal at {path} cannot be read or written")]
    Disk {
        path: PathBuf,
        source: std::io::Error,
    },
    #[error(
        "{path} is not a journal entry: {problem}. It was not written by this release of the \
         agent, or it is damaged. If the migration of that name is over, the file can be removed"
    )]
    Damaged { path: PathBuf, problem: String },
}

impl JournalError {
    /// The error and its cause in one line, for who is far from the log.
    pub(crate) fn explain(&self) -> String {
        match self {
            Self::Disk { source, .. } => format!("{self}: {source}"),
            Self::Damaged { .. } => self.to_string(),
        }
    }
}

/// What a journal has to outlive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outlives {
    /// The machine: the guests, or their disks, are there after a power cut. Every page is synced.
    Machine,
    /// Only the process, as simulated guests do.
    Process,
}

/// Why a command is not taken.
#[derive(Debug, thiserror::Error)]
pub enum NotTaken {
    #[error("stale")]
    Stale(Rank),
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The journal of one agent. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct Journal {
    migrations: Arc<Memory<Entry>>,
    power: PowerJournal,
}

impl Journal {
    /// Reads the journal in `directory`, which is made if it is not there.
    ///
    /// # Errors
    /// [`JournalError`] names the file.
    pub fn open(directory: impl Into<PathBuf>, outlives: Outlives) -> Result<Self, JournalError> {
        let directory = directory.into();
        let power = PowerJournal::open(&directory, outlives)?;
        let files = Files::new(directory, outlives);
        files.make_directory()?;
        let migrations = Arc::new(Memory::read(files)?);
        Ok(Self { migrations, power })
    }

    /// What is remembered of servers.
    pub fn power(&self) -> &PowerJournal {
        &self.power
    }

    pub fn find(&self, migration: MigrationUuid) -> Option<Entry> {
        self.migrations.find(migration)
    }

    /// Every entry for which `wanted` holds.
    pub fn select(&self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        self.migrations.select(wanted)
    }

    /// Takes a command: from now on older ones are refused, also after a restart.
    pub async fn take(
        &self,
        command: &Command,
        side: Side,
        now: Timestamp,
    ) -> Result<Entry, NotTaken> {
        let _writing = self.migrations.writing.lock().await;
        let entry = match self.find(command.what.migration) {
            None => Entry::new(command, side, now),
            Some(entry) if command.rank < entry.rank => return Err(NotTaken::Stale(entry.rank)),
            Some(entry) if command.rank == entry.rank => return Ok(entry),
            Some(mut entry) => {
                entry.rank = command.rank;
                entry
            }
        };
        Ok(self.write(entry, now).await?)
    }

    /// Changes an entry; the change is on disk when this returns. Nothing happens where there
    /// is no entry.
    ///
    /// # Errors
    /// [`JournalError::Disk`]; then the entry is as it was.
    pub async fn amend(
        &self,
        migration: MigrationUuid,
        now: Timestamp,
        change: impl FnOnce(&mut Entry),
    ) -> Result<(), JournalError> {
        let _writing = self.migrations.writing.lock().await;
        let Some(mut entry) = self.find(migration) else {
            return Ok(());
        };
        let before = entry.clone();
        change(&mut entry);
        if entry != before {
            self.write(entry, now).await?;
        }
        Ok(())
    }

    /// Forgets what has been over, and known to a conductor, for longer than `remember`.
    ///
    /// # Errors
    /// [`JournalError::Disk`].
    pub async fn prune(&self, now: Timestamp, remember: Duration) -> Result<(), JournalError> {
        let over = |entry: &Entry| entry.is_over() && now.since(entry.updated_at) > remember;
        self.migrations.forget(over).await?;
        self.power.prune(now, remember).await
    }

    async fn write(&self, mut entry: Entry, now: Timestamp) -> Result<Entry, JournalError> {
        entry.updated_at = now;
        self.migrations.write(entry.clone()).await?;
        Ok(entry)
    }
}
