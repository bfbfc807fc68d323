//! What a testbed leaves on disk so that another process finds it again.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

/// Everything else follows from the number: see the module `network`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) number: u8,
    pub(super) hosts: u8,
    pub(super) lock_manager: bool,
    /// The process that ends the testbed when it ends itself; none for one that is kept.
    pub(super) owner: Option<Owner>,
}

/// A process; its start time tells it from a later one with the same id.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Owner {
    pid: u32,
    started: u64,
}

impl Owner {
    pub(super) fn us() -> Option<Self> {
        Self::of(std::process::id())
    }

    pub(super) fn of(pid: u32) -> Option<Self> {
        let started = started(pid)?;
        Some(Self { pid, started })
    }
}

impl State {
    pub(super) fn exists(directory: &Path) -> bool {
        path(directory).exists()
    }

    pub(super) fn load(directory: &Path) -> Result<Self> {
        let text = fs::read(path(directory));
        let text = text.with_context(|| format!("no testbed in {}", directory.display()))?;
        Ok(serde_json::from_slice(&text)?)
    }

    pub(super) fn save(&self, directory: &Path) -> Result<()> {
        fs::write(path(directory), serde_json::to_vec(self)?)
            .with_context(|| format!("cannot write {}", path(directory).display()))
    }

    pub(super) fn remove(directory: &Path) -> Result<()> {
        super::remove(&path(directory), |path| fs::remove_file(path))
    }

    /// Has the process that would have ended the testbed ended without?
    pub(super) fn is_stale(&self) -> bool {
        self.owner
            .as_ref()
            .is_some_and(|owner| started(owner.pid) != Some(owner.started))
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("testbed.json")
}

/// When a process started, in clock ticks since the machine did.
fn started(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field, the program's name in parentheses, may contain anything.
    let (_, after_name) = stat.rsplit_once(')')?;
    after_name.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(owner: Option<Owner>) -> State {
        State {
            number: 1,
            hosts: 2,
            lock_manager: false,
            owner,
        }
    }

    #[test]
    fn stale_is_what_lost_its_owner() {
        let us = Owner::us().unwrap();
        let namesake = Owner {
            started: us.started + 1,
            ..us
        };
        assert!(state(Some(namesake)).is_stale());
        assert!(!state(Owner::us()).is_stale());
        assert!(!state(None).is_stale());
    }
}
