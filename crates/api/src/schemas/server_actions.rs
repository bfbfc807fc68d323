//! The bodies of the smaller actions on servers (`contract: actions.md §2, §5, §6`).

use super::values::REASON;
use crate::microversion::{Microversion, milestone};
use crate::schema::body::{Edition, HOST_OR_NULL};
use crate::schema::{Literal, Schema, Type};

/// What is never looked at: `confirmResize`, `revertResize`, `unlock`.
pub static ANYTHING: &[Edition] = &[];

/// `migrate`: not looked at until it could name a host.
pub static MIGRATE: &[Edition] = &[Edition {
    since: milestone::MIGRATE_HOST,
    schema: &DESTINATION,
}];

/// `lock`: not looked at until it could give a reason.
pub static LOCK: &[Edition] = &[Edition {
    since: milestone::LOCKED_REASON,
    schema: &LOCKED_REASON,
}];

/// `os-resetState`.
pub static RESET_STATE: &[Edition] = &[Edition {
    since: Microversion::MIN,
    schema: &STATE,
}];

static DESTINATION: Schema = Schema {
    types: &[Type::Object, Type::Null],
    properties: &[("host", &HOST_OR_NULL)],
    closed: true,
    ..Schema::ANY
};

static LOCKED_REASON: Schema = Schema {
    types: &[Type::Object, Type::Null],
    properties: &[("locked_reason", &REASON)],
    closed: true,
    ..Schema::ANY
};

static STATE: Schema = Schema {
    types: &[Type::Object],
    properties: &[(
        "state",
        &Schema {
            types: &[Type::String],
            any_of: &[Literal::Text("active"), Literal::Text("error")],
            ..Schema::ANY
        },
    )],
    required: &["state"],
    closed: true,
    ..Schema::ANY
};
