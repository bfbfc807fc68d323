//! Where everything is, and how it changes as time passes. No locks, no clock, no I/O.

use std::collections::BTreeMap;

use godwit_core::failure::{Failure, FailureCode};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::StorageMode;
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::command::{ForceMeans, Move};
use godwit_rpc::domain::Domain;
use godwit_rpc::facts::{Capacity, Cpu, HostFacts, Pool};
use godwit_rpc::progress::{Ended, Outcome};

use super::course::{Course, Mode};
use super::faults::{Fault, Faults, Step};
use super::fleet::{Fleet, GuestSpec, HostSpec, Power};
use crate::driver::{DriverError, JobState};

/// A broken link is noticed after this many seconds.
const LINK_TIMEOUT: f64 = 5.0;
/// A shared pool's size, as its hosts report it: large.
const POOL_BYTES: u64 = 100 << 40;
/// More events than this between two looks mean that time leapt; the rest waits for the next.
const MOST_EVENTS: usize = 1_000_000;

#[derive(Debug)]
struct HostState {
    spec: HostSpec,
    connected: bool,
}

/// A move, from `start` to `finish` or `roll_back`.
#[derive(Debug)]
struct Moving {
    server: ServerUuid,
    source: HostName,
    destination: HostName,
    course: Course,
    /// Kept from ending by a hold point.
    held: bool,
    stalled: bool,
    broken_for: f64,
    fault: Option<Fault>,
    ended: Option<Ended>,
}

/// The domain that `prepare` made, which has never executed.
#[derive(Debug)]
struct Incoming {
    migration: MigrationUuid,
    copied_bytes: u64,
}

/// Everything.
#[derive(Debug, Default)]
pub(super) struct World {
    hosts: BTreeMap<HostName, HostState>,
    guests: BTreeMap<ServerUuid, GuestSpec>,
    incoming: BTreeMap<(HostName, ServerUuid), Incoming>,
    moves: BTreeMap<MigrationUuid, Moving>,
    pub(super) faults: Faults,
    /// Simulated seconds since the world began.
    now: f64,
    /// Grows when a domain comes, goes, or changes its state.
    pub(super) changes: u64,
    /// Something that has to survive this process changed.
    pub(super) unsaved: bool,
}

impl World {
    pub(super) fn new(fleet: Fleet) -> Self {
        let host = |spec: HostSpec| {
            (
                spec.name.clone(),
                HostState {
                    spec,
                    connected: true,
                },
            )
        };
        Self {
            hosts: fleet.hosts.into_iter().map(host).collect(),
            guests: fleet
                .guests
                .into_iter()
                .map(|guest| (guest.uuid, guest))
                .collect(),
            ..Self::default()
        }
    }

    /// What survives this process: a move does not.
    pub(super) fn fleet(&self) -> Fleet {
        Fleet {
            hosts: self.hosts.values().map(|host| host.spec.clone()).collect(),
            guests: self.guests.values().cloned().collect(),
        }
    }

    pub(super) fn host_names(&self) -> Vec<HostName> {
        self.hosts.keys().cloned().collect()
    }

    pub(super) fn has_host(&self, host: &HostName) -> bool {
        self.hosts.contains_key(host)
    }

