//! Scopes: the zones, pods and clusters that hosts are in, and whether anything is put there.
//!
//! Whoever changes a switch, or where a host belongs, holds the lock of zones for himself, and
//! whoever claims room of a host relies on it ([`check`]): so nothing goes to a host by what was
//! decided before it was disabled.

mod begin;
mod change;
pub(crate) mod management;
mod registration;
mod tell;
mod topology;

use std::collections::{BTreeMap, HashMap};

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text};
use godwit_core::host::management::{Left, Management, Unmanaged};
use godwit_core::host::scope::{Because, ScopeKind, Switch, Topology, because, because_of};
use godwit_core::ids::HostName;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;

pub(crate) use self::begin::{begin, zones as zones_known};
use self::change::find as find_scope;
pub use self::change::{AllocationChange, ScopeError};
pub use self::management::ManagementChange;
pub(crate) use self::registration::Registering;
pub(crate) use self::tell::{Standing, moved, standings};
pub(crate) use self::topology::misplaced;
pub use self::topology::{NewTopology, Placing, TopologyError};
use crate::among::{among, load_all};
use crate::columns::text;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{host_topologies, scope_allocations};
use crate::{CommitError, Service, ServiceBinary, Store, StoreError};

/// A zone, a pod or a cluster.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scope {
    /// What it is.
    pub kind: ScopeKind,
    /// What it is called.
    pub name: String,
    /// What it is in, itself included.
    pub topology: Topology,
    /// How many hosts are in it.
    pub hosts: i64,
    /// What was said of itself.
    pub switch: Switch,
    /// Why nothing is put there; none: something may be.
    pub because: Vec<Because>,
    /// Of a cluster: whether its hosts take part in moves.
    pub management: Option<Management>,
}

/// What was said of scopes, by kind and name.
type Switches = HashMap<(ScopeKind, String), Switch>;

/// Where a host belongs beside its zone.
#[derive(Clone, Default)]
struct WithinZone {
    pod: Option<String>,
    cluster: Option<String>,
    /// The cluster that it came from, until it was looked at.
    left: Option<Left>,
}

/// Where hosts belong, and what was said of that.
pub(crate) struct Scopes {
    places: HashMap<HostName, WithinZone>,
    switches: Switches,
    managements: HashMap<String, Management>,
}

impl Scopes {
    /// Where a host of this zone belongs.
    pub(crate) fn topology(&self, host: &HostName, zone: &str) -> Topology {
        let WithinZone { pod, cluster, .. } = self.places.get(host).cloned().unwrap_or_default();
        Topology {
            zone: zone.to_owned(),
            pod,
            cluster,
        }
    }

    /// The cluster of a service's host, where that takes no part in moves, or the one that the host came
    /// from, where it did not.
    pub(crate) fn unmanaged(&self, service: &Service) -> Option<Unmanaged> {
        let place = self.places.get(&service.host)?;
        // A host that is declared dead is not waited for.
        let left = place.left.as_ref().filter(|_| !service.forced_down);
        let own = place.cluster.as_deref();
        own.and_then(|it| Unmanaged::of(it, self.managements.get(it)?))
            .or_else(|| left.map(Unmanaged::from))
    }

    /// Why nothing is put on the host of a service; none: something may be.
    fn because(&self, service: &Service) -> Vec<Because> {
        let place = self.topology(&service.host, &service.zone);
        because(&service.host, &place, &service.switch(), self.disabled())
    }

    /// What was said of a scope.
    pub(crate) fn disabled<'s>(&'s self) -> impl Fn(ScopeKind, &str) -> Option<&'s Switch> {
        find(&self.switches)
    }
}

fn find<'s>(switches: &'s Switches) -> impl Fn(ScopeKind, &str) -> Option<&'s Switch> {
    move |kind, name| switches.get(&(kind, name.to_owned()))
}

type SwitchRow = (
    ScopeKind,
    String,
    bool,
    Option<String>,
    Option<Requester>,
    Option<Timestamp>,
);

/// What was said of every scope of which anything was.
fn switches(connection: &mut Database) -> Result<Switches, StoreError> {
    let rows: Vec<SwitchRow> = scope_allocations::table
        .select((
            scope_allocations::kind,
            scope_allocations::name,
            scope_allocations::disabled,
            scope_allocations::reason,
            scope_allocations::said_by,
            scope_allocations::since,
        ))
        .load(connection)?;
    let switch = |(kind, name, disabled, reason, by, since)| {
        let switch = Switch {
            disabled,
            reason,
            by,
            since,
        };
        ((kind, name), switch)
    };
    Ok(rows.into_iter().map(switch).collect())
}

type PlaceRow = (
    HostName,
    Option<String>,
    Option<String>,
    Option<String>,
    Option<Timestamp>,
);

fn scopes(connection: &mut Database, places: Vec<PlaceRow>) -> Result<Scopes, StoreError> {
    let place = |(host, pod, cluster, left, at): PlaceRow| {
        let left = left.zip(at).map(|(cluster, at)| Left { cluster, at });
        (host, WithinZone { pod, cluster, left })
    };
    Ok(Scopes {
        places: places.into_iter().map(place).collect(),
        switches: switches(connection)?,
        managements: management::load_all(connection)?,
    })
}

/// The scopes of all hosts.
pub(crate) fn of_all(connection: &mut Database) -> Result<Scopes, StoreError> {
    let places: Vec<PlaceRow> = host_topologies::table
        .select((
            host_topologies::host,
            host_topologies::pod,
            host_topologies::cluster,
            host_topologies::left_cluster,
            host_topologies::left_at,
        ))
        .load(connection)?;
    scopes(connection, places)
}

