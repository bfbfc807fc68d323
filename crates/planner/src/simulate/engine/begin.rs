//! Who is prepared next, and who begins to transfer.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use super::{Engine, NOTHING, Queue, Transfer};
use crate::order::{self, AHEAD, Budgets};
use crate::simulate::policy::{self, Policy};
use crate::table::HostNo;

impl Engine<'_> {
    /// Begins to prepare those that the policy lets.
    pub(super) fn begin(&mut self) {
        let beginning = match self.policy {
            Policy::Executed => self.executed(),
            Policy::Budgets | Policy::Fixed(_) | Policy::Batches(_) | Policy::OneTransfer => {
                self.ahead()
            }
        };
        for job in beginning {
            self.prepare(job);
        }
    }

    /// So many for each source, whatever links carry.
    fn ahead(&mut self) -> Vec<usize> {
        let mut beginning = Vec::new();
        for (source, ready) in &self.ready {
            let (waiting, transferring) = self.begun.get(source).copied().unwrap_or_default();
            let room = match self.policy {
                Policy::Budgets => AHEAD.saturating_sub(waiting),
                Policy::Fixed(most) => most.saturating_sub(waiting + transferring),
                Policy::Batches(most) if waiting + transferring == 0 => most,
                Policy::Batches(_) => 0,
                Policy::OneTransfer | Policy::Executed => usize::MAX,
            };
            // What a constraint holds back does not hold back others.
            let looked_at = room.saturating_add(AHEAD);
            let mut begun = 0_usize;
            for (_, job) in ready.iter().take(looked_at) {
                let Some(it) = self.jobs.get(*job) else {
                    continue;
                };
                if begun < room && self.gates.enter(it) {
                    begun += 1;
                    beginning.push(*job);
                }
            }
        }
        beginning
    }

    fn prepare(&mut self, job: usize) {
        let Some((source, key)) = self.key(job) else {
            return;
        };
        remove(&mut self.ready, source, key);
        self.begun.entry(source).or_default().0 += 1;
        let seconds = self.jobs.get(job).map_or(0.0, |it| it.prepare_seconds);
        if let Some(course) = self.courses.get_mut(job) {
            course.began_at = self.now;
        }
        self.preparing
            .push(Reverse(((self.now + seconds).to_bits(), job)));
    }

    /// Begins to transfer those that the policy lets.
    pub(super) fn transfer(&mut self) {
        let beginning = match self.policy {
            Policy::Budgets => self.within_budgets(),
            Policy::OneTransfer => self.one_of_each_source(),
            Policy::Executed | Policy::Fixed(_) | Policy::Batches(_) => self.all_prepared(),
        };
        for no in beginning {
            let (Some((source, key)), Some(job)) = (self.key(no), self.jobs.get(no)) else {
                continue;
            };
            remove(&mut self.prepared, source, key);
            let begun = self.begun.entry(source).or_default();
            *begun = (begun.0.saturating_sub(1), begun.1 + 1);
            self.transfers.push(Transfer {
                job: no,
                left: job.guest.bytes,
                dirtied: 0.0,
                volume: job.guest.bytes,
                round: 0,
                fresh: true,
                paused_at: None,
                stalled_rounds: 0,
                rate: 0.0,
            });
        }
    }

    fn all_prepared(&self) -> Vec<usize> {
        let all = self.prepared.values().flatten();
        all.map(|(_, job)| *job).collect()
    }

    fn one_of_each_source(&self) -> Vec<usize> {
        let idle = |source| self.begun.get(source).is_none_or(|it| it.1 == 0);
        let waiting = self.prepared.iter().filter(|(source, _)| idle(source));
        let firsts = waiting.filter_map(|(_, prepared)| prepared.first());
        firsts.map(|(_, job)| *job).collect()
    }

    fn within_budgets(&mut self) -> Vec<usize> {
        let mut beginning = Vec::new();
        if self.prepared.is_empty() {
            return beginning;
        }
        let streams = self.transfers.iter();
        let streams = streams.filter_map(|it| Some(policy::stream(self.jobs.get(it.job)?, it)));
        let streams: Vec<_> = streams.collect();
        let mut budgets = Budgets::new(self.fleet, self.share);
        let rates = order::rates(&mut budgets, &streams);
        let mut sent: BTreeMap<HostNo, Vec<_>> = BTreeMap::new();
        for (stream, rate) in streams.into_iter().zip(rates.iter().copied()) {
            sent.entry(stream.source).or_default().push((stream, rate));
        }
        for (source, prepared) in &self.prepared {
            let sent = sent.entry(*source).or_default();
            for (_, no) in prepared.iter().take(AHEAD * 4) {
                if budgets.outgoing(*source) < NOTHING {
                    break;
                }
                let new = self.jobs.get(*no).map(policy::new_stream);
                if new.is_some_and(|new| order::begins(&mut budgets, sent, &new)) {
                    beginning.push(*no);
                }
            }
        }
        if beginning.is_empty() {
            self.known_rates = Some(rates);
        }
        beginning
    }
}

fn remove(queue: &mut Queue, source: HostNo, key: (Reverse<u64>, usize)) {
    if let Some(keys) = queue.get_mut(&source) {
        keys.remove(&key);
        if keys.is_empty() {
            queue.remove(&source);
        }
    }
}
