//! The bodies of host aggregates.

use super::values::closed;
use crate::nova::microversion::Microversion;
use crate::nova::schema::body::{Edition, HOST, NULL};
use crate::nova::schema::{Format, Pattern, Schema, Type};

pub static CREATE: &[Edition] = &[Edition::new(
    Microversion::MIN,
    &around(&[("aggregate", &NEW)]),
)];

pub static UPDATE: &[Edition] = &[Edition::new(
    Microversion::MIN,
    &around(&[("aggregate", &CHANGED)]),
)];

/// Of the actions that name a host.
pub static A_HOST: &[Edition] = &[Edition {
    since: Microversion::MIN,
    schema: &Schema {
        required: &["host"],
        ..closed(&[("host", &HOST)])
    },
}];

/// Of the action that says more of one.
pub static SET_METADATA: &[Edition] = &[Edition {
    since: Microversion::MIN,
    schema: &Schema {
        required: &["metadata"],
        ..closed(&[("metadata", &METADATA)])
    },
}];

/// A document with the one member `aggregate`.
const fn around(properties: &'static [(&'static str, &'static Schema)]) -> Schema {
    Schema {
        required: &["aggregate"],
        ..closed(properties)
    }
}

const fn named(format: Format) -> Schema {
    Schema {
        types: &[Type::String],
        min_length: 1,
        max_length: 255,
        format: Some(format),
        ..Schema::ANY
    }
}

static NAME: Schema = named(Format::Name);
static SPACED_NAME: Schema = named(Format::SpacedName);
static ZONE_NAME: Schema = named(Format::ZoneName);

static ZONE: Schema = Schema {
    alternatives: &[&ZONE_NAME, &NULL],
    ..Schema::ANY
};

static NEW: Schema = Schema {
    required: &["name"],
    ..closed(&[("name", &NAME), ("availability_zone", &ZONE)])
};

static CHANGED: Schema = Schema {
    required_any: &["name", "availability_zone"],
    ..closed(&[("name", &SPACED_NAME), ("availability_zone", &ZONE)])
};

static VALUE: Schema = Schema {
    types: &[Type::String, Type::Null],
    max_length: 255,
    pattern: Some(Pattern::Storable),
    ..Schema::ANY
};

static METADATA: Schema = Schema {
    pattern_properties: Some((Pattern::MetadataKey, &VALUE)),
    ..closed(&[])
};
