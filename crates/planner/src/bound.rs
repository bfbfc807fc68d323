//! How fast any plan could be at best. None of this knows how plans are made, ordered or
//! simulated.
//!
//! A guest of `B` bytes, `M` of them memory, that dirties `d` bytes per second is sent in rounds.
//! Its stream carries `s` at most, so a round of `V` bytes takes at least `V/s`, and the next has
//! at least `min(M, d·V/s)`; the last begins when a pause of `D` is enough for it, at most `s·D`
//! bytes. All of these only grow where a stream is slower, so what full speed gives are bounds:
//! `b` bytes and `t` seconds. They are taken for leaving the guest's host at the best speed that
//! any destination allows, and, where it has one host to go to, for coming there at the best speed
//! of that host: a guest may go by way of a third host. Let `p` be what preparing a destination
//! takes. The makespan is at least each of these:
//!
//! 1. **Guests**: `p + t`.
//! 2. **Links**: `p + Σb/L`, over all that leave one host whose link carries `L`, or that have one
//!    host to go to; and over all moves, `L` being what all hosts can receive together.
//! 3. **Density**: where `L` is no multiple of `s`, what whole streams leave of the link carries a
//!    guest at less than full speed, and so loses more by what is dirtied meanwhile. At rate `r`
//!    count a guest's progress as `s(r−d)/(s−d)`, which is `s` at full speed and less than `r`
//!    below it. What is left of a guest, as long as it is less than `M`, shrinks by `r−d` at
//!    most, and does not shrink where `r < d`; so a guest needs a progress of at least
//!    `P = s(M−dD)/(s−d)`. As this is convex in `r`, no sharing of the link makes more progress
//!    than as many full streams as fit and one with the rest, of the guest with the least `d`:
//!    `C = ⌊L/s⌋s + max(0, s(r−d)/(s−d))` with `r = L − ⌊L/s⌋s`. The bound is `p + ΣP/C`.
//! 4. **Chains**: where a guest has one host to go to, which has no room for it, or as many of its
//!    group as may be there, somebody leaves that host before: `(p + t′) + (p + t)` with the
//!    least `t′` of those that leave it, or the `n`-th least where `n` of a group have to leave.
//! 5. **Rolling**: each host takes at least `E`, by 1 to 3, and `k` may be emptied at a time:
//!    `max(E)`, `ΣE/k`.
//!
//! What comes out is lowered by [`ROUNDING`].

mod chains;
mod guest;

use std::collections::{BTreeMap, BTreeSet};

use crate::fleet::{Fleet, dirty_rate};
use crate::table::{HostNo, ServerNo};

use guest::{LONGEST_PAUSE, Least, PREPARE, Sent};

/// A schedule that is as good as the bound adds the same terms in another order: without this it
/// would be below the bound by the last bits of some thousand sums. And whoever measures calls
/// the last byte of a round sent.
const ROUNDING: f64 = 1e-8;

/// A server that leaves its host.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Task {
    pub server: ServerNo,
    pub live: bool,
    /// Nothing of it is sent: its host is dead.
    pub rebuilt: bool,
    /// If there is only one. Who has to go where it is already may make way for others.
    pub destination: Option<HostNo>,
}

impl Task {
    fn stays(&self, fleet: &Fleet) -> bool {
        self.destination == Some(fleet.host_of(self.server))
    }
}

/// The most that one stream and all streams can bring to some host other than the source.
struct Receivers {
    /// The two best hosts, the best first.
    best: [(f64, Option<HostNo>); 2],
    all: f64,
    /// Those that some host reaches.
    pools: BTreeSet<String>,
}

impl Receivers {
    fn of(fleet: &Fleet) -> Self {
        let mut best = [(0.0, None); 2];
        let mut all = 0.0;
        let mut pools = BTreeSet::new();
        for (no, host) in fleet.hosts().iter().filter(|(_, it)| it.host.up) {
            let stream = stream(fleet, no);
            all += link(fleet, no);
            for pool in &host.host.pools {
                if !pools.contains(pool) {
                    pools.insert(pool.clone());
                }
            }
            if stream > best[0].0 {
                best = [(stream, Some(no)), best[0]];
            } else if stream > best[1].0 {
                best[1] = (stream, Some(no));
            }
        }
        Self { best, all, pools }
    }

    fn stream_from(&self, source: HostNo) -> f64 {
        let [first, second] = self.best;
        if first.1 == Some(source) {
            second.0
        } else {
            first.0
        }
    }
}

/// What the bounds are made of.
struct Bounds<'f> {
    fleet: &'f Fleet,
    receivers: Receivers,
}

