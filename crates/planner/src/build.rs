//! Which server goes where, and what it waits for.
//!
//! Operations are made one after the other, each against the fleet as the earlier ones leave it.
//! A host counts whatever arrives as soon as it is planned, and what leaves only once an arrival
//! says that it waits for it. So room and group rules hold in every order that the operations'
//! `after` allows, not only in the one they were made in ([`board`]).
//!
//! Whether a server may go to a host is asked of [`crate::candidates`], as the executor does.

mod ask;
mod board;
mod choose;
mod drain;
mod explain;
mod home;
mod rolling;

use crate::fleet::Fleet;
use crate::plan::{Cause, OperationKind, Options, Wish};
use crate::reason::Reason;
use crate::table::{HostNo, OperationNo, ServerNo, Table};

use board::Board;

/// An operation, in numbers.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    pub(crate) kind: OperationKind,
    pub(crate) server: ServerNo,
    pub(crate) source: HostNo,
    pub(crate) destination: Option<HostNo>,
    pub(crate) after: Vec<OperationNo>,
    pub(crate) after_done: Option<HostNo>,
    pub(crate) because: Vec<Cause>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Built {
    pub(crate) drafts: Table<OperationNo, Draft>,
    pub(crate) blocked: Vec<(ServerNo, Vec<Reason>)>,
    /// In the order in which they are emptied.
    pub(crate) rolling: Vec<HostNo>,
}

/// Which of the hosts that take a server gets it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Preference {
    /// The one with the most memory free.
    Emptiest,
    /// The one with the least memory free, so that room for big servers stays in one piece.
    Tightest,
}

/// The wish must have been checked. Where spreading servers leaves some without a host, filling
/// hosts up is tried as well.
pub(crate) fn build(fleet: &Fleet, wish: &Wish, options: &Options) -> Built {
    let spread = build_with(fleet, wish, options, Preference::Emptiest);
    if spread.blocked.is_empty() {
        return spread;
    }
    let filled = build_with(fleet, wish, options, Preference::Tightest);
    if filled.blocked.len() < spread.blocked.len() {
        filled
    } else {
        spread
    }
}

fn build_with(fleet: &Fleet, wish: &Wish, options: &Options, preference: Preference) -> Built {
    let mut board = Board::new(fleet, options, preference);
    match wish {
        Wish::Servers {
            servers,
            destination: None,
        } => {
            let servers = servers.iter().filter_map(|it| fleet.server_no(*it));
            drain::leave(&mut board, servers.collect(), &Cause::Asked);
        }
        Wish::Servers {
            servers,
            destination: Some(destination),
        } => {
            let homes = servers.iter().map(|it| (*it, destination.clone()));
            let homes = homes.collect::<Vec<_>>();
            home::bring(&mut board, &homes, &Cause::Asked);
        }
        Wish::Host { host } => {
            if let Some(host) = fleet.host_no(host) {
                drain::empty(&mut board, host);
            }
        }
        Wish::Rolling {
            hosts,
            max_unavailable,
        } => {
            let hosts = hosts.iter().filter_map(|it| fleet.host_no(it));
            rolling::empty_all(&mut board, hosts.collect(), *max_unavailable);
        }
        Wish::ReturnHome { homes } => home::bring(&mut board, homes, &Cause::ReturnsHome),
    }
    board.built()
}

#[cfg(test)]
mod tests;
