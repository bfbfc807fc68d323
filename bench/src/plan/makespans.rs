//! How long drains take, over the lower bound.

use anyhow::{Result, ensure};
use godwit_planner::fleet::{Fleet, Link};
use godwit_planner::generate;
use godwit_planner::lint::lint;
use godwit_planner::plan::{Operation, Options, Plan, make};
use godwit_planner::simulate::{Conditions, Course, Outcome, Policy, simulate};

use super::{empty, met, worst};
use crate::table::{Table, median, percentile};

const POLICIES: [(Policy, &str); 8] = [
    (Policy::Budgets, "Godwit"),
    (Policy::Executed, "as conductors do it"),
    (Policy::Fixed(1), "1 at a time"),
    (Policy::Fixed(2), "2 at a time"),
    (Policy::Fixed(5), "5 at a time"),
    (Policy::Fixed(8), "8 at a time"),
    (Policy::Batches(10), "batches of 10"),
    (Policy::OneTransfer, "all prepared, 1 transfers"),
];
/// Gbit/s of each host, and of one stream at most.
pub(super) const LINKS: [(u64, u64); 6] =
    [(10, 10), (25, 10), (100, 10), (10, 3), (25, 3), (100, 3)];
/// A shorter pause than this is not told from none.
const LEAST_PAUSE_SECONDS: f64 = 0.001;

/// A drain of a seed, as it is planned.
pub(super) struct Drain {
    pub(super) fleet: Fleet,
    pub(super) plan: Plan,
}

impl Drain {
    pub(super) fn new(seed: u64, link: Link) -> Result<Self> {
        // What never converges alone is blocked.
        let options = Options {
            allow_partial: true,
            ..Options::default()
        };
        let (fleet, wish) = (generate::drain(seed, link)?, empty(0)?);
        let plan = make(&fleet, &wish, &options)?;
        let found = lint(&fleet, &wish, &options, &plan);
        ensure!(found.is_empty(), "seed {seed}: the linter found {found:?}");
        Ok(Self { fleet, plan })
    }

    /// Its pause over what it would be if it moved alone.
    fn pause(&self, operation: &Operation, course: &Course) -> Option<f64> {
        let server = self.fleet.server_no(operation.server)?;
        let source = self.fleet.host_no(&operation.source)?;
        let to = self.fleet.host_no(operation.destination.as_ref()?)?;
        let guest = self.fleet.guest(server, source, to);
        let alone = guest.alone(self.fleet.stream_limit(source, to))?;
        Some(course.downtime_seconds / alone.pause_seconds.max(LEAST_PAUSE_SECONDS))
    }

    fn pauses(&self, outcome: &Outcome) -> Vec<f64> {
        let operations = self.plan.operations.iter();
        let pauses = operations.filter_map(|(id, it)| self.pause(it, &outcome.courses[id]));
        pauses.collect()
    }
}

