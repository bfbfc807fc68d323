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

/// The same, which has to have those that are `required`.
pub(super) const fn requiring(
    required: &'static [&'static str],
    properties: &'static [(&'static str, &'static Schema)],
) -> Schema {
    Schema {
        required,
        ..closed(properties)
    }
}

/// A text that is one of these.
pub(super) const fn one_of(words: &'static [Literal]) -> Schema {
    Schema {
        types: &[Type::String],
        any_of: words,
        ..Schema::ANY
    }
}

pub(super) static TEXT: Schema = Schema {
    types: &[Type::String],
    ..Schema::ANY
};

/// A short text that is kept.
pub(super) static REASON: Schema = Schema {
    min_length: 1,
    max_length: 255,
    pattern: Some(Pattern::Storable),
    ..TEXT
};

pub(super) static COUNT: Schema = Schema {
    types: &[Type::Integer, Type::String],
    min_length: 1,
    pattern: Some(Pattern::Digits),
    ..Schema::ANY
};

pub(super) static TIME: Schema = Schema {
    format: Some(Format::DateTime),
    ..TEXT
};

pub(super) static REGEX: Schema = Schema {
    format: Some(Format::Regex),
    ..TEXT
};

pub(super) static DIRECTION: Schema = one_of(&[Literal::Text("asc"), Literal::Text("desc")]);

/// What a thing is called.
pub(super) static NAME: Schema = Schema {
    min_length: 1,
    max_length: 255,
    format: Some(Format::Name),
    ..TEXT
};

/// A count of one at least.
pub(super) static POSITIVE: Schema = Schema {
    minimum: Some(1),
    ..COUNT
};
