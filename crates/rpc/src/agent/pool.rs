//! The clients of a whole fleet.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use godwit_core::ids::HostName;

use super::AgentClient;
use crate::refusal::CallError;
use crate::session::{Deadlines, protocol};
use crate::transport::{Address, Transport};
use crate::version::Speaks;

/// A client for each host that was ever asked for; connections are shared by all callers.
#[derive(Debug)]
pub struct AgentPool {
    transport: Transport,
    deadlines: Deadlines,
    speaks: Speaks,
    clients: Mutex<HashMap<HostName, (Address, AgentClient)>>,
}

impl AgentPool {
    /// An empty pool.
    pub fn new(transport: Transport, deadlines: Deadlines) -> Self {
        Self {
            transport,
            deadlines,
            speaks: Speaks::default(),
            clients: Mutex::default(),
        }
    }

    /// The client for `host`, whose agent registered as serving at `address`. Nothing is sent.
    ///
    /// # Errors
    /// [`CallError::Protocol`] when the address is none.
    pub fn agent(&self, host: &HostName, address: &str) -> Result<AgentClient, CallError> {
        let address: Address = address.parse().map_err(protocol)?;
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, client)) = clients.get(host)
            && *known == address
        {
            return Ok(client.clone());
        }
        let client = AgentClient::new(
            &self.transport,
            host,
            address.clone(),
            self.deadlines,
            self.speaks.clone(),
        );
        clients.insert(host.clone(), (address, client.clone()));
        Ok(client)
    }
}