/// 40 servers of 2 to 64 GiB leave one host for ten others.
pub(super) fn measure(seeds: u64) -> Result<Table> {
    let mut table = Table::new(
        "Makespan of a drain over its lower bound (aim: 1.10, 1.25, 1.5; pause 1.1; nobody stalls)",
        &[
            "Gbit/s, a stream, who",
            "median",
            "p95",
            "worst",
            "pause over alone p95",
            "stalled",
            "aims met",
        ],
    );
    for (gbit, stream) in LINKS {
        let link = generate::link(gbit, stream);
        let drains = (0..seeds).map(|seed| Drain::new(seed, link));
        let drains = drains.collect::<Result<Vec<_>>>()?;
        for (policy, name) in POLICIES {
            let (mut ratios, mut pauses, mut stalled) = (Vec::new(), Vec::new(), 0);
            for drain in &drains {
                let conditions = Conditions::default();
                let outcome = simulate(&drain.fleet, &drain.plan, policy, &conditions);
                let ratio = outcome.makespan_seconds / drain.plan.lower_bound_seconds;
                ensure!(
                    ratio >= 1.0,
                    "{name} is faster than the lower bound: {ratio}"
                );
                ratios.push(ratio);
                pauses.extend(drain.pauses(&outcome));
                stalled += outcome
                    .courses
                    .rows()
                    .iter()
                    .filter(|it| it.stalled)
                    .count();
            }
            let (middle, slow) = (median(ratios.clone()), percentile(ratios.clone(), 95));
            let (worst, pause) = (worst(&ratios), percentile(pauses, 95));
            let is_met = middle <= 1.10 && slow <= 1.25 && worst <= 1.5;
            let is_met = is_met && pause <= 1.1 && stalled == 0;
            table.row(vec![
                format!("{gbit}, {stream}, {name}"),
                format!("{middle:.3}"),
                format!("{slow:.3}"),
                format!("{worst:.3}"),
                format!("{pause:.2}"),
                stalled.to_string(),
                met(is_met),
            ]);
        }
    }
    Ok(table)
}

/// The same where guests dirty a quarter to four times of what is believed, and links carry 60 %
/// of what is said: over the bound of what is really there.
pub(super) fn with_wrong_beliefs(seeds: u64) -> Result<Table> {
    let mut table = Table::new(
        "The same, with dirty rates wrong by a quarter to four times, links at 60 % (aim: 1.3)",
        &[
            "Gbit/s, a stream",
            "median",
            "p95",
            "worst",
            "drains with a guest that cannot end",
            "aim met",
        ],
    );
    for (gbit, stream) in LINKS {
        let (mut ratios, mut endless) = (Vec::new(), 0);
        for seed in 0..seeds {
            match wrong(seed, generate::link(gbit, stream))? {
                Some(ratio) => ratios.push(ratio),
                None => endless += 1,
            }
        }
        table.row(vec![
            format!("{gbit}, {stream}"),
            format!("{:.3}", median(ratios.clone())),
            format!("{:.3}", percentile(ratios.clone(), 95)),
            format!("{:.3}", worst(&ratios)),
            endless.to_string(),
            met(median(ratios) <= 1.3),
        ]);
    }
    Ok(table)
}

fn wrong(seed: u64, link: Link) -> Result<Option<f64>> {
    let drain = Drain::new(seed, link)?;
    let mut random = fastrand::Rng::with_seed(seed);
    let numbers = drain.plan.operations.numbers();
    let factors: Vec<_> = numbers
        .map(|_| 4_f64.powf(random.f64() * 2.0 - 1.0))
        .collect();
    let conditions = Conditions {
        link_share: 0.6,
        dirty_factors: factors.clone(),
        ..Conditions::default()
    };
    let planned = drain.plan.operations.rows().iter();
    let factors: std::collections::HashMap<_, _> =
        planned.map(|it| it.server).zip(factors).collect();
    let outcome = simulate(&drain.fleet, &drain.plan, Policy::Budgets, &conditions);
    let blocked = drain.plan.blocked.len();
    let (mut hosts, mut servers, groups) = drain.fleet.into_parts();
    for host in &mut hosts {
        for rate in [
            &mut host.link.bytes_per_second,
            &mut host.link.stream_bytes_per_second,
        ] {
            *rate = *rate * 6 / 10;
        }
    }
    for server in &mut servers {
        if let (Some(dirty), Some(factor)) = (
            server.dirty_bytes_per_second.as_mut(),
            factors.get(&server.need.server),
        ) {
            *dirty = (*dirty as f64 * factor) as u64;
        }
    }
    let really = Fleet::new(hosts, servers, groups)?;
    let options = Options {
        allow_partial: true,
        ..Options::default()
    };
    let best = make(&really, &empty(0)?, &options)?;
    let same = best.blocked.len() == blocked;
    Ok(same.then_some(outcome.makespan_seconds / best.lower_bound_seconds))
}
