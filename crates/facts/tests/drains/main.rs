//! Hosts that are emptied while all kinds of things happen to them: nobody is stopped whom nobody asked
//! to stop.
//!
//! It is decided by what decides in a service: the maintenance and the runs of core, and plans of the
//! planner. What a store, conductors and agents do about that is played, each thing when it likes.
//! `DRAINS` says how many; `scripts/soak drains` asks for many.

mod blockers;
mod runs;
mod settle;
mod story;
mod world;

use std::time::Instant;

use self::story::{Seen, story};

/// Those among the other tests.
const SLICE: u64 = 1_000;

#[test]
fn nobody_is_stopped_whom_nobody_asked_to_stop() {
    let count = std::env::var("DRAINS").map_or(SLICE, |it| it.parse().unwrap());
    let begun = Instant::now();
    let threads = std::thread::available_parallelism().map_or(1, |it| it.get() as u64);
    let seen = std::thread::scope(|scope| {
        let share = |thread| {
            scope.spawn(move || (thread..count).step_by(threads as usize).map(story).sum())
        };
        let shares: Vec<_> = (0..threads).map(share).collect();
        shares
            .into_iter()
            .map(|it| it.join().unwrap())
            .sum::<Seen>()
    });
    println!(
        "{count} drains in {:.1} s: {seen:#?}",
        begun.elapsed().as_secs_f64()
    );
    assert_eq!((seen.stopped_unasked, seen.left_off), (0, 0));
    seen.assert_everything_happens(count);
}
