//! Who begins when, in ways that are in use, and in ours.

use super::engine::Transfer;
use super::job::Job;
use crate::fleet::Fleet;
use crate::order::{self, Budgets, Stream};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Policy {
    /// As [`crate::order`] says, by whoever tells streams how fast to be and makes destinations ready
    /// ahead of time.
    Budgets,
    /// As [`crate::schedule`] says: what conductors do.
    Executed,
    /// So many moves of a source at a time, prepared and transferred.
    Fixed(usize),
    /// So many of a source at a time, and the next when all of them have ended.
    Batches(usize),
    /// All are prepared at once; one of a source transfers at a time.
    OneTransfer,
}

/// Bytes per second for each transfer.
pub(super) fn rates(
    policy: Policy,
    fleet: &Fleet,
    share: f64,
    jobs: &[Job],
    transfers: &[Transfer],
) -> Vec<f64> {
    let of = |transfer: &Transfer| jobs.get(transfer.job).map(|job| stream(job, transfer));
    let streams: Vec<_> = transfers.iter().filter_map(of).collect();
    match policy {
        // Links are shared evenly by those who fit, and whoever has less than it could carry gets what
        // becomes free.
        Policy::Budgets | Policy::Executed => {
            order::rates(&mut Budgets::new(fleet, share), &streams)
        }
        Policy::Fixed(_) | Policy::Batches(_) | Policy::OneTransfer => fair(fleet, share, &streams),
    }
}

pub(super) fn stream(job: &Job, transfer: &Transfer) -> Stream {
    Stream {
        source: job.source,
        destination: job.destination,
        limit: job.limit,
        dirty: job.believed.dirty,
        seconds_left: transfer.left / job.limit,
        last_rounds: transfer.round > 0,
    }
}

/// Of a move that has sent nothing yet.
pub(super) fn new_stream(job: &Job) -> Stream {
    Stream {
        source: job.source,
        destination: job.destination,
        limit: job.limit,
        dirty: job.believed.dirty,
        seconds_left: job.believed.bytes / job.limit,
        last_rounds: false,
    }
}

/// As TCP would share links: nobody has more than another who could have more.
fn fair(fleet: &Fleet, share: f64, streams: &[Stream]) -> Vec<f64> {
    let mut rates = vec![0.0; streams.len()];
    let mut growing: Vec<usize> = (0..streams.len()).collect();
    let mut budgets = Budgets::new(fleet, share);
    while !growing.is_empty() {
        let mut counts = std::collections::HashMap::new();
        for stream in growing.iter().filter_map(|at| streams.get(*at)) {
            *counts.entry((true, stream.source)).or_insert(0_u32) += 1;
            *counts.entry((false, stream.destination)).or_insert(0_u32) += 1;
        }
        // By how much all can grow until one of them meets a limit.
        let mut step = f64::INFINITY;
        for (at, stream) in growing
            .iter()
            .filter_map(|at| Some((*at, streams.get(*at)?)))
        {
            let rate = rates.get(at).copied().unwrap_or_default();
            let out = f64::from(*counts.get(&(true, stream.source)).unwrap_or(&1));
            let into = f64::from(*counts.get(&(false, stream.destination)).unwrap_or(&1));
            let outgoing = budgets.outgoing(stream.source) / out;
            let incoming = budgets.incoming(stream.destination) / into;
            step = step.min(stream.limit - rate).min(outgoing).min(incoming);
        }
        let step = step.max(0.0);
        for (at, stream) in growing
            .iter()
            .filter_map(|at| Some((*at, streams.get(*at)?)))
        {
            if let Some(rate) = rates.get_mut(at) {
                *rate += step;
            }
            budgets.take(stream.source, stream.destination, step);
        }
        let before = growing.len();
        growing.retain(|at| {
            let (Some(stream), Some(rate)) = (streams.get(*at), rates.get(*at)) else {
                return false;
            };
            let left = budgets.left(stream.source, stream.destination, stream.limit - rate);
            left > stream.limit * 1e-9
        });
        if growing.len() == before {
            break;
        }
    }
    rates
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate;
    use crate::table::{HostNo, Number};

    #[test]
    fn links_are_shared_evenly_and_what_one_cannot_use_goes_to_others() {
        let fleet = generate::drain(1, generate::link(10, 10)).unwrap();
        let stream = |source, destination, limit| Stream {
            source: HostNo::new(source),
            destination: HostNo::new(destination),
            limit,
            dirty: 0.0,
            seconds_left: 1.0,
            last_rounds: false,
        };
        let streams = [stream(0, 1, 0.25e9), stream(0, 1, 2e9), stream(0, 2, 2e9)];
        let rates = fair(&fleet, 1.0, &streams);
        for (rate, expected) in rates.iter().zip([0.25e9, 0.5e9, 0.5e9]) {
            assert!((rate - expected).abs() < 1.0, "{rates:?}");
        }
    }
}
