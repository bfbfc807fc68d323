//! The world behind a lock, with a clock and a file.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use godwit_core::ids::{HostName, ServerUuid};
use tokio::sync::watch;
use tokio::time::Instant;

use super::driver::Simulated;
use super::faults::{Fault, Step};
use super::fleet::{Fleet, HostSpec, Place, Power};
use super::kept::Kept;
use super::world::{Disturbed, World};
use crate::holds::Holds;

/// A world cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    #[error("cannot use {0}")]
    Io(PathBuf, #[source] std::io::Error),
    #[error("{0} does not describe simulated hosts")]
    Unreadable(PathBuf, #[source] serde_json::Error),
}

/// All simulated hosts of a process. Cheap to clone; all clones are the same world.
#[derive(Clone, Debug)]
pub struct Fabric(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    began: Instant,
    speed: f64,
    /// Of each host: its domains came, went, or changed.
    changes: HashMap<HostName, watch::Sender<u64>>,
    released: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    world: World,
    kept: Option<Kept>,
}

impl Fabric {
    /// A world that ends with this process. `speed` is how many simulated seconds pass in one.
    pub fn new(fleet: Fleet, speed: f64) -> Self {
        Self::with(World::new(fleet), speed, None)
    }

    /// The world kept in `directory`; `first` makes it when there is none yet. Guests are found
    /// where they were; a move that was under way is over, as after a crash of the hypervisor's
    /// daemon.
    ///
    /// # Errors
    /// The file cannot be read or written, or does not hold a world.
    pub fn open(
        directory: &Path,
        speed: f64,
        first: impl FnOnce() -> Fleet,
    ) -> Result<Self, FabricError> {
        let (kept, world) = Kept::open(directory, first)?;
        Ok(Self::with(world, speed, Some(kept)))
    }

    fn with(world: World, speed: f64, kept: Option<Kept>) -> Self {
        let changes = world.host_names().into_iter();
        Self(Arc::new(Inner {
            changes: changes.map(|host| (host, watch::Sender::new(0))).collect(),
            state: Mutex::new(State { world, kept }),
            began: Instant::now(),
            speed,
            released: watch::Sender::new(0),
        }))
    }

    pub fn hosts(&self) -> Vec<HostName> {
        self.look(|world| world.host_names())
    }

    /// Where hosts belong, of which whoever made the world said it.
    pub fn places(&self) -> Vec<(HostName, Place)> {
        self.look(|world| {
            let hosts = world.hosts.values().map(|host| &host.spec);
            let placed = hosts.filter(|spec| !spec.place.is_nowhere());
            let place = |spec: &HostSpec| (spec.name.clone(), spec.place.clone());
            placed.map(place).collect()
        })
    }

    /// How fast guests change their memory, in bytes a second, of which whoever made the world said
    /// it.
    pub fn known_dirty_rates(&self) -> Vec<(ServerUuid, u64)> {
        self.look(|world| {
            let known = world
                .guests
                .iter()
                .filter(|guest| guest.dirty_rate_is_known);
            known
                .map(|guest| (guest.uuid, guest.dirty_bytes_per_second))
                .collect()
        })
    }

    /// The driver of one host; `None` when there is no such host.
    pub fn driver(&self, host: &HostName, holds: Holds) -> Option<Simulated> {
        let changes = self.0.changes.get(host)?.subscribe();
        Some(Simulated::new(self.clone(), host.clone(), changes, holds))
    }

    /// Where the guest executes: the truth, whatever anybody recorded.
    pub fn whereabouts(&self, server: ServerUuid) -> Option<HostName> {
        self.look(|world| world.whereabouts(server))
    }

    pub fn power_of(&self, server: ServerUuid) -> Option<Power> {
        self.look(|world| world.guests.get(server).map(|guest| guest.power))
    }

    pub fn starts_of(&self, server: ServerUuid) -> Option<i64> {
        self.look(|world| world.guests.get(server).map(|guest| guest.starts))
    }

    /// The guests that a host has, and what each does.
    pub fn guests_on(&self, host: &HostName) -> Vec<(ServerUuid, Power)> {
        self.look(|world| {
            let here = world.guests.on(host).filter(|guest| guest.host == *host);
            here.map(|guest| (guest.uuid, guest.power)).collect()
        })
    }

    /// Lets `fault` strike at the next time `host` comes to `step`.
    pub fn inject(&self, host: &HostName, step: Step, fault: Fault) {
        self.look(|world| world.faults.add(host.clone(), step, fault));
    }

    /// Ends every [`Fault::Hang`] that struck so far.
    pub fn release(&self) {
        self.look(World::revive_stalled);
        self.0
            .released
            .send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Plugs a host's link out or in again.
    pub fn connect(&self, host: &HostName, connected: bool) {
        self.look(|world| world.connect(host, connected));
    }

    /// A host loses its power, or gets it back. Without it nothing executes there, and its
    /// driver gives no answer; when it is back, its guests are off.
    pub fn power(&self, host: &HostName, on: bool) {
        self.look(|world| world.power(host, on));
    }

    /// The hypervisor service that moves this guest away dies: the job vanishes without a word.
    /// The guest goes on where it executes.
    pub fn interrupt(&self, server: ServerUuid) {
        self.look(|world| world.interrupt(server, false));
    }

    /// As [`Fabric::interrupt`], in the moment in which the guest is stopped to be handed over:
    /// it then executes nowhere, and has never executed at its destination.
    pub fn interrupt_at_handover(&self, server: ServerUuid) {
        self.look(|world| world.interrupt(server, true));
    }

    /// The process at the destination that receives this guest dies.
    pub fn kill_incoming(&self, server: ServerUuid) {
        self.look(|world| world.kill_incoming(server));
    }

    /// What was done to a guest on the way, beside moving it.
    pub fn disturbed(&self, server: ServerUuid) -> Disturbed {
        self.look(|world| world.disturbed.get(&server).copied().unwrap_or_default())
    }

    /// What a user does to a guest from within or through the hypervisor.
    pub fn set_power(&self, server: ServerUuid, power: Power) {
        self.look(|world| world.change(server, |guest| guest.power = power));
    }

    /// What an operator does behind everybody's back: the guest is elsewhere.
    pub fn carry(&self, server: ServerUuid, to: &HostName) {
        self.look(|world| world.change(server, |guest| guest.host = to.clone()));
    }

    pub(super) fn releases(&self) -> watch::Receiver<u64> {
        self.0.released.subscribe()
    }

    /// Looks at the world as it is now, and may change it.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut state = self.0.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { world, kept } = &mut *state;
        world.advance(self.0.began.elapsed().as_secs_f64() * self.0.speed);
        let seen = look(world);
        if let Some(kept) = kept
            && let Err(error) = kept.keep(world)
        {
            tracing::error!(%error, "cannot keep the simulated world");
        }
        for host in std::mem::take(&mut world.changed) {
            if let Some(changes) = self.0.changes.get(&host) {
                changes.send_modify(|count| *count = count.wrapping_add(1));
            }
        }
        seen
    }
}