/// The scopes of some hosts.
pub(crate) fn of_some(
    connection: &mut Database,
    hosts: &[&HostName],
) -> Result<Scopes, StoreError> {
    let names: Vec<String> = hosts.iter().map(text).collect();
    let places: Vec<PlaceRow> = load_all!(connection, names, |names| {
        host_topologies::table
            .filter(among(host_topologies::host, names))
            .select((
                host_topologies::host,
                host_topologies::pod,
                host_topologies::cluster,
                host_topologies::left_cluster,
                host_topologies::left_at,
            ))
    });
    scopes(connection, places)
}

/// Where a host belongs, as a query finds it.
#[derive(QueryableByName)]
struct Place {
    #[diesel(sql_type = Text)]
    zone: String,
    #[diesel(sql_type = Nullable<Text>)]
    pod: Option<String>,
    #[diesel(sql_type = Nullable<Text>)]
    cluster: Option<String>,
}

impl From<Place> for Topology {
    fn from(Place { zone, pod, cluster }: Place) -> Self {
        Self { zone, pod, cluster }
    }
}

#[derive(QueryableByName)]
struct Placed {
    #[diesel(embed)]
    place: Place,
    #[diesel(sql_type = Bool)]
    disabled: bool,
}

/// May something be put on `host`? What is found holds as long as the caller has `ZoneLock::Read`.
///
/// # Errors
/// [`CommitError::Disabled`].
pub(crate) fn check(connection: &mut Database, host: &HostName) -> Result<(), CommitError> {
    let placed: Option<Placed> = sql_query(
        "SELECT s.zone, t.pod, t.cluster, s.disabled
         FROM services s LEFT JOIN host_topologies t ON t.host = s.host
         WHERE s.host = $1 AND s.\"binary\" = $2",
    )
    .bind::<Text, _>(host.as_str())
    .bind::<Text, _>(ServiceBinary::Compute.as_str())
    .prepared()
    .get_result(connection)
    .optional()
    .map_err(StoreError::from)?;
    // One that is gone is refused by whoever asks it.
    let Some(Placed { place, disabled }) = placed else {
        return Ok(());
    };
    let topology = Topology::from(place);
    let own = Switch {
        disabled,
        ..Switch::default()
    };
    let switches = switches(connection)?;
    let because = because(host, &topology, &own, find(&switches));
    if because.is_empty() {
        return Ok(());
    }
    let host = host.clone();
    Err(CommitError::Disabled { host, because })
}

/// Is anything put on the host of a service, as it is now?
pub(crate) fn is_disabled(
    connection: &mut Database,
    service: &Service,
) -> Result<bool, StoreError> {
    let scopes = of_some(connection, &[&service.host])?;
    Ok(!scopes.because(service).is_empty())
}

#[derive(QueryableByName)]
struct Counted {
    #[diesel(embed)]
    place: Place,
    #[diesel(sql_type = BigInt)]
    hosts: i64,
}

/// Every scope that a host is in: zones, then pods, then clusters, each by name.
fn load(connection: &mut Database) -> Result<Vec<Scope>, StoreError> {
    let counted: Vec<Counted> = sql_query(
        "SELECT s.zone AS zone, t.pod AS pod, t.cluster AS cluster, COUNT(*) AS hosts
         FROM services s LEFT JOIN host_topologies t ON t.host = s.host
         WHERE s.\"binary\" = $1 GROUP BY s.zone, t.pod, t.cluster",
    )
    .bind::<Text, _>(ServiceBinary::Compute.as_str())
    .prepared()
    .load(connection)?;
    let switches = switches(connection)?;
    let mut managements = management::load_all(connection)?;
    let mut found: BTreeMap<(ScopeKind, String), Scope> = BTreeMap::new();
    for row in counted {
        let place = Topology::from(row.place);
        for (kind, name) in place.scopes() {
            let key = (kind, name.to_owned());
            let new = || scope(kind, name, &place, &switches);
            let scope = found.entry(key).or_insert_with(new);
            scope.hosts = scope.hosts.saturating_add(row.hosts);
        }
    }
    let scopes = found.into_values().map(|scope| Scope {
        management: (scope.kind == ScopeKind::Cluster)
            .then(|| managements.remove(&scope.name).unwrap_or_default()),
        ..scope
    });
    Ok(scopes.collect())
}

/// The scope of this name that a host at `place` is in.
fn scope(kind: ScopeKind, name: &str, place: &Topology, switches: &Switches) -> Scope {
    let within = |narrowest: ScopeKind| kind >= narrowest;
    let topology = Topology {
        zone: place.zone.clone(),
        pod: place.pod.clone().filter(|_| within(ScopeKind::Pod)),
        cluster: place.cluster.clone().filter(|_| within(ScopeKind::Cluster)),
    };
    let key = (kind, name.to_owned());
    Scope {
        kind,
        name: name.to_owned(),
        because: because_of(topology.scopes(), find(switches)),
        topology,
        hosts: 0,
        management: None,
        switch: switches.get(&key).cloned().unwrap_or_default(),
    }
}

impl Store {
    /// Every scope that a host is in: zones, then pods, then clusters, each by name.
    pub async fn scope_list(&self) -> Result<Vec<Scope>, StoreError> {
        self.read_snapshot(load).await
    }

    /// The names of the zones that were disabled, whether or not a host is in them.
    pub async fn zones_disabled(&self) -> Result<Vec<String>, StoreError> {
        self.read(|connection| {
            Ok(scope_allocations::table
                .filter(scope_allocations::kind.eq(ScopeKind::Zone.as_str()))
                .filter(scope_allocations::disabled)
                .select(scope_allocations::name)
                .load(connection)?)
        })
        .await
    }
}
