//! How often what happens lies inside the interval that a plan gives for it.

use anyhow::Result;
use godwit_planner::generate;
use godwit_planner::plan::Estimate;
use godwit_planner::simulate::{Conditions, Course, Policy, simulate};

use super::makespans::{Drain, LINKS};
use super::met;
use crate::table::Table;

/// What an interval is said to hold.
const AIM: f64 = 0.9;
/// Dirty rates differ by this factor at most, either way, and links carry this much.
const WRONG: [(f64, f64, &str); 2] = [(2.0, 1.0, "2, 1.0"), (4.0, 0.6, "4, 0.6")];

/// What happened, and how much of that as it was estimated.
#[derive(Default)]
struct Share {
    all: u32,
    inside: u32,
}

impl Share {
    fn count(&mut self, estimate: Estimate, actual: f64) {
        // Where nothing can differ, rounding does.
        let slack = actual.abs() * 1e-6;
        let is_inside = estimate.low - slack <= actual && actual <= estimate.high + slack;
        self.all += 1;
        self.inside += u32::from(is_inside);
    }

    fn of_all(&self) -> f64 {
        f64::from(self.inside) / f64::from(self.all)
    }
}

/// Drains that go as nobody planned: rates are wrong by a factor that is log-uniform.
pub(super) fn measure(seeds: u64) -> Result<Table> {
    let mut table = Table::new(
        "Share of what happened inside its estimate, a 90 % interval",
        &[
            "Gbit/s, a stream, rates wrong by up to, links carry",
            "seconds",
            "bytes",
            "pause",
            "makespan",
            "aims met",
        ],
    );
    for (gbit, stream) in LINKS {
        for (factor, link_share, wrong) in WRONG {
            let mut shares: [Share; 4] = Default::default();
            for seed in 0..seeds {
                let drain = Drain::new(seed, generate::link(gbit, stream))?;
                count(&drain, seed, (factor, link_share), &mut shares);
            }
            let shares = shares.map(|it| it.of_all());
            let mut row = vec![format!("{gbit}, {stream}, {wrong}")];
            row.extend(shares.map(|it| format!("{it:.3}")));
            row.push(met(shares.iter().all(|it| *it >= AIM)));
            table.row(row);
        }
    }
    Ok(table)
}

fn count(drain: &Drain, seed: u64, (factor, link_share): (f64, f64), shares: &mut [Share; 4]) {
    let mut random = fastrand::Rng::with_seed(seed);
    let numbers = drain.plan.operations.numbers();
    let conditions = Conditions {
        link_share,
        dirty_factors: numbers
            .map(|_| factor.powf(random.f64() * 2.0 - 1.0))
            .collect(),
        ..Conditions::default()
    };
    let outcome = simulate(&drain.fleet, &drain.plan, Policy::Budgets, &conditions);
    let [seconds, bytes, pause, makespan] = shares;
    for (id, operation) in drain.plan.operations.iter() {
        let (course, estimates): (Course, _) = (outcome.courses[id], operation.estimates);
        seconds.count(estimates.seconds, course.ended_at - course.began_at);
        bytes.count(estimates.bytes, course.bytes);
        pause.count(estimates.downtime_seconds, course.downtime_seconds);
    }
    makespan.count(drain.plan.makespan_seconds, outcome.makespan_seconds);
}
