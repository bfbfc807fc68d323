//! Which prepared moves transfer now, and how fast.
//!
//! As few streams as fill a link. A guest that shares its link sends what it dirties meanwhile
//! again, so two at half the speed are later than one after the other; but whatever one stream
//! leaves of a link is lost unless another takes it. So:
//!
//! - A stream gets all that it can carry, in the order of [`rates`]; the last one what is left.
//! - Guests in their last rounds come first: the pause is as short as if they were alone.
//! - Then those that dirty much, as they lose most when they are slow, then those that have
//!   longest to go, as whoever is last is alone on the link.
//! - One more begins only where what is left is [`worth_starting`] with, or one that can do with
//!   less gives way to it ([`begins`]).
//! - Destinations are made ready ahead of time, so many for each source ([`AHEAD`]).
//!
//! This is what whoever can tell each stream how fast to be would do. Who begins where nobody can
//! is in [`crate::schedule`], by the same rules.

use std::cmp::Reverse;
use std::collections::HashMap;

use crate::fleet::Fleet;
use crate::precopy::{DOWNTIME_LIMIT_SECONDS, Guest};
use crate::table::HostNo;

/// How many moves of one source are ready to transfer, or being made so.
pub const AHEAD: usize = 16;
/// A stream that can only have a smaller share of its limit does not begin.
const LEAST_SHARE: f64 = 0.1;
/// Nor does one that would send what it has once more and again.
const MOST_DIRTY_SHARE: f64 = 0.25;
/// By how much a pause may exceed what it would be alone.
const LONGER_PAUSE: f64 = 1.05;
const LEAST_PAUSE_SECONDS: f64 = 0.0005;

/// A transfer, as far as it is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Stream {
    pub source: HostNo,
    pub destination: HostNo,
    /// Bytes per second that it can carry.
    pub limit: f64,
    pub dirty: f64,
    /// With all that it can carry.
    pub seconds_left: f64,
    /// Has it sent everything once?
    pub last_rounds: bool,
}

/// What the links of hosts carry.
pub trait Links {
    /// In each direction, in bytes per second; infinite where nobody knows.
    fn bytes_per_second(&self, host: HostNo) -> f64;
}

impl Links for Fleet {
    fn bytes_per_second(&self, host: HostNo) -> f64 {
        self.hosts()[host].link.bytes_per_second as f64
    }
}

/// What is left of each link.
pub struct Budgets<'f> {
    links: &'f dyn Links,
    /// Of what links are said to carry.
    share: f64,
    outgoing: HashMap<HostNo, f64>,
    incoming: HashMap<HostNo, f64>,
}

impl<'f> Budgets<'f> {
    pub fn new(links: &'f dyn Links, share: f64) -> Self {
        Self {
            links,
            share,
            outgoing: HashMap::new(),
            incoming: HashMap::new(),
        }
    }

    fn whole(&self, host: HostNo) -> f64 {
        self.links.bytes_per_second(host) * self.share
    }

    /// What is left between two hosts, for a stream that carries `limit` at most.
    pub fn left(&self, source: HostNo, destination: HostNo, limit: f64) -> f64 {
        limit
            .min(self.outgoing(source))
            .min(self.incoming(destination))
    }

    /// What a host can still send.
    pub fn outgoing(&self, source: HostNo) -> f64 {
        let left = self.outgoing.get(&source).copied();
        left.unwrap_or_else(|| self.whole(source))
    }

    /// What a host can still receive.
    pub fn incoming(&self, destination: HostNo) -> f64 {
        let left = self.incoming.get(&destination).copied();
        left.unwrap_or_else(|| self.whole(destination))
    }

    pub fn take(&mut self, source: HostNo, destination: HostNo, rate: f64) {
        let (outgoing, incoming) = (self.whole(source), self.whole(destination));
        let left = self.outgoing.entry(source).or_insert(outgoing);
        *left = (*left - rate).max(0.0);
        let left = self.incoming.entry(destination).or_insert(incoming);
        *left = (*left - rate).max(0.0);
    }
}

impl Stream {
    /// Does it lose much where it is slow?
    pub fn is_busy(&self) -> bool {
        self.dirty > self.limit * LEAST_SHARE
    }

    /// Who comes before whom.
    fn place(&self) -> (Reverse<bool>, Reverse<bool>, Reverse<u64>) {
        let busy = self.is_busy();
        // Times are positive, and the bits of positive numbers are in their order.
        let left = self.seconds_left.max(0.0).to_bits();
        (Reverse(self.last_rounds), Reverse(busy), Reverse(left))
    }
}

/// Bytes per second for each stream, taken from `budgets`.
pub fn rates(budgets: &mut Budgets<'_>, streams: &[Stream]) -> Vec<f64> {
    let mut order: Vec<_> = streams.iter().enumerate().collect();
    order.sort_by_key(|(at, stream)| (stream.place(), *at));
    let mut rates = vec![0.0; streams.len()];
    for (at, stream) in order {
        let rate = budgets.left(stream.source, stream.destination, stream.limit);
        budgets.take(stream.source, stream.destination, rate);
        if let Some(place) = rates.get_mut(at) {
            *place = rate;
        }
    }
    rates
}

