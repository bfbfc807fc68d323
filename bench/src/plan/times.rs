//! How long plans take to make.

use std::time::Instant;

use anyhow::{Result, ensure};
use godwit_planner::fleet::Fleet;
use godwit_planner::generate;
use godwit_planner::lint::lint;
use godwit_planner::plan::{Options, Plan, PlanState, Wish, make};

use super::{empty, met};
use crate::table::{Table, median, percentile};

/// How many hosts are drained, each in a plan of its own.
const DRAINS: usize = 100;

/// The most moves that a server makes on average.
const MOVES: f64 = 1.3;

/// What is planned, and within how many seconds it should be.
pub(super) fn measure() -> Result<Table> {
    let mut table = Table::new(
        "Planning: estimates and bound included; every plan is linted clean",
        &[
            "what",
            "median s",
            "p95 s",
            "aim s",
            "operations",
            "moves a server (bound 1, aim 1.3)",
            "aims met",
        ],
    );
    let link = generate::link(25, 10);
    let (small, large) = (
        generate::fleet(1, 1_000, 5_000, link)?,
        generate::fleet(1, 5_000, 30_000, link)?,
    );
    table.row(one_host(&small)?);
    table.row(anew(&small)?);
    for (fleet, at_a_time, what, aim) in [
        (
            &small,
            1,
            "all of 1,000 hosts, 5,000 servers, one at a time",
            10.0,
        ),
        (
            &small,
            20,
            "all of 1,000 hosts, 5,000 servers, 20 at a time",
            10.0,
        ),
        (
            &large,
            1,
            "all of 5,000 hosts, 30,000 servers, one at a time",
            60.0,
        ),
        (
            &large,
            50,
            "all of 5,000 hosts, 30,000 servers, 50 at a time",
            60.0,
        ),
    ] {
        table.row(rolling(fleet, at_a_time, what, aim)?);
    }
    Ok(table)
}

fn one_host(fleet: &Fleet) -> Result<Vec<String>> {
    let (mut took, mut operations) = (Vec::new(), 0);
    for host in 0..DRAINS {
        let (seconds, plan) = timed(fleet, &empty(host)?)?;
        took.push(seconds);
        operations += plan.operations.len();
    }
    let what = "one of 1,000 hosts, 5,000 servers";
    Ok(row(what, took, 1.0, operations / DRAINS, 1.0))
}

/// The destination of the first server is disabled, and the host is planned for again.
fn anew(fleet: &Fleet) -> Result<Vec<String>> {
    let (mut took, mut operations) = (Vec::new(), 0);
    for host in 0..DRAINS {
        let wish = empty(host)?;
        let plan = make(fleet, &wish, &Options::default())?;
        let first = plan.operations.rows().first();
        let to = first.and_then(|it| it.destination.clone());
        let (mut hosts, servers, groups) = fleet.clone().into_parts();
        for host in hosts
            .iter_mut()
            .filter(|it| Some(&it.host.name) == to.as_ref())
        {
            host.host.disable();
        }
        let changed = Fleet::new(hosts, servers, groups)?;
        let (seconds, plan) = timed(&changed, &wish)?;
        took.push(seconds);
        operations += plan.operations.len();
    }
    Ok(row(
        "the same anew after one change",
        took,
        0.1,
        operations / DRAINS,
        1.0,
    ))
}

fn rolling(fleet: &Fleet, max_unavailable: u32, what: &str, aim: f64) -> Result<Vec<String>> {
    let hosts = fleet.hosts().iter().map(|(_, it)| it.host.name.clone());
    let wish = Wish::Rolling {
        hosts: hosts.collect(),
        max_unavailable,
    };
    let (seconds, plan) = timed(fleet, &wish)?;
    let moves = plan.moves_a_server();
    Ok(row(what, vec![seconds], aim, plan.operations.len(), moves))
}

fn timed(fleet: &Fleet, wish: &Wish) -> Result<(f64, Plan)> {
    let options = Options::default();
    let begin = Instant::now();
    let plan = make(fleet, wish, &options)?;
    let seconds = begin.elapsed().as_secs_f64();
    ensure!(plan.state == PlanState::Ready, "{:?}", plan.blocked);
    let found = lint(fleet, wish, &options, &plan);
    ensure!(found.is_empty(), "the linter found {found:?}");
    Ok((seconds, plan))
}

fn row(what: &str, took: Vec<f64>, aim: f64, operations: usize, moves: f64) -> Vec<String> {
    let slow = percentile(took.clone(), 95);
    vec![
        what.to_owned(),
        format!("{:.4}", median(took)),
        format!("{slow:.4}"),
        aim.to_string(),
        operations.to_string(),
        format!("{moves:.3}"),
        met(slow <= aim && moves <= MOVES),
    ]
}
