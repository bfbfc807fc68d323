//! Guests that are powered off and on where they are.

use godwit_core::ids::{HostName, ServerUuid};

use super::fleet::{GuestSpec, Power};
use super::steps::refused;
use super::world::World;
use crate::driver::DriverError;

impl World {
    /// The number of its current execution on this host; `None` while it is off.
    pub(super) fn execution(
        &self,
        host: &HostName,
        server: ServerUuid,
    ) -> Result<Option<i64>, DriverError> {
        let guest = self.guest_here(host, server)?;
        Ok((guest.power != Power::Off).then_some(guest.starts))
    }

    /// Powers a guest off that is part of no move.
    pub(super) fn set_off(
        &mut self,
        host: &HostName,
        server: ServerUuid,
    ) -> Result<(), DriverError> {
        self.at_rest(host, server)?;
        self.stops(server);
        self.change(server, |guest| guest.power = Power::Off);
        Ok(())
    }

    /// Starts a guest that is part of no move, if it is off.
    pub(super) fn set_on(
        &mut self,
        host: &HostName,
        server: ServerUuid,
    ) -> Result<(), DriverError> {
        if self.at_rest(host, server)? != Power::Off {
            return Ok(());
        }
        self.power_on(server, Power::On);
        Ok(())
    }

    /// What a guest does that this host has for itself.
    fn at_rest(&self, host: &HostName, server: ServerUuid) -> Result<Power, DriverError> {
        let power = self.guest_here(host, server)?.power;
        let moves = |it: &super::world::Moving| it.server == server && it.ended.is_none();
        if self.moves.values().any(moves) || self.stopped.contains(&server) {
            return Err(refused("a move of this guest is under way"));
        }
        Ok(power)
    }

    fn guest_here(&self, host: &HostName, server: ServerUuid) -> Result<&GuestSpec, DriverError> {
        let guest = self.guests.get(server);
        match guest {
            Some(guest) if guest.host == *host => Ok(guest),
            Some(guest) if guest.left_on.contains(host) => Err(refused(
                "the disks of this guest are in use by another host",
            )),
            Some(_) | None => Err(DriverError::UnknownServer(server)),
        }
    }
}
