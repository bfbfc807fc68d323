//! What an operator's tool may put right from the records alone. Pure.
//!
//! The service itself never guesses, so some records wait for somebody to look at them. Here is
//! what can be decided without looking: where everything that is written down leads to one
//! answer, and being wrong about it could neither start a second guest nor stop one. A repair
//! changes records only.

use crate::discrepancy::DiscrepancyKind;
use crate::ids::HostName;
use crate::recovery::Sighting;
use crate::server::{PowerState, TaskState, VmState};

/// What is known of a host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HostStanding {
    /// Its agent gave a sign of life lately, and nobody says otherwise.
    Up,
    /// Its agent is silent, which proves nothing.
    Silent,
    /// An operator forced its service down, and so vouches that it executes nothing.
    DeclaredDead,
    /// It has no service any more: an operator deleted it.
    Removed,
}

impl HostStanding {
    /// Does somebody vouch that nothing is executed there?
    const fn is_vouched_dead(self) -> bool {
        match self {
            Self::DeclaredDead | Self::Removed => true,
            Self::Up | Self::Silent => false,
        }
    }
}

/// What a host last said of the server.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct HostWord {
    pub host: HostName,
    pub standing: HostStanding,
    pub sighting: Sighting,
    pub power: PowerState,
}

/// All that the records say of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerRecords {
    /// What it is.
    pub vm_state: VmState,
    /// What is being done to it.
    pub task_state: Option<TaskState>,
    /// Where it is recorded.
    pub home: Option<(HostName, HostStanding)>,
    /// Does a migration work on it? One that waits for its confirmation counts.
    pub migrates: bool,
    /// What each host last said of it.
    pub words: Vec<HostWord>,
}

/// What may be done to a server's record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Repair {
    /// No migration works on it, so the task of one is stale.
    ClearTask(TaskState),
    /// It executes on this host, and the one where it is recorded is vouched to be dead.
    Follow(HostName),
    /// It is in `error`, and is seen to execute where it is recorded and nowhere else.
    Recover(VmState),
}

/// Says what may be put right of a server, or in one sentence why nothing may.
///
/// # Errors
/// Why there is nothing that the records allow.
pub fn judge(records: &ServerRecords) -> Result<Repair, &'static str> {
    if records.migrates {
        return Err("a migration of it is not over: let it end, abort it, or confirm or revert it");
    }
    if let Some(task) = records.task_state {
        return if task.is_of_migrations() {
            Ok(Repair::ClearTask(task))
        } else {
            Err("its task is not one of a move, and the records do not say who works on it")
        };
    }
    let Some((home, standing)) = &records.home else {
        return Err("no host is recorded for it");
    };
    if standing.is_vouched_dead() {
        return followed(records, home);
    }
    match records.vm_state {
        VmState::Error => recovered(records, home, *standing),
        VmState::Active
        | VmState::Building
        | VmState::Paused
        | VmState::Suspended
        | VmState::Stopped
        | VmState::Rescued
        | VmState::Resized
        | VmState::SoftDeleted
        | VmState::Deleted
        | VmState::Shelved
        | VmState::ShelvedOffloaded => Err("its record is as good as the records can make it"),
    }
}

/// The record of a server on a dead host follows to the one living host that executes it.
fn followed(records: &ServerRecords, home: &HostName) -> Result<Repair, &'static str> {
    let mut candidates = records
        .words
        .iter()
        .filter(|word| word.host != *home && !word.standing.is_vouched_dead())
        .filter(|word| may_execute(word.sighting));
    match (candidates.next(), candidates.next()) {
        (None, _) => Err(
            "its host is declared dead, and no living host was heard to execute it: evacuate it",
        ),
        (Some(only), None) => match (only.standing, only.sighting) {
            (HostStanding::Up, Sighting::Executing) => Ok(Repair::Follow(only.host.clone())),
            (
                HostStanding::Up
                | HostStanding::Silent
                | HostStanding::DeclaredDead
                | HostStanding::Removed,
                _,
            ) => Err("the only host that may execute it was not heard to do so by itself"),
        },
        (Some(_), Some(_)) => Err("more than one host may execute it, and nobody may guess"),
    }
}

/// What an `error` was about is over when the guest executes where it should.
fn recovered(
    records: &ServerRecords,
    home: &HostName,
    standing: HostStanding,
) -> Result<Repair, &'static str> {
    let elsewhere = records.words.iter().any(|word| {
        word.host != *home && !word.standing.is_vouched_dead() && may_execute(word.sighting)
    });
    if elsewhere {
        return Err("another host may execute it as well, and nobody may guess");
    }
    if standing != HostStanding::Up {
        return Err("its host is silent: wait until it is heard, or force its service down");
    }
    let at_home = records.words.iter().find(|word| word.host == *home);
    let Some(word) = at_home else {
        return Err("its host does not have it: nobody knows what became of the guest");
    };
    match (word.sighting, word.power) {
        (Sighting::Executing, PowerState::Running) => Ok(Repair::Recover(VmState::Active)),
        (Sighting::Executing, PowerState::Paused) => Ok(Repair::Recover(VmState::Paused)),
        (Sighting::Inactive, _) => {
            Err("it is off on its host: reset its state and start it, if that is wanted")
        }
        (
            Sighting::Executing
            | Sighting::Unreachable
            | Sighting::Absent
            | Sighting::Incoming
            | Sighting::Moving
            | Sighting::HandedOver,
            _,
        ) => Err("its host was not heard to execute it"),
    }
}

/// Says in one sentence why nothing can close a discrepancy of this `kind` any more: what it is
/// about is gone. Of the host and the migration that it names it is asked how the one stands, and
/// whether the other is under way.
pub fn moot(
    kind: DiscrepancyKind,
    server_is_gone: bool,
    host: Option<HostStanding>,
    migrates: Option<bool>,
) -> Option<&'static str> {
    // While a migration is under way it closes these itself, and so does its end.
    let of_progress = matches!(kind, DiscrepancyKind::Overdue | DiscrepancyKind::HostSilent);
    if server_is_gone {
        Some("the server is deleted")
    } else if host == Some(HostStanding::Removed) {
        Some("the host was removed")
    } else if of_progress && migrates == Some(false) {
        Some("the migration has ended")
    } else {
        None
    }
}

/// Might a host that said this execute the guest now?
const fn may_execute(sighting: Sighting) -> bool {
    match sighting {
        Sighting::Executing
        | Sighting::Moving
        | Sighting::Incoming
        | Sighting::HandedOver
        | Sighting::Unreachable => true,
        Sighting::Absent | Sighting::Inactive => false,
    }
}

#[cfg(test)]
mod tests;
