//! Who begins as conductors would let them: with its place on both links, from the first to the last.

use std::cmp::Reverse;

use godwit_core::plan::options::Priority;
use godwit_core::run::priority::Waiting;
use godwit_core::slots::SlotLimits;
use godwit_core::time::Timestamp;

use super::Engine;
use crate::order::Stream;
use crate::schedule::{CONSIDERED, Candidate, Limits, Schedule, choose};
use crate::simulate::policy;
use crate::table::HostNo;

/// A fleet knows the speed of each of its links.
const LIMITS: Limits = Limits {
    slots: SlotLimits {
        per_source: None,
        per_destination: None,
    },
    streams: None,
};

impl Engine<'_> {
    pub(super) fn executed(&mut self) -> Vec<usize> {
        if !std::mem::take(&mut self.changed) {
            return Vec::new();
        }
        // Turns are all that time is for here: nobody waits longer than others.
        let Some(now) = i64::try_from(self.turns)
            .ok()
            .and_then(Timestamp::from_micros)
        else {
            return Vec::new();
        };
        let mut beginning = Vec::new();
        let mut candidates = Vec::new();
        let mut needs_no_link = Vec::new();
        for (source, ready) in &self.ready {
            let served = self.served.get(source).copied().unwrap_or_default();
            for (_, no) in ready.iter().take(CONSIDERED) {
                let Some(job) = self.jobs.get(*no) else {
                    continue;
                };
                match job.live {
                    true => candidates.push(Candidate {
                        id: *no,
                        waiting: waiting(*source, served, now),
                        since: now,
                        stream: policy::new_stream(job),
                    }),
                    false => needs_no_link.push(*no),
                }
            }
        }
        for no in needs_no_link {
            if self.enters(no) {
                beginning.push(no);
            }
        }
        // What a constraint keeps has taken nothing of a link.
        while !candidates.is_empty() {
            let mut moving = self.moving();
            let new = beginning.iter().filter_map(|no| self.jobs.get(*no));
            moving.extend(new.filter(|job| job.live).map(policy::new_stream));
            let mut schedule = Schedule::new(self.fleet, self.share, LIMITS, &moving);
            let chosen = choose(&mut schedule, candidates.clone(), now, usize::MAX);
            let mut is_kept = false;
            for begins in chosen {
                candidates.retain(|it| it.id != begins.id);
                if self.enters(begins.id) {
                    beginning.push(begins.id);
                    self.serve(begins.id);
                } else {
                    is_kept = true;
                }
            }
            if !is_kept {
                break;
            }
        }
        beginning
    }

    fn enters(&mut self, no: usize) -> bool {
        let job = self.jobs.get(no);
        job.is_some_and(|job| self.gates.enter(job))
    }

    fn serve(&mut self, no: usize) {
        self.turns += 1;
        if let Some(job) = self.jobs.get(no) {
            self.served.insert(job.source, self.turns);
        }
    }

    /// What has its place on a link already.
    fn moving(&self) -> Vec<Stream> {
        let transfers = self.transfers.iter();
        let transfers = transfers.filter_map(|it| Some(policy::stream(self.jobs.get(it.job)?, it)));
        let preparing = self.preparing.iter();
        let preparing = preparing.filter_map(|Reverse((_, no))| self.jobs.get(*no));
        let live = preparing.filter(|job| job.live);
        transfers.chain(live.map(policy::new_stream)).collect()
    }
}

fn waiting(source: HostNo, served: u64, now: Timestamp) -> Waiting<HostNo> {
    Waiting {
        queue: source,
        goes_on: false,
        priority: Priority::Drain,
        since: now,
        served,
    }
}
