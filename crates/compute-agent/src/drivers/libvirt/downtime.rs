//! How long a guest may stand still at its hand-over: little at first, more as the move drags on
//! (`contract: state-machine.md §6`). Pure.

use std::time::Duration;

use super::config::Downtime;

const GIB: f64 = (1_u64 << 30) as f64;
/// Nothing counts as smaller than this.
const FLOOR_GIB: f64 = 2.0;

/// What a move sends, GiB, as the staircase counts: at least 2 for memory and for each disk.
pub(super) fn size_gib(memory_bytes: u64, copied_disks: impl Iterator<Item = u64>) -> f64 {
    let floored = |bytes: u64| (bytes as f64 / GIB).max(FLOOR_GIB);
    floored(memory_bytes) + copied_disks.map(floored).sum::<f64>()
}

/// The downtime that is permitted `elapsed` after the beginning, milliseconds.
pub(super) fn permitted(config: &Downtime, gib: f64, elapsed: Duration) -> u64 {
    let delay = (config.delay_seconds as f64 * gib).floor().max(1.0);
    let steps = f64::from(config.steps);
    let last = config.milliseconds as f64;
    let base = last / steps;
    let offset = (last - base) / steps;
    let reached = (elapsed.as_secs_f64() / delay).floor().min(steps);
    (base + offset * reached).max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_climb_as_novas_do() {
        let config = Downtime::default();
        let at = |seconds| permitted(&config, 2.0, Duration::from_secs(seconds));
        assert_eq!(at(0), 50);
        assert_eq!(at(149), 50);
        assert_eq!(at(150), 95);
        assert_eq!(at(300), 140);
        assert_eq!(at(1500), 500);
        assert_eq!(at(1_000_000), 500);
    }

    #[test]
    fn small_things_count_two_gib_each() {
        assert_eq!(size_gib(1 << 20, std::iter::empty()), 2.0);
        assert_eq!(size_gib(8 << 30, [1 << 20, 10 << 30].into_iter()), 20.0);
    }
}
