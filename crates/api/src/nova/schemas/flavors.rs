//! The query of `/flavors` and `/flavors/detail`.

use super::values::{COUNT, DIRECTION, TEXT, one_of};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};
use crate::nova::schema::{Literal, Schema};

pub static LIST: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[
        Edition::new(Microversion::MIN, &ORIGINAL),
        Edition::new(milestone::STRICT_QUERIES, &NAMED),
    ],
);

const LIMIT: Parameter = Parameter::repeatable("limit", &COUNT);
const MARKER: Parameter = Parameter::repeatable("marker", &TEXT);
const IS_PUBLIC: Parameter = Parameter::repeatable("is_public", &TEXT);
const MIN_RAM: Parameter = Parameter::repeatable("minRam", &TEXT);
const MIN_DISK: Parameter = Parameter::repeatable("minDisk", &TEXT);
const SORT_DIR: Parameter = Parameter::repeatable("sort_dir", &DIRECTION);

static ORIGINAL: [Parameter; 7] = [
    LIMIT,
    MARKER,
    IS_PUBLIC,
    MIN_RAM,
    MIN_DISK,
    Parameter::repeatable("sort_key", &SORT_KEY),
    SORT_DIR,
];

static NAMED: [Parameter; 8] = [
    LIMIT,
    MARKER,
    IS_PUBLIC,
    MIN_RAM,
    MIN_DISK,
    Parameter::repeatable("sort_key", &SORT_KEY_WITHOUT_FACTOR),
    SORT_DIR,
    Parameter::repeatable("name", &TEXT),
];

const fn key(name: &'static str) -> Literal {
    Literal::Text(name)
}

/// The keys that flavors are sorted by, in the order in which a refusal lists them. One went away.
macro_rules! sort_key {
    ($($factor:literal)?) => {
        one_of(&[
            key("created_at"),
            key("description"),
            key("disabled"),
            key("ephemeral_gb"),
            key("flavorid"),
            key("id"),
            key("is_public"),
            key("memory_mb"),
            key("name"),
            key("root_gb"),
            $(key($factor),)?
            key("swap"),
            key("updated_at"),
            key("vcpu_weight"),
            key("vcpus"),
        ])
    };
}

static SORT_KEY: Schema = sort_key!("rxtx_factor");
static SORT_KEY_WITHOUT_FACTOR: Schema = sort_key!();
