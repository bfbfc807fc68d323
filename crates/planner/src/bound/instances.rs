//! The bound beside the best of all schedules, of as many plans as it takes to be sure:
//! `cargo nextest run --profile full --release -p godwit-planner bound::instances`.

use super::*;
use crate::generate;
use crate::optimum;

const INSTANCES: u64 = 10_000;
/// The most servers that one has.
const SERVERS: usize = 8;
/// How many states are looked at for one; where there are more, the best found stands for the best.
const STATES: usize = 400;

/// The best over the bound, and whether it is proven to be the best; `None`: nothing is to be moved,
/// or there is no way.
fn gap(seed: u64) -> Option<(f64, bool)> {
    let (fleet, movers) = generate::few(seed, SERVERS).unwrap();
    let tasks = movers.iter().map(|it| Task {
        server: it.server,
        live: true,
        rebuilt: false,
        destination: it.home,
    });
    let bound = of_moves(&fleet, &tasks.collect::<Vec<_>>());
    let best = optimum::of_moves(&fleet, &movers, STATES);
    assert!(
        bound <= best.seconds,
        "seed {seed}: {bound} s, and {best:?}"
    );
    (best.seconds.is_finite() && bound > 0.0).then(|| (best.seconds / bound, best.exact))
}

/// A quarter of all: a test each, so that they run beside each other.
fn quarter(number: u64) {
    let seeds = (number..INSTANCES).step_by(4);
    let gaps: Vec<(f64, bool)> = seeds.filter_map(gap).collect();
    let exact = gaps.iter().filter(|(_, exact)| *exact).count();
    let mut gaps: Vec<f64> = gaps.into_iter().map(|(gap, _)| gap).collect();
    gaps.sort_by(f64::total_cmp);
    let median = gaps[gaps.len() / 2];
    let count = gaps.len();
    println!("{count} plans, {exact} of them proven; median of best over bound {median:.4}");
    assert!(count > 1_800 && exact > 500, "{count} {exact}");
    assert!(median <= 1.1, "{median}");
}

#[test]
#[cfg_attr(debug_assertions, ignore = "only optimised code gets through so many")]
fn no_schedule_is_faster_in_the_first_quarter() {
    quarter(0);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "only optimised code gets through so many")]
fn no_schedule_is_faster_in_the_second_quarter() {
    quarter(1);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "only optimised code gets through so many")]
fn no_schedule_is_faster_in_the_third_quarter() {
    quarter(2);
}

#[test]
#[cfg_attr(debug_assertions, ignore = "only optimised code gets through so many")]
fn no_schedule_is_faster_in_the_last_quarter() {
    quarter(3);
}
