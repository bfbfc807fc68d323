//! Flavors, as far as clients of migrations need them (`contract: actions.md §11`).

use std::collections::BTreeMap;

use godwit_store::Flavor;
use serde::Serialize;

use super::{Gated, Microversion, milestone};
use crate::nova::links::{Link, Links, To};

/// What an item of a plain list shows.
#[derive(Debug, Serialize)]
pub struct FlavorEntry<'a> {
    id: &'a str,
    name: &'a str,
    links: [Link<'a>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Gated<Option<&'a str>>,
}

impl<'a> FlavorEntry<'a> {
    pub fn new(flavor: &'a Flavor, version: Microversion, links: &'a Links) -> Self {
        Self {
            id: &flavor.flavorid,
            name: &flavor.spec.name,
            links: links.pair(To::Flavor(&flavor.flavorid)),
            description: (version >= milestone::FLAVOR_DESCRIPTION).then_some(None),
        }
    }
}

#[derive(Debug, Serialize)]
pub struct FlavorView<'a> {
    id: &'a str,
    name: &'a str,
    ram: i64,
    disk: i64,
    swap: Swap,
    #[serde(rename = "OS-FLV-EXT-DATA:ephemeral")]
    ephemeral: i64,
    #[serde(rename = "OS-FLV-DISABLED:disabled")]
    #[serde(skip_serializing_if = "Option::is_none")]
    disabled: Gated<bool>,
    vcpus: i64,
    #[serde(rename = "os-flavor-access:is_public")]
    is_public: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    rxtx_factor: Gated<f64>,
    links: [Link<'a>; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Gated<Option<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extra_specs: Gated<&'a BTreeMap<String, String>>,
}

/// No swap was an empty string once.
#[derive(Debug, Serialize)]
#[serde(untagged)]
enum Swap {
    Mebibytes(i64),
    None(&'static str),
}

impl<'a> FlavorView<'a> {
    /// The document of `flavor`; without its extra specs unless `extra_specs`.
    pub fn new(
        flavor: &'a Flavor,
        version: Microversion,
        extra_specs: bool,
        links: &'a Links,
    ) -> Self {
        let (spec, id) = (&flavor.spec, &flavor.flavorid);
        let old = version < milestone::STRICT_QUERIES;
        let swap = match spec.swap_mb {
            0 if version < milestone::STRICT_SERVERS => Swap::None(""),
            swap => Swap::Mebibytes(swap),
        };
        let specs = extra_specs && version >= milestone::FLAVOR_EXTRA_SPECS;
        Self {
            id,
            name: &spec.name,
            ram: spec.memory_mb,
            disk: spec.root_gb,
            swap,
            ephemeral: spec.ephemeral_gb,
            disabled: old.then_some(false),
            vcpus: spec.vcpus,
            is_public: true,
            rxtx_factor: old.then_some(1.0),
            links: links.pair(To::Flavor(id)),
            description: (version >= milestone::FLAVOR_DESCRIPTION).then_some(None),
            extra_specs: specs.then_some(&flavor.extra_specs),
        }
    }
}
