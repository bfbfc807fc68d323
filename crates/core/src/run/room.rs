//! Room for a run: all that it needs is claimed when it begins, or nothing.
//!
//! Nobody who waits holds anything, so no two can wait for each other. And nobody is overtaken: room
//! that somebody waits for who came earlier is not given to a later one, so a big run is not kept
//! waiting by small ones for ever. What does not fit even when all others have ended is refused, and
//! keeps nobody.
//!
//! One kind of run is waited for by one that has begun: a run of many hosts goes on when the guests of
//! a host have returned. So the run that brings them back waits neither for it nor for whoever waits
//! for it ([`Others::let_pass`]).

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::ids::{HostName, OperationUuid, RunUuid, ServerUuid};
use crate::resources::Resources;
use crate::run::{Operation, OperationState, Run};
use crate::time::Timestamp;

/// What a run needs at the same time.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Room {
    /// On each host, the most that its operations need there at one time, less what they have freed
    /// before.
    pub hosts: BTreeMap<HostName, Resources>,
    /// The servers that it moves: no two runs move the same one.
    pub servers: BTreeSet<ServerUuid>,
}

/// A run with the room that it has or wants.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Claimant {
    /// Which.
    pub run: RunUuid,
    /// What it has, or wants.
    pub room: Room,
}

/// Whom each run waits for.
pub type Waits = BTreeMap<RunUuid, BTreeSet<RunUuid>>;

/// Runs that wait for this one, or for one that does.
pub fn waiting_for(run: RunUuid, waits: &Waits) -> BTreeSet<RunUuid> {
    let mut found = BTreeSet::new();
    let mut ahead = vec![run];
    while let Some(one) = ahead.pop() {
        let next = waits.iter().filter(|(_, others)| others.contains(&one));
        ahead.extend(next.map(|(other, _)| *other).filter(|it| found.insert(*it)));
    }
    found
}

/// The other runs, as one sees them that wants to begin.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Others {
    /// Those that have begun.
    pub holding: Vec<Claimant>,
    /// Those that wait, and come before it.
    pub ahead: Vec<Claimant>,
    /// Those that wait and go first, whatever they need: of one that is in no hurry.
    pub first: BTreeSet<RunUuid>,
}

impl Others {
    /// Leaves out those that cannot go on before the one that wants to begin has ended. What they hold
    /// is not free for it either.
    pub fn let_pass(&mut self, behind: &BTreeSet<RunUuid>) {
        self.holding.retain(|it| !behind.contains(&it.run));
        self.ahead.retain(|it| !behind.contains(&it.run));
        self.first.retain(|it| !behind.contains(it));
    }

    /// Decides for a run that wants `room`. `free` is what no server, migration or run has of each
    /// host.
    pub fn decide(&self, room: &Room, free: &BTreeMap<HostName, Resources>) -> Decision {
        let mut first = self.first.clone();
        match decide(room, free, &self.holding, &self.ahead) {
            Decision::Claim if first.is_empty() => Decision::Claim,
            Decision::Claim => Decision::WaitFor(first),
            Decision::WaitFor(others) => {
                first.extend(others);
                Decision::WaitFor(first)
            }
            other @ (Decision::Later(_) | Decision::Refuse(_)) => other,
        }
    }
}

/// What becomes of a run that wants to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It gets all that it needs.
    Claim,
    /// It gets nothing, until one of these has ended or begun.
    WaitFor(BTreeSet<RunUuid>),
    /// It gets nothing yet: moves of no run hold on these hosts what it lacks, until they end.
    Later(BTreeSet<HostName>),
    /// These hosts have not enough, whoever else ends.
    Refuse(BTreeSet<HostName>),
}

/// How long a run waits for room that moves of no run hold.
pub const PATIENCE: Duration = Duration::from_secs(600);

impl Decision {
    /// A run is not refused as long as what it lacks may soon be free: `passing` is what moves of no
    /// run hold of each host, `since` when the run lacked it first.
    #[must_use]
    pub fn or_later(
        self,
        room: &Room,
        (free, passing): (
            &BTreeMap<HostName, Resources>,
            &BTreeMap<HostName, Resources>,
        ),
        holding: &[Claimant],
        (since, now): (Option<Timestamp>, Timestamp),
    ) -> Self {
        let Self::Refuse(hosts) = &self else {
            return self;
        };
        let passes = |host: &HostName| {
            let of = |amounts: &BTreeMap<HostName, Resources>| {
                amounts.get(host).copied().unwrap_or_default()
            };
            let all = of(free).plus(sum_of(holding, host)).plus(of(passing));
            fits(of(&room.hosts), all)
        };
        let waits = since.is_none_or(|since| now.since(since) < PATIENCE);
        match waits && hosts.iter().all(passes) {
            true => Self::Later(hosts.clone()),
            false => self,
        }
    }
}

