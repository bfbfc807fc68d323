//! The fleet as the operations so far leave it.
//!
//! For each host: everything that has been planned to arrive counts from the beginning. Of what
//! leaves, a prefix is *counted as gone*: every arrival that was planned since waits for all of
//! it. Whatever arrivals have begun at some moment, take the last planned of them: it saw all the
//! others, and has waited for all that it did not see. So its check holds for that moment.

use std::collections::{BTreeSet, HashMap};

use godwit_core::host::hypervisor::moves_live;
use godwit_core::ids::HostName;
use godwit_core::resources::Resources;

use super::{Built, Draft, Preference};
use crate::fleet::Fleet;
use crate::inventory::Host;
use crate::plan::{Cause, Constraint, OperationKind, Options};
use crate::table::{HostNo, OperationNo, ServerNo, Table};

use super::choose::Open;

/// What has been planned to leave a host.
#[derive(Clone, Default)]
pub(super) struct Leaving {
    pub(super) operations: Vec<OperationNo>,
    /// How many of them are counted as gone.
    pub(super) gone: usize,
}

#[derive(Clone)]
pub(super) struct Board<'f> {
    pub(super) fleet: &'f Fleet,
    pub(super) options: &'f Options,
    pub(super) preference: Preference,
    /// With what is planned in `used`.
    pub(super) hosts: Table<HostNo, Host>,
    pub(super) open: Open,
    pub(super) leaving: Table<HostNo, Leaving>,
    /// Hosts that some of what leaves is not counted as gone of.
    pub(super) freeing: BTreeSet<HostNo>,
    /// Hosts of a rolling maintenance that are done by now.
    pub(super) done: Table<HostNo, bool>,
    /// Where each server will be.
    pub(super) at: Table<ServerNo, HostNo>,
    /// Who will be on each host, and who was.
    pub(super) on: Table<HostNo, Vec<ServerNo>>,
    /// Other hosts where it may still be when the next operation begins.
    pub(super) stops: HashMap<ServerNo, Vec<HostNo>>,
    pub(super) last: Table<ServerNo, Option<OperationNo>>,
    /// Who moves before a server does.
    pub(super) earlier: HashMap<ServerNo, Vec<ServerNo>>,
    pub(super) later: HashMap<ServerNo, Vec<ServerNo>>,
    pub(super) built: Built,
}

impl<'f> Board<'f> {
    pub(super) fn new(fleet: &'f Fleet, options: &'f Options, preference: Preference) -> Self {
        let hosts: Vec<Host> = fleet
            .hosts()
            .iter()
            .map(|(_, it)| it.host.clone())
            .collect();
        let (mut stops, mut earlier, mut later) = (HashMap::new(), HashMap::new(), HashMap::new());
        for (no, server) in fleet.servers().iter() {
            if let Some(host) = server.moving_to.as_ref().and_then(|it| fleet.host_no(it)) {
                stops.insert(no, vec![host]);
            }
        }
        for constraint in &options.constraints {
            if let Constraint::Before(first, second) = constraint {
                let both = (fleet.server_no(*first), fleet.server_no(*second));
                if let (Some(first), Some(second)) = both {
                    earlier.entry(second).or_insert_with(Vec::new).push(first);
                    later.entry(first).or_insert_with(Vec::new).push(second);
                }
            }
        }
        let on = fleet.hosts().numbers();
        let on: Vec<_> = on.map(|host| fleet.servers_on(host).to_vec()).collect();
        let at = fleet.servers().numbers();
        let at: Vec<_> = at.map(|server| fleet.host_of(server)).collect();
        Self {
            fleet,
            options,
            preference,
            open: Open::new(fleet),
            leaving: Table::filled(hosts.len(), Leaving::default()),
            freeing: BTreeSet::new(),
            done: Table::filled(hosts.len(), false),
            hosts: hosts.into(),
            last: Table::filled(at.len(), None),
            at: at.into(),
            on: on.into(),
            stops,
            earlier,
            later,
            built: Built::default(),
        }
    }

    pub(super) fn built(self) -> Built {
        self.built
    }

    pub(super) fn name(&self, host: HostNo) -> &HostName {
        &self.hosts[host].name
    }

    /// What is free once all that is planned has been done.
    pub(super) fn free_at_last(&self, no: HostNo) -> Resources {
        let (host, leaving) = (&self.hosts[no], &self.leaving[no]);
        let uncounted = leaving.operations.iter().skip(leaving.gone);
        let rooms = uncounted.map(|operation| {
            let server = self.built.drafts[*operation].server;
            self.fleet.servers()[server].need.room_at(&host.pools)
        });
        rooms.fold(host.free(), Resources::plus)
    }

