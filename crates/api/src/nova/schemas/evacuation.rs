//! The bodies of `evacuate` (`contract: actions.md §4`).

use super::values::{TEXT, closed, requiring};
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::Schema;
use crate::nova::schema::body::{BOOLEAN, Edition, HOST};

pub static BODY: &[Edition] = &[
    Edition::new(Microversion::MIN, &ORIGINAL),
    Edition::new(milestone::EVACUATE_WITHOUT_PASSWORD, &PLAIN),
    Edition::new(milestone::FORCE_EVACUATION, &FORCE),
    Edition::new(milestone::NO_FORCE, &PLAIN),
];

static ORIGINAL: Schema = requiring(
    &["onSharedStorage"],
    &[
        ("host", &HOST),
        ("onSharedStorage", &BOOLEAN),
        ("adminPass", &TEXT),
    ],
);

static PLAIN: Schema = closed(&[("host", &HOST), ("adminPass", &TEXT)]);

static FORCE: Schema = closed(&[("host", &HOST), ("adminPass", &TEXT), ("force", &BOOLEAN)]);
