//! Many hosts, each emptied, done, and then a destination again.
//!
//! A move to a host that is still to be done is one move more later. So those are used only where
//! no host fits that is done or need not be done at all.

use std::collections::HashSet;

use super::board::Board;
use super::choose::Use;
use super::drain;
use crate::plan::{Cause, OperationKind};
use crate::table::{HostNo, OperationNo};

/// The emptiest begins, as nobody is done before it; and so on, so that each finds the room that
/// the one before has left.
pub(super) fn empty_all(board: &mut Board<'_>, mut hosts: Vec<HostNo>, max_unavailable: u32) {
    hosts.sort_by_key(|host| (board.hosts[*host].used.memory_mb, *host));
    let at_a_time = usize::try_from(max_unavailable).unwrap_or(usize::MAX);
    for host in &hosts {
        set(board, *host, Use::Reluctantly);
    }
    // Those that may be emptied while the first one is, too.
    for host in hosts.iter().take(at_a_time) {
        set(board, *host, Use::Never);
    }
    for (stage, host) in hosts.iter().enumerate() {
        if let Some(done) = stage.checked_sub(at_a_time).and_then(|it| hosts.get(it)) {
            finish(board, *done);
        }
        if stage > 0
            && let Some(next) = hosts.get(stage.saturating_add(at_a_time).saturating_sub(1))
        {
            set(board, *next, Use::Never);
        }
        let first = board.built.drafts.len();
        drain::empty(board, *host);
        start_again(board, *host, first);
    }
    board.built.rolling = hosts;
}

fn set(board: &mut Board<'_>, no: HostNo, how: Use) {
    board.open.set(no, &board.hosts[no], how);
}

/// Whoever arrives from now on waits until it is done, and so until all have left.
fn finish(board: &mut Board<'_>, host: HostNo) {
    board.done[host] = true;
    board.count_as_gone(host, usize::MAX);
    set(board, host, Use::Gladly);
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