    /// Counts `more` of what leaves `host` as gone.
    pub(super) fn count_as_gone(&mut self, host: HostNo, more: usize) {
        let leaving = &mut self.leaving[host];
        let from = leaving.gone;
        leaving.gone = leaving.operations.len().min(from.saturating_add(more));
        let operations = leaving.operations.iter().skip(from).take(more);
        for operation in operations {
            let server = self.built.drafts[*operation].server;
            let room = self.fleet.servers()[server]
                .need
                .room_at(&self.hosts[host].pools);
            let used = self.hosts[host].used.less(room);
            self.hosts[host].used = used;
            if let Some(stops) = self.stops.get_mut(&server)
                && let Some(at) = stops.iter().position(|stop| *stop == host)
            {
                stops.remove(at);
            }
        }
        if self.leaving[host].gone == self.leaving[host].operations.len() {
            self.freeing.remove(&host);
        }
        self.open.update(host, &self.hosts[host]);
    }

    /// Adds an operation towards `destination`, which waits for so many more that leave it.
    pub(super) fn place(
        &mut self,
        kind: OperationKind,
        server: ServerNo,
        destination: HostNo,
        waits_for: usize,
        because: Cause,
    ) {
        self.count_as_gone(destination, waits_for);
        let source = self.at[server];
        let kind = self.kind_to(kind, server, destination);
        let mut draft = self.draft(kind, server, because);
        draft.destination = Some(destination);
        if self.done[destination] {
            draft.after_done = Some(destination);
        } else {
            let leaving = &self.leaving[destination];
            let gone: Vec<_> = leaving
                .operations
                .iter()
                .take(leaving.gone)
                .copied()
                .collect();
            if !gone.is_empty() {
                draft.after.extend(&gone);
                draft.because.push(Cause::RoomIsFreed { by: gone });
            }
        }
        let room = self.fleet.servers()[server]
            .need
            .room_at(&self.hosts[destination].pools);
        let host = &mut self.hosts[destination];
        host.used = host.used.plus(room);
        host.arriving = host.arriving.saturating_add(1);
        self.open.update(destination, &self.hosts[destination]);
        let operation = self.add(draft);
        self.leaving[source].operations.push(operation);
        self.freeing.insert(source);
        self.stops.entry(server).or_default().push(source);
        self.at[server] = destination;
        self.on[destination].push(server);
    }

    /// A server is back on `home`, which was never counted as without it; `frees`: what it had where it
    /// was can be had by others.
    pub(super) fn takes_back(
        &mut self,
        server: ServerNo,
        (from, home): (HostNo, HostNo),
        frees: bool,
    ) {
        self.at[server] = home;
        let stops = self.stops.entry(server).or_default();
        if !frees {
            stops.push(from);
            return;
        }
        stops.clear();
        self.on[from].retain(|it| *it != server);
        let room = self.fleet.servers()[server]
            .need
            .room_at(&self.hosts[from].pools);
        let host = &mut self.hosts[from];
        host.used = host.used.less(room);
        host.arriving = host.arriving.saturating_sub(1);
        self.open.update(from, &self.hosts[from]);
    }

    /// A live move that would never end, or that no hypervisor makes, is a cold one, where that is
    /// allowed; elsewhere nobody gets as far as this.
    fn kind_to(&self, kind: OperationKind, server: ServerNo, to: HostNo) -> OperationKind {
        let host = &self.hosts[to];
        let guest = self.fleet.guest(server, self.at[server], to);
        let ends = || {
            moves_live(&host.hypervisor_type)
                && guest.ends(self.fleet.stream_limit(self.at[server], to))
        };
        if kind == OperationKind::Live && !ends() {
            return OperationKind::Cold;
        }
        kind
    }

    /// An operation that stays where it is, after its server's last one and its constraints.
    pub(super) fn draft(&self, kind: OperationKind, server: ServerNo, because: Cause) -> Draft {
        let mut because = vec![because];
        let mut after: Vec<_> = self.last[server].into_iter().collect();
        let earlier = self.earlier.get(&server).into_iter().flatten();
        let earlier: Vec<_> = earlier.filter_map(|it| self.last[*it]).collect();
        if !earlier.is_empty() {
            after.extend(&earlier);
            because.push(Cause::Constraint { after: earlier });
        }
        Draft {
            kind,
            server,
            source: self.at[server],
            destination: None,
            after,
            after_done: None,
            because,
        }
    }

    pub(super) fn add(&mut self, mut draft: Draft) -> OperationNo {
        draft.after.sort_unstable();
        draft.after.dedup();
        let server = draft.server;
        let operation = self.built.drafts.push(draft);
        self.last[server] = Some(operation);
        operation
    }
}
