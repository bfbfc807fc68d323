//! Source: the parameters of libvirt's call, and the call.

use std::sync::Arc;

use tokio::sync::watch;
use virt::connect::Connect;
use virt::error::Error;
use virt::sys as raw;

use super::facts::MoveTarget;
use super::outgoing::{Call, OutgoingMigration};
use super::status::call_failed;
use super::sys::{self, Params};
use super::{Connection, ServerUuid};

#[derive(Debug)]
pub(super) struct MigrationParameters {
    pub(super) guest: ServerUuid,
    pub(super) target: MoveTarget,
    pub(super) flags: u32,
    /// Targets of the disks that are copied.
    pub(super) disks: Vec<String>,
    /// MiB a second; 0: no limit.
    pub(super) bandwidth_mib: u64,
    pub(super) parallel_connections: u16,
}

impl MigrationParameters {
    pub(super) fn permits_post_copy(&self) -> bool {
        self.flags & raw::VIR_MIGRATE_POSTCOPY != 0
    }

    /// Makes libvirt's call, on a thread and a connection of its own: it returns when the move
    /// has ended; then `outgoing` learns of it, and whoever waits for `changes`.
    pub(super) fn spawn(
        self,
        connection: &Connection,
        outgoing: &Arc<OutgoingMigration>,
        changes: &Arc<watch::Sender<u64>>,
    ) -> std::io::Result<()> {
        let (connection, outgoing) = (connection.clone(), Arc::clone(outgoing));
        let changes = Arc::clone(changes);
        let thread = std::thread::Builder::new().name("libvirt-move".into());
        let made = thread.spawn(move || {
            let call = match self.call(&connection) {
                Ok(()) => Call::HandedOver,
                Err((error, heard)) => {
                    tracing::info!(server = %self.guest, error = error.message(),
                        "libvirt ended the move without a hand-over");
                    call_failed(&error, heard)
                }
            };
            outgoing.learn(|known| known.call = call);
            changes.send_modify(|count| *count += 1);
        });
        made.map(drop)
    }

    /// The call. Beside its error: did libvirt itself say so, or did we lose it meanwhile?
    fn call(&self, connection: &Connection) -> Result<(), (Error, bool)> {
        let connect = connection.open_another().map_err(|error| (error, true))?;
        let called = self.call_on(&connect);
        called.map_err(|error| (error, connect.is_alive().unwrap_or(false)))
    }

    fn call_on(&self, connect: &Connect) -> Result<(), Error> {
        let domain = connect.lookup_domain_by_uuid(self.guest.0)?;
        let mut params = Params::new();
        if self.bandwidth_mib > 0 {
            params.add_u64(raw::VIR_MIGRATE_PARAM_BANDWIDTH, self.bandwidth_mib)?;
        }
        if self.parallel_connections > 1 {
            let connections = self.parallel_connections.into();
            params.add_int(raw::VIR_MIGRATE_PARAM_PARALLEL_CONNECTIONS, connections)?;
        }
        for disk in &self.disks {
            params.add_text(raw::VIR_MIGRATE_PARAM_MIGRATE_DISKS, disk)?;
        }
        if let Some(data) = &self.target.data {
            params.add_text(raw::VIR_MIGRATE_PARAM_URI, data)?;
        }
        if let Some(listen) = &self.target.listen {
            params.add_text(raw::VIR_MIGRATE_PARAM_LISTEN_ADDRESS, listen)?;
        }
        let encrypted = self.flags & raw::VIR_MIGRATE_TLS != 0;
        if let Some(name) = self.target.certificate.as_ref().filter(|_| encrypted) {
            params.add_text(raw::VIR_MIGRATE_PARAM_TLS_DESTINATION, name)?;
        }
        sys::migrate(&domain, &self.target.libvirt, self.flags, params)
    }
}
