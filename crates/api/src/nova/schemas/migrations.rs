//! The query of `/os-migrations` (`contract: migrations.md §3.1`).

use super::values::{COUNT, TEXT, TIME};
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::query::{Edition, Parameter, QuerySchema};

/// Everything it ever took.
pub static LIST: QuerySchema = QuerySchema {
    editions: &[
        Edition {
            since: Microversion::MIN,
            parameters: &ORIGINAL,
        },
        Edition {
            since: milestone::MIGRATION_PAGES,
            parameters: &PAGED,
        },
        Edition {
            since: milestone::CHANGES_BEFORE,
            parameters: &CHANGES_BEFORE,
        },
        Edition {
            since: milestone::OWNER_FIELDS,
            parameters: &OWNERS,
        },
    ],
    strict_since: milestone::MIGRATION_PAGES,
    underscored: false,
};

const HIDDEN: Parameter = Parameter::repeatable("hidden", &TEXT);
const HOST: Parameter = Parameter::repeatable("host", &TEXT);
const INSTANCE_UUID: Parameter = Parameter::repeatable("instance_uuid", &TEXT);
const SOURCE_COMPUTE: Parameter = Parameter::repeatable("source_compute", &TEXT);
const STATUS: Parameter = Parameter::repeatable("status", &TEXT);
const MIGRATION_TYPE: Parameter = Parameter::repeatable("migration_type", &TEXT);
const LIMIT: Parameter = Parameter::single("limit", &COUNT);
const MARKER: Parameter = Parameter::single("marker", &TEXT);
const SINCE: Parameter = Parameter::single("changes-since", &TIME);
const BEFORE: Parameter = Parameter::single("changes-before", &TIME);
const USER: Parameter = Parameter::single("user_id", &TEXT);
const PROJECT: Parameter = Parameter::single("project_id", &TEXT);

static ORIGINAL: [Parameter; 6] = [
    HIDDEN,
    HOST,
    INSTANCE_UUID,
    SOURCE_COMPUTE,
    STATUS,
    MIGRATION_TYPE,
];

static PAGED: [Parameter; 9] = [
    HIDDEN,
    HOST,
    INSTANCE_UUID,
    SOURCE_COMPUTE,
    STATUS,
    MIGRATION_TYPE,
    LIMIT,
    MARKER,
    SINCE,
];

static CHANGES_BEFORE: [Parameter; 10] = [
    HIDDEN,
    HOST,
    INSTANCE_UUID,
    SOURCE_COMPUTE,
    STATUS,
    MIGRATION_TYPE,
    LIMIT,
    MARKER,
    SINCE,
    BEFORE,
];

static OWNERS: [Parameter; 12] = [
    HIDDEN,
    HOST,
    INSTANCE_UUID,
    SOURCE_COMPUTE,
    STATUS,
    MIGRATION_TYPE,
    LIMIT,
    MARKER,
    SINCE,
    BEFORE,
    USER,
    PROJECT,
];