/// The least makespan of these moves, in seconds.
pub fn of_moves(fleet: &Fleet, tasks: &[Task]) -> f64 {
    let bounds = Bounds {
        fleet,
        receivers: Receivers::of(fleet),
    };
    let with_least = |task: &Task| (*task, bounds.least(task));
    let all: Vec<_> = tasks.iter().map(with_least).collect();
    let least = all.iter().filter(|(task, _)| !task.stays(fleet));
    let least: Vec<_> = least.copied().collect();
    let mut bound: f64 = 0.0;
    for (_, tasks) in by(&least, |task| Some(fleet.host_of(task.server))) {
        bound = bound.max(bounds.of_source(&tasks));
    }
    for (host, tasks) in by(&least, |task| task.destination) {
        let bytes: f64 = tasks.iter().map(|(_, least)| least.comes.bytes).sum();
        bound = bound.max(PREPARE + bytes / link(fleet, host));
    }
    let bytes: f64 = least.iter().map(|(_, least)| least.bytes()).sum();
    if bytes > 0.0 {
        bound = bound.max(PREPARE + bytes / bounds.receivers.all);
    }
    bound.max(bounds.of_chains(&least, &all)) * (1.0 - ROUNDING)
}

/// The same where whole hosts are emptied, so many at a time.
pub fn of_rolling(fleet: &Fleet, tasks: &[Task], max_unavailable: u32) -> f64 {
    let bounds = Bounds {
        fleet,
        receivers: Receivers::of(fleet),
    };
    let least: Vec<_> = tasks
        .iter()
        .map(|task| (*task, bounds.least(task)))
        .collect();
    let sources = by(&least, |task| Some(fleet.host_of(task.server)));
    let each = sources.values().map(|tasks| bounds.of_source(tasks));
    let (longest, all) = each.fold((0.0_f64, 0.0), |(longest, all), it| {
        (longest.max(it), all + it)
    });
    longest.max(all / f64::from(max_unavailable.max(1))) * (1.0 - ROUNDING)
}

/// What one stream of a host carries at most.
fn stream(fleet: &Fleet, host: HostNo) -> f64 {
    let link = fleet.hosts()[host].link;
    link.stream_bytes_per_second.min(link.bytes_per_second) as f64
}

fn link(fleet: &Fleet, host: HostNo) -> f64 {
    fleet.hosts()[host].link.bytes_per_second as f64
}

fn by(
    tasks: &[(Task, Least)],
    host: impl Fn(&Task) -> Option<HostNo>,
) -> BTreeMap<HostNo, Vec<(Task, Least)>> {
    let mut grouped: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (task, least) in tasks {
        if let Some(host) = host(task) {
            grouped.entry(host).or_default().push((*task, *least));
        }
    }
    grouped
}

impl Bounds<'_> {
    fn least(&self, task: &Task) -> Least {
        if task.rebuilt {
            return Least::default();
        }
        let source = self.fleet.host_of(task.server);
        let server = &self.fleet.servers()[task.server];
        let rate = stream(self.fleet, source).min(self.receivers.stream_from(source));
        let (memory, dirty) = if task.live {
            let dirty = dirty_rate(server.dirty_bytes_per_second, rate);
            (server.memory_bytes as f64, dirty)
        } else {
            (0.0, 0.0)
        };
        let disks = |pools| {
            let copied = server.need.room_at(pools).disk_gb > 0;
            if copied {
                server.disk_bytes as f64
            } else {
                0.0
            }
        };
        let always = disks(&self.receivers.pools);
        let leaves = Sent::of(memory + always, memory, dirty, rate);
        let comes = task.destination.map(|host| {
            // Wherever else it comes from, what this host cannot reach is copied to it.
            let disks = disks(&self.fleet.hosts()[host].host.pools);
            let rate = stream(self.fleet, host);
            let dirty = if task.live {
                dirty_rate(server.dirty_bytes_per_second, rate)
            } else {
                0.0
            };
            Sent::of(memory + disks, memory, dirty, rate)
        });
        Least {
            leaves,
            comes: comes.unwrap_or_default(),
            memory,
            dirty,
        }
    }

    /// Guests, the link and density, for what leaves one host.
    fn of_source(&self, tasks: &[(Task, Least)]) -> f64 {
        let Some((first, _)) = tasks.first() else {
            return 0.0;
        };
        let source = self.fleet.host_of(first.server);
        let longest = tasks.iter().map(|(_, least)| least.seconds());
        let longest = longest.fold(0.0, f64::max);
        let bytes: f64 = tasks.iter().map(|(_, least)| least.leaves.bytes).sum();
        let sent = bytes / link(self.fleet, source);
        PREPARE + longest.max(sent).max(self.density(source, tasks))
    }

    fn density(&self, source: HostNo, tasks: &[(Task, Least)]) -> f64 {
        let all = link(self.fleet, source);
        let stream = stream(self.fleet, source);
        let guests = tasks
            .iter()
            .filter(|(task, least)| task.live && least.dirty < stream);
        let progress = guests.clone().map(|(_, it)| {
            let needed = (it.memory - it.dirty * LONGEST_PAUSE).max(0.0);
            needed * stream / (stream - it.dirty)
        });
        let needed: f64 = progress.sum();
        let dirty = guests
            .clone()
            .map(|(_, it)| it.dirty)
            .fold(f64::INFINITY, f64::min);
        if dirty >= stream {
            return 0.0;
        }
        let whole = (all / stream + 1e-9).floor() * stream;
        let rest = (stream * (all - whole - dirty) / (stream - dirty)).max(0.0);
        needed / (whole + rest)
    }
}

#[cfg(test)]
mod instances;
#[cfg(test)]
mod tests;
