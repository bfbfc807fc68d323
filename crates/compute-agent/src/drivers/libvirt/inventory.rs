//! The domains of this host. Any domain is a server: nothing has to be registered first.

use futures::{StreamExt, stream};
use godwit_core::ids::ServerUuid;
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::domain::{Backing, Disk, Domain, Owner};
use godwit_rpc::facts::Cpu;
use uuid::Uuid;
use virt::error::{Error, ErrorNumber};

use super::Host;
use super::connection::{CallError, Live, number};
use super::definition::{Definition, DiskElement, NovaElement, Unreadable};
use super::storage::pools::{SeenPool, pool_of};
use super::sys::{self, BlockSizes};
use super::witness::{Witness, look};
use crate::driver::DriverError;

/// Domains looked at at the same time.
const ABREAST: usize = 4;

/// A domain as libvirt describes it at one instant.
#[derive(Clone, Debug)]
pub(super) struct Sighted {
    pub(super) name: String,
    pub(super) witness: Witness,
    pub(super) definition: Definition,
    /// By target, in the order of the definition's disks.
    sizes: Vec<BlockSizes>,
}

/// Why a domain cannot be described.
#[derive(Debug, thiserror::Error)]
enum LookError {
    #[error("{}", .0.message())]
    Libvirt(#[from] Error),
    #[error("its definition: {0}")]
    Definition(#[from] Unreadable),
}

impl Host {
    /// Every domain, looked at now.
    pub(super) async fn domains(&self) -> Result<Vec<Domain>, DriverError> {
        let pools = self.pools().await?;
        let listed = self.connection.call(list).await?;
        self.paused.retain(|domain| listed.iter().any(|(uuid, _)| *uuid == domain)).await?;
        let described = stream::iter(listed)
            .map(|(uuid, name)| self.describe_or_doubt(uuid, name, &pools))
            .buffered(ABREAST);
        Ok(described.filter_map(async |domain| domain).collect().await)
    }

    /// A domain; `None` when there is none.
    pub(super) async fn describe(
        &self,
        server: ServerUuid,
        pools: &[SeenPool],
    ) -> Result<Option<Domain>, DriverError> {
        let sighted = self.sight(server.0).await?;
        Ok(sighted.map(|sighted| self.domain(server.0, sighted, pools)))
    }

    /// One look at where the guest runs; `None` when there is no such domain.
    pub(super) async fn look(&self, server: ServerUuid) -> Result<Option<Witness>, CallError> {
        self.connection
            .call(move |live| match live.connect.lookup_domain_by_uuid(server.0) {
                Ok(domain) => known(look(&domain)),
                Err(error) => known(Err(error)),
            })
            .await
    }

    /// What the host testifies of the guest.
    pub(super) async fn sighting(&self, server: ServerUuid) -> Result<Sighting, CallError> {
        Ok(match self.look(server).await? {
            Some(witness) => witness.sighting(self.paused.contains(server.0)),
            None => Sighting::Absent,
        })
    }

    async fn describe_or_doubt(
        &self,
        uuid: Uuid,
        name: String,
        pools: &[SeenPool],
    ) -> Option<Domain> {
        match self.sight(uuid).await {
            Ok(sighted) => Some(self.domain(uuid, sighted?, pools)),
            Err(error) => {
                tracing::warn!(server = %uuid, %error, "a domain cannot be looked at");
                Some(self.doubted(uuid, name))
            }
        }
    }

    async fn sight(&self, uuid: Uuid) -> Result<Option<Sighted>, DriverError> {
        let seen = self.connection.call(move |live| Ok(sight(live, uuid))).await?;
        seen.map_err(|error| DriverError::Unavailable(error.to_string()))
    }

    fn domain(&self, uuid: Uuid, sighted: Sighted, pools: &[SeenPool]) -> Domain {
        let Sighted { name, witness, definition, sizes } = sighted;
        let cpu = definition.cpu();
        let disks = definition.disks.into_iter().zip(sizes);
        let nova = definition.nova.unwrap_or(NovaElement {
            name: None,
            owner: None,
            flavor: None,
            image: None,
        });
        Domain {
            server: ServerUuid(uuid),
            display_name: nova.name.or(definition.title).unwrap_or_else(|| name.clone()),
            domain_name: name,
            sighting: witness.sighting(self.paused.contains(uuid)),
            power_state: witness.power_state(),
            vcpus: definition.vcpus,
            memory_bytes: definition.memory_bytes,
            cpu,
            disks: disks.map(|(disk, sizes)| reported(disk, sizes, pools)).collect(),
            owner: nova.owner.unwrap_or_else(|| self.default_owner()),
            flavor: nova.flavor,
            image_ref: nova.image,
        }
    }

    /// A domain that is there, and of which nothing else is known.
    fn doubted(&self, uuid: Uuid, name: String) -> Domain {
        Domain {
            server: ServerUuid(uuid),
            display_name: name.clone(),
            domain_name: name,
            sighting: Sighting::Unreachable,
            power_state: PowerState::NoState,
            vcpus: 0,
            memory_bytes: 0,
            cpu: Cpu {
                arch: String::new(),
                model: String::new(),
                vendor: String::new(),
                features: Vec::new(),
                definition: None,
            },
            disks: Vec::new(),
            owner: self.default_owner(),
            flavor: None,
            image_ref: None,
        }
    }

    fn default_owner(&self) -> Owner {
        Owner {
            user_id: self.config.owner.user_id.clone(),
            project_id: self.config.owner.project_id.clone(),
            user_name: None,
            project_name: None,
        }
    }
}

fn list(live: &Live) -> Result<Vec<(Uuid, String)>, Error> {
    let domains = live.connect.list_all_domains(0)?;
    domains.iter().map(|domain| Ok((domain.uuid()?, domain.name()?))).collect()
}

fn sight(live: &Live, uuid: Uuid) -> Result<Option<Sighted>, LookError> {
    let domain = match known(live.connect.lookup_domain_by_uuid(uuid))? {
        Some(domain) => domain,
        None => return Ok(None),
    };
    let Some(witness) = known(look(&domain))? else {
        return Ok(None);
    };
    let Some(xml) = known(domain.xml_desc(0))? else {
        return Ok(None);
    };
    let definition = Definition::parse(&xml)?;
    // A disk that cannot be measured (its network storage is away) has no size, that is all.
    let size = |disk: &DiskElement| sys::block_sizes(&domain, &disk.target).unwrap_or_default();
    Ok(Some(Sighted {
        name: domain.name()?,
        witness,
        sizes: definition.disks.iter().map(size).collect(),
        definition,
    }))
}

/// A domain that is gone is no error.
pub(super) fn known<T>(result: Result<T, Error>) -> Result<Option<T>, Error> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if number(&error) == Some(ErrorNumber::NoDomain) => Ok(None),
        Err(error) => Err(error),
    }
}

fn reported(disk: DiskElement, sizes: BlockSizes, pools: &[SeenPool]) -> Disk {
    Disk {
        pool: pool_of(pools, &disk.source).map(str::to_owned),
        target: disk.target,
        path: disk.source,
        format: disk.format,
        virtual_bytes: sizes.capacity,
        allocated_bytes: sizes.allocation,
        backing: disk.backing.map(|(path, format)| Backing {
            path,
            format,
            fingerprint: None,
        }),
        read_only: disk.read_only,
    }
}
