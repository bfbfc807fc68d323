//! How long a running migration may take before its time-out action: in proportion to what
//! has to be moved, as in Nova (`contract: state-machine.md §6`).

use std::time::Duration;

/// The least amount that memory and each copied disk count for, in GiB.
const FLOOR_GIB: f64 = 2.0;
const BYTES_PER_MIB: u64 = 1 << 20;
const BYTES_PER_GIB: f64 = 1_073_741_824.0;

/// The limit for a guest of `memory_mb` MiB whose copied disks have the given sizes in bytes,
/// at `per_gib` for each GiB; cut to whole seconds. Zero, which means no limit, stays zero.
pub fn limit(per_gib: Duration, memory_mb: u64, copied_disks: &[u64]) -> Duration {
    let memory = gib(memory_mb.saturating_mul(BYTES_PER_MIB)).max(FLOOR_GIB);
    let disks: f64 = copied_disks
        .iter()
        .map(|bytes| gib(*bytes).max(FLOOR_GIB))
        .sum();
    let seconds = (per_gib.as_secs_f64() * (memory + disks)).floor();
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a limit need not be exact to the byte"
)]
fn gib(bytes: u64) -> f64 {
    bytes as f64 / BYTES_PER_GIB
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOVA: Duration = Duration::from_secs(800);
    const GIB: u64 = 1 << 30;

    #[test]
    fn small_guests_count_as_two_gib() {
        assert_eq!(limit(NOVA, 64, &[]), Duration::from_secs(1_600));
        assert_eq!(limit(NOVA, 2_048, &[]), Duration::from_secs(1_600));
    }

    #[test]
    fn memory_counts_with_its_fraction() {
        assert_eq!(limit(NOVA, 2_049, &[]), Duration::from_secs(1_600));
        assert_eq!(limit(NOVA, 2_560, &[]), Duration::from_secs(2_000));
        assert_eq!(limit(NOVA, 8_192, &[]), Duration::from_secs(6_400));
    }

    #[test]
    fn every_copied_disk_counts_two_gib_at_least() {
        assert_eq!(
            limit(NOVA, 64, &[GIB, 3 * GIB]),
            Duration::from_secs(800 * 7)
        );
    }

    #[test]
    fn no_limit_stays_none() {
        assert_eq!(limit(Duration::ZERO, 8_192, &[GIB]), Duration::ZERO);
    }

    #[test]
    fn absurd_sizes_do_not_overflow() {
        assert!(limit(Duration::MAX, u64::MAX, &[u64::MAX; 9]) > NOVA);
    }
}
