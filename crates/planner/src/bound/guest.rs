//! The least that one guest takes.

/// What preparing a destination takes at least, in seconds.
pub(super) const PREPARE: f64 = 3.0;
/// The longest pause that a guest is allowed, in seconds.
pub(super) const LONGEST_PAUSE: f64 = 0.3;
/// Rounds that are counted; further ones would only take longer.
const COUNTED: u32 = 10_000;

/// What one move of it sends, and for how long.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Sent {
    pub(super) bytes: f64,
    pub(super) seconds: f64,
}

/// A guest may go by way of a third host, whose link is another one: so leaving its host and coming
/// to the one it has to go to are counted apart.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub(super) struct Least {
    pub(super) leaves: Sent,
    pub(super) comes: Sent,
    pub(super) memory: f64,
    pub(super) dirty: f64,
}

impl Least {
    pub(super) fn seconds(&self) -> f64 {
        self.leaves.seconds.max(self.comes.seconds)
    }

    pub(super) fn bytes(&self) -> f64 {
        self.leaves.bytes.max(self.comes.bytes)
    }
}

impl Sent {
    pub(super) fn of(bytes: f64, memory: f64, dirty: f64, rate: f64) -> Self {
        let mut sent = bytes;
        let mut volume = bytes;
        let mut counted = 0;
        while volume > rate * LONGEST_PAUSE && counted < COUNTED {
            volume = memory.min(volume * dirty / rate);
            sent += volume;
            counted += 1;
            if dirty >= rate {
                break;
            }
        }
        Self {
            bytes: sent,
            seconds: sent / rate,
        }
    }
}
