//! Connections within one process, for all roles in one: real gRPC over memory, so that
//! nothing but the socket and the certificates is different.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::DuplexStream;
use tokio::sync::mpsc;

use super::connection::{Caller, Connection};
use crate::identity::PeerIdentity;

/// Bytes that a connection holds in each direction.
const BUFFER: usize = 16 << 10;

/// Connections that wait to be accepted by one listener.
const BACKLOG: usize = 64;

/// Somebody already serves under this name.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{0} is already being served in this process")]
pub struct NameTaken(pub PeerIdentity);

/// Who serves in this process. Cheap to clone; all clones are the same network.
#[derive(Clone, Default, Debug)]
pub struct LocalNetwork {
    doors: Arc<Mutex<HashMap<PeerIdentity, mpsc::Sender<Connection>>>>,
}

/// One name being served. Dropped, the name is free again.
#[derive(Debug)]
pub struct LocalListener {
    pub(super) name: PeerIdentity,
    pub(super) arriving: mpsc::Receiver<Connection>,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connection")
    }
}

impl LocalNetwork {
    /// A network with nobody on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Serves as `name`.
    ///
    /// # Errors
    /// [`NameTaken`] while another listener of this name lives.
    pub fn listen(&self, name: PeerIdentity) -> Result<LocalListener, NameTaken> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.get(&name).is_some_and(|door| !door.is_closed()) {
            return Err(NameTaken(name));
        }
        let (door, arriving) = mpsc::channel(BACKLOG);
        doors.insert(name.clone(), door);
        Ok(LocalListener { name, arriving })
    }

    pub(super) async fn connect(
        &self,
        to: &PeerIdentity,
        from: PeerIdentity,
    ) -> io::Result<DuplexStream> {
        let door = {
            let doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            doors.get(to).cloned()
        };
        let refused = || io::Error::new(io::ErrorKind::ConnectionRefused, format!("no {to} here"));
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        door.ok_or_else(refused)?
            .send(Connection::new(theirs, Caller::Proved(from)))
            .await
            .map_err(|_| refused())?;
        Ok(ours)
    }
}
