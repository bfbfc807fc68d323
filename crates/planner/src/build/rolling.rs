//! Many hosts, each emptied, done, and then a destination again.
//!
//! A move to a host that is still to be done is one move more later. So those are used only where
//! no host fits that is done or need not be done at all. Not so where guests return to each host that is
//! done: then they have left all others before those are emptied.
//!
//! Where one host is done after the other, each finds all others as they were in the beginning. Where
//! several are, nobody knows which one is done first: so guests count where they went to, too, after
//! they have returned.

use std::collections::HashSet;

use godwit_core::plan::options::ReturnHome;

use super::board::{Board, Leaving};
use super::choose::Use;
use super::drain;
use crate::plan::{Cause, OperationKind};
use crate::table::{HostNo, OperationNo};

/// The emptiest begins, as nobody is done before it; and so on, so that each finds the room that
/// the one before has left.
pub(super) fn empty_all(board: &mut Board<'_>, mut hosts: Vec<HostNo>, max_unavailable: u32) {
    hosts.sort_by_key(|host| (board.hosts[*host].used.memory_mb, *host));
    let at_a_time = usize::try_from(max_unavailable).unwrap_or(usize::MAX);
    let returns = board.options.return_home != ReturnHome::Never;
    let first_use = match returns {
        true => Use::Gladly,
        false => Use::Reluctantly,
    };
    for host in &hosts {
        set(board, *host, first_use);
    }
    // The first operation of each that was emptied.
    let mut firsts = Vec::with_capacity(hosts.len());
    // Those that may be emptied while the first one is, too.
    for host in hosts.iter().take(at_a_time) {
        set(board, *host, Use::Never);
    }
    for (stage, host) in hosts.iter().enumerate() {
        let done = stage.checked_sub(at_a_time);
        if let Some((done, at)) = done.and_then(|at| Some((*hosts.get(at)?, at))) {
            if returns {
                let first = firsts.get(at).copied().unwrap_or_default();
                return_to(board, done, first, at_a_time == 1);
            } else {
                count_as_empty(board, done);
            }
            board.done[done] = true;
            set(board, done, Use::Gladly);
        }
        if stage > 0
            && let Some(next) = hosts.get(stage.saturating_add(at_a_time).saturating_sub(1))
        {
            set(board, *next, Use::Never);
        }
        let first = board.built.drafts.len();
        firsts.push(first);
        drain::empty(board, *host);
        start_again(board, *host, first);
    }
    board.built.rolling = hosts;
}

fn set(board: &mut Board<'_>, no: HostNo, how: Use) {
    board.open.set(no, &board.hosts[no], how);
}

/// Whoever arrives from now on waits until it is done, and so until all have left.
fn count_as_empty(board: &mut Board<'_>, host: HostNo) {
    board.count_as_gone(host, usize::MAX);
}

/// The guests that left `host`, with operations from `first` on, are there again; what they had where they
/// were is free, or may be theirs still.
fn return_to(board: &mut Board<'_>, host: HostNo, first: usize, frees: bool) {
    let drafts = board.built.drafts.iter().skip(first);
    let left = drafts.take_while(|(_, it)| it.source == host);
    let left = left.filter_map(|(_, it)| Some((it.server, it.destination?)));
    let left: Vec<_> = left.collect();
    for (server, from) in left {
        board.takes_back(server, (from, host), frees);
    }
    board.leaving[host] = Leaving::default();
    board.freeing.remove(&host);
}

/// What was shut down since `first` is started once its host is done.
fn start_again(board: &mut Board<'_>, host: HostNo, first: usize) {
    let drafts = board.built.drafts.iter().skip(first);
    let stopped = drafts.filter(|(_, it)| it.kind == OperationKind::Shutdown);
    let stopped: HashSet<_> = stopped.map(|(no, it)| (no, it.server)).collect();
    let mut stopped: Vec<(OperationNo, _)> = stopped.into_iter().collect();
    stopped.sort_unstable();
    for (shutdown, server) in stopped {
        let mut draft = board.draft(OperationKind::Start, server, Cause::HostIsEmptied);
        draft.after.push(shutdown);
        draft.after_done = Some(host);
        board.add(draft);
    }
}