fn decide(
    room: &Room,
    free: &BTreeMap<HostName, Resources>,
    holding: &[Claimant],
    ahead: &[Claimant],
) -> Decision {
    let mut short = BTreeSet::new();
    let mut wait_for = BTreeSet::new();
    for (host, wanted) in &room.hosts {
        let free = free.get(host).copied().unwrap_or_default();
        let held = sum_of(holding, host);
        if !fits(*wanted, free.plus(held)) {
            short.insert(host.clone());
            continue;
        }
        // Not only for what is too little with them: also for those who would be overtaken.
        if !fits(*wanted, free.less(sum_of(ahead, host))) {
            wait_for.extend(users_of(ahead, host));
            if !fits(*wanted, free) {
                wait_for.extend(users_of(holding, host));
            }
        }
    }
    if !short.is_empty() {
        return Decision::Refuse(short);
    }
    let others = holding.iter().chain(ahead);
    let same = others.filter(|it| !it.room.servers.is_disjoint(&room.servers));
    wait_for.extend(same.map(|it| it.run));
    match wait_for.is_empty() {
        true => Decision::Claim,
        false => Decision::WaitFor(wait_for),
    }
}

/// Of what is not wanted there may be too little: an adopted host can be fuller than it ought to be.
fn fits(wanted: Resources, free: Resources) -> bool {
    let enough = |wanted: i64, free: i64| wanted <= 0 || wanted <= free;
    enough(wanted.vcpus, free.vcpus)
        && enough(wanted.memory_mb, free.memory_mb)
        && enough(wanted.disk_gb, free.disk_gb)
}

fn on(claimant: &Claimant, host: &HostName) -> Option<Resources> {
    let wanted = claimant.room.hosts.get(host).copied();
    wanted.filter(|wanted| *wanted != Resources::default())
}

fn sum_of(claimants: &[Claimant], host: &HostName) -> Resources {
    let each = claimants.iter().filter_map(|it| on(it, host));
    each.fold(Resources::default(), Resources::plus)
}

fn users_of<'a>(
    claimants: &'a [Claimant],
    host: &'a HostName,
) -> impl Iterator<Item = RunUuid> + 'a {
    let users = claimants.iter().filter(move |it| on(it, host).is_some());
    users.map(|it| it.run)
}

/// What a run goes on to hold of each host, having held `held`, when of `before` it becomes `next`;
/// `size` is what an operation's server takes. Each host is a matter of its own, so `held` may be about
/// some only, as long as those are among them that the operations come from or go to that changed.
///
/// Where a server leaves a host, the run keeps its room for those of its operations that are still to
/// bring one there; and it keeps no more than all of these need: that is `needed`, as [`needed`] has
/// it. What a migration has claimed by itself is taken from the run's when it claims.
pub fn held_after(
    held: &BTreeMap<HostName, Resources>,
    (before, next): (&Run, &Run),
    needed: &BTreeMap<HostName, Resources>,
    size: impl Fn(OperationUuid) -> Resources,
) -> BTreeMap<HostName, Resources> {
    let mut left = held.clone();
    for (was, is) in before.operations.iter().zip(&next.operations) {
        let left_now = is.kind.moves_server()
            && is.state == OperationState::Completed
            && was.state != OperationState::Completed;
        let Ok(source) = HostName::new(is.source.as_str()) else {
            continue;
        };
        if left_now && needed.contains_key(&source) {
            let left = left.entry(source).or_default();
            *left = left.plus(size(is.id));
        }
    }
    let kept = left.into_iter().filter_map(|(host, held)| {
        let needed = needed.get(&host).copied().unwrap_or_default();
        let kept = held.least(needed);
        (kept != Resources::default()).then_some((host, kept))
    });
    kept.collect()
}

/// What a run needs of each host for its operations that have not ended, and bring a server there.
pub fn needed(
    operations: &[Operation],
    size: impl Fn(OperationUuid) -> Resources,
) -> BTreeMap<HostName, Resources> {
    let mut needed: BTreeMap<HostName, Resources> = BTreeMap::new();
    let open = |it: &&Operation| it.kind.moves_server() && !it.state.is_terminal();
    for operation in operations.iter().filter(open) {
        if let Ok(host) = HostName::new(operation.destination.as_str()) {
            let needs = needed.entry(host).or_default();
            *needs = needs.plus(size(operation.id));
        }
    }
    needed
}

#[cfg(test)]
mod tests;
