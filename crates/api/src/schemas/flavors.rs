//! The query of `/flavors` and `/flavors/detail`.

use super::values::{COUNT, DIRECTION, TEXT};
use crate::microversion::{Microversion, milestone};
use crate::schema::query::{Edition, Parameter, QuerySchema};

/// Everything it takes.
pub static LIST: QuerySchema = QuerySchema {
    editions: &[Edition {
        since: Microversion::MIN,
        parameters: &PARAMETERS,
    }],
    strict_since: milestone::STRICT_SERVERS,
    underscored: false,
};

static PARAMETERS: [Parameter; 7] = [
    Parameter::repeatable("limit", &COUNT),
    Parameter::repeatable("marker", &TEXT),
    Parameter::repeatable("is_public", &TEXT),
    Parameter::repeatable("minRam", &TEXT),
    Parameter::repeatable("minDisk", &TEXT),
    Parameter::repeatable("sort_key", &TEXT),
    Parameter::repeatable("sort_dir", &DIRECTION),
];