/// Does one more stream begin beside those that its source sends, each with its rate? It does
/// if what is left is [`worth_starting`] with, or if it comes before the last of them and that one
/// can do with what then remains to it.
pub fn begins(budgets: &mut Budgets<'_>, sent: &mut Vec<(Stream, f64)>, new: &Stream) -> bool {
    let left = budgets.left(new.source, new.destination, new.limit);
    if worth_starting(left, new.limit, new.dirty) {
        budgets.take(new.source, new.destination, left);
        sent.push((*new, left));
        return true;
    }
    let last = sent.iter_mut().max_by_key(|(stream, _)| stream.place());
    let Some((last, rate)) = last.filter(|(last, _)| new.place() < last.place()) else {
        return false;
    };
    let outgoing = budgets.outgoing(new.source);
    let remains = outgoing + *rate - new.limit;
    let gives_way = budgets.incoming(new.destination) >= new.limit
        && worth_starting(remains, last.limit, last.dirty);
    if gives_way {
        *rate = remains;
        budgets.take(new.source, new.destination, outgoing);
        sent.push((*new, new.limit));
    }
    gives_way
}

/// Adds to the weight of each the heaviest that waits for it, and so on: long ones first, and first
/// those that others wait for. `after` has for each the places of those, before its own, that it
/// waits for; `cost` is what it costs to begin one.
pub fn weigh(weights: &mut [u64], after: &[&[usize]], cost: u64) {
    let mut heaviest = vec![0_u64; weights.len()];
    for at in (0..weights.len()).rev() {
        let behind = heaviest.get(at).copied().unwrap_or_default();
        let Some(weight) = weights.get_mut(at) else {
            continue;
        };
        *weight = weight.saturating_add(behind);
        let weight = weight.saturating_add(cost);
        for earlier in after.get(at).copied().unwrap_or_default() {
            if let Some(place) = heaviest.get_mut(*earlier) {
                *place = (*place).max(weight);
            }
        }
    }
}

/// Does a guest that dirties so much begin, if `left` is what its stream gets of its limit?
pub fn worth_starting(left: f64, limit: f64, dirty: f64) -> bool {
    let whole = left >= limit * 0.999;
    whole || (left >= limit * LEAST_SHARE && dirty <= left * MOST_DIRTY_SHARE)
}

/// The pause that a guest is allowed, in seconds: about what it would be alone, so that a guest
/// whose stream was slow at first sends a round more in place of pausing for longer.
pub fn pause_allowed(guest: &Guest, limit: f64) -> f64 {
    let alone = guest.alone(limit);
    let pause = alone.map_or(DOWNTIME_LIMIT_SECONDS, |alone| alone.pause_seconds);
    (pause * LONGER_PAUSE).clamp(LEAST_PAUSE_SECONDS, DOWNTIME_LIMIT_SECONDS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use crate::table::Number;

    fn stream(destination: usize, seconds_left: f64) -> Stream {
        Stream {
            source: HostNo::new(0),
            destination: HostNo::new(destination),
            limit: 375e6,
            dirty: 1e6,
            seconds_left,
            last_rounds: false,
        }
    }

    fn shares(streams: &[Stream]) -> Vec<f64> {
        let fleet = generate::drain(1, generate::link(10, 3)).unwrap();
        let rates = rates(&mut Budgets::new(&fleet, 1.0), streams);
        rates.into_iter().map(|rate| rate / 125e6).collect()
    }

    #[test]
    fn the_last_stream_gets_what_the_others_leave() {
        let streams = [1.0, 4.0, 3.0, 2.0].map(|left| stream(1, left));
        assert_eq!(shares(&streams), [1.0, 3.0, 3.0, 3.0]);
    }

    #[test]
    fn a_guest_in_its_last_rounds_has_its_rate_reserved() {
        let mut streams = [1.0, 4.0, 3.0, 2.0].map(|left| stream(1, left));
        streams[0].last_rounds = true;
        assert_eq!(shares(&streams), [3.0, 3.0, 3.0, 1.0]);
    }

    #[test]
    fn a_guest_that_dirties_much_is_not_the_slow_one() {
        let mut streams = [1.0, 4.0, 3.0, 2.0].map(|left| stream(1, left));
        streams[0].dirty = 100e6;
        assert_eq!(shares(&streams), [3.0, 3.0, 3.0, 1.0]);
    }

    #[test]
    fn what_is_left_is_used_by_those_that_lose_little_by_it() {
        assert!(worth_starting(125e6, 375e6, 20e6));
        assert!(!worth_starting(125e6, 375e6, 60e6));
        assert!(!worth_starting(10e6, 375e6, 0.0));
        assert!(worth_starting(375e6, 375e6, 370e6));
    }

    #[test]
    fn nothing_exceeds_a_link_in_either_direction() {
        let fleet = generate::drain(1, generate::link(10, 10)).unwrap();
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..500 {
            let streams: Vec<_> = (0..12)
                .map(|_| Stream {
                    source: HostNo::new(random.usize(0..4)),
                    destination: HostNo::new(random.usize(4..8)),
                    limit: random.f64() * 1.25e9,
                    dirty: random.f64() * 4e8,
                    seconds_left: random.f64() * 100.0,
                    last_rounds: random.bool(),
                })
                .collect();
            let rates = rates(&mut Budgets::new(&fleet, 0.6), &streams);
            for host in fleet.hosts().numbers() {
                let of = |end: fn(&Stream) -> HostNo| -> f64 {
                    let both = streams.iter().zip(&rates);
                    both.filter(|(it, _)| end(it) == host)
                        .map(|(_, rate)| rate)
                        .sum()
                };
                assert!(of(|it| it.source) <= 0.6 * 1.25e9 + 1.0);
                assert!(of(|it| it.destination) <= 0.6 * 1.25e9 + 1.0);
            }
        }
    }
}
