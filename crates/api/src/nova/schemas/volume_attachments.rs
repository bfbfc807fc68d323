//! The query of `/servers/{server_id}/os-volume_attachments`.

use super::values::COUNT;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::query::{Edition, Parameter, QuerySchema};

pub static LIST: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[Edition {
        since: Microversion::MIN,
        parameters: &[
            Parameter::repeatable("limit", &COUNT),
            Parameter::repeatable("offset", &COUNT),
        ],
    }],
);
