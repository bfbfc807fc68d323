//! The bodies of the smaller actions on servers (`contract: actions.md §2, §5, §6`).

use super::values::{REASON, closed, one_of, requiring};
use crate::nova::microversion::{Microversion, milestone};
use crate::nova::schema::body::{Edition, HOST_OR_NULL};
use crate::nova::schema::{Literal, Schema, Type};

/// `migrate`: not looked at until it could name a host.
pub static MIGRATE: &[Edition] = &[Edition::new(milestone::MIGRATE_HOST, &DESTINATION)];

/// `lock`: not looked at until it could give a reason.
pub static LOCK: &[Edition] = &[Edition::new(milestone::LOCKED_REASON, &LOCKED_REASON)];

pub static RESET_STATE: &[Edition] = &[Edition::new(Microversion::MIN, &STATE)];

pub static REBOOT: &[Edition] = &[Edition::new(Microversion::MIN, &KIND)];

static DESTINATION: Schema = Schema {
    types: &[Type::Object, Type::Null],
    ..closed(&[("host", &HOST_OR_NULL)])
};

static LOCKED_REASON: Schema = Schema {
    types: &[Type::Object, Type::Null],
    ..closed(&[("locked_reason", &REASON)])
};

static STATE: Schema = requiring(&["state"], &[("state", &STATE_NAME)]);

static STATE_NAME: Schema = one_of(&[Literal::Text("active"), Literal::Text("error")]);

static KIND: Schema = requiring(&["type"], &[("type", &KIND_NAME)]);

static KIND_NAME: Schema = one_of(&[
    Literal::Text("HARD"),
    Literal::Text("Hard"),
    Literal::Text("hard"),
    Literal::Text("SOFT"),
    Literal::Text("Soft"),
    Literal::Text("soft"),
]);
