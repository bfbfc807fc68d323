//! The query of `/os-migrations` (`contract: migrations.md §3.1`).

use super::values::{COUNT, TEXT, TIME};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};

pub static LIST: QuerySchema = QuerySchema {
    editions: &[
        Edition::new(Microversion::MIN, PARAMETERS.split_at(6).0),
        Edition::new(milestone::MIGRATION_PAGES, PARAMETERS.split_at(9).0),
        Edition::new(milestone::CHANGES_BEFORE, PARAMETERS.split_at(10).0),
        Edition::new(milestone::OWNER_FIELDS, &PARAMETERS),
    ],
    strict_since: milestone::MIGRATION_PAGES,
    underscored: false,
};

/// In the order in which they appeared.
static PARAMETERS: [Parameter; 12] = [
    Parameter::repeatable("hidden", &TEXT),
    Parameter::repeatable("host", &TEXT),
    Parameter::repeatable("instance_uuid", &TEXT),
    Parameter::repeatable("source_compute", &TEXT),
    Parameter::repeatable("status", &TEXT),
    Parameter::repeatable("migration_type", &TEXT),
    Parameter::single("limit", &COUNT),
    Parameter::single("marker", &TEXT),
    Parameter::single("changes-since", &TIME),
    Parameter::single("changes-before", &TIME),
    Parameter::single("user_id", &TEXT),
    Parameter::single("project_id", &TEXT),
];
