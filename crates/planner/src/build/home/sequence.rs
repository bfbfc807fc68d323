//! A sequence of moves after which everybody is home, where going straight there has ended in a
//! circle. Best first, and bounded: what is not found soon is not found.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};

use godwit_core::resources::Resources;

/// How many states are looked at.
const STATES: usize = 50_000;
/// What one server that is not at home counts for, in moves.
const AWAY: usize = 2;

pub(super) struct Server {
    pub(super) at: usize,
    pub(super) home: usize,
    /// On each host: what it takes there, if it may go there.
    pub(super) needs: Vec<Option<Resources>>,
}

/// A server's place, and the place of the host that it goes to.
pub(super) type Step = (usize, usize);

struct State {
    at: Vec<usize>,
    /// The state before, and what leads here from it.
    from: Option<(usize, Step)>,
    moves: usize,
}

/// `free` is what is free on each host while the servers are where they are.
pub(super) fn find(free: &[Resources], servers: &[Server]) -> Option<Vec<Step>> {
    let at: Vec<_> = servers.iter().map(|it| it.at).collect();
    let home: Vec<_> = servers.iter().map(|it| it.home).collect();
    if left(free, servers, &home).into_iter().zip(free).any(over) {
        return None;
    }
    let mut seen = HashSet::from([at.clone()]);
    let mut open = BinaryHeap::from([(Reverse(0), 0)]);
    let mut states = vec![State {
        at,
        from: None,
        moves: 0,
    }];
    while let Some((_, no)) = open.pop() {
        let state = states.get(no)?;
        let away = away(servers, &state.at);
        if away == 0 {
            return Some(path(&states, no));
        }
        if states.len() >= STATES {
            continue;
        }
        let (at, moves) = (state.at.clone(), state.moves + 1);
        for step in steps(free, servers, &at) {
            let mut next = at.clone();
            if let Some(place) = next.get_mut(step.0) {
                *place = step.1;
            }
            if seen.insert(next.clone()) {
                let estimate = moves + AWAY * self::away(servers, &next);
                open.push((Reverse(estimate), states.len()));
                states.push(State {
                    at: next,
                    from: Some((no, step)),
                    moves,
                });
            }
        }
    }
    None
}

fn away(servers: &[Server], at: &[usize]) -> usize {
    let both = servers.iter().zip(at);
    both.filter(|(server, at)| server.home != **at).count()
}

/// Is there too little of something, and less than there was?
fn over((left, free): (Resources, &Resources)) -> bool {
    let over = |left: i64, free: i64| left < 0 && left < free;
    over(left.vcpus, free.vcpus)
        || over(left.memory_mb, free.memory_mb)
        || over(left.disk_gb, free.disk_gb)
}

/// What is free while the servers are at these places.
fn left(free: &[Resources], servers: &[Server], at: &[usize]) -> Vec<Resources> {
    let mut free = free.to_vec();
    for (server, at) in servers.iter().zip(at) {
        change(&mut free, server, server.at, Resources::plus);
        change(&mut free, server, *at, Resources::less);
    }
    free
}

/// Each move into room that is there.
fn steps(free: &[Resources], servers: &[Server], at: &[usize]) -> Vec<Step> {
    let free = left(free, servers, at);
    let mut steps = Vec::new();
    for (no, (server, at)) in servers.iter().zip(at).enumerate() {
        for (to, (free, needs)) in free.iter().zip(&server.needs).enumerate() {
            if to != *at && needs.is_some_and(|needs| fits(*free, needs)) {
                steps.push((no, to));
            }
        }
    }
    steps
}

fn change(
    free: &mut [Resources],
    server: &Server,
    host: usize,
    how: fn(Resources, Resources) -> Resources,
) {
    let needs = server.needs.get(host).copied().flatten();
    if let (Some(free), Some(needs)) = (free.get_mut(host), needs) {
        *free = how(*free, needs);
    }
}

fn fits(free: Resources, needs: Resources) -> bool {
    let enough = |free: i64, needs: i64| needs <= 0 || needs <= free;
    enough(free.vcpus, needs.vcpus)
        && enough(free.memory_mb, needs.memory_mb)
        && enough(free.disk_gb, needs.disk_gb)
}

fn path(states: &[State], last: usize) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut no = last;
    while let Some((from, step)) = states.get(no).and_then(|state| state.from) {
        steps.push(step);
        no = from;
    }
    steps.reverse();
    steps
}
