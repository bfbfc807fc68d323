//! A guest, as one host's hypervisor knows it. Sizes are bytes, but for flavors, which keep
//! Nova's units.

use godwit_core::ids::ServerUuid;
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_core::server_group::DeclaredGroup;
use serde::{Deserialize, Serialize};

use crate::facts::Cpu;

/// A disk of a guest.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Disk {
    /// The name inside the guest's definition, such as `vda`.
    pub target: String,
    /// Where it lies, in the hypervisor's words.
    pub path: String,
    /// The pool it lies in; `None` means local to this host. See [`crate::facts::Pool`].
    pub pool: Option<String>,
    /// Such as `qcow2` or `raw`.
    pub format: String,
    /// How large the guest believes it is.
    pub virtual_bytes: u64,
    /// What it occupies.
    pub allocated_bytes: u64,
    /// What it is a linked clone of.
    pub backing: Option<Backing>,
    /// The guest cannot write to it. Such a disk is never copied: it has to be there already.
    pub read_only: bool,
}

/// The file that a linked clone builds on, with all that lies below it. It is never written to,
/// and never copied: the destination has to have the same.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Backing {
    /// Where it lies, in the hypervisor's words.
    pub path: String,
    /// Such as `qcow2` or `raw`.
    pub format: String,
    /// The driver's digest of it, which the same driver compares at the other side; only in
    /// what a pre-check answers, since it costs some reading.
    pub fingerprint: Option<String>,
}

/// Whose server it is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// The user's id.
    pub user_id: String,
    /// The project's id.
    pub project_id: String,
    /// The user's name, where known.
    pub user_name: Option<String>,
    /// The project's name, where known.
    pub project_name: Option<String>,
}

/// The flavor a server was made from, where the hypervisor knows it (Nova writes it there).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Flavor {
    /// Its id in the API, where known.
    pub id: Option<String>,
    pub name: String,
    pub vcpus: u32,
    pub memory_mb: u64,
    pub root_gb: u64,
    pub ephemeral_gb: u64,
    pub swap_mb: u64,
}

/// A guest on one host.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Domain {
    /// The domain's uuid, which is the server's.
    pub server: ServerUuid,
    /// The hypervisor's name for it (Nova's `OS-EXT-SRV-ATTR:instance_name`).
    pub domain_name: String,
    pub display_name: String,
    /// What the host can testify.
    pub sighting: Sighting,
    pub power_state: PowerState,
    pub vcpus: u32,
    pub memory_bytes: u64,
    pub cpu: Cpu,
    pub disks: Vec<Disk>,
    pub owner: Owner,
    pub flavor: Option<Flavor>,
    pub image_ref: Option<String>,
    /// The driver's own description, from which the same driver on another host makes the
    /// guest again; nobody else reads it. `None` when it cannot be had just now, or would be
    /// larger than [`Domain::LARGEST_DEFINITION`]: then the guest cannot be moved cold or
    /// evacuated.
    pub definition: Option<String>,
    /// The server group that it says it is in. An agent of release 1.1 never says.
    pub group: Option<Box<DeclaredGroup>>,
}

impl Domain {
    /// The largest definition that is sent, bytes.
    pub const LARGEST_DEFINITION: usize = 64 << 10;

    /// A definition, if it is small enough to be sent.
    pub fn bounded(definition: String) -> Option<String> {
        (definition.len() <= Self::LARGEST_DEFINITION).then_some(definition)
    }

    /// The disks that a move with copied storage takes along: writable, and not in a pool that
    /// `reachable` says the destination reaches.
    pub fn disks_to_copy<'a>(
        &'a self,
        reachable: impl Fn(&str) -> bool + 'a,
    ) -> impl Iterator<Item = &'a Disk> {
        self.disks
            .iter()
            .filter(move |disk| !disk.read_only && !disk.pool.as_deref().is_some_and(&reachable))
    }
}
