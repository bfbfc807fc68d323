//! Pre-copy, as one move sees it: pure arithmetic over seconds and bytes.
//!
//! First the copied disks cross the link, then memory, in passes: what the guest changes during
//! one pass is the next. When what is left fits into the allowed downtime, the guest stops, the
//! rest crosses, and it goes on at the destination. A guest that changes memory faster than the
//! link carries it never gets there; then only a pause (nothing changes any more) or post-copy
//! (the guest goes on over there, and its memory follows) brings it to an end.

use std::time::Duration;

use godwit_rpc::progress::{Amounts, Progress};

/// What QEMU allows by default, seconds.
const ALLOWED_DOWNTIME: f64 = 0.3;
/// What stopping and starting costs beside the bytes, seconds.
const SWITCH_TIME: f64 = 0.02;
/// Less than this is nothing, bytes.
const EPSILON: f64 = 0.5;

/// Who executes, and what that means for the passes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Mode {
    /// The guest executes at the source, and changes its memory.
    PreCopy,
    Paused,
    PostCopy,
}

#[derive(Clone, Debug)]
pub(super) struct Transfer {
    mode: Mode,
    memory_total: u64,
    disk_total: Option<u64>,
    disk_left: f64,
    pass_left: f64,
    dirtied: f64,
    sent: f64,
    dirty_rate: f64,
    working_set: f64,
    iteration: u32,
    rate: f64,
    stopped_for: f64,
}

impl Transfer {
    pub(super) fn new(
        memory: u64,
        disk: Option<u64>,
        dirty_rate: u64,
        working_set: u64,
        stands_still: bool,
    ) -> Self {
        Self {
            mode: if stands_still {
                Mode::Paused
            } else {
                Mode::PreCopy
            },
            memory_total: memory,
            disk_total: disk,
            disk_left: float(disk.unwrap_or(0)),
            pass_left: float(memory),
            dirtied: 0.0,
            sent: 0.0,
            dirty_rate: float(dirty_rate),
            working_set: float(working_set.min(memory)),
            iteration: 1,
            rate: 0.0,
            stopped_for: 0.0,
        }
    }

    pub(super) fn mode(&self) -> Mode {
        self.mode
    }

    /// Do disks go along?
    pub(super) fn copies_disks(&self) -> bool {
        self.disk_total.is_some()
    }

    /// Have the copied disks crossed, if there are any?
    pub(super) fn disks_are_there(&self) -> bool {
        self.disk_left <= EPSILON
    }

    /// How much of the first pass is done, 0 to 1; 1 from then on.
    pub(super) fn first_pass(&self) -> f64 {
        if self.iteration > 1 || self.memory_total == 0 {
            1.0
        } else {
            1.0 - self.pass_left / float(self.memory_total)
        }
    }

    /// Nothing changes any more: what was changed so far joins the last pass.
    pub(super) fn stand_still(&mut self, mode: Mode) {
        self.mode = mode;
        self.pass_left += self.dirtied;
        self.dirtied = 0.0;
    }

    /// Seconds until something happens at this rate; `None`: never.
    pub(super) fn next_event(&self, rate: f64, held: bool) -> Option<f64> {
        if rate <= 0.0 {
            return None;
        }
        if self.disk_left > EPSILON {
            return Some(self.disk_left / rate);
        }
        if self.pass_left > EPSILON {
            return Some(self.pass_left / rate);
        }
        (!held).then_some(0.0)
    }

    /// Lets `seconds` pass, which must not be beyond the next event. Returns whether the move is
    /// complete.
    pub(super) fn advance(&mut self, seconds: f64, rate: f64, held: bool) -> bool {
        self.rate = rate;
        let bytes = seconds * rate;
        if self.mode == Mode::PreCopy {
            self.dirtied = (self.dirtied + seconds * self.dirty_rate).min(self.working_set);
        } else {
            self.stopped_for += seconds;
        }
        if self.disk_left > EPSILON {
            self.disk_left = (self.disk_left - bytes).max(0.0);
            if self.disk_left <= EPSILON {
                // Memory was not sent yet: whatever was changed is part of the first pass.
                self.dirtied = 0.0;
            }
            return false;
        }
        self.sent += bytes.min(self.pass_left);
        self.pass_left = (self.pass_left - bytes).max(0.0);
        rate > 0.0 && self.pass_left <= EPSILON && self.end_pass(rate, held)
    }

    fn end_pass(&mut self, rate: f64, held: bool) -> bool {
        match self.mode {
            Mode::Paused | Mode::PostCopy => !held,
            Mode::PreCopy if !held && self.dirtied / rate <= ALLOWED_DOWNTIME => {
                self.stopped_for = self.dirtied / rate + SWITCH_TIME;
                self.sent += self.dirtied;
                self.dirtied = 0.0;
                true
            }
            Mode::PreCopy => {
                // A held move keeps passing over what little there is.
                self.pass_left = self.dirtied.max(rate * ALLOWED_DOWNTIME);
                self.dirtied = 0.0;
                self.iteration = self.iteration.saturating_add(1);
                false
            }
        }
    }

