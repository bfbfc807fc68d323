//! How long a guest's memory takes over a stream, and what that costs.
//!
//! Memory is sent in rounds: first all of it, then what the guest dirtied during the round
//! before. Once what is left can be sent within the pause that is allowed, the guest is paused
//! and the rest follows.

/// The pause that is allowed unless somebody says otherwise, in seconds: libvirt's default.
pub const DOWNTIME_LIMIT_SECONDS: f64 = 0.3;
/// What making a destination ready takes.
pub const PREPARE_SECONDS: f64 = 3.0;
/// A guest that is not through after so many rounds never is.
const ROUNDS: u32 = 20_000;

/// What a stream has to carry.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Guest {
    /// Memory, and the disks that are copied.
    pub bytes: f64,
    /// No more than this is ever dirty.
    pub memory: f64,
    /// Bytes per second.
    pub dirty: f64,
}

/// A move that has its stream for itself.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Alone {
    pub bytes: f64,
    /// The pause included.
    pub seconds: f64,
    pub pause_seconds: f64,
}

impl Guest {
    /// What is dirty after a round of so many seconds.
    pub fn dirtied_in(&self, seconds: f64) -> f64 {
        (self.dirty * seconds).min(self.memory)
    }

    /// At `rate` bytes per second; `None` if it would never end.
    pub fn alone(&self, rate: f64) -> Option<Alone> {
        let at_once = rate * DOWNTIME_LIMIT_SECONDS;
        if self.dirty >= rate && self.bytes > at_once && self.memory > at_once {
            return None;
        }
        let mut left = self.bytes;
        let mut bytes = 0.0;
        for _ in 0..ROUNDS {
            let seconds = left / rate;
            bytes += left;
            if seconds <= DOWNTIME_LIMIT_SECONDS {
                return Some(Alone {
                    bytes,
                    seconds: bytes / rate,
                    pause_seconds: seconds,
                });
            }
            left = self.dirtied_in(seconds);
        }
        None
    }
}

impl Guest {
    /// Does it ever end at `rate`?
    pub fn ends(&self, rate: f64) -> bool {
        self.dirty * 2.0 < rate || self.alone(rate).is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: f64 = (1_u64 << 30) as f64;

    fn guest(dirty: f64) -> Guest {
        Guest {
            bytes: GIB,
            memory: GIB,
            dirty,
        }
    }

    #[test]
    fn an_idle_guest_sends_its_memory_once() {
        let alone = guest(0.0).alone(GIB / 10.0).unwrap();
        assert!((alone.seconds - 10.0).abs() < 1e-9);
        assert!(alone.pause_seconds.abs() < 1e-9);
    }

    #[test]
    fn a_busy_guest_sends_twice_its_bytes_at_a_quarter_of_a_link_and_never_ends_at_a_seventh() {
        let quarter = guest(0.2e9).alone(1.25e9 / 4.0).unwrap();
        assert!((2.0..2.8).contains(&(quarter.bytes / GIB)));
        assert_eq!(guest(0.2e9).alone(1.25e9 / 7.0), None);
    }

    #[test]
    fn a_faster_stream_never_takes_longer_nor_sends_more() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let guest = guest(random.f64() * 4e8);
            let rate = 4.1e8 + random.f64() * 1e9;
            let slow = guest.alone(rate).unwrap();
            let fast = guest.alone(rate * (1.0 + random.f64())).unwrap();
            assert!(fast.seconds <= slow.seconds && fast.bytes <= slow.bytes * (1.0 + 1e-9));
        }
    }
}
