//! What can be wrong with a guest, or with what it left behind.

use std::fmt;

/// One thing that is wrong. Counters say where in the guest's life.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Violation {
    #[error("the journal is empty")]
    Empty,
    #[error("place {slot} of the journal is damaged")]
    Damaged { slot: u32 },
    #[error("guest {guest} wrote counter {counter}")]
    Foreign { guest: u32, counter: u32 },
    #[error("the journal has nothing between {after} and {before}")]
    Gap {
        /// The last record before the gap.
        after: u32,
        /// The first one after it.
        before: u32,
    },
    #[error("the guest booted again (boot {boot}) at {counter}")]
    Rebooted { boot: u32, counter: u32 },
    /// The guest was not where it should have been, or not in that order.
    #[error("the guest was on hosts {found:?} instead of {expected:?}")]
    Path {
        /// The epochs that the test knows of.
        expected: Vec<u32>,
        /// The epochs that the journal shows.
        found: Vec<u32>,
    },
    #[error("{count} pages or blocks were wrong at {counter} (host {epoch})")]
    Wrong {
        /// How many, at the first report of it.
        count: u32,
        counter: u32,
        epoch: u32,
    },
    /// A second copy of the guest wrote the journal.
    #[error("{count} records of a second copy were found at {counter} (host {epoch})")]
    Conflict {
        /// How many, at the first report of it.
        count: u32,
        counter: u32,
        epoch: u32,
    },
    #[error("{count} disk commands failed at {counter} (host {epoch})")]
    DiskError {
        /// How many, at the first report of it.
        count: u32,
        counter: u32,
        epoch: u32,
    },
    #[error("{counter} was printed on host {first} and on host {second}")]
    Repeated {
        counter: u32,
        /// The log that has it.
        first: u32,
        /// The log that has it again; maybe the same.
        second: u32,
    },
    #[error("{counter} was not printed on any host")]
    Lost { counter: u32 },
    /// A host printed what another one computed, and no hand-over explains it.
    #[error("{counter}, of host {epoch}, was printed on host {log}")]
    Misplaced {
        counter: u32,
        /// Where it was computed.
        epoch: u32,
        /// Where it was printed.
        log: u32,
    },
    #[error("the line and the record of {counter} differ")]
    Disagreement { counter: u32 },
    /// More broken lines than there were hand-overs to break them.
    #[error("{fragments} broken lines at {handovers} hand-overs")]
    Noise {
        /// Pieces of lines, over all logs.
        fragments: usize,
        /// Changes of host.
        handovers: usize,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(pub Vec<Violation>);

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 10;
        write!(f, "{} violations", self.0.len())?;
        for violation in self.0.iter().take(SHOWN) {
            write!(f, "; {violation}")?;
        }
        if self.0.len() > SHOWN {
            f.write_str("; …")
        } else {
            Ok(())
        }
    }
}

impl std::error::Error for Violations {}