    pub(super) fn guest_mut(&mut self, server: ServerUuid) -> Option<&mut GuestSpec> {
        self.changed();
        self.unsaved = true;
        self.guests.get_mut(&server)
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
        self.guests.get(&server).map(|guest| guest.host.clone())
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

    /// What each move under way gets of the links it uses; a link is shared evenly.
    fn rates(&self) -> Vec<(MigrationUuid, f64)> {
        let active = || {
            self.moves
                .iter()
                .filter(|(_, moving)| moving.ended.is_none())
        };
        let share = |host: &HostName| {
            let users = active().filter(|(_, m)| m.source == *host || m.destination == *host);
            let users = u32::try_from(users.count()).unwrap_or(u32::MAX);
            match self.hosts.get(host) {
                Some(state) if state.connected => {
                    #[expect(clippy::cast_precision_loss, reason = "a model")]
                    let link = state.spec.link_bytes_per_second as f64;
                    link / f64::from(users.max(1))
                }
                _ => 0.0,
            }
        };
        active()
            .map(|(uuid, moving)| match moving.stalled {
                true => (*uuid, 0.0),
                false => (*uuid, share(&moving.source).min(share(&moving.destination))),
            })
            .collect()
    }

    fn advance_move(&mut self, uuid: MigrationUuid, step: f64, rate: f64) {
        let Some(moving) = self.moves.get_mut(&uuid) else {
            return;
        };
        let complete = moving.course.advance(step, rate, moving.held);
        moving.broken_for = if rate > 0.0 || moving.stalled {
            0.0
        } else {
            moving.broken_for + step
        };
        let strikes = moving.fault.is_some() && moving.course.first_pass() >= 0.5;
        let fault = if strikes { moving.fault.take() } else { None };
        if moving.broken_for >= LINK_TIMEOUT || fault == Some(Fault::LoseLink) {
            self.break_off(uuid);
        } else if let Some(Fault::Fail(failure)) = fault {
            self.end(uuid, Outcome::Failed(failure));
        } else if fault == Some(Fault::Hang) {
            moving.stalled = true;
        } else if complete {
            self.hand_over(uuid);
            self.end(uuid, Outcome::HandedOver);
        }
    }

    fn break_off(&mut self, uuid: MigrationUuid) {
        let Some(moving) = self.moves.get(&uuid) else {
            return;
        };
        if moving.course.mode() == Mode::PostCopy {
            // Half of it is here and half of it is there.
            let server = moving.server;
            self.guests.remove(&server);
            self.unsaved = true;
            let text = "The connection to the source was lost during post-copy.";
            self.end(
                uuid,
                Outcome::Lost(Failure::new(FailureCode::GuestLost, text)),
            );
        } else {
            let text = "The connection between the hosts was lost.";
            self.end(
                uuid,
                Outcome::Failed(Failure::new(FailureCode::LinkLost, text)),
            );
        }
    }

    /// From now on the guest executes at its destination. What the hypervisors agree on here
    /// outlives this process, as it would on real hosts.
    fn hand_over(&mut self, uuid: MigrationUuid) {
        let Some(moving) = self.moves.get(&uuid) else {
            return;
        };
        self.incoming
            .remove(&(moving.destination.clone(), moving.server));
        if let Some(guest) = self.guests.get_mut(&moving.server) {
            guest.host = moving.destination.clone();
        }
        self.unsaved = true;
        self.changed();
    }

    fn end(&mut self, uuid: MigrationUuid, outcome: Outcome) {
        if let Some(moving) = self.moves.get_mut(&uuid) {
            let progress = Some(moving.course.progress());
            moving.ended = Some(Ended { outcome, progress });
        }
        self.changed();
    }

    fn changed(&mut self) {
        self.changes = self.changes.wrapping_add(1);
    }

    // ---- What hosts say --------------------------------------------------------------------

    pub(super) fn facts(&self, host: &HostName) -> Option<HostFacts> {
        let spec = &self.hosts.get(host)?.spec;
        let here = self.guests.values().filter(|guest| guest.host == *host);
        let coming = self.incoming.iter().filter(|((at, _), _)| at == host);
        let used = here.map(GuestSpec::local_bytes).sum::<u64>()
            + coming
                .map(|(_, incoming)| incoming.copied_bytes)
                .sum::<u64>();
        let pool = |id: &String| Pool {
            id: id.clone(),
            capacity_bytes: POOL_BYTES,
            free_bytes: POOL_BYTES,
        };
        Some(HostFacts {
            host: host.clone(),
            node: host.to_string(),
            hypervisor_type: spec.hypervisor_type.clone(),
            hypervisor_version: spec.hypervisor_version,
            cpu: cpu(&spec.cpu_model, &spec.cpu_features),
            capacity: Capacity {
                vcpus: spec.vcpus,
                memory_bytes: spec.memory_bytes,
                disk_bytes: spec.disk_bytes,
                disk_free_bytes: spec.disk_bytes.saturating_sub(used),
            },
            pools: spec.pools.iter().map(pool).collect(),
            address: None,
            move_target: format!("simulated://{host}"),
        })
    }

    pub(super) fn domains(&self, host: &HostName) -> Vec<Domain> {
        let guests = self.guests.values();
        guests
            .filter_map(|guest| self.domain_of(guest, host))
            .collect()
    }

    pub(super) fn domain(&self, host: &HostName, server: ServerUuid) -> Option<Domain> {
        self.domain_of(self.guests.get(&server)?, host)
    }

    fn domain_of(&self, guest: &GuestSpec, host: &HostName) -> Option<Domain> {
        let leaving = self.moves.values().find(|moving| {
            moving.server == guest.uuid && moving.source == *host && moving.ended.is_none()
        });
        let (sighting, power_state) = if guest.host == *host {
            let power = match guest.power {
                Power::On => PowerState::Running,
                Power::Paused => PowerState::Paused,
                Power::Off => PowerState::Shutdown,
            };
            match guest.power {
                Power::Off => (Sighting::Inactive, power),
                Power::On | Power::Paused if leaving.is_some() => (Sighting::Moving, power),
                Power::On | Power::Paused => (Sighting::Executing, power),
            }
        } else if leaving.is_some() {
            (Sighting::HandedOver, PowerState::Paused)
        } else if self.incoming.contains_key(&(host.clone(), guest.uuid)) {
            (Sighting::Incoming, PowerState::Paused)
        } else {
            return None;
        };
        Some(Domain {
            server: guest.uuid,
            domain_name: format!("instance-{}", guest.name),
            display_name: guest.name.clone(),
            sighting,
            power_state,
            vcpus: guest.vcpus,
            memory_bytes: guest.memory_bytes,
            cpu: cpu("", &guest.cpu_features),
            disks: guest.disks.clone(),
            owner: guest.owner.clone(),
            flavor: guest.flavor.clone(),
            image_ref: None,
        })
    }

    // ---- The steps of a move ---------------------------------------------------------------

    pub(super) fn prepare(&mut self, what: &Move, copied_bytes: u64) -> Result<(), DriverError> {
        let key = (what.destination.clone(), what.server);
        if let Some(incoming) = self.incoming.get(&key) {
            return if incoming.migration == what.migration {
                Ok(())
            } else {
                Err(refused("the destination already expects this guest"))
            };
        }
        if self.domain(&what.destination, what.server).is_some() {
            return Err(refused("the destination has a domain of this uuid"));
        }
        self.incoming.insert(
            key,
            Incoming {
                migration: what.migration,
                copied_bytes,
            },
        );
        self.changed();
        Ok(())
    }

    pub(super) fn start(&mut self, what: &Move) -> Result<(), DriverError> {
        if self.moves.contains_key(&what.migration) {
            return Ok(());
        }
        let guest = self
            .guests
            .get(&what.server)
            .filter(|guest| guest.host == what.source);
        let guest = guest.ok_or(DriverError::UnknownServer(what.server))?;
        if !self
            .incoming
            .contains_key(&(what.destination.clone(), what.server))
        {
            return Err(refused("the destination does not expect this guest"));
        }
        let disk = (what.storage == StorageMode::Copied).then(|| guest.local_bytes());
        let course = Course::new(
            guest.memory_bytes,
            disk,
            guest.dirty_bytes_per_second,
            guest.working_set_bytes,
            guest.power != Power::On,
        );
        let moving = Moving {
            server: what.server,
            source: what.source.clone(),
            destination: what.destination.clone(),
            course,
            held: false,
            stalled: false,
            broken_for: 0.0,
            fault: self.faults.take(&what.source, Step::Move),
            ended: None,
        };
        self.moves.insert(what.migration, moving);
        self.changed();
        Ok(())
    }

    pub(super) fn hold(&mut self, migration: MigrationUuid, held: bool) {
        if let Some(moving) = self.moves.get_mut(&migration) {
            moving.held = held;
        }
    }

    pub(super) fn job(&self, migration: MigrationUuid) -> JobState {
        match self.moves.get(&migration) {
            None => JobState::NoJob,
            Some(Moving {
                ended: Some(ended), ..
            }) => JobState::Ended(ended.clone()),
            Some(moving) => JobState::Moving {
                progress: moving.course.progress(),
                post_copy: moving.course.mode() == Mode::PostCopy,
            },
        }
    }

    pub(super) fn force(&mut self, what: &Move) -> Result<ForceMeans, DriverError> {
        let moving = self
            .moves
            .get_mut(&what.migration)
            .filter(|moving| moving.ended.is_none());
        let moving = moving.ok_or(DriverError::NoJob)?;
        let permitted = self
            .hosts
            .get(&what.source)
            .is_some_and(|host| host.spec.post_copy);
        match moving.course.mode() {
            Mode::PostCopy => Ok(ForceMeans::PostCopy),
            Mode::Paused => Ok(ForceMeans::Pause),
            // Disks cannot follow later.
            Mode::PreCopy if permitted && moving.course.disks_are_there() => {
                moving.course.stand_still(Mode::PostCopy);
                self.hand_over(what.migration);
                Ok(ForceMeans::PostCopy)
            }
            Mode::PreCopy => {
                moving.course.stand_still(Mode::Paused);
                Ok(ForceMeans::Pause)
            }
        }
    }

    pub(super) fn abort(&mut self, migration: MigrationUuid) -> Result<(), DriverError> {
        let moving = self
            .moves
            .get(&migration)
            .filter(|moving| moving.ended.is_none());
        match moving.map(|moving| moving.course.mode()) {
            None => Err(DriverError::NoJob),
            Some(Mode::PostCopy) => Err(DriverError::TooLate),
            Some(Mode::PreCopy | Mode::Paused) => {
                self.end(migration, Outcome::Cancelled);
                Ok(())
            }
        }
    }

    /// Forgets a move that has ended.
    pub(super) fn forget(&mut self, migration: MigrationUuid) {
        self.moves
            .retain(|uuid, moving| *uuid != migration || moving.ended.is_none());
    }

    /// Destroys what came in for this migration and never executed.
    pub(super) fn drop_incoming(&mut self, what: &Move) {
        let key = (what.destination.clone(), what.server);
        let ours = self
            .incoming
            .get(&key)
            .is_some_and(|it| it.migration == what.migration);
        if !ours {
            return;
        }
        self.incoming.remove(&key);
        self.changed();
        if matches!(self.job(what.migration), JobState::Moving { .. }) {
            let text = "The destination's domain is gone.";
            let failure = Failure::new(FailureCode::HypervisorError, text);
            self.end(what.migration, Outcome::Failed(failure));
        }
    }
}

impl Moving {
    /// Seconds until something happens to this move at this rate.
    fn next_event(&self, rate: f64) -> Option<f64> {
        if rate <= 0.0 {
            return (!self.stalled).then(|| (LINK_TIMEOUT - self.broken_for).max(0.0));
        }
        let next = self.course.next_event(rate, self.held)?;
        // A fault strikes within the first pass, which is therefore walked in smaller steps.
        Some(if self.fault.is_some() {
            (next / 4.0).max(0.001).min(next)
        } else {
            next
        })
    }
}

fn refused(why: &str) -> DriverError {
    DriverError::failed(
        FailureCode::HypervisorError,
        format!("The hypervisor refused: {why}."),
    )
}

fn cpu(model: &str, features: &[String]) -> Cpu {
    Cpu {
        arch: "x86_64".to_owned(),
        model: model.to_owned(),
        vendor: String::new(),
        features: features.to_vec(),
        definition: None,
    }
}
