//! The domains of this host. Any domain is a server: nothing has to be registered first.
//!
//! Where a guest runs is one quick question, and its details another, which libvirt may keep
//! waiting: for half a minute while the domain is busy, and always while the guest is still
//! arriving. Then its details are those seen last, or those its source told of it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use godwit_core::recovery::Sighting;
use godwit_core::server::PowerState;
use godwit_rpc::domain::{Backing, Disk, Domain, Owner};
use godwit_rpc::facts::Cpu;
use uuid::Uuid;
use virt::error::{Error, ErrorNumber};
use virt::sys as raw;

use super::connection::{CallError, Live, number};
use super::definition::{Definition, DiskElement, Unreadable};
use super::observation::{MoveSeen, Observation, look};
use super::storage::pools::{SeenPool, pool_of};
use super::sys::{self, BlockSizes};
use super::{DriverError, Host, ServerUuid};

/// Domains looked at at the same time.
const ABREAST: usize = 4;
/// How long the details of one domain may keep an inventory waiting.
const DETAILS_WITHIN: Duration = Duration::from_secs(3);

/// A domain's details as libvirt has them.
struct Details {
    name: String,
    /// What the domain can be defined from on another host.
    inactive: Option<String>,
    definition: Definition,
    /// In the order of the definition's disks.
    sizes: Vec<BlockSizes>,
}

