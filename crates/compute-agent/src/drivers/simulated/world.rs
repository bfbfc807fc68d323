//! Where everything is, and how it changes as time passes. No locks, no clock, no I/O.

use std::collections::{BTreeMap, BTreeSet};

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_rpc::progress::{Ended, Outcome};

use super::faults::{Fault, Faults};
use super::fleet::{Fleet, GuestSpec, HostSpec, PoolSpec, Power};
use super::guests::Guests;
use super::transfer::{Mode, Transfer};

/// A broken link is noticed after this many seconds.
const LINK_TIMEOUT: f64 = 5.0;
/// Less than this is no time, seconds.
const EPSILON: f64 = 1e-9;
/// More events than this between two looks mean that time leapt; the rest waits for the next.
const MOST_EVENTS: usize = 1_000_000;

#[derive(Debug)]
pub(super) struct HostState {
    pub(super) spec: HostSpec,
    pub(super) connected: bool,
    /// Without power nothing executes on it, and nobody answers.
    pub(super) powered: bool,
}

/// A move, from `start` to `finish` or `roll_back`.
#[derive(Debug)]
pub(super) struct Moving {
    pub(super) server: ServerUuid,
    pub(super) source: HostName,
    pub(super) destination: HostName,
    pub(super) transfer: Transfer,
    /// Cold: how long the guest still takes to power off, seconds.
    pub(super) off_in: Option<f64>,
    /// Kept from ending by a hold point.
    pub(super) held: bool,
    pub(super) stalled: bool,
    pub(super) broken_for: f64,
    pub(super) fault: Option<Fault>,
    pub(super) ended: Option<Ended>,
}

/// The domain that `prepare` made, which has never executed.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) migration: MigrationUuid,
    pub(super) copied_bytes: u64,
    /// Its process died; the disks made for it are still there.
    pub(super) dead: bool,
}

#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) hosts: BTreeMap<HostName, HostState>,
    pub(super) guests: Guests,
    /// What is known of pools, by name.
    pub(super) pools: BTreeMap<String, PoolSpec>,
    pub(super) incoming: BTreeMap<(HostName, ServerUuid), Incoming>,
    /// Guests that a move stopped at their source, and did not hand over.
    pub(super) stopped: BTreeSet<ServerUuid>,
    pub(super) moves: BTreeMap<MigrationUuid, Moving>,
    pub(super) faults: Faults,
    /// How often guests were powered off that executed, and how often paused before their last pass,
    /// because a driver was told so.
    pub(super) disturbed: BTreeMap<ServerUuid, Disturbed>,
    /// Simulated seconds since the world began.
    now: f64,
    /// Hosts on which a domain came, went, or changed its state, and nobody was told yet.
    pub(super) changed: BTreeSet<HostName>,
}

/// What was done to a guest that a move by itself does not do.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Disturbed {
    /// How often it was powered off.
    pub stops: u32,
    /// How often it was paused until what is left of its memory had crossed.
    pub pauses: u32,
}

impl World {
    pub(super) fn stops(&mut self, server: ServerUuid) {
        let executes = |guest: &GuestSpec| guest.power != Power::Off;
        if self.guests.get(server).is_some_and(executes) {
            self.disturbed.entry(server).or_default().stops += 1;
        }
    }

    pub(super) fn new(fleet: Fleet) -> Self {
        let host = |spec: HostSpec| {
            (
                spec.name.clone(),
                HostState {
                    spec,
                    connected: true,
                    powered: true,
                },
            )
        };
        Self {
            hosts: fleet.hosts.into_iter().map(host).collect(),
            guests: Guests::new(fleet.guests),
            pools: fleet
                .pools
                .into_iter()
                .map(|pool| (pool.name.clone(), pool))
                .collect(),
            ..Self::default()
        }
    }

    /// What survives this process: a move does not.
    pub(super) fn fleet(&self) -> Fleet {
        Fleet {
            hosts: self.hosts.values().map(|host| host.spec.clone()).collect(),
            guests: self.guests.iter().cloned().collect(),
            pools: self.pools.values().cloned().collect(),
        }
    }

    pub(super) fn host_names(&self) -> Vec<HostName> {
        self.hosts.keys().cloned().collect()
    }

    /// Changes a guest, if it is there.
    pub(super) fn change(&mut self, server: ServerUuid, change: impl FnOnce(&mut GuestSpec)) {
        let see = self.guests.change(server, change);
        self.changed.extend(see.into_iter().flatten());
    }

