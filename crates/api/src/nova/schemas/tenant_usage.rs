//! The queries of what projects used.

use super::values::{COUNT, TEXT};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};

/// Of `/os-simple-tenant-usage`.
pub static LIST: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[
        Edition::new(Microversion::MIN, &[START, END, DETAILED]),
        Edition::new(
            milestone::USAGE_PAGES,
            &[START, END, DETAILED, LIMIT, MARKER],
        ),
    ],
);

/// Of `/os-simple-tenant-usage/{id}`.
pub static SHOW: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[
        Edition::new(Microversion::MIN, &[START, END]),
        Edition::new(milestone::USAGE_PAGES, &[START, END, LIMIT, MARKER]),
    ],
);

const START: Parameter = Parameter::repeatable("start", &TEXT);
const END: Parameter = Parameter::repeatable("end", &TEXT);
const DETAILED: Parameter = Parameter::repeatable("detailed", &TEXT);
const LIMIT: Parameter = Parameter::repeatable("limit", &COUNT);
const MARKER: Parameter = Parameter::repeatable("marker", &TEXT);
