//! The query of `/limits`.

use super::values::TEXT;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::query::{Edition, Parameter, QuerySchema};

pub static SHOW: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[Edition::new(
        Microversion::MIN,
        &[Parameter::repeatable("tenant_id", &TEXT)],
    )],
);