    pub(super) fn is_powered(&self, host: &HostName) -> bool {
        self.hosts.get(host).is_none_or(|state| state.powered)
    }

    pub(super) fn connect(&mut self, host: &HostName, connected: bool) {
        if let Some(host) = self.hosts.get_mut(host) {
            host.connected = connected;
        }
    }

    pub(super) fn revive_stalled(&mut self) {
        for moving in self.moves.values_mut() {
            moving.stalled = false;
        }
    }

    /// Where the guest executes, or would if its user let it.
    pub(super) fn whereabouts(&self, server: ServerUuid) -> Option<HostName> {
        self.guests.get(server).map(|guest| guest.host.clone())
    }

    /// Brings the world to `to`, in seconds since it began.
    pub(super) fn advance(&mut self, to: f64) {
        for _ in 0..MOST_EVENTS {
            let left = to - self.now;
            let rates = self.rates();
            if left <= 0.0 || rates.is_empty() {
                break;
            }
            let next = rates
                .iter()
                .filter_map(|(uuid, rate)| self.moves[uuid].next_event(*rate));
            let step = next.fold(left, f64::min);
            self.now += step;
            for (uuid, rate) in rates {
                self.advance_move(uuid, step, rate);
            }
        }
        self.now = self.now.max(to);
    }

    /// What each move under way gets of the links it uses; a link is shared evenly, and one stream
    /// may not be able to use it up.
    fn rates(&self) -> Vec<(MigrationUuid, f64)> {
        let active = || {
            let moves = self.moves.iter();
            moves.filter(|(_, moving)| moving.ended.is_none())
        };
        let mut users = BTreeMap::<&HostName, u32>::new();
        for (_, moving) in active().filter(|(_, moving)| moving.uses_links()) {
            for end in BTreeSet::from([&moving.source, &moving.destination]) {
                let users = users.entry(end).or_default();
                *users = users.saturating_add(1);
            }
        }
        let share = |host: &HostName| match self.hosts.get(host) {
            Some(state) if state.connected => {
                let (all, one) = state.spec.rates();
                #[expect(clippy::cast_precision_loss, reason = "a model")]
                let (all, one) = (all as f64, one as f64);
                (all / f64::from(users.get(host).copied().unwrap_or(1))).min(one)
            }
            _ => 0.0,
        };
        active()
            .map(|(uuid, moving)| match moving.stalled {
                true => (*uuid, 0.0),
                // Any rate will do: there is nothing to send.
                false if !moving.uses_links() => (*uuid, 1.0),
                false => (*uuid, share(&moving.source).min(share(&moving.destination))),
            })
            .collect()
    }

    fn advance_move(&mut self, uuid: MigrationUuid, step: f64, rate: f64) {
        let Some(moving) = self.moves.get_mut(&uuid) else {
            return;
        };
        if let Some(off_in) = moving.off_in.filter(|off_in| *off_in > 0.0) {
            let left = off_in - step;
            moving.off_in = Some(left.max(0.0));
            if left <= EPSILON {
                self.power_off(uuid);
            }
            return;
        }
        let complete = moving.transfer.advance(step, rate, moving.held);
        moving.broken_for = if rate > 0.0 || moving.stalled {
            0.0
        } else {
            moving.broken_for + step
        };
        let strikes = moving.fault.is_some() && moving.transfer.first_pass() >= 0.5;
        let fault = if strikes { moving.fault.take() } else { None };
        if moving.broken_for >= LINK_TIMEOUT || fault == Some(Fault::LoseLink) {
            self.break_off(uuid);
        } else if let Some(Fault::Fail(failure)) = fault {
            self.end(uuid, Outcome::Failed(failure));
        } else if fault == Some(Fault::Hang) {
            moving.stalled = true;
        } else if complete && moving.off_in.is_some() {
            self.end(uuid, Outcome::Stopped);
        } else if complete {
            self.hand_over(uuid);
            self.end(uuid, Outcome::HandedOver);
        }
    }

    fn break_off(&mut self, uuid: MigrationUuid) {
        let Some(moving) = self.moves.get(&uuid) else {
            return;
        };
        if moving.transfer.mode() == Mode::PostCopy {
            // Half of it is here and half of it is there.
            self.guests.remove(moving.server);
            self.lose(
                uuid,
                "The connection to the source was lost during post-copy.",
            );
        } else {
            let text = "The connection between the hosts was lost.";
            let failure = Failure::new(FailureCode::LinkLost, text);
            self.end(uuid, Outcome::Failed(failure));
        }
    }

