//! Proof, from outside Godwit, that a guest ran in one place at a time and came to no harm.
//!
//! The witness is the guest itself (see `guest/README.md`). At every tick it counts, reads the
//! epoch of the host that runs it, and appends both to a journal on a disk that all hosts share;
//! every few ticks it prints the same on its serial port, which each host logs separately. The
//! epoch is answered by the very QEMU process that runs the guest, so it cannot be carried along.
//!
//! Why this proves that there was **one writer at any time**: assume that two copies ran, even
//! for one tick. Both count on from the state they share, so both write a record for the same
//! counter to the same place. Whoever comes second reads that place first, finds a record that is
//! not its own of a round ago, counts a *conflict*, and says so in every later record and line.
//! - If the second one lives for a line, its host's log shows the conflict.
//! - If it dies before, its record lies in the journal: it has a conflict, or its epoch stands
//!   among the other's, where no hand-over that the test knows of put it.
//! - If its record was overwritten too, then by the other copy, which found it there and counted
//!   the conflict itself.
//!
//! Why it proves that **nothing was lost**: records are consecutive, so the guest neither jumped
//! back to an older state (it would repeat a counter) nor skipped one; and each page and block
//! must hold what follows from its number and the tick alone, so one that was torn, lost or left
//! behind in an older state is counted as wrong when it is next verified. A test that looks for
//! wrong pages must let a whole scan go by after the move: see
//! [`Testbed::await_scan`](crate::testbed::Testbed::await_scan).
//!
//! What it does not prove: that a copy which never executed an instruction was not there.

mod journal;
mod serial;
mod violation;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Result;

use self::journal::Journal;
pub use self::serial::SerialLog;
pub use self::violation::{Violation, Violations};

/// What the guest says of itself, in each record of its journal and each line it prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    pub guest: u32,
    /// 1 from its first start on, one more after each reboot.
    pub boot: u32,
    /// The host that ran the tick.
    pub epoch: u32,
    /// The tick, counted from 1.
    pub counter: u32,
    /// Pages and blocks that did not hold what they must, so far.
    pub wrong: u32,
    /// Places of the journal that another copy of the guest had written, so far.
    pub conflicts: u32,
    /// Disk commands that failed, so far.
    pub errors: u32,
    /// Times that all memory was verified since it booted.
    pub scans: u32,
    /// Pages rewritten since it booted.
    pub dirtied: u32,
}

/// Everything that one guest left behind.
#[derive(Clone, Debug)]
pub struct Evidence {
    guest: u32,
    ticks_per_line: u32,
    journal: Journal,
    logs: Vec<SerialLog>,
}

impl Evidence {
    /// Reads a journal of `slots` sectors, and the logs of all hosts (by epoch); a log that does
    /// not exist is empty. The guest may go on while they are read.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn read(
        guest: u32,
        slots: u32,
        ticks_per_line: u32,
        journal: &Path,
        logs: impl IntoIterator<Item = (u32, PathBuf)>,
    ) -> Result<Self> {
        // In this order: what the journal has, the logs read after it must have too.
        let journal = Journal::read(journal, slots)?;
        let logs = logs
            .into_iter()
            .map(|(epoch, path)| SerialLog::read(epoch, &path));
        Ok(Self {
            guest,
            ticks_per_line,
            journal,
            logs: logs.collect::<Result<_>>()?,
        })
    }

    pub fn latest(&self) -> Option<Report> {
        self.journal.reports.last().copied()
    }
}

/// An uninterrupted stay on one host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    pub epoch: u32,
    /// The first counter there.
    pub first: u32,
    /// The last counter there.
    pub last: u32,
}

/// Where a guest was, in order. Oldest stays are forgotten when the journal starts anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History {
    /// The stays; each begins with the counter after the one that ended the last.
    pub stays: Vec<Stay>,
    pub latest: Report,
}

/// Proves that the guest ran on the hosts `path` (epochs), one after another, alone and unharmed.
///
/// # Errors
/// It did not: all violations that were found.
pub fn verify(evidence: &Evidence, path: &[u32]) -> Result<History, Violations> {
    judge(evidence, Expected::Path(path))
}

/// Proves that the guest ran alone and unharmed wherever it was powered on, and that it runs on
/// `host` (its epoch) now. What moved it on the way, or started it anew, is not asked.
///
/// # Errors
/// It did not: all violations that were found.
pub fn verify_restarted(evidence: &Evidence, host: u32) -> Result<History, Violations> {
    judge(evidence, Expected::Restarted { host })
}

/// What a test knows of a guest's life.
#[derive(Clone, Copy)]
enum Expected<'a> {
    /// It was on these hosts, one after another, without a break.
    Path(&'a [u32]),
    /// It was powered off and on, and is on this host.
    Restarted { host: u32 },
}

fn judge(evidence: &Evidence, expected: Expected<'_>) -> Result<History, Violations> {
    let mut violations = Vec::new();
    let history = judge_journal(evidence, expected, &mut violations);
    judge_logs(evidence, history.as_ref(), &mut violations);
    match history {
        Some(history) if violations.is_empty() => Ok(history),
        _ => Err(Violations(violations)),
    }
}

