//! Requests about server groups.

use super::values::{COUNT, NAME, POSITIVE, TEXT, closed};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};
use crate::nova::schema::{List, Literal, Schema, Type, body};

pub static LIST: QuerySchema = QuerySchema::new(
    milestone::STRICT_SERVERS,
    &[Edition::new(Microversion::MIN, &PARAMETERS)],
);

static PARAMETERS: [Parameter; 3] = [
    Parameter::repeatable("all_projects", &TEXT),
    Parameter::repeatable("limit", &COUNT),
    Parameter::repeatable("offset", &COUNT),
];

/// The body of `POST /os-server-groups`: a list of one policy, later one policy with rules.
pub static CREATE: &[body::Edition] = &[
    body::Edition::new(Microversion::MIN, &HARD),
    body::Edition::new(milestone::SOFT_GROUPS, &SOFT),
    body::Edition::new(milestone::GROUP_RULES, &RULED),
];

/// `{"server_group": …}`.
macro_rules! document {
    ($group:expr) => {
        Schema {
            required: &["server_group"],
            ..closed(&[("server_group", $group)])
        }
    };
}

static HARD: Schema = document!(&HARD_GROUP);
static SOFT: Schema = document!(&SOFT_GROUP);
static RULED: Schema = document!(&RULED_GROUP);

static HARD_GROUP: Schema = Schema {
    required: &["name", "policies"],
    ..closed(&[("name", &NAME), ("policies", &HARD_POLICIES)])
};

static SOFT_GROUP: Schema = Schema {
    properties: &[("name", &NAME), ("policies", &POLICIES)],
    ..HARD_GROUP
};

static RULED_GROUP: Schema = Schema {
    properties: &[("name", &NAME), ("policy", &POLICY), ("rules", &RULES)],
    required: &["name", "policy"],
    ..HARD_GROUP
};

static HARD_POLICIES: Schema = Schema {
    types: &[Type::Array],
    list: Some(List {
        first: &HARD_POLICY,
        min_items: 1,
        max_items: 1,
    }),
    ..Schema::ANY
};

static POLICIES: Schema = Schema {
    list: Some(List {
        first: &POLICY,
        min_items: 1,
        max_items: 1,
    }),
    ..HARD_POLICIES
};

static HARD_POLICY: Schema = Schema {
    types: &[Type::String],
    any_of: &[Literal::Text("anti-affinity"), Literal::Text("affinity")],
    ..Schema::ANY
};

static POLICY: Schema = Schema {
    any_of: &[
        Literal::Text("anti-affinity"),
        Literal::Text("affinity"),
        Literal::Text("soft-anti-affinity"),
        Literal::Text("soft-affinity"),
    ],
    ..HARD_POLICY
};

static RULES: Schema = closed(&[("max_server_per_host", &POSITIVE)]);
