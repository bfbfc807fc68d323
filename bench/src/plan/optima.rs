//! The lower bound beside the best of all schedules, of plans that are small enough to try all.

use anyhow::{Result, ensure};
use godwit_planner::bound::{self, Task};
use godwit_planner::generate;
use godwit_planner::optimum;

use super::worst;
use crate::table::{Table, median, percentile};

/// The most servers that one has.
const SERVERS: usize = 8;

/// `states` are looked at for each at most; where that is too few, the best found is taken.
pub(super) fn measure(instances: u64, states: usize) -> Result<Table> {
    let (mut gaps, mut exact, mut nowhere) = (Vec::new(), 0, 0);
    for seed in 0..instances {
        let (fleet, movers) = generate::few(seed, SERVERS)?;
        let tasks = movers.iter().map(|it| Task {
            server: it.server,
            live: true,
            rebuilt: false,
            destination: it.home,
        });
        let bound = bound::of_moves(&fleet, &tasks.collect::<Vec<_>>());
        let best = optimum::of_moves(&fleet, &movers, states);
        ensure!(
            bound <= best.seconds,
            "seed {seed}: the bound is {bound} s, and {} s are possible",
            best.seconds
        );
        exact += u64::from(best.exact);
        if best.seconds.is_finite() && bound > 0.0 {
            gaps.push(best.seconds / bound);
        } else {
            nowhere += 1;
        }
    }
    let mut table = Table::new(
        "The best of all schedules of up to 8 moves over the lower bound",
        &["plans", "figure"],
    );
    for (what, figure) in [
        ("compared", instances.to_string()),
        ("all schedules looked at", exact.to_string()),
        ("nothing to move, or no way", nowhere.to_string()),
        ("bound above the best", "0".to_owned()),
        ("median of the rest", format!("{:.4}", median(gaps.clone()))),
        ("p95", format!("{:.3}", percentile(gaps.clone(), 95))),
        ("worst", format!("{:.3}", worst(&gaps))),
    ] {
        table.row(vec![what.to_owned(), figure]);
    }
    Ok(table)
}
