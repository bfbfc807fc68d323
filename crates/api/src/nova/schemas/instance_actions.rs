//! The query of `/servers/{server_id}/os-instance-actions` (`contract: actions.md §7`).

use super::values::{COUNT, TEXT, TIME};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};

pub static LIST: QuerySchema = QuerySchema {
    editions: &[
        Edition::new(Microversion::MIN, &[]),
        Edition::new(milestone::ACTION_PAGES, PARAMETERS.split_at(3).0),
        Edition::new(milestone::CHANGES_BEFORE, &PARAMETERS),
    ],
    strict_since: milestone::ACTION_PAGES,
    underscored: false,
};

/// In the order in which they appeared.
static PARAMETERS: [Parameter; 4] = [
    Parameter::single("limit", &COUNT),
    Parameter::single("marker", &TEXT),
    Parameter::single("changes-since", &TIME),
    Parameter::single("changes-before", &TIME),
];
