//! A server as its row holds it.

use std::collections::BTreeMap;

use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::resources::Resources;
use godwit_core::server::{PowerState, ServerState, TaskState, VmState};
use godwit_core::time::Timestamp;
use godwit_core::words;
use serde::{Deserialize, Serialize};

use super::Launch;
use crate::Flavor;

/// A server, with its flavor.
#[derive(Clone, PartialEq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Server {
    pub id: i64,
    pub uuid: ServerUuid,
    /// What its user calls it.
    pub name: String,
    /// What it calls itself.
    pub hostname: String,
    /// What the hypervisor calls it.
    pub instance_name: String,
    pub description: Option<String>,
    pub project_id: String,
    /// Who made it.
    pub user_id: String,
    pub host: Option<HostName>,
    /// Where it is, as the hypervisor calls itself.
    pub node: Option<String>,
    pub vm_state: VmState,
    pub task_state: Option<TaskState>,
    pub power_state: PowerState,
    /// Per cent of the task under way.
    pub progress: i32,
    /// Kept from being changed by its users.
    pub lock: Option<Lock>,
    /// What it takes of its host.
    pub room: Resources,
    /// What it writes to its memory, in bytes a second, as a move of it last measured; `None`: none
    /// has.
    pub dirty_bytes_per_second: Option<i64>,
    pub flavor: Flavor,
    /// Its image; `None` when it boots from a volume, or nobody knows.
    pub image_ref: Option<String>,
    pub key_name: Option<String>,
    pub availability_zone: Option<String>,
    pub config_drive: bool,
    /// Its user's keys and values.
    pub metadata: BTreeMap<String, String>,
    /// Why it is in error.
    pub fault: Option<Fault>,
    pub launch: Launch,
    pub created_at: Timestamp,
    /// When anything in the row last changed.
    pub updated_at: Option<Timestamp>,
    pub launched_at: Option<Timestamp>,
    pub terminated_at: Option<Timestamp>,
    pub deleted_at: Option<Timestamp>,
    /// When a move of it last ended; what hosts saw before that says nothing.
    pub settled_at: Option<Timestamp>,
    /// The row's version: every change but progress and observations bumps it.
    pub generation: i64,
}

impl Server {
    /// What decides what may be done to it.
    pub(crate) fn state(&self) -> ServerState {
        ServerState {
            host: self.host.clone(),
            node: self.node.clone(),
            vm_state: self.vm_state,
            task_state: self.task_state,
            power_state: self.power_state,
        }
    }

    /// May it be shown to whoever is confined to `project`? `None`: to anybody.
    pub(crate) fn is_visible_to(&self, project: Option<&str>) -> bool {
        project.is_none_or(|project| project == self.project_id)
    }
}

words!(
    /// Who locked a server.
    LockedBy, "lock holder", {
        /// Somebody of its own project.
        Owner = "owner",
        /// Somebody else, who was allowed to.
        Admin = "admin",
    }
);

/// A lock on a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lock {
    /// By whom.
    pub by: LockedBy,
    /// Why.
    pub reason: Option<String>,
}

/// A member of [`Hardware::cpu`]: true where destinations compare its features, and nothing else.
pub const BY_FEATURES: &str = "by_features";

/// What a server is made of, as its host last told. Only who looks for a host asks.
#[derive(Clone, PartialEq, Default, Debug)]
pub struct Hardware {
    /// Its disks.
    pub disks: Vec<Disk>,
    /// The processor it needs, as the driver describes it.
    pub cpu: serde_json::Value,
}

/// One disk of a server.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Disk {
    /// Its name inside the server, such as `vda`.
    pub target: String,
    /// Where it lies, in the hypervisor's words.
    pub path: String,
    /// The pool it lies in; `None`: on its host alone.
    pub pool: Option<String>,
    /// Such as `qcow2`.
    pub format: String,
    /// Its virtual size in bytes.
    pub virtual_bytes: i64,
    /// What it occupies, in bytes.
    pub allocated_bytes: i64,
    /// What it is a linked clone of.
    pub backing: Option<String>,
    /// The server cannot write to it.
    pub read_only: bool,
}

/// Why a server is in error.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fault {
    /// An HTTP code, as Nova has it.
    pub code: i32,
    /// One sentence.
    pub message: String,
    /// More, for operators.
    pub details: Option<String>,
    /// When.
    pub created: Timestamp,
}
