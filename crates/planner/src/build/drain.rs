//! Servers that leave their hosts, wherever they go.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use super::board::Board;
use super::choose::Use;
use crate::plan::{Cause, Immovable, OperationKind};
use crate::reason::Reason;
use crate::table::{HostNo, ServerNo};

/// Everybody leaves `host`, which gets nobody. Whoever is leaving already is let go.
pub(super) fn empty(board: &mut Board<'_>, host: HostNo) {
    let closed = board.hosts[host].clone();
    board.open.set(host, &closed, Use::Never);
    let here = board.on[host].iter().copied();
    let leaves = |server: ServerNo| board.fleet.servers()[server].leaves();
    let here: HashSet<_> = here
        .filter(|server| board.at[*server] == host && !leaves(*server))
        .collect();
    leave(board, here.into_iter().collect(), &Cause::HostIsEmptied);
}

/// These leave their hosts: big ones first, as they find a place in fewer hosts than small ones.
pub(super) fn leave(board: &mut Board<'_>, servers: Vec<ServerNo>, because: &Cause) {
    for server in in_order(board, &servers) {
        let kind = match board.kind(server) {
            Ok(kind) => kind,
            Err(reasons) => {
                stays(board, server, because, reasons);
                continue;
            }
        };
        match board.choose(server) {
            Some(choice) => {
                board.place(kind, server, choice.host, choice.waits_for, because.clone());
                if choice.how == Use::Reluctantly
                    && let Some(operation) = board.last[server]
                {
                    let draft = &mut board.built.drafts[operation];
                    draft.because.push(Cause::NoDoneHostFits);
                }
            }
            None => {
                let reasons = board.explain(server);
                stays(board, server, because, reasons);
            }
        }
    }
}

/// It cannot go: it is shut down where the plan's caller wants that of a host's servers.
fn stays(board: &mut Board<'_>, server: ServerNo, because: &Cause, reasons: Vec<Reason>) {
    let emptied = *because == Cause::HostIsEmptied;
    let moving = board.fleet.servers()[server].moving_to.is_some();
    let host = board.at[server];
    let reached = board.hosts[host].up && board.hosts[host].unmanaged.is_none() && !moving;
    if board.options.immovable == Immovable::ShutdownRestart && emptied && reached {
        if board.fleet.servers()[server].running {
            let draft = board.draft(OperationKind::Shutdown, server, because.clone());
            board.add(draft);
        }
        return;
    }
    board.built.blocked.push((server, reasons));
}

/// Big ones first, but nobody before those that the constraints want before it.
fn in_order(board: &Board<'_>, servers: &[ServerNo]) -> Vec<ServerNo> {
    let among: HashSet<_> = servers.iter().copied().collect();
    let key = |server: ServerNo| {
        let room = board.fleet.servers()[server].need.room;
        (room.memory_mb, room.vcpus, Reverse(server))
    };
    let mut waits: HashMap<ServerNo, usize> = HashMap::new();
    for server in &among {
        let earlier = board.earlier.get(server).into_iter().flatten();
        let count = earlier.filter(|it| among.contains(it)).count();
        if count > 0 {
            waits.insert(*server, count);
        }
    }
    let free = among.iter().filter(|server| !waits.contains_key(server));
    let mut free: BinaryHeap<_> = free.map(|server| (key(*server), *server)).collect();
    let mut ordered = Vec::with_capacity(among.len());
    while let Some((_, server)) = free.pop() {
        ordered.push(server);
        for later in board.later.get(&server).into_iter().flatten() {
            if let Some(count) = waits.get_mut(later) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    free.push((key(*later), *later));
                }
            }
        }
    }
    ordered
}
