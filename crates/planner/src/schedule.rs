//! Which moves begin now, where nobody tells streams how fast to be: they share links evenly, and
//! none can be slowed once it has begun. Conductors decide by this, and simulations of what they do.
//!
//! - As few streams as fill a link: one begins if what is left of both its links is its whole rate.
//!   With less it begins only if that is half its rate and enough for what it dirties, and if nobody
//!   beside it needs the whole of its own: guests in their last rounds do, and busy ones.
//! - Of a link whose speed nobody knows so many slots are given away.
//! - Who comes first is [`priority`](godwit_core::run::priority)'s to say; within a queue whoever is
//!   listed first.
//! - Nothing that fits waits, but for one that comes before it, does not fit yet, and lacks the same
//!   link. The first that has waited for [`AGEING`] keeps both its links for itself.

use std::collections::{BTreeMap, HashMap};

use godwit_core::run::priority::{AGEING, Waiting, compare};
use godwit_core::slots::{SlotLimits, SlotRole};
use godwit_core::time::Timestamp;

use crate::order::{self, Budgets, Links, Stream, worth_starting};
use crate::table::HostNo;

/// Moves of one queue that are looked at: if none of these begins, hardly another one will.
pub const CONSIDERED: usize = 64;
/// A stream that can only have a smaller share of its rate does not begin. As links are shared
/// evenly, those beside it keep three quarters of theirs.
const LEAST_SHARE: f64 = 0.5;
/// So little is rounding.
const ROUNDING: f64 = 0.001;

/// What is the same for all hosts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Of links whose speed nobody knows.
    pub slots: SlotLimits,
    /// Most streams of any link, in one direction; `None`: as many as fit.
    pub streams: Option<u32>,
}

/// A move that waits.
#[derive(Clone, PartialEq, Debug)]
pub struct Candidate<Id, Q> {
    pub id: Id,
    pub waiting: Waiting<Q>,
    /// Since when it waits itself, whatever became of others of its queue meanwhile.
    pub since: Timestamp,
    pub stream: Stream,
}

/// A move that begins.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Begins<Id> {
    pub id: Id,
    /// Bytes per second that it takes of both its links.
    pub rate: f64,
}

type End = (SlotRole, HostNo);

fn ends(stream: &Stream) -> [End; 2] {
    [
        (SlotRole::Source, stream.source),
        (SlotRole::Destination, stream.destination),
    ]
}

#[derive(Clone, Copy, Default)]
struct Use {
    streams: u32,
    /// Is one of these in its last rounds, or busy?
    is_sensitive: bool,
}

/// What moves, and what is left of links.
pub struct Schedule<'l> {
    links: &'l dyn Links,
    budgets: Budgets<'l>,
    limits: Limits,
    used: HashMap<End, Use>,
}

impl<'l> Schedule<'l> {
    /// `share` is how much links carry of what is said.
    pub fn new(links: &'l dyn Links, share: f64, limits: Limits, moving: &[Stream]) -> Self {
        let mut budgets = Budgets::new(links, share);
        order::rates(&mut budgets, moving);
        let mut schedule = Self {
            links,
            budgets,
            limits,
            used: HashMap::new(),
        };
        for stream in moving {
            schedule.count(stream);
        }
        schedule
    }

    fn count(&mut self, stream: &Stream) {
        for end in ends(stream) {
            let used = self.used.entry(end).or_default();
            used.streams = used.streams.saturating_add(1);
            used.is_sensitive |= stream.last_rounds || stream.is_busy();
        }
    }

    fn used(&self, end: End) -> Use {
        self.used.get(&end).copied().unwrap_or_default()
    }

    fn left(&self, (role, host): End) -> f64 {
        match role {
            SlotRole::Source => self.budgets.outgoing(host),
            SlotRole::Destination => self.budgets.incoming(host),
        }
    }

    /// May one more stream use this link, however much is left?
    fn has_slot(&self, end: End) -> bool {
        let streams = self.used(end).streams;
        match self.links.bytes_per_second(end.1).is_finite() {
            true => self.limits.streams.is_none_or(|most| streams < most),
            false => self.limits.slots.allow(end.0, streams),
        }
    }

    /// Can nothing at all begin in this role of a host?
    pub fn is_full(&self, role: SlotRole, host: HostNo) -> bool {
        let end = (role, host);
        let whole = self.links.bytes_per_second(host);
        !self.has_slot(end) || (whole.is_finite() && self.left(end) < whole * ROUNDING)
    }

