//! Flavors: sizes of servers. Adopted servers bring theirs along.

use std::collections::BTreeMap;

use crate::{Store, StoreError};

/// What a flavor says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flavor {
    /// Its database id, as `old_instance_type_id` shows it.
    pub id: i64,
    /// Its id in the API.
    pub flavorid: String,
    /// Its sizes and its name.
    pub spec: FlavorSpec,
    /// Extra specs.
    pub extra_specs: BTreeMap<String, String>,
}

/// A flavor's name and sizes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlavorSpec {
    /// Its name.
    pub name: String,
    /// Virtual CPUs.
    pub vcpus: i64,
    /// Memory in MiB.
    pub memory_mb: i64,
    /// Root disk in GiB.
    pub root_gb: i64,
    /// Ephemeral disks in GiB.
    pub ephemeral_gb: i64,
    /// Swap in MiB.
    pub swap_mb: i64,
}

impl Store {
    /// All flavors, by id.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn flavor_list(&self) -> Result<Vec<Flavor>, StoreError> {
        unimplemented!()
    }

    /// A flavor by its id in the API.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn flavor_find(&self, flavorid: &str) -> Result<Option<Flavor>, StoreError> {
        unimplemented!("{flavorid}")
    }
}
