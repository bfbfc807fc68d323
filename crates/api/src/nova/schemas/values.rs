//! The values that queries and bodies of several resources share.

use crate::nova::schema::{Format, Literal, Pattern, Schema, Type};

/// An object with no other members than these.
pub(super) const fn closed(properties: &'static [(&'static str, &'static Schema)]) -> Schema {
    Schema {
        types: &[Type::Object],
        properties,
        closed: true,
        ..Schema::ANY
    }
}

pub(super) static TEXT: Schema = Schema {
    types: &[Type::String],
    ..Schema::ANY
};

/// A short text that is kept.
pub(super) static REASON: Schema = Schema {
    types: &[Type::String],
    min_length: 1,
    max_length: 255,
    pattern: Some(Pattern::Storable),
    ..Schema::ANY
};

pub(super) static COUNT: Schema = Schema {
    types: &[Type::Integer, Type::String],
    min_length: 1,
    pattern: Some(Pattern::Digits),
    ..Schema::ANY
};

pub(super) static TIME: Schema = Schema {
    types: &[Type::String],
    format: Some(Format::DateTime),
    ..Schema::ANY
};

pub(super) static REGEX: Schema = Schema {
    types: &[Type::String],
    format: Some(Format::Regex),
    ..Schema::ANY
};

pub(super) static DIRECTION: Schema = Schema {
    types: &[Type::String],
    any_of: &[Literal::Text("asc"), Literal::Text("desc")],
    ..Schema::ANY
};

/// What a thing is called.
pub(super) static NAME: Schema = Schema {
    types: &[Type::String],
    min_length: 1,
    max_length: 255,
    format: Some(Format::Name),
    ..Schema::ANY
};

/// A count of one at least.
pub(super) static POSITIVE: Schema = Schema {
    types: &[Type::Integer, Type::String],
    min_length: 1,
    minimum: Some(1),
    pattern: Some(Pattern::Digits),
    ..Schema::ANY
};
