//! The query of `/os-quota-sets/{id}` and its details.

use super::values::TEXT;
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};

pub static SHOW: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[Edition::new(
        Microversion::MIN,
        &[Parameter::repeatable("user_id", &TEXT)],
    )],
);
