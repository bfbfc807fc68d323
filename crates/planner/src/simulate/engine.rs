//! The events of a simulation: a destination is ready, a round has ended.

mod begin;
mod executed;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use super::gates::Gates;
use super::job::Job;
use super::policy::{self, Policy};
use super::{Course, Outcome};
use crate::fleet::Fleet;
use crate::plan::Plan;
use crate::precopy::DOWNTIME_LIMIT_SECONDS;
use crate::table::HostNo;

/// A guest that ten rounds have brought no further has stalled.
const STALLED: u32 = 10;
/// After so many rounds the ordinary pause is allowed, after so many any.
const PATIENCE: u32 = 60;
const ROUNDS: u32 = 20_000;
/// Less than a byte is nothing.
const NOTHING: f64 = 1.0;

#[derive(Clone, Debug)]
pub(super) struct Transfer {
    pub(super) job: usize,
    /// Of this round, in bytes.
    pub(super) left: f64,
    /// Since this round began.
    dirtied: f64,
    /// What this round had to send.
    volume: f64,
    pub(super) round: u32,
    /// Has a round ended, and nobody asked yet whether the next is the last?
    fresh: bool,
    paused_at: Option<f64>,
    stalled_rounds: u32,
    rate: f64,
}

type Queue = BTreeMap<HostNo, BTreeSet<(Reverse<u64>, usize)>>;

pub(super) struct Engine<'f> {
    fleet: &'f Fleet,
    policy: Policy,
    share: f64,
    jobs: Vec<Job>,
    courses: Vec<Course>,
    gates: Gates,
    now: f64,
    ready: Queue,
    prepared: Queue,
    /// By time, whose bits are in its order as it is never negative.
    preparing: BinaryHeap<Reverse<(u64, usize)>>,
    transfers: Vec<Transfer>,
    /// Where they have been worked out already.
    known_rates: Option<Vec<f64>>,
    /// Of each source: begun and not transferring, transferring.
    begun: BTreeMap<HostNo, (usize, usize)>,
    finished: usize,
    /// May something begin that could not before?
    changed: bool,
    /// How many have begun, and of each source how many had when its last one did.
    turns: u64,
    served: BTreeMap<HostNo, u64>,
}

impl<'f> Engine<'f> {
    pub(super) fn new(
        fleet: &'f Fleet,
        plan: &Plan,
        jobs: Vec<Job>,
        policy: Policy,
        share: f64,
    ) -> Self {
        let mut engine = Self {
            fleet,
            policy,
            share,
            courses: vec![Course::default(); jobs.len()],
            gates: Gates::new(fleet, plan, &jobs),
            jobs,
            now: 0.0,
            ready: Queue::new(),
            prepared: Queue::new(),
            preparing: BinaryHeap::new(),
            transfers: Vec::new(),
            known_rates: None,
            begun: BTreeMap::new(),
            finished: 0,
            changed: true,
            turns: 0,
            served: BTreeMap::new(),
        };
        for job in engine.gates.open() {
            engine.is_ready(job);
        }
        engine
    }

    pub(super) fn run(mut self) -> Outcome {
        loop {
            self.begin();
            self.transfer();
            self.rate();
            let Some(step) = self.next_event() else {
                break;
            };
            self.advance(step);
        }
        let all = self.finished == self.jobs.len();
        Outcome {
            makespan_seconds: if all { self.now } else { f64::INFINITY },
            courses: self.courses.into(),
        }
    }

    fn key(&self, job: usize) -> Option<(HostNo, (Reverse<u64>, usize))> {
        let it = self.jobs.get(job)?;
        let weight = match self.policy {
            Policy::Budgets | Policy::Executed => it.weight,
            // These take servers as they are listed.
            Policy::Fixed(_) | Policy::Batches(_) | Policy::OneTransfer => Reverse(0),
        };
        Some((it.source, (weight, job)))
    }

