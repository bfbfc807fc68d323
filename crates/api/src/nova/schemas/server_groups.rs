//! Requests about server groups.

use super::values::{COUNT, NAME, POSITIVE, TEXT, closed, one_of, requiring};
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

static HARD: Schema = requiring(&["server_group"], &[("server_group", &HARD_GROUP)]);
static SOFT: Schema = requiring(&["server_group"], &[("server_group", &SOFT_GROUP)]);
static RULED: Schema = requiring(&["server_group"], &[("server_group", &RULED_GROUP)]);

static HARD_GROUP: Schema = requiring(
    &["name", "policies"],
    &[("name", &NAME), ("policies", &HARD_POLICIES)],
);

static SOFT_GROUP: Schema = Schema {
    properties: &[("name", &NAME), ("policies", &POLICIES)],
    ..HARD_GROUP
};

static RULED_GROUP: Schema = Schema {
    properties: &[("name", &NAME), ("policy", &POLICY), ("rules", &RULES)],
    required: &["name", "policy"],
    ..HARD_GROUP
};

static HARD_POLICIES: Schema = list_of_one(&HARD_POLICY);
static POLICIES: Schema = list_of_one(&POLICY);

const fn list_of_one(first: &'static Schema) -> Schema {
    Schema {
        types: &[Type::Array],
        list: Some(List {
            first,
            min_items: 1,
            max_items: 1,
        }),
        ..Schema::ANY
    }
}

static HARD_POLICY: Schema = one_of(&[Literal::Text("anti-affinity"), Literal::Text("affinity")]);

static POLICY: Schema = one_of(&[
    Literal::Text("anti-affinity"),
    Literal::Text("affinity"),
    Literal::Text("soft-anti-affinity"),
    Literal::Text("soft-affinity"),
]);

static RULES: Schema = closed(&[("max_server_per_host", &POSITIVE)]);