    /// The rate that a stream begins with; `None`: it waits.
    pub fn rate(&self, new: &Stream) -> Option<f64> {
        if !ends(new).into_iter().all(|end| self.has_slot(end)) {
            return None;
        }
        let left = self.budgets.left(new.source, new.destination, new.limit);
        if self.is_whole(left, new) {
            return Some(left);
        }
        let disturbs = ends(new)
            .into_iter()
            .any(|end| self.lacks(end, new) && self.used(end).is_sensitive);
        let begins = left >= new.limit * LEAST_SHARE
            && worth_starting(left, new.limit, new.dirty)
            && !disturbs;
        begins.then_some(left)
    }

    fn is_whole(&self, left: f64, new: &Stream) -> bool {
        left >= new.limit * (1.0 - ROUNDING)
    }

    /// Does this link not have what the stream could carry?
    fn lacks(&self, end: End, new: &Stream) -> bool {
        !self.has_slot(end) || !self.is_whole(self.left(end), new)
    }

    fn take(&mut self, stream: &Stream, rate: f64) {
        self.budgets.take(stream.source, stream.destination, rate);
        self.count(stream);
    }
}

/// For whom a link is kept.
enum Kept<Q> {
    /// For whoever of this queue can use it.
    For(Q),
    /// For one that has waited for very long.
    FromAll,
}

/// Those of `waiting` that begin at `now`, `most` at most; the schedule then includes them.
pub fn choose<Id: Copy, Q: Ord + Clone>(
    schedule: &mut Schedule<'_>,
    waiting: Vec<Candidate<Id, Q>>,
    now: Timestamp,
    most: usize,
) -> Vec<Begins<Id>> {
    let mut queues: BTreeMap<Q, Vec<Candidate<Id, Q>>> = BTreeMap::new();
    for candidate in waiting {
        let queue = queues.entry(candidate.waiting.queue.clone()).or_default();
        if queue.len() < CONSIDERED {
            queue.push(candidate);
        }
    }
    let mut round = Round {
        kept: HashMap::new(),
        has_patient: false,
        now,
    };
    let mut number = u64::try_from(now.as_micros()).unwrap_or_default();
    let mut begun = Vec::new();
    while begun.len() < most {
        let Some(queue) = first(&queues, now) else {
            break;
        };
        let Some(candidates) = queues.get_mut(&queue) else {
            break;
        };
        match round.next_of(schedule, candidates) {
            Some((at, rate)) => {
                let candidate = candidates.remove(at);
                schedule.take(&candidate.stream, rate);
                number = number.saturating_add(1);
                for behind in candidates.iter_mut() {
                    behind.waiting.served = number;
                }
                begun.push(Begins {
                    id: candidate.id,
                    rate,
                });
            }
            // Less and less is left, so nothing of it begins later.
            None => {
                queues.remove(&queue);
            }
        }
    }
    begun
}

/// The queue whose turn it is.
fn first<Id, Q: Ord + Clone>(
    queues: &BTreeMap<Q, Vec<Candidate<Id, Q>>>,
    now: Timestamp,
) -> Option<Q> {
    // Of each queue its first one is asked for first.
    let all = queues
        .values()
        .filter_map(|queue| queue.first())
        .map(|candidate| &candidate.waiting);
    let first = all.min_by(|one, other| compare(one, other, now))?;
    Some(first.queue.clone())
}

struct Round<Q> {
    kept: HashMap<End, Kept<Q>>,
    /// Has one that has waited for very long been met?
    has_patient: bool,
    now: Timestamp,
}

impl<Q: PartialEq + Clone> Round<Q> {
    /// The first of a queue that begins, and its rate. One that has to wait keeps for its queue what
    /// it lacks.
    fn next_of<Id>(
        &mut self,
        schedule: &Schedule<'_>,
        queue: &[Candidate<Id, Q>],
    ) -> Option<(usize, f64)> {
        for (at, candidate) in queue.iter().enumerate() {
            let (stream, own) = (&candidate.stream, &candidate.waiting.queue);
            let is_kept = |end: End| match self.kept.get(&end) {
                None => false,
                Some(Kept::For(queue)) => queue != own,
                Some(Kept::FromAll) => true,
            };
            if ends(stream).into_iter().any(is_kept) {
                continue;
            }
            if let Some(rate) = schedule.rate(stream) {
                return Some((at, rate));
            }
            self.keep(schedule, candidate);
        }
        None
    }

    fn keep<Id>(&mut self, schedule: &Schedule<'_>, candidate: &Candidate<Id, Q>) {
        let queue = &candidate.waiting.queue;
        if !self.has_patient && self.now.since(candidate.since) >= AGEING {
            self.has_patient = true;
            for end in ends(&candidate.stream) {
                self.kept.insert(end, Kept::FromAll);
            }
            return;
        }
        for end in ends(&candidate.stream) {
            if schedule.lacks(end, &candidate.stream) {
                self.kept
                    .entry(end)
                    .or_insert_with(|| Kept::For(queue.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests;
