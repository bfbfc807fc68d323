//! One guest on its way, in rounds.

use super::Mover;
use crate::fleet::Fleet;
use crate::table::HostNo;

pub(super) const PREPARE: f64 = 3.0;
const PAUSE: f64 = 0.3;
/// A guest that is not through after so many rounds at one rate is taken never to be.
const ROUNDS: usize = 2_000;

#[derive(Clone, Copy, Debug)]
pub(super) struct Guest {
    memory: f64,
    dirty: f64,
    /// Of this round.
    left: f64,
    dirtied: f64,
    /// Has this round sent anything yet?
    fresh: bool,
    paused: bool,
}

impl Guest {
    pub(super) fn of(fleet: &Fleet, movers: &[Mover], no: usize, to: HostNo) -> Self {
        let server = movers.get(no).map(|it| &fleet.servers()[it.server]);
        let pools = &fleet.hosts()[to].host.pools;
        let memory = server.map_or(0.0, |it| it.memory_bytes as f64);
        let copied = server.filter(|it| it.need.room_at(pools).disk_gb > 0);
        let disks = copied.map_or(0.0, |it| it.disk_bytes as f64);
        let dirty = server.and_then(|it| it.dirty_bytes_per_second);
        Self {
            memory,
            dirty: dirty.unwrap_or(20_000_000) as f64,
            left: memory + disks,
            dirtied: 0.0,
            fresh: true,
            paused: false,
        }
    }

    /// Until it has ended, at `rate` bytes per second.
    pub(super) fn seconds(self, rate: f64) -> f64 {
        let (mut guest, mut seconds) = (self, 0.0);
        if rate <= 0.0 {
            return f64::INFINITY;
        }
        for _ in 0..ROUNDS {
            guest.pause_if_possible(rate);
            let round = guest.left / rate;
            seconds += round;
            if guest.paused {
                return seconds;
            }
            guest = guest.next_round(round);
        }
        f64::INFINITY
    }

    /// Once `seconds` have passed, in which it does not end.
    pub(super) fn after(self, rate: f64, seconds: f64) -> Self {
        let (mut guest, mut seconds) = (self, seconds);
        loop {
            guest.pause_if_possible(rate);
            let round = if rate > 0.0 {
                guest.left / rate
            } else {
                f64::INFINITY
            };
            if round > seconds || guest.paused {
                guest.left = (guest.left - rate * seconds).max(0.0);
                if !guest.paused {
                    guest.dirtied = (guest.dirtied + guest.dirty * seconds).min(guest.memory);
                }
                return guest;
            }
            seconds -= round;
            guest = guest.next_round(round);
        }
    }

    fn pause_if_possible(&mut self, rate: f64) {
        if self.fresh && rate > 0.0 {
            self.fresh = false;
            self.paused = self.left <= rate * PAUSE;
        }
    }

    fn next_round(self, seconds: f64) -> Self {
        Self {
            left: (self.dirtied + self.dirty * seconds).min(self.memory),
            dirtied: 0.0,
            fresh: true,
            ..self
        }
    }

    /// What this round still has to send.
    pub(super) fn left(self) -> f64 {
        self.left
    }
}
