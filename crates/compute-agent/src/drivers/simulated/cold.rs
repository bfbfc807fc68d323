//! Guests that are powered off on one host and on on another: cold moves and evacuations.

use godwit_core::failure::FailureCode;
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::migration::StorageMode;
use godwit_rpc::command::{Move, MoveKind};
use serde::{Deserialize, Serialize};

use super::fleet::{GuestSpec, Power};
use super::steps::refused;
use super::world::World;
use crate::driver::DriverError;

/// What a driver writes down of a move that is not live.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct DriverState {
    /// Source: what the guest did before it was told to power off.
    pub(super) was: Option<Power>,
    /// Destination: the guest is being booted here, or was.
    pub(super) booted: bool,
}

impl World {
    /// The guest has shut down. Its definition stays where it is.
    pub(super) fn power_off(&mut self, migration: MigrationUuid) {
        let Some(server) = self.moves.get(&migration).map(|moving| moving.server) else {
            return;
        };
        self.stops(server);
        self.change(server, |guest| guest.power = Power::Off);
    }

    /// What the guest does; `None` when it is not here.
    pub(super) fn power_here(&self, host: &HostName, server: ServerUuid) -> Option<Power> {
        let guest = self.guests.get(server)?;
        (guest.host == *host).then_some(guest.power)
    }

    pub(super) fn power_on(&mut self, server: ServerUuid, power: Power) {
        self.change(server, |guest| {
            guest.power = power;
            guest.starts = guest.starts.wrapping_add(1);
        });
    }

    /// Would this host start the guest?
    pub(super) fn can_boot(
        &self,
        host: &HostName,
        server: ServerUuid,
        definition: &str,
    ) -> Result<(), DriverError> {
        let described: GuestSpec = serde_json::from_str(definition).map_err(|error| {
            DriverError::failed(
                FailureCode::NoDefinition,
                format!("The definition of instance {server} means nothing here: {error}."),
            )
        })?;
        if described.uuid != server {
            return Err(DriverError::failed(
                FailureCode::NoDefinition,
                format!("The definition of instance {server} is another guest's."),
            ));
        }
        let spec = &self
            .hosts
            .get(host)
            .ok_or_else(|| DriverError::Unavailable(format!("there is no host {host}")))?
            .spec;
        let prepared = self.incoming.contains_key(&(host.clone(), server));
        let reached = |pool: &Option<String>| {
            let shared = !self.is_local(pool.as_deref());
            shared && pool.as_ref().is_some_and(|id| spec.pools.contains(id))
        };
        let missing = described.disks.iter().find(|disk| !reached(&disk.pool));
        match missing {
            Some(disk) if !prepared => Err(DriverError::failed(
                FailureCode::NotSharedStorage,
                format!(
                    "{} is not on storage that {host} reaches: instance {server} cannot be \
                     started there.",
                    disk.path
                ),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// Defines the guest at the destination, and starts it. Its disks are locked where it
    /// executes already.
    pub(super) fn boot(&mut self, what: &Move, power_on: bool) -> Result<(), DriverError> {
        let guest = self
            .guests
            .get(what.server)
            .ok_or_else(|| refused("there are no disks of this guest"))?;
        if guest.host == what.destination {
            return Ok(());
        }
        let before = guest.host.clone();
        if guest.power != Power::Off && self.is_powered(&before) {
            return Err(DriverError::failed(
                FailureCode::DisksInUse,
                format!(
                    "The disks of instance {} are locked by another host.",
                    what.server
                ),
            ));
        }
        self.incoming
            .remove(&(what.destination.clone(), what.server));
        if what.storage == StorageMode::Copied {
            self.rehouse(what.server, &what.destination);
        }
        self.change(what.server, |guest| {
            guest.left_on.insert(before);
            guest.left_on.remove(&what.destination);
            guest.host = what.destination.clone();
            guest.power = if power_on { Power::On } else { Power::Off };
            guest.starts = guest.starts.wrapping_add(1);
        });
        Ok(())
    }

    /// Gives the guest up on `host`. What `boot` made goes back to where its definition was
    /// kept, and is off there.
    pub(super) fn withdraw(
        &mut self,
        host: &HostName,
        what: &Move,
        booted_here: bool,
    ) -> Result<(), DriverError> {
        self.drop_incoming(what);
        let Some(guest) = self.guests.get(what.server) else {
            return Ok(());
        };
        if guest.host == *host {
            let proven = what.kind == MoveKind::Cold
                && booted_here
                && *host == what.destination
                && guest.left_on.contains(&what.source);
            if !proven {
                return Err(refused("nothing proves that this guest belongs elsewhere"));
            }
        } else if !guest.left_on.contains(host) {
            return Ok(());
        } else if what.kind != MoveKind::Evacuation {
            return Err(refused("this migration did not leave the guest here"));
        }
        let goes_back = guest.host == *host;
        if goes_back && what.storage == StorageMode::Copied {
            self.rehouse(what.server, &what.source);
        }
        self.change(what.server, |guest| {
            guest.left_on.remove(host);
            if guest.host == *host {
                guest.left_on.remove(&what.source);
                guest.host = what.source.clone();
                guest.power = Power::Off;
            }
        });
        Ok(())
    }

    /// A cold move's source forgets the guest, which is elsewhere for good.
    pub(super) fn forget_definition(&mut self, host: &HostName, server: ServerUuid) {
        self.change(server, |guest| guest.left_on.retain(|left| left != host));
    }

    pub(super) fn power(&mut self, host: &HostName, on: bool) {
        if let Some(state) = self.hosts.get_mut(host) {
            state.powered = on;
            state.connected = on;
        }
        let here = self.guests.on(host).filter(|guest| guest.host == *host);
        let here: Vec<ServerUuid> = here.map(|guest| guest.uuid).collect();
        for server in here {
            self.change(server, |guest| guest.power = Power::Off);
        }
        self.changed.insert(host.clone());
    }
}
