//! The search for the smallest set of changes.

use std::collections::BTreeSet;

use super::state::State;
use super::{Key, Scopes, Solution};
use crate::inventory::{Host, Need};

/// Pairs of a server and a host that the exact search looks at. What is decided within them is
/// decided exactly.
const EXACT: usize = 100_000;
/// As many servers the exact search places one within the other.
const DEEPEST: usize = 500;
/// Pairs that are looked at to leave changes out.
const PRUNING: usize = 300_000;

/// What all parts of the search are about.
#[derive(Clone, Copy)]
struct Question<'a> {
    hosts: &'a [Host],
    needs: &'a [&'a Need],
    scopes: &'a Scopes<'a>,
}

/// The smallest set of changes with which all `needs` have places, as far as the budgets reach.
pub(super) fn search(hosts: &[Host], needs: &[&Need], scopes: &Scopes<'_>) -> Option<Solution> {
    let question = Question {
        hosts,
        needs,
        scopes,
    };
    let greedily = greedy(&mut question.state(), needs.len(), None);
    let single = match &greedily {
        Some(found) if found.changes.len() <= 1 => None,
        Some(_) | None => question.single(),
    };
    let best = [greedily, single].into_iter().flatten();
    let best = best.min_by_key(Solution::cost);
    let best = best.map(|best| question.pruned(best));
    question.exact(best)
}

impl<'a> Question<'a> {
    fn state(self) -> State<'a> {
        State::new(self.hosts, self.needs, self.scopes)
    }

    /// One change that does for all that have no place as things are.
    fn single(self) -> Option<Solution> {
        let mut state = self.state();
        let nothing = BTreeSet::new();
        let mut left_over = Vec::new();
        for server in 0..self.needs.len() {
            match state
                .choices(server, Some(&nothing), None)
                .into_iter()
                .next()
            {
                Some(choice) => state.place(server, choice),
                None => left_over.push(server),
            }
        }
        let first = *left_over.first()?;
        let singles = state.choices(first, None, None).into_iter();
        let singles: BTreeSet<Key> = singles
            .filter_map(|choice| match choice.new.as_slice() {
                [key] => Some(*key),
                _ => None,
            })
            .collect();
        let does = |key: Key, state: &mut State<'a>| {
            let (allowed, hosts) = (BTreeSet::from([key]), self.touched(key));
            let mut placed = 0_usize;
            for server in &left_over {
                let choices = state.choices(*server, Some(&allowed), hosts.as_deref());
                let Some(choice) = choices.into_iter().next() else {
                    break;
                };
                state.place(*server, choice);
                placed = placed.saturating_add(1);
            }
            let found = solved(state);
            (0..placed).for_each(|_| state.take_back());
            found
        };
        let found = singles.into_iter().filter_map(|key| does(key, &mut state));
        found.min_by_key(Solution::cost)
    }

    /// The hosts that a change is about; `None`: it may be any of them.
    fn touched(self, key: Key) -> Option<Vec<usize>> {
        match key {
            Key::Scope(scope) => {
                let of_host = self.scopes.of_host.iter().enumerate();
                let within = of_host.filter(|(_, scopes)| scopes.contains(&scope));
                Some(within.map(|(host, _)| host).collect())
            }
            Key::Cluster(host)
            | Key::Agent(host)
            | Key::AgentVersion(host)
            | Key::Version(host)
            | Key::Pools(host)
            | Key::Free(host, _)
            | Key::Members(host, _) => Some(vec![host]),
            Key::Leave(_) | Key::Stop(_) => None,
        }
    }

    /// Without every change that the others make needless.
    fn pruned(self, mut best: Solution) -> Solution {
        let mut looked_at = 0_usize;
        loop {
            let mut keys: Vec<Key> = best.changes.iter().copied().collect();
            keys.sort_by_key(|key| !key.is_by_hand());
            let mut shorter = None;
            for key in keys {
                if looked_at > PRUNING {
                    return best;
                }
                let mut allowed = best.changes.clone();
                allowed.remove(&key);
                let mut state = self.state();
                shorter = greedy(&mut state, self.needs.len(), Some(&allowed));
                looked_at = looked_at.saturating_add(state.looked_at);
                if shorter.is_some() {
                    break;
                }
            }
            match shorter {
                Some(shorter) => best = shorter,
                None => return best,
            }
        }
    }

    /// The best of all, or of those that the budget reaches, and of `known`.
    fn exact(self, known: Option<Solution>) -> Option<Solution> {
        let is_done = known.as_ref().is_some_and(|it| it.changes.is_empty());
        if is_done || self.needs.len() > DEEPEST {
            return known;
        }
        let mut bound = Bound {
            question: self,
            state: self.state(),
            best: known,
        };
        bound.descend(0);
        bound.best
    }
}

/// Branch and bound over the places of servers.
struct Bound<'a> {
    question: Question<'a>,
    state: State<'a>,
    best: Option<Solution>,
}

impl Bound<'_> {
    /// Places the servers from this one on in every way that could be better than the best.
    fn descend(&mut self, server: usize) {
        if server == self.question.needs.len() {
            let better = solved(&self.state);
            self.best = better.or_else(|| self.best.take());
            return;
        }
        for choice in self.state.choices(server, None, None) {
            if self.state.looked_at > EXACT {
                return;
            }
            if !self.may_be_better(&choice.new) {
                // Those that follow take as many at least, but by hand perhaps fewer.
                continue;
            }
            self.state.place(server, choice);
            self.descend(server.saturating_add(1));
            self.state.take_back();
        }
    }

    fn may_be_better(&self, new: &[Key]) -> bool {
        let Some(best) = &self.best else {
            return true;
        };
        let keys = || self.state.changes.iter().chain(new);
        let by_hand = keys().filter(|key| key.is_by_hand()).count();
        (keys().count(), by_hand) < best.cost()
    }
}

/// Each server, the largest first, where it takes the fewest new changes.
fn greedy(
    state: &mut State<'_>,
    servers: usize,
    allowed: Option<&BTreeSet<Key>>,
) -> Option<Solution> {
    for server in 0..servers {
        let choice = state.choices(server, allowed, None).into_iter().next()?;
        state.place(server, choice);
    }
    solved(state)
}

fn solved(state: &State<'_>) -> Option<Solution> {
    Some(Solution {
        places: state.places()?,
        changes: state.changes.clone(),
    })
}
