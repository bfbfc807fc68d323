//! The bodies of `os-migrateLive` (`contract: actions.md §1`).

use super::values::requiring;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::Schema;
use crate::nova::schema::body::{BOOLEAN, BOOLEAN_OR_AUTO, Edition, HOST_OR_NULL};

pub static BODY: &[Edition] = &[
    Edition::new(Microversion::MIN, &ORIGINAL),
    Edition::new(milestone::BLOCK_MIGRATION_AUTO, &AUTO),
    Edition::new(milestone::FORCE_DESTINATION, &FORCE),
    Edition::new(milestone::NO_FORCE, &AUTO),
];

static ORIGINAL: Schema = requiring(
    &["block_migration", "disk_over_commit", "host"],
    &[
        ("block_migration", &BOOLEAN),
        ("disk_over_commit", &BOOLEAN),
        ("host", &HOST_OR_NULL),
    ],
);

static AUTO: Schema = requiring(
    &["block_migration", "host"],
    &[
        ("block_migration", &BOOLEAN_OR_AUTO),
        ("host", &HOST_OR_NULL),
    ],
);

static FORCE: Schema = requiring(
    &["block_migration", "host"],
    &[
        ("block_migration", &BOOLEAN_OR_AUTO),
        ("host", &HOST_OR_NULL),
        ("force", &BOOLEAN),
    ],
);
