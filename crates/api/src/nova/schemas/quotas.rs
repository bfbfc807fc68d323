//! The query of `/os-quota-sets/{id}` and its details.

use super::values::TEXT;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::query::{Edition, Parameter, QuerySchema};

pub static SHOW: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[Edition::new(
        Microversion::MIN,
        &[Parameter::repeatable("user_id", &TEXT)],
    )],
);
