//! The world behind a lock, with a clock and a file.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use atomic_write_file::AtomicWriteFile;
use godwit_core::ids::{HostName, ServerUuid};
use tokio::sync::watch;
use tokio::time::Instant;

use super::driver::Simulated;
use super::faults::{Fault, Step};
use super::fleet::{Fleet, Power};
use super::world::World;
use crate::holds::Holds;

/// The file that a world is kept in, below its directory.
const FILE: &str = "simulated-world.json";

/// A world cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum FabricError {
    /// The file cannot be read or written.
    #[error("cannot use {0}")]
    Io(PathBuf, #[source] std::io::Error),
    /// The file does not hold a world.
    #[error("{0} does not describe simulated hosts")]
    Unreadable(PathBuf, #[source] serde_json::Error),
}

/// All simulated hosts of a process. Cheap to clone; all clones are the same world.
#[derive(Clone, Debug)]
pub struct Fabric(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    world: Mutex<World>,
    began: Instant,
    speed: f64,
    file: Option<PathBuf>,
    changes: watch::Sender<u64>,
    released: watch::Sender<u64>,
}

impl Fabric {
    /// A world that ends with this process. `speed` is how many simulated seconds pass in one.
    pub fn new(fleet: Fleet, speed: f64) -> Self {
        Self::with(fleet, speed, None)
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
        let path = directory.join(FILE);
        let fleet = match std::fs::read(&path) {
            Ok(text) => serde_json::from_slice(&text)
                .map_err(|error| FabricError::Unreadable(path.clone(), error))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let fleet = first();
                save(&path, &fleet).map_err(|error| FabricError::Io(path.clone(), error))?;
                fleet
            }
            Err(error) => return Err(FabricError::Io(path, error)),
        };
        Ok(Self::with(fleet, speed, Some(path)))
    }

    fn with(fleet: Fleet, speed: f64, file: Option<PathBuf>) -> Self {
        Self(Arc::new(Inner {
            world: Mutex::new(World::new(fleet)),
            began: Instant::now(),
            speed,
            file,
            changes: watch::Sender::new(0),
            released: watch::Sender::new(0),
        }))
    }

    /// The hosts' names.
    pub fn hosts(&self) -> Vec<HostName> {
        self.look(|world| world.host_names())
    }

    /// The driver of one host; `None` when there is no such host.
    pub fn driver(&self, host: &HostName, holds: Holds) -> Option<Simulated> {
        let known = self.look(|world| world.has_host(host));
        known.then(|| Simulated::new(self.clone(), host.clone(), holds))
    }

    /// Where the guest executes: the truth, whatever anybody recorded.
    pub fn whereabouts(&self, server: ServerUuid) -> Option<HostName> {
        self.look(|world| world.whereabouts(server))
    }

    /// Whether the guest executes there.
    pub fn power_of(&self, server: ServerUuid) -> Option<Power> {
        self.look(|world| world.guest_mut(server).map(|guest| guest.power))
    }

    /// How often the guest was started.
    pub fn starts_of(&self, server: ServerUuid) -> Option<i64> {
        self.look(|world| world.guests.get(&server).map(|guest| guest.starts))
    }

    /// The guests that a host has, and what each does.
    pub fn guests_on(&self, host: &HostName) -> Vec<(ServerUuid, Power)> {
        self.look(|world| {
            let here = world.guests.values().filter(|guest| guest.host == *host);
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

    /// What a user does to a guest from within or through the hypervisor.
    pub fn set_power(&self, server: ServerUuid, power: Power) {
        self.look(|world| {
            if let Some(guest) = world.guest_mut(server) {
                guest.power = power;
            }
        });
    }

    /// What an operator does behind everybody's back: the guest is elsewhere.
    pub fn carry(&self, server: ServerUuid, to: &HostName) {
        self.look(|world| {
            if let Some(guest) = world.guest_mut(server) {
                guest.host = to.clone();
            }
        });
    }

    /// How fast a guest changes memory from now on, in moves that begin later.
    pub fn set_dirty_rate(&self, server: ServerUuid, bytes_per_second: u64) {
        self.look(|world| {
            if let Some(guest) = world.guest_mut(server) {
                guest.dirty_bytes_per_second = bytes_per_second;
            }
        });
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    pub(super) fn releases(&self) -> watch::Receiver<u64> {
        self.0.released.subscribe()
    }

    /// Looks at the world as it is now, and may change it.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut World) -> T) -> T {
        let mut world = self.0.world.lock().unwrap_or_else(PoisonError::into_inner);
        let before = world.changes;
        world.advance(self.0.began.elapsed().as_secs_f64() * self.0.speed);
        let seen = look(&mut world);
        self.keep(&mut world);
        if world.changes != before {
            self.0.changes.send_replace(world.changes);
        }
        seen
    }

    fn keep(&self, world: &mut World) {
        if !std::mem::take(&mut world.unsaved) {
            return;
        }
        let Some(file) = &self.0.file else { return };
        if let Err(error) = save(file, &world.fleet()) {
            tracing::error!(%error, file = %file.display(), "cannot keep the simulated world");
            world.unsaved = true;
        }
    }
}

fn save(path: &Path, fleet: &Fleet) -> std::io::Result<()> {
    let mut file = AtomicWriteFile::open(path)?;
    file.write_all(&serde_json::to_vec(fleet)?)?;
    file.commit()
}
