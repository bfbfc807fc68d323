//! Requests about services (`contract: actions.md §9`).

use super::values::{REASON, TEXT, closed, one_of, requiring};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};
use crate::nova::schema::body::{self, BOOLEAN, HOST};
use crate::nova::schema::{Literal, Schema};

pub static LIST: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[Edition::new(Microversion::MIN, &PARAMETERS)],
);

static PARAMETERS: [Parameter; 2] = [
    Parameter::repeatable("host", &TEXT),
    Parameter::repeatable("binary", &TEXT),
];

/// The body of `PUT /os-services/{id}`: a service named in the body, later one named in the path.
pub static UPDATE: &[body::Edition] = &[
    body::Edition::new(Microversion::MIN, &BY_HOST),
    body::Edition::new(milestone::FORCED_DOWN, &BY_HOST_FORCED_DOWN),
    body::Edition::new(milestone::UUID_IDS, &BY_UUID),
];

static BY_HOST: Schema = requiring(
    &["host", "binary"],
    &[
        ("host", &HOST),
        ("binary", &BINARY),
        ("disabled_reason", &REASON),
    ],
);

static BY_HOST_FORCED_DOWN: Schema = Schema {
    properties: &[
        ("host", &HOST),
        ("binary", &BINARY),
        ("disabled_reason", &REASON),
        ("forced_down", &BOOLEAN),
    ],
    ..BY_HOST
};

static BY_UUID: Schema = closed(&[
    ("status", &STATUS),
    ("disabled_reason", &REASON),
    ("forced_down", &BOOLEAN),
]);

static BINARY: Schema = Schema {
    min_length: 1,
    max_length: 255,
    ..TEXT
};

static STATUS: Schema = one_of(&[Literal::Text("enabled"), Literal::Text("disabled")]);
