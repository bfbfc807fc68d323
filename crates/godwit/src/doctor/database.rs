//! The database: is it there, is its schema this program's, and what time does it have?

use godwit_core::time::Clock;
use godwit_store::{OpenError, Store};

use super::report::Report;
use crate::clock::SystemClock;
use crate::config::DatabaseConfig;

const ABOUT: &str = "database";
/// Clocks that differ by less are as good as the same: what is waited for takes longer.
const CLOCKS_DIFFER: u64 = 5;
pub(super) const KEEP_CLOCKS_TOGETHER: &str =
    "keep the clocks of all machines together (chrony): leases and deadlines are told by them";

pub(super) async fn look(database: &DatabaseConfig, report: &mut Report) -> Option<Store> {
    let store = match Store::open(&database.url, database.options()).await {
        Ok(store) => store,
        Err(error) => {
            let advice = match error {
                OpenError::Unreachable { .. } => {
                    "is it up, does it let this machine and user in, and can `passfile` be read?"
                }
                OpenError::Empty { .. } | OpenError::Older { .. } => {
                    "docs/operate.md says how releases are installed and upgraded"
                }
                _ => "see `database` in docs/godwit.yaml",
            };
            report.wrong(ABOUT, error.to_string(), advice);
            return None;
        }
    };
    report.good(ABOUT, "it answers, and its schema is up to date");
    match store.clock().await {
        Ok(theirs) => clock(theirs, report),
        Err(error) => report.wrong(ABOUT, error.to_string(), "look into its log"),
    }
    Some(store)
}

/// Conductors on several machines tell by their clocks who is late.
fn clock(theirs: i64, report: &mut Report) {
    let ours = SystemClock.now().as_micros() / 1_000_000;
    let apart = ours.abs_diff(theirs);
    if apart > CLOCKS_DIFFER {
        report.wrong(
            "clock",
            format!("it is {apart} seconds apart from the database's"),
            KEEP_CLOCKS_TOGETHER,
        );
    } else {
        report.good("clock", "it goes with the database's");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_off_is_wrong() {
        let now = SystemClock.now().as_micros() / 1_000_000;
        for (theirs, bad) in [(now, false), (now + 600, true), (now - 600, true)] {
            let mut report = Report::default();
            clock(theirs, &mut report);
            assert_eq!(report.is_bad(), bad, "{report}");
        }
    }
}
