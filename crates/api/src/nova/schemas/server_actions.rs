//! The bodies of the smaller actions on servers (`contract: actions.md §2, §5, §6`).

use super::values::REASON;
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::body::{Edition, HOST_OR_NULL};
use crate::nova::schema::{Literal, Schema, Type};

/// What is never looked at: `confirmResize`, `revertResize`, `unlock`, `os-stop`, `os-start`.
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

/// `reboot`.
pub static REBOOT: &[Edition] = &[Edition {
    since: Microversion::MIN,
    schema: &KIND,
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

static KIND: Schema = Schema {
    types: &[Type::Object],
    properties: &[(
        "type",
        &Schema {
            types: &[Type::String],
            any_of: &[
                Literal::Text("HARD"),
                Literal::Text("Hard"),
                Literal::Text("hard"),
                Literal::Text("SOFT"),
                Literal::Text("Soft"),
                Literal::Text("soft"),
            ],
            ..Schema::ANY
        },
    )],
    required: &["type"],
    closed: true,
    ..Schema::ANY
};
