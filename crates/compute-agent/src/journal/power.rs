//! What is remembered of the power of servers.
//!
//! ```text
//!   stop, start   known ────────────────────────────────► done
//!   reboot        known ─► powering off ─► powering on ─► done
//! ```
//!
//! A guest that is powered off twice is off. A reboot that is done twice is a second outage, so
//! the execution that it ends is written down before it is ended.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use godwit_core::failure::Failure;
use godwit_core::ids::ServerUuid;
use godwit_core::power::PowerAction;
use godwit_core::time::Timestamp;
use godwit_rpc::command::{Power, Rank};
use serde::{Deserialize, Serialize};

use super::files::{Files, Remembered};
use super::memory::Memory;
use super::{JournalError, NotTaken, Outlives};

/// Below the journal's directory, and made when there is something to write. An agent that does
/// not know it takes no notice.
const DIRECTORY: &str = "power";

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PowerStage {
    /// It was taken, and nothing has been done; or it may be done twice.
    Known,
    /// The guest is being powered off to be rebooted, or was when the agent died.
    PoweringOff {
        /// Which execution is to end; see [`crate::driver::Driver::execution`].
        execution: Option<i64>,
    },
    /// It is off, and is being started, or was when the agent died.
    PoweringOn,
    Done {
        failure: Option<Failure>,
    },
}

/// One server, on this host.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerEntry {
    pub server: ServerUuid,
    /// What is, or was last, done to it.
    pub action: PowerAction,
    /// The newest command taken.
    pub rank: Rank,
    pub stage: PowerStage,
    pub updated_at: Timestamp,
}

impl Remembered for PowerEntry {
    type Key = ServerUuid;
    const SUBJECT: &'static str = "server";

    fn key(&self) -> ServerUuid {
        self.server
    }
}

/// The journal of one agent, as far as servers go. Cheap to clone; all clones are one.
#[derive(Clone, Debug)]
pub struct PowerJournal(Arc<Memory<PowerEntry>>);

impl PowerJournal {
    /// Reads the journal of servers below `journal`.
    pub(super) fn open(journal: &Path, outlives: Outlives) -> Result<Self, JournalError> {
        let files = Files::new(journal.join(DIRECTORY), outlives);
        Ok(Self(Arc::new(Memory::read(files)?)))
    }

    pub fn find(&self, server: ServerUuid) -> Option<PowerEntry> {
        self.0.find(server)
    }

    /// Takes a command: from now on older ones are refused, also after a restart. The same one,
    /// sent again or by another conductor, goes on where it was.
    pub async fn take(&self, power: &Power, now: Timestamp) -> Result<(), NotTaken> {
        let _writing = self.0.writing.lock().await;
        let stage = match self.find(power.server) {
            Some(entry) if power.rank < entry.rank => return Err(NotTaken::Stale(entry.rank)),
            Some(entry) if power.rank == entry.rank => return Ok(()),
            Some(entry) if power.rank.sequence == entry.rank.sequence => entry.stage,
            Some(_) | None => PowerStage::Known,
        };
        let entry = PowerEntry {
            server: power.server,
            action: power.action,
            rank: power.rank,
            stage,
            updated_at: now,
        };
        Ok(self.0.write(entry).await?)
    }

    /// Writes how far an action got; on disk when this returns.
    ///
    /// # Errors
    /// [`NotTaken::Stale`] when a newer one was taken: this one is over, and may not act.
    pub async fn enter(
        &self,
        (server, sequence): (ServerUuid, i64),
        stage: PowerStage,
        now: Timestamp,
    ) -> Result<(), NotTaken> {
        let _writing = self.0.writing.lock().await;
        let Some(mut entry) = self.find(server) else {
            return Ok(());
        };
        if entry.rank.sequence != sequence {
            return Err(NotTaken::Stale(entry.rank));
        }
        entry.stage = stage;
        entry.updated_at = now;
        Ok(self.0.write(entry).await?)
    }

    /// Forgets what has been over for longer than `remember`.
    pub(super) async fn prune(
        &self,
        now: Timestamp,
        remember: Duration,
    ) -> Result<(), JournalError> {
        let over = |entry: &PowerEntry| {
            matches!(entry.stage, PowerStage::Done { .. }) && now.since(entry.updated_at) > remember
        };
        self.0.forget(over).await
    }
}

#[cfg(test)]
mod tests {
    use godwit_test_support::fleet::{self, SERVER, at};

    use super::super::Journal;
    use super::*;

    fn power(sequence: i64, epoch: i64) -> Power {
        fleet::rpc::power(PowerAction::HardReboot, sequence, epoch)
    }

    fn stage(journal: &Journal) -> PowerStage {
        journal.power().find(SERVER).unwrap().stage
    }

    #[tokio::test]
    async fn an_older_action_is_refused_and_the_same_goes_on_also_after_a_restart() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), Outlives::Machine).unwrap();
        journal.power().take(&power(3, 2), at(0)).await.unwrap();
        let off = PowerStage::PoweringOff { execution: Some(5) };
        let entered = journal.power().enter((SERVER, 3), off.clone(), at(1)).await;
        entered.unwrap();
        for journal in [
            journal,
            Journal::open(directory.path(), Outlives::Machine).unwrap(),
        ] {
            for older in [power(2, 9), power(3, 1)] {
                let refused = journal.power().take(&older, at(2)).await;
                assert!(matches!(refused, Err(NotTaken::Stale(rank)) if rank == power(3, 2).rank));
            }
            journal.power().take(&power(3, 2), at(2)).await.unwrap();
            assert_eq!(stage(&journal), off);
        }
        let journal = Journal::open(directory.path(), Outlives::Machine).unwrap();
        journal.power().take(&power(3, 3), at(3)).await.unwrap();
        assert_eq!(stage(&journal), off, "another conductor sends it");
        journal.power().take(&power(4, 1), at(4)).await.unwrap();
        assert_eq!(stage(&journal), PowerStage::Known);
        let late = journal
            .power()
            .enter((SERVER, 3), PowerStage::PoweringOn, at(5));
        assert!(matches!(late.await, Err(NotTaken::Stale(_))), "it is over");
    }

    #[tokio::test]
    async fn what_is_over_is_forgotten_in_time() {
        let directory = tempfile::tempdir().unwrap();
        let journal = Journal::open(directory.path(), Outlives::Machine).unwrap();
        journal.power().take(&power(3, 1), at(0)).await.unwrap();
        let remember = Duration::from_secs(10);
        journal.prune(at(100), remember).await.unwrap();
        assert_eq!(stage(&journal), PowerStage::Known, "it is not over");
        let done = PowerStage::Done { failure: None };
        journal
            .power()
            .enter((SERVER, 3), done, at(100))
            .await
            .unwrap();
        journal.prune(at(110), remember).await.unwrap();
        assert!(journal.power().find(SERVER).is_some());
        journal.prune(at(111), remember).await.unwrap();
        let journal = Journal::open(directory.path(), Outlives::Machine).unwrap();
        assert_eq!(journal.power().find(SERVER), None);
    }
}
