//! The queries of hypervisors (`contract: actions.md §10`).

use super::values::{COUNT, TEXT};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};
use crate::nova::schema::body::{BOOLEAN, HOST};

pub static LIST: QuerySchema = QuerySchema::new(
    milestone::UUID_IDS,
    &[
        Edition::new(Microversion::MIN, &[]),
        Edition::new(milestone::HYPERVISOR_PAGES, &PAGED),
        Edition::new(milestone::UUID_IDS, &SEARCHED),
    ],
);

/// Of `/os-hypervisors/{id}`.
pub static SHOW: QuerySchema = QuerySchema::new(
    milestone::UUID_IDS,
    &[
        Edition::new(Microversion::MIN, &[]),
        Edition::new(milestone::UUID_IDS, &[WITH_SERVERS]),
    ],
);

const WITH_SERVERS: Parameter = Parameter::single("with_servers", &BOOLEAN);

static PAGED: [Parameter; 2] = [
    Parameter::repeatable("limit", &COUNT),
    Parameter::repeatable("marker", &TEXT),
];

static SEARCHED: [Parameter; 4] = [
    Parameter::single("limit", &COUNT),
    Parameter::single("marker", &TEXT),
    Parameter::single("hypervisor_hostname_pattern", &HOST),
    WITH_SERVERS,
];
