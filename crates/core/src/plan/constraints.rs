//! Whether constraints can be kept to at all.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::ids::ServerUuid;
use crate::plan::options::Constraint;
use crate::plan::request::{Invalid, InvalidCode};

/// Is every constraint about servers of the plan, each named once, and can `before` be kept to?
///
/// # Errors
/// Everything that is wrong, each with the place of it.
pub fn check(
    constraints: &[Constraint],
    servers: &BTreeSet<ServerUuid>,
) -> Result<(), Vec<Invalid>> {
    let mut wrong = Vec::new();
    for (place, constraint) in constraints.iter().enumerate() {
        let pointer = format!("/constraints/{place}");
        let invalid = |detail: String| Invalid {
            code: InvalidCode::InvalidInput,
            pointer: pointer.clone(),
            detail,
        };
        let mut named = BTreeSet::new();
        for server in constraint.servers() {
            if !servers.contains(&server) {
                wrong.push(invalid(format!("the plan has no server {server}")));
            }
            if !named.insert(server) {
                wrong.push(invalid(format!("{server} is named twice")));
            }
        }
        if named.len() < 2 && constraint.limit().is_some() {
            wrong.push(invalid("it is about fewer than two servers".to_owned()));
        }
        if constraint.limit() == Some(0) {
            wrong.push(invalid("at most 0 would never move any".to_owned()));
        }
    }
    let before = constraints
        .iter()
        .filter_map(|constraint| match constraint {
            Constraint::Before(first, second) => Some((*first, *second)),
            Constraint::NotTogether(_) | Constraint::AtMost(..) => None,
        });
    // One that names a server twice is told of already.
    let cycle = in_cycles(before.filter(|(first, second)| first != second));
    if let Some(server) = cycle.first() {
        wrong.push(Invalid {
            code: InvalidCode::InvalidInput,
            pointer: "/constraints".to_owned(),
            detail: format!("{server} would have to move before itself"),
        });
    }
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong),
    }
}

/// Of all that have to go one before the other, those that never can: what is in a cycle, and what
/// comes after one.
pub(crate) fn in_cycles<T: Copy + Ord>(before: impl Iterator<Item = (T, T)>) -> BTreeSet<T> {
    let mut after: BTreeMap<T, Vec<T>> = BTreeMap::new();
    let mut waits_for: BTreeMap<T, usize> = BTreeMap::new();
    for (first, second) in before {
        after.entry(first).or_default().push(second);
        waits_for.entry(first).or_default();
        *waits_for.entry(second).or_default() += 1;
    }
    let free = waits_for.iter().filter(|(_, count)| **count == 0);
    let mut free: VecDeque<T> = free.map(|(one, _)| *one).collect();
    while let Some(one) = free.pop_front() {
        waits_for.remove(&one);
        for later in after.remove(&one).unwrap_or_default() {
            if let Some(count) = waits_for.get_mut(&later) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.push_back(later);
                }
            }
        }
    }
    waits_for.into_keys().collect()
}
