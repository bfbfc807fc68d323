//! A fleet as `up --fleet`, `plan simulate` and the benchmarks read it: YAML, or JSON, which is YAML
//! as well. The names are those of the API.

mod check;
mod convert;
mod entries;

use godwit_core::ids::{HostName, ServerUuid};
use serde::Deserialize;
use thiserror::Error;
use uuid::Uuid;

pub use entries::{
    Capacity, Cpu, DiskEntry, GroupEntry, HostEntry, Hypervisor, LinkEntry, PoolEntry, ServerEntry,
    Status,
};

/// A file of 5,000 hosts and 30,000 servers has two million nodes; one that goes on for ever has none
/// of these to say.
const MOST_NODES: usize = 20_000_000;

/// What a fleet file says, as it stands there.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FleetFile {
    #[serde(default)]
    pub hosts: Vec<HostEntry>,
    #[serde(default)]
    pub servers: Vec<ServerEntry>,
    #[serde(default)]
    pub pools: Vec<PoolEntry>,
    #[serde(default)]
    pub groups: Vec<GroupEntry>,
}

/// Why a file is no fleet.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum FileError {
    /// With the line and the column, where there are any.
    #[error("{0}")]
    Unreadable(String),
    /// It contradicts itself; `place` is such as `servers[3].host`.
    #[error("{place}: {problem}")]
    Contradiction { place: String, problem: String },
}

impl FleetFile {
    /// Reads a file, and sees that everything that it names is there, once, and in one place.
    ///
    /// # Errors
    /// What is wrong first, and where.
    pub fn parse(text: &str) -> Result<Self, FileError> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! { max_nodes: MOST_NODES, max_events: 2 * MOST_NODES },
        };
        let file: Self = serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| FileError::Unreadable(error.without_snippet().to_string()))?;
        check::check(&file)?;
        Ok(file)
    }

    /// The id of the server at `at`: a file need not say any.
    pub fn id_of(&self, at: usize) -> ServerUuid {
        let said = self.servers.get(at).and_then(|server| server.id);
        said.unwrap_or_else(|| numbered(at))
    }

    /// The name of the server at `at`: a file need not say any.
    pub fn name_of(&self, at: usize) -> String {
        let said = self.servers.get(at).and_then(|server| server.name.clone());
        said.unwrap_or_else(|| format!("vm-{}", at.saturating_add(1)))
    }

    /// The pools that a host reaches: what it says itself, or else what pools say of it.
    pub fn pools_of<'a>(&'a self, host: &'a HostEntry) -> impl Iterator<Item = &'a PoolEntry> {
        self.pools.iter().filter(move |pool| match &host.pools {
            Some(named) => named.contains(&pool.name),
            None => pool.is_reached_by(&host.name),
        })
    }

    /// A pool; `None` for disks that lie on the host itself, in none.
    pub fn pool_of(&self, disk: &DiskEntry) -> Option<&PoolEntry> {
        let name = disk.pool.as_deref()?;
        self.pools.iter().find(|pool| pool.name == name)
    }
}

impl ServerEntry {
    /// What the disk at `at` is called within the server.
    pub fn target_of(&self, at: usize) -> String {
        let said = self.disks.get(at).and_then(|disk| disk.target.clone());
        said.unwrap_or_else(|| {
            let letter = u8::try_from(at).ok().and_then(|at| b'a'.checked_add(at));
            let letter = letter.filter(u8::is_ascii_lowercase);
            letter.map_or_else(|| format!("vd{at}"), |it| format!("vd{}", char::from(it)))
        })
    }
}

impl PoolEntry {
    fn is_reached_by(&self, host: &HostName) -> bool {
        self.hosts
            .as_ref()
            .is_some_and(|hosts| hosts.contains(host))
    }
}

/// The same place in a file is the same id in every run.
fn numbered(at: usize) -> ServerUuid {
    const FIRST: u128 = 0x1111_1111_0000_4000_8000_0000_0000_0000;
    ServerUuid(Uuid::from_u128(FIRST.saturating_add(at as u128)))
}
