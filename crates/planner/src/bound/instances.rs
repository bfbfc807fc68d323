//! The bound beside the best of all schedules of as many plans as it takes to be sure.

use super::*;
use crate::generate;
use crate::optimum;

const INSTANCES: u64 = 10_000;
/// The most servers that one has.
const SERVERS: usize = 8;
/// How many states are looked at for one; where there are more, the best found stands for the best.
const STATES: usize = 400;
const THREADS: u64 = 4;

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

#[test]
fn no_schedule_of_ten_thousand_plans_is_faster() {
    let share = |first| (first..INSTANCES).step_by(THREADS as usize).filter_map(gap);
    let gaps: Vec<(f64, bool)> = std::thread::scope(|scope| {
        let threads =
            (0..THREADS).map(|first| scope.spawn(move || share(first).collect::<Vec<_>>()));
        let threads: Vec<_> = threads.collect();
        let found = threads.into_iter().flat_map(|it| it.join().unwrap());
        found.collect()
    });
    let exact = gaps.iter().filter(|(_, exact)| *exact).count();
    let mut gaps: Vec<f64> = gaps.into_iter().map(|(gap, _)| gap).collect();
    gaps.sort_by(f64::total_cmp);
    let median = gaps[gaps.len() / 2];
    println!(
        "{} plans, {exact} of them proven; median {median:.4}",
        gaps.len()
    );
    assert!(
        gaps.len() > 8_000 && exact > 3_000,
        "{} {exact}",
        gaps.len()
    );
    assert!(median <= 1.1, "{median}");
}