    pub(super) fn progress(&self) -> Progress {
        let disk = self.disk_total.map(|total| {
            let remaining = whole(self.disk_left).min(total);
            Amounts {
                total,
                processed: total - remaining,
                remaining,
            }
        });
        let expected = if self.rate > 0.0 {
            self.dirtied / self.rate + SWITCH_TIME
        } else {
            0.0
        };
        let downtime = match self.mode {
            Mode::PreCopy if self.stopped_for > 0.0 => self.stopped_for,
            Mode::PreCopy => expected,
            Mode::Paused => self.stopped_for,
            Mode::PostCopy => SWITCH_TIME,
        };
        Progress {
            memory: Amounts {
                total: self.memory_total,
                processed: whole(self.sent),
                remaining: whole(self.pass_left + self.dirtied).min(self.memory_total),
            },
            disk,
            dirty_rate: if self.mode == Mode::PreCopy {
                whole(self.dirty_rate)
            } else {
                0
            },
            throughput: whole(self.rate),
            downtime: Some(Duration::from_secs_f64(downtime)),
            iteration: self.iteration,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a model; 2^53 bytes are plenty")]
fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates, and these are not negative"
)]
fn whole(bytes: f64) -> u64 {
    bytes.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    /// Lets a transfer run at `rate` for at most `limit` events; returns seconds taken.
    fn run(transfer: &mut Transfer, rate: f64, limit: usize) -> Option<f64> {
        let mut taken = 0.0;
        for _ in 0..limit {
            let seconds = transfer.next_event(rate, false)?;
            taken += seconds;
            if transfer.advance(seconds, rate, false) {
                return Some(taken);
            }
        }
        None
    }

    #[test]
    fn a_quiet_guest_takes_as_long_as_its_memory() {
        let mut transfer = Transfer::new(1024 * MIB, None, 0, 0, false);
        let taken = run(&mut transfer, float(100 * MIB), 10).unwrap();
        assert!((taken - 10.24).abs() < 0.01, "{taken}");
        let progress = transfer.progress();
        assert_eq!(progress.memory.processed, 1024 * MIB);
        assert_eq!(progress.memory.remaining, 0);
    }

    #[test]
    fn a_busy_guest_sends_pages_again() {
        let mut transfer = Transfer::new(1024 * MIB, None, 50 * MIB, 512 * MIB, false);
        run(&mut transfer, float(100 * MIB), 50).unwrap();
        let progress = transfer.progress();
        assert!(progress.memory.processed > progress.memory.total);
        assert!(progress.iteration > 1);
        assert!(progress.downtime.unwrap() <= Duration::from_millis(320));
    }

    #[test]
    fn a_guest_faster_than_its_link_never_ends_until_it_stands_still() {
        for mode in [Mode::Paused, Mode::PostCopy] {
            let mut transfer = Transfer::new(1024 * MIB, None, 200 * MIB, 512 * MIB, false);
            assert_eq!(run(&mut transfer, float(100 * MIB), 1000), None);
            transfer.stand_still(mode);
            let taken = run(&mut transfer, float(100 * MIB), 10).unwrap();
            assert!((0.3..12.0).contains(&taken), "{taken}");
        }
    }

    #[test]
    fn disks_cross_first() {
        let mut transfer = Transfer::new(100 * MIB, Some(1000 * MIB), 10 * MIB, 50 * MIB, false);
        let rate = float(100 * MIB);
        assert!(!transfer.advance(5.0, rate, false));
        let progress = transfer.progress();
        assert_eq!(progress.disk.unwrap().remaining, 500 * MIB);
        assert_eq!(progress.memory.processed, 0);
        let taken = run(&mut transfer, rate, 10).unwrap();
        assert!((taken - 6.0).abs() < 0.2, "{taken}");
    }

    #[test]
    fn a_held_move_does_not_end() {
        let mut transfer = Transfer::new(100 * MIB, None, 0, 0, false);
        let rate = float(100 * MIB);
        for _ in 0..100 {
            let seconds = transfer.next_event(rate, true).unwrap();
            assert!(!transfer.advance(seconds, rate, true));
        }
        assert!(run(&mut transfer, rate, 2).is_some());
    }

    #[test]
    fn without_a_link_nothing_happens() {
        let transfer = Transfer::new(100 * MIB, None, 0, 0, false);
        assert_eq!(transfer.next_event(0.0, false), None);
    }
}
