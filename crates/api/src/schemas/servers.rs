//! The query of `/servers` and `/servers/detail` (`contract: actions.md §8.3`).

use super::values::{COUNT, DIRECTION, REGEX, TEXT, TIME, UUID};
use crate::microversion::{Microversion, milestone};
use crate::schema::query::{Edition, Parameter, QuerySchema};
use crate::schema::{Literal, Schema, Type};

/// Everything it ever took. Some of it only administrators may use; see the handler.
pub static LIST: QuerySchema = QuerySchema {
    editions: &[
        Edition {
            since: Microversion::MIN,
            parameters: first(ORIGINAL),
        },
        Edition {
            since: milestone::TAGS,
            parameters: first(WITH_TAGS),
        },
        Edition {
            since: milestone::CHANGES_BEFORE,
            parameters: first(WITH_CHANGES_BEFORE),
        },
        Edition {
            since: milestone::LOCKED_REASON,
            parameters: &ALL,
        },
    ],
    strict_since: milestone::STRICT_SERVERS,
    underscored: true,
};

const ORIGINAL: usize = 44;
const WITH_TAGS: usize = ORIGINAL + 4;
const WITH_CHANGES_BEFORE: usize = WITH_TAGS + 1;

const fn first(count: usize) -> &'static [Parameter] {
    ALL.split_at(count).0
}

const fn any(name: &'static str, schema: &'static Schema) -> Parameter {
    Parameter::repeatable(name, schema)
}

/// In the order in which they appeared.
static ALL: [Parameter; WITH_CHANGES_BEFORE + 1] = [
    any("user_id", &TEXT),
    any("project_id", &TEXT),
    any("tenant_id", &TEXT),
    any("launch_index", &TEXT),
    any("image_ref", &TEXT),
    any("image", &TEXT),
    any("kernel_id", &REGEX),
    any("ramdisk_id", &REGEX),
    any("hostname", &REGEX),
    any("key_name", &REGEX),
    any("power_state", &REGEX),
    any("vm_state", &TEXT),
    any("task_state", &TEXT),
    any("host", &TEXT),
    any("node", &REGEX),
    any("flavor", &REGEX),
    any("reservation_id", &REGEX),
    any("launched_at", &REGEX),
    any("terminated_at", &REGEX),
    any("availability_zone", &REGEX),
    any("name", &REGEX),
    any("display_name", &REGEX),
    any("description", &TEXT),
    any("display_description", &TEXT),
    any("locked_by", &REGEX),
    any("uuid", &UUID),
    any("root_device_name", &REGEX),
    any("config_drive", &REGEX),
    any("access_ip_v4", &REGEX),
    any("access_ip_v6", &REGEX),
    any("auto_disk_config", &REGEX),
    any("progress", &REGEX),
    any("limit", &COUNT),
    any("marker", &TEXT),
    any("sort_key", &SORT_KEY),
    any("sort_dir", &DIRECTION),
    any("all_tenants", &TEXT),
    any("soft_deleted", &TEXT),
    any("deleted", &TEXT),
    any("status", &TEXT),
    any("changes-since", &TIME),
    any("ip", &REGEX),
    any("ip6", &REGEX),
    any("created_at", &REGEX),
    any("tags", &TEXT),
    any("tags-any", &TEXT),
    any("not-tags", &TEXT),
    any("not-tags-any", &TEXT),
    any("changes-before", &TIME),
    any("locked", &TEXT),
];

const fn key(name: &'static str) -> Literal {
    Literal::Text(name)
}

static SORT_KEY: Schema = Schema {
    types: &[Type::String],
    any_of: &[
        key("access_ip_v4"),
        key("access_ip_v6"),
        key("auto_disk_config"),
        key("availability_zone"),
        key("config_drive"),
        key("created_at"),
        key("display_description"),
        key("display_name"),
        key("host"),
        key("hostname"),
        key("image_ref"),
        key("instance_type_id"),
        key("kernel_id"),
        key("key_name"),
        key("launch_index"),
        key("launched_at"),
        key("locked"),
        key("locked_by"),
        key("node"),
        key("power_state"),
        key("progress"),
        key("project_id"),
        key("ramdisk_id"),
        key("root_device_name"),
        key("task_state"),
        key("terminated_at"),
        key("updated_at"),
        key("user_id"),
        key("uuid"),
        key("vm_state"),
    ],
    ..Schema::ANY
};
