//! A host aggregate (`contract: actions.md §11`).

use std::collections::BTreeMap;

use godwit_core::ids::HostName;
use godwit_store::Aggregate;
use serde::Serialize;
use uuid::Uuid;

use super::{Gated, Micros, Microversion, milestone};

/// The key by which the zone of an aggregate stands in its metadata.
pub const ZONE_KEY: &str = "availability_zone";

#[derive(Debug, Serialize)]
pub struct AggregateView<'a> {
    availability_zone: Option<&'a str>,
    created_at: Micros,
    deleted: bool,
    deleted_at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Gated<&'a [HostName]>,
    id: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Gated<BTreeMap<&'a str, &'a str>>,
    name: &'a str,
    updated_at: Option<Micros>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uuid: Gated<Uuid>,
}

impl<'a> AggregateView<'a> {
    pub fn new(aggregate: &'a Aggregate, version: Microversion) -> Self {
        let zone = aggregate.availability_zone.as_deref();
        let others = aggregate.metadata.iter();
        let others = others.map(|(name, value)| (name.as_str(), value.as_str()));
        let metadata = zone.map(|zone| (ZONE_KEY, zone)).into_iter().chain(others);
        Self {
            availability_zone: zone,
            created_at: Micros(aggregate.created_at),
            deleted: false,
            deleted_at: None,
            hosts: Some(&aggregate.hosts),
            id: aggregate.id,
            metadata: Some(metadata.collect()),
            name: &aggregate.name,
            updated_at: aggregate.updated_at.map(Micros),
            uuid: (version >= milestone::AGGREGATE_UUID).then_some(aggregate.uuid),
        }
    }

    /// The document of one that was just made: it says nothing of what it cannot have yet.
    pub fn made(aggregate: &'a Aggregate, version: Microversion) -> Self {
        Self {
            hosts: None,
            metadata: None,
            ..Self::new(aggregate, version)
        }
    }
}
