//! Services as `os-services` lists them: one `nova-compute` per agent, one `nova-conductor`
//! per conductor.

use std::time::Duration;

use godwit_core::ids::HostName;
use godwit_core::time::Timestamp;
use godwit_core::words;
use uuid::Uuid;

use crate::{Store, StoreError};

words!(
    /// What a service is.
    ServiceBinary, "service binary", {
        /// A host's agent.
        Compute = "nova-compute",
        /// A conductor.
        Conductor = "nova-conductor",
    }
);

/// A service.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Service {
    /// Its integer id.
    pub id: i64,
    /// Its uuid.
    pub uuid: Uuid,
    /// What it is.
    pub binary: ServiceBinary,
    /// Where it runs.
    pub host: HostName,
    /// Its availability zone.
    pub zone: String,
    /// Not to be used as a destination.
    pub disabled: bool,
    /// Why it is disabled.
    pub disabled_reason: Option<String>,
    /// Declared dead by an operator.
    pub forced_down: bool,
    /// Its last heartbeat.
    pub last_seen_up: Option<Timestamp>,
    /// How many heartbeats there were.
    pub report_count: i64,
    /// The version of the program.
    pub version: String,
    /// When it first appeared.
    pub created_at: Timestamp,
    /// When the row last changed, heartbeats included.
    pub updated_at: Option<Timestamp>,
}

impl Service {
    /// Nova's rule: not declared dead, and heard within `down_time`.
    pub fn is_up(&self, now: Timestamp, down_time: Duration) -> bool {
        !self.forced_down
            && self
                .last_seen_up
                .is_some_and(|seen| now.since(seen) <= down_time)
    }
}

/// A conductor's sign of life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConductorBeat {
    /// For the service's row, should it be new.
    pub uuid: Uuid,
    /// The conductor's name.
    pub host: HostName,
    /// The version of the program.
    pub version: String,
    /// The present.
    pub at: Timestamp,
}

impl Store {
    /// Notes that a conductor lives; makes its row if need be.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn conductor_heartbeat(&self, beat: ConductorBeat) -> Result<(), StoreError> {
        unimplemented!("{beat:?}")
    }

    /// All services, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn service_list(&self) -> Result<Vec<Service>, StoreError> {
        unimplemented!()
    }
}
