//! The query of `/limits`.

use super::values::TEXT;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::query::{Edition, Parameter, QuerySchema};

pub static SHOW: QuerySchema = QuerySchema {
    editions: &[Edition::new(
        Microversion::MIN,
        &[Parameter::repeatable("tenant_id", &TEXT)],
    )],
    strict_since: milestone::STRICT_SERVERS,
    underscored: false,
};
