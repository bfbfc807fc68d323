//! The bodies of `evacuate` (`contract: actions.md §4`).

use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::body::{BOOLEAN, Edition, HOST};
use crate::nova::schema::{Schema, Type};

pub static BODY: &[Edition] = &[
    Edition::new(Microversion::MIN, &ORIGINAL),
    Edition::new(milestone::EVACUATE_WITHOUT_PASSWORD, &PLAIN),
    Edition::new(milestone::FORCE_EVACUATION, &FORCE),
    Edition::new(milestone::NO_FORCE, &PLAIN),
];

/// Any text: it is kept nowhere.
static PASSWORD: Schema = Schema {
    types: &[Type::String],
    ..Schema::ANY
};

static ORIGINAL: Schema = Schema {
    types: &[Type::Object],
    properties: &[
        ("host", &HOST),
        ("onSharedStorage", &BOOLEAN),
        ("adminPass", &PASSWORD),
    ],
    required: &["onSharedStorage"],
    closed: true,
    ..Schema::ANY
};

static PLAIN: Schema = Schema {
    types: &[Type::Object],
    properties: &[("host", &HOST), ("adminPass", &PASSWORD)],
    closed: true,
    ..Schema::ANY
};

static FORCE: Schema = Schema {
    types: &[Type::Object],
    properties: &[
        ("host", &HOST),
        ("adminPass", &PASSWORD),
        ("force", &BOOLEAN),
    ],
    closed: true,
    ..Schema::ANY
};
