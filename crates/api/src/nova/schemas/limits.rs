//! The query of `/limits`.

use super::values::TEXT;
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};

pub static SHOW: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[Edition::new(
        Microversion::MIN,
        &[Parameter::repeatable("tenant_id", &TEXT)],
    )],
);
