//! The bodies of host aggregates.

use super::values::{NAME, closed, requiring};
use crate::nova::microversion::Microversion;
use crate::nova::schema::body::{Edition, HOST, NULL};
use crate::nova::schema::{Format, Pattern, Schema, Type};

pub static CREATE: &[Edition] = &[Edition::new(
    Microversion::MIN,
    &requiring(&["aggregate"], &[("aggregate", &NEW)]),
)];

pub static UPDATE: &[Edition] = &[Edition::new(
    Microversion::MIN,
    &requiring(&["aggregate"], &[("aggregate", &CHANGED)]),
)];

/// Of the actions that name a host.
pub static A_HOST: &[Edition] = &[Edition::new(
    Microversion::MIN,
    &requiring(&["host"], &[("host", &HOST)]),
)];

/// Of the action that says more of one.
pub static SET_METADATA: &[Edition] = &[Edition::new(
    Microversion::MIN,
    &requiring(&["metadata"], &[("metadata", &METADATA)]),
)];

static SPACED_NAME: Schema = Schema {
    format: Some(Format::SpacedName),
    ..NAME
};

static ZONE_NAME: Schema = Schema {
    format: Some(Format::ZoneName),
    ..NAME
};

static ZONE: Schema = Schema {
    alternatives: &[&ZONE_NAME, &NULL],
    ..Schema::ANY
};

static NEW: Schema = requiring(&["name"], &[("name", &NAME), ("availability_zone", &ZONE)]);

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