/// Why a domain's details cannot be had.
#[derive(Debug, thiserror::Error)]
enum DetailsError {
    #[error("{}", .0.message())]
    Libvirt(#[from] Error),
    #[error("its definition: {0}")]
    Definition(#[from] Unreadable),
}

#[derive(Default)]
pub(super) struct Remembered(Mutex<HashMap<Uuid, Memory>>);

struct Memory {
    domain: Domain,
    /// A guest that is expected, but may not be here yet.
    expected: bool,
}

impl Remembered {
    /// A guest will come, and its source describes it so.
    pub(super) fn expect(&self, guest: &Domain) {
        let memory = Memory {
            domain: guest.clone(),
            expected: true,
        };
        self.lock().insert(guest.server.0, memory);
    }

    /// It came, or it will not.
    pub(super) fn forget(&self, server: ServerUuid) {
        if let Some(memory) = self.lock().get_mut(&server.0) {
            memory.expected = false;
        }
    }

    fn keep(&self, domain: &Domain) {
        let mut memories = self.lock();
        let expected = memories
            .get(&domain.server.0)
            .is_some_and(|memory| memory.expected);
        let domain = domain.clone();
        memories.insert(domain.server.0, Memory { domain, expected });
    }

    fn get(&self, uuid: Uuid) -> Option<Domain> {
        self.lock().get(&uuid).map(|memory| memory.domain.clone())
    }

    fn forget_all_but(&self, listed: &[(Uuid, String)]) {
        let here = |uuid: &Uuid| listed.iter().any(|(here, _)| here == uuid);
        self.lock()
            .retain(|uuid, memory| memory.expected || here(uuid));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Memory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Host {
    pub(super) async fn domains(&self) -> Result<Vec<Domain>, DriverError> {
        let pools = self.pools().await?;
        let listed = self.connection.call(list).await?;
        self.remembered.forget_all_but(&listed);
        let described: Vec<Option<Domain>> = stream::iter(listed)
            .map(|(uuid, name)| self.describe_somehow(uuid, name, &pools))
            .buffered(ABREAST)
            .collect()
            .await;
        Ok(described.into_iter().flatten().collect())
    }

    /// A domain in full; `None` when there is none.
    pub(super) async fn describe(
        &self,
        server: ServerUuid,
        pools: &[SeenPool],
    ) -> Result<Option<Domain>, DriverError> {
        let Some(observed) = self.look(server).await? else {
            return Ok(None);
        };
        let details = self
            .connection
            .call(move |live| Ok(details(live, server.0)))
            .await?;
        let details = details.map_err(|error| DriverError::Unavailable(error.to_string()))?;
        Ok(details.map(|details| self.domain(server.0, observed, details, pools)))
    }

    /// One look at where the guest runs; `None` when there is no such domain.
    pub(super) async fn look(&self, server: ServerUuid) -> Result<Option<Observation>, CallError> {
        self.with_domain(server, look).await
    }

    /// What `work` says of the guest's domain; `None` when there is no such domain.
    pub(super) async fn with_domain<T: Send + 'static>(
        &self,
        server: ServerUuid,
        work: impl FnOnce(&virt::domain::Domain) -> Result<T, Error> + Send + 'static,
    ) -> Result<Option<T>, CallError> {
        let worked = self.connection.call(move |live| {
            let domain = live.connect.lookup_domain_by_uuid(server.0);
            known(domain.and_then(|domain| work(&domain)))
        });
        worked.await
    }

    /// Would the guest's definition outlive it?
    pub(super) async fn is_persistent(&self, server: ServerUuid) -> Result<bool, CallError> {
        let asked = self.with_domain(server, |domain| domain.is_persistent());
        Ok(asked.await?.unwrap_or(false))
    }

    /// What the host testifies of the guest.
    pub(super) async fn sighting(&self, server: ServerUuid) -> Result<Sighting, CallError> {
        let seen = self.look(server).await?;
        Ok(seen.map_or(Sighting::Absent, Observation::sighting))
    }

    /// A domain as far as it can be described now; `None` when it has gone meanwhile.
    async fn describe_somehow(
        &self,
        uuid: Uuid,
        name: String,
        pools: &[SeenPool],
    ) -> Option<Domain> {
        let observed = match self.look(ServerUuid(uuid)).await {
            Ok(observed) => observed?,
            Err(error) => {
                tracing::warn!(server = %uuid, %error, "a domain cannot be looked at");
                return Some(self.unseen(uuid, name));
            }
        };
        let asked = match observed.movement {
            MoveSeen::Incoming => Err("it is still arriving".to_owned()),
            MoveSeen::None | MoveSeen::Outgoing(_) => self
                .connection
                .call_within(DETAILS_WITHIN, move |live| Ok(details(live, uuid)))
                .await
                .map_err(|error| error.to_string())
                .and_then(|details| details.map_err(|error| error.to_string())),
        };
        match asked {
            Ok(details) => Some(self.domain(uuid, observed, details?, pools)),
            Err(error) => {
                tracing::debug!(server = %uuid, error, "a domain's details are those seen last");
                let domain = self.unseen(uuid, name);
                Some(Domain {
                    sighting: observed.sighting(),
                    power_state: observed.power_state(),
                    ..domain
                })
            }
        }
    }

    fn domain(
        &self,
        uuid: Uuid,
        observed: Observation,
        details: Details,
        pools: &[SeenPool],
    ) -> Domain {
        let Details {
            name,
            inactive,
            definition,
            sizes,
        } = details;
        let cpu = definition.cpu();
        let disks = definition.disks.into_iter().zip(sizes);
        let nova = definition.nova.unwrap_or_default();
        let domain = Domain {
            server: ServerUuid(uuid),
            display_name: nova
                .name
                .or(definition.title)
                .unwrap_or_else(|| name.clone()),
            domain_name: name,
            sighting: observed.sighting(),
            power_state: observed.power_state(),
            vcpus: definition.vcpus,
            memory_bytes: definition.memory_bytes,
            cpu,
            disks: disks
                .map(|(disk, sizes)| reported(disk, sizes, pools))
                .collect(),
            owner: nova.owner.unwrap_or_else(|| self.default_owner()),
            flavor: nova.flavor,
            image_ref: nova.image,
            definition: inactive.and_then(Domain::bounded),
            group: definition.group.map(Box::new),
        };
        self.remembered.keep(&domain);
        domain
    }

    /// A domain of which only memory tells anything, if that.
    fn unseen(&self, uuid: Uuid, name: String) -> Domain {
        let remembered = self.remembered.get(uuid).unwrap_or_else(|| Domain {
            server: ServerUuid(uuid),
            display_name: name.clone(),
            domain_name: name,
            sighting: Sighting::Unreachable,
            power_state: PowerState::NoState,
            vcpus: 0,
            memory_bytes: 0,
            cpu: Cpu::default(),
            disks: Vec::new(),
            owner: self.default_owner(),
            flavor: None,
            image_ref: None,
            definition: None,
            group: None,
        });
        Domain {
            sighting: Sighting::Unreachable,
            power_state: PowerState::NoState,
            ..remembered
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
    domains
        .iter()
        .map(|domain| Ok((domain.uuid()?, domain.name()?)))
        .collect()
}

fn details(live: &Live, uuid: Uuid) -> Result<Option<Details>, DetailsError> {
    let Some(domain) = known(live.connect.lookup_domain_by_uuid(uuid))? else {
        return Ok(None);
    };
    let Some(xml) = known(domain.xml_desc(0))? else {
        return Ok(None);
    };
    let definition = Definition::parse(&xml)?;
    // A disk that cannot be measured (its network storage is away) has no size, that is all.
    let size = |disk: &DiskElement| sys::block_sizes(&domain, &disk.target).unwrap_or_default();
    // Passwords (of a console) are not part of it: it is kept where they would be read.
    let inactive = raw::VIR_DOMAIN_XML_INACTIVE | raw::VIR_DOMAIN_XML_MIGRATABLE;
    Ok(Some(Details {
        name: domain.name()?,
        inactive: domain.xml_desc(inactive).ok(),
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
