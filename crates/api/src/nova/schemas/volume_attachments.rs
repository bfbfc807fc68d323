//! The query of `/servers/{server_id}/os-volume_attachments`.

use super::values::COUNT;
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};

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