fn judge_journal(
    evidence: &Evidence,
    expected: Expected<'_>,
    violations: &mut Vec<Violation>,
) -> Option<History> {
    let Evidence { journal, .. } = evidence;
    violations.extend(
        journal
            .damaged
            .iter()
            .map(|&slot| Violation::Damaged { slot }),
    );
    let Some(&latest) = journal.reports.last() else {
        violations.push(Violation::Empty);
        return None;
    };
    judge_reports(evidence.guest, journal.reports.iter(), violations);
    let (start, first) = (journal.start, journal.reports[0].counter);
    if first != start {
        violations.push(Violation::Gap {
            after: start - 1,
            before: first,
        });
    }
    for pair in journal.reports.windows(2) {
        let [before, after] = [pair[0], pair[1]];
        if after.counter != before.counter + 1 {
            violations.push(Violation::Gap {
                after: before.counter,
                before: after.counter,
            });
        }
        if after.boot != before.boot && matches!(expected, Expected::Path(_)) {
            violations.push(Violation::Rebooted {
                boot: after.boot,
                counter: after.counter,
            });
        }
    }
    let stays = stays(&journal.reports);
    let found: Vec<u32> = stays.iter().map(|stay| stay.epoch).collect();
    let (right, expected) = match expected {
        Expected::Path(path) => (found == path, path.to_vec()),
        Expected::Restarted { host } => (found.last() == Some(&host), vec![host]),
    };
    if !right {
        violations.push(Violation::Path { expected, found });
    }
    Some(History { stays, latest })
}

/// Each kind of harm once: the counts only grow, so the first report of one is the telling one.
fn judge_reports<'a>(
    guest: u32,
    reports: impl Iterator<Item = &'a Report> + Clone,
    violations: &mut Vec<Violation>,
) {
    type Count = fn(&Report) -> u32;
    type Harm = fn(u32, u32, u32) -> Violation;
    let harms: [(Count, Harm); 3] = [
        (
            |report| report.wrong,
            |count, counter, epoch| Violation::Wrong {
                count,
                counter,
                epoch,
            },
        ),
        (
            |report| report.conflicts,
            |count, counter, epoch| Violation::Conflict {
                count,
                counter,
                epoch,
            },
        ),
        (
            |report| report.errors,
            |count, counter, epoch| Violation::DiskError {
                count,
                counter,
                epoch,
            },
        ),
    ];
    for (count, violation) in harms {
        if let Some(first) = reports.clone().find(|report| count(report) > 0) {
            violations.push(violation(count(first), first.counter, first.epoch));
        }
    }
    for report in reports.filter(|report| report.guest != guest) {
        violations.push(Violation::Foreign {
            guest: report.guest,
            counter: report.counter,
        });
    }
}

fn stays(reports: &[Report]) -> Vec<Stay> {
    let same_host = |a: &Report, b: &Report| a.epoch == b.epoch;
    let stay = |of: &[Report]| match of {
        [first, .., last] | [first @ last] => Some(Stay {
            epoch: first.epoch,
            first: first.counter,
            last: last.counter,
        }),
        [] => None,
    };
    reports.chunk_by(same_host).filter_map(stay).collect()
}

fn judge_logs(evidence: &Evidence, history: Option<&History>, violations: &mut Vec<Violation>) {
    let mut printed = BTreeMap::new();
    for log in &evidence.logs {
        judge_reports(evidence.guest, log.lines.iter(), violations);
        for line in &log.lines {
            if let Some((first, _)) = printed.insert(line.counter, (log.epoch, line)) {
                let (counter, second) = (line.counter, log.epoch);
                violations.push(Violation::Repeated {
                    counter,
                    first,
                    second,
                });
            }
        }
    }
    let Some(history) = history else { return };

    let records: BTreeMap<u32, &Report> = evidence
        .journal
        .reports
        .iter()
        .map(|record| (record.counter, record))
        .collect();
    for (&counter, &(log, line)) in &printed {
        let record = records.get(&counter);
        if record.is_some_and(|record| *record != line) {
            violations.push(Violation::Disagreement { counter });
        }
        // A tick that began on one host may end, and print its line, on the next.
        let explained = record.is_none() || history.handed_over(counter, log);
        if line.epoch != log && !explained {
            violations.push(Violation::Misplaced {
                counter,
                epoch: line.epoch,
                log,
            });
        }
    }
    // The last ticks before the guest was powered off.
    let cut_short: Vec<u32> = evidence
        .journal
        .reports
        .windows(2)
        .filter(|pair| pair[0].boot != pair[1].boot)
        .map(|pair| pair[0].counter)
        .collect();
    for &counter in records
        .keys()
        .filter(|&counter| counter % evidence.ticks_per_line == 0)
    {
        // Its line may be cut in two by the hand-over, or not be printed yet.
        let explained =
            history.stays.iter().any(|stay| stay.last == counter) || cut_short.contains(&counter);
        if !printed.contains_key(&counter) && !explained {
            violations.push(Violation::Lost { counter });
        }
    }
    let fragments = evidence.logs.iter().map(|log| log.fragments).sum();
    let handovers = history.stays.len() - 1 + cut_short.len();
    if fragments > 2 * handovers {
        violations.push(Violation::Noise {
            fragments,
            handovers,
        });
    }
}

impl History {
    /// Was `counter` the last before a move to the host `to`?
    fn handed_over(&self, counter: u32, to: u32) -> bool {
        self.stays
            .windows(2)
            .any(|pair| pair[0].last == counter && pair[1].epoch == to)
    }
}

#[cfg(test)]
mod tests;