    fn is_ready(&mut self, job: usize) {
        if let Some((source, key)) = self.key(job) {
            self.ready.entry(source).or_default().insert(key);
        }
    }

    /// Shares the links, and pauses guests whose rest fits into the pause that they are allowed.
    fn rate(&mut self) {
        let (jobs, now) = (&self.jobs, self.now);
        let rates = self.known_rates.take().unwrap_or_else(|| {
            policy::rates(self.policy, self.fleet, self.share, jobs, &self.transfers)
        });
        for (transfer, rate) in self.transfers.iter_mut().zip(rates) {
            transfer.rate = rate;
            let Some(job) = jobs.get(transfer.job).filter(|_| transfer.fresh) else {
                continue;
            };
            transfer.fresh = false;
            let allowed = match (self.policy, transfer.round) {
                (_, ROUNDS..) => f64::INFINITY,
                (Policy::Budgets, ..PATIENCE) => job.pause_allowed,
                (_, _) => DOWNTIME_LIMIT_SECONDS,
            };
            if !job.live || transfer.left <= allowed * rate {
                transfer.paused_at = Some(now);
            }
        }
    }

    /// In how many seconds something happens.
    fn next_event(&self) -> Option<f64> {
        let ready = self.preparing.peek();
        let ready = ready.map(|Reverse((at, _))| (f64::from_bits(*at) - self.now).max(0.0));
        let rounds = self.transfers.iter().map(|transfer| {
            if transfer.left <= NOTHING {
                0.0
            } else {
                transfer.left / transfer.rate
            }
        });
        let soonest = rounds.chain(ready).fold(f64::INFINITY, f64::min);
        soonest.is_finite().then_some(soonest)
    }

    fn advance(&mut self, seconds: f64) {
        self.now += seconds;
        let mut ended = Vec::new();
        for transfer in &mut self.transfers {
            let (Some(job), Some(course)) = (
                self.jobs.get(transfer.job),
                self.courses.get_mut(transfer.job),
            ) else {
                continue;
            };
            let sent = (transfer.rate * seconds).min(transfer.left);
            course.bytes += sent;
            transfer.left -= sent;
            if transfer.paused_at.is_none() {
                let dirtied = transfer.dirtied + job.guest.dirty * seconds;
                transfer.dirtied = dirtied.min(job.guest.memory);
            }
            if transfer.left > NOTHING {
                continue;
            }
            if let Some(paused_at) = transfer.paused_at {
                let began = if job.live { paused_at } else { course.began_at };
                course.downtime_seconds = self.now - began;
                ended.push(transfer.job);
            } else {
                let same = transfer.dirtied >= transfer.volume * 0.999;
                transfer.stalled_rounds = if same { transfer.stalled_rounds + 1 } else { 0 };
                course.stalled |= transfer.stalled_rounds >= STALLED || transfer.round >= ROUNDS;
                transfer.left = transfer.dirtied;
                transfer.volume = transfer.dirtied;
                transfer.dirtied = 0.0;
                transfer.round += 1;
                transfer.fresh = true;
            }
        }
        self.transfers
            .retain(|transfer| !ended.contains(&transfer.job));
        for job in ended {
            self.end(job);
        }
        while let Some(Reverse((at, job))) = self.preparing.peek().copied() {
            if f64::from_bits(at) > self.now + 1e-9 {
                break;
            }
            self.preparing.pop();
            if let Some((source, key)) = self.key(job) {
                self.prepared.entry(source).or_default().insert(key);
            }
        }
    }

    fn end(&mut self, no: usize) {
        let (Some(job), Some(course)) = (self.jobs.get(no), self.courses.get_mut(no)) else {
            return;
        };
        course.ended_at = self.now;
        self.finished += 1;
        self.changed = true;
        if let Some(begun) = self.begun.get_mut(&job.source) {
            begun.1 = begun.1.saturating_sub(1);
        }
        for opened in self.gates.leave(no, job) {
            self.is_ready(opened);
        }
    }
}