    /// From now on the guest executes at its destination. What the hypervisors agree on here
    /// outlives this process, as it would on real hosts.
    pub(super) fn hand_over(&mut self, uuid: MigrationUuid) {
        let Some(moving) = self.moves.get(&uuid) else {
            return;
        };
        let (server, destination) = (moving.server, moving.destination.clone());
        let copied = moving.transfer.copies_disks();
        self.incoming.remove(&(destination.clone(), server));
        if copied {
            self.rehouse(server, &destination);
        }
        self.change(server, |guest| guest.host = destination);
    }

    fn lose(&mut self, uuid: MigrationUuid, text: &str) {
        let failure = Failure::new(FailureCode::GuestLost, text);
        self.end(uuid, Outcome::Lost(failure));
    }

    pub(super) fn end(&mut self, uuid: MigrationUuid, outcome: Outcome) {
        if let Some(moving) = self.moves.get_mut(&uuid) {
            let progress = Some(moving.transfer.progress());
            moving.ended = Some(Ended { outcome, progress });
            let ends = [moving.source.clone(), moving.destination.clone()];
            self.changed.extend(ends);
        }
    }

    /// The hypervisor service at the source dies: nobody will hear how the move ends. The guest
    /// is not touched, but stays stopped if that is where the move was.
    pub(super) fn interrupt(&mut self, server: ServerUuid, at_handover: bool) {
        let Some((uuid, mode)) = self.under_way(server) else {
            return;
        };
        let Some(moving) = self.moves.remove(&uuid) else {
            return;
        };
        let ends = [moving.source.clone(), moving.destination.clone()];
        self.changed.extend(ends);
        if mode != Mode::PostCopy {
            if at_handover {
                self.stopped.insert(server);
            }
            // The connection between the two hypervisors broke, and that side cleans up. A guest
            // that is being powered off has none.
            if moving.off_in.is_none()
                && let Some(incoming) = self.incoming.get_mut(&(moving.destination, server))
            {
                incoming.dead = true;
            }
        }
    }

    /// The process that receives the guest dies.
    pub(super) fn kill_incoming(&mut self, server: ServerUuid) {
        let Some((uuid, mode)) = self.under_way(server) else {
            return;
        };
        let text = "The process at the destination died.";
        if mode == Mode::PostCopy {
            self.guests.remove(server);
            return self.lose(uuid, text);
        }
        if let Some(moving) = self.moves.get(&uuid)
            && let Some(incoming) = self.incoming.get_mut(&(moving.destination.clone(), server))
        {
            incoming.dead = true;
        }
        let failure = Failure::new(FailureCode::HypervisorError, text);
        self.end(uuid, Outcome::Failed(failure));
    }

    fn under_way(&self, server: ServerUuid) -> Option<(MigrationUuid, Mode)> {
        let mut moves = self.moves.iter();
        let found = moves.find(|(_, moving)| moving.server == server && moving.ended.is_none());
        found.map(|(uuid, moving)| (*uuid, moving.transfer.mode()))
    }

    /// Starts a guest again that its move had stopped.
    pub(super) fn resume(&mut self, server: ServerUuid) {
        self.stopped.remove(&server);
        self.changed.extend(self.whereabouts(server));
    }
}

impl Moving {
    /// Does it send anything now?
    fn uses_links(&self) -> bool {
        match self.off_in {
            None => true,
            Some(off_in) => off_in <= 0.0 && !self.transfer.disks_are_there(),
        }
    }

    /// Seconds until something happens to this move at this rate.
    fn next_event(&self, rate: f64) -> Option<f64> {
        if let Some(off_in) = self.off_in.filter(|off_in| *off_in > 0.0) {
            return (rate > 0.0).then_some(off_in);
        }
        if rate <= 0.0 {
            return (!self.stalled).then(|| (LINK_TIMEOUT - self.broken_for).max(0.0));
        }
        let next = self.transfer.next_event(rate, self.held)?;
        // A fault strikes within the first pass, which is therefore walked in smaller steps.
        Some(if self.fault.is_some() {
            (next / 4.0).max(0.001).min(next)
        } else {
            next
        })
    }
}
