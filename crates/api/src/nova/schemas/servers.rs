//! The query of `/servers` and `/servers/detail` (`contract: actions.md §8.3`).

use super::values::{COUNT, REGEX, TEXT, TIME, one_of};
use super::{Edition, Microversion, Parameter, QuerySchema, milestone};
use crate::nova::schema::{Literal, Schema};

/// Everything it ever took. Some of it only administrators may use; see the handler.
pub static LIST: QuerySchema = QuerySchema {
    editions: &[
        Edition::new(Microversion::MIN, ORIGINAL.split_at(FIRST).0),
        Edition::new(milestone::TAGS, ORIGINAL.split_at(WITH_TAGS).0),
        Edition::new(
            milestone::CHANGES_BEFORE,
            ORIGINAL.split_at(WITH_CHANGES_BEFORE).0,
        ),
        Edition::new(milestone::LOCKED_REASON, &ORIGINAL),
        Edition::new(milestone::STRICT_SERVERS, &STRICT),
    ],
    strict_since: milestone::STRICT_SERVERS,
    underscored: true,
};

/// What rows of other tables say of servers. Nobody may filter by it, but it has a text of its
/// own.
pub(crate) const JOINED: [&str; 7] = [
    "block_device_mapping",
    "info_cache",
    "metadata",
    "pci_devices",
    "security_groups",
    "services",
    "system_metadata",
];

const FIRST: usize = 51;
const WITH_TAGS: usize = FIRST + 4;
const WITH_CHANGES_BEFORE: usize = WITH_TAGS + 1;

const fn any(name: &'static str, schema: &'static Schema) -> Parameter {
    Parameter::repeatable(name, schema)
}

static ORIGINAL: [Parameter; WITH_CHANGES_BEFORE + 1] = sorted_by(&ANY_SORT_KEY);
static STRICT: [Parameter; WITH_CHANGES_BEFORE + 1] = sorted_by(&SORT_KEY);

/// In the order in which they appeared.
const fn sorted_by(sort_key: &'static Schema) -> [Parameter; WITH_CHANGES_BEFORE + 1] {
    [
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
        any("description", &REGEX),
        any("display_description", &REGEX),
        any("locked_by", &REGEX),
        any("uuid", &TEXT),
        any("root_device_name", &REGEX),
        any("config_drive", &REGEX),
        any("access_ip_v4", &REGEX),
        any("access_ip_v6", &REGEX),
        any("auto_disk_config", &REGEX),
        any("progress", &REGEX),
        any("sort_key", sort_key),
        any("sort_dir", &TEXT),
        any("all_tenants", &TEXT),
        any("soft_deleted", &TEXT),
        any("deleted", &TEXT),
        any("status", &TEXT),
        any("changes-since", &TIME),
        any("ip", &REGEX),
        any("ip6", &REGEX),
        any("created_at", &REGEX),
        any(JOINED[0], &TEXT),
        any(JOINED[1], &TEXT),
        any(JOINED[2], &TEXT),
        any(JOINED[3], &TEXT),
        any(JOINED[4], &TEXT),
        any(JOINED[5], &TEXT),
        any(JOINED[6], &TEXT),
        any("limit", &COUNT),
        any("marker", &TEXT),
        any("tags", &REGEX),
        any("tags-any", &REGEX),
        any("not-tags", &REGEX),
        any("not-tags-any", &REGEX),
        any("changes-before", &TIME),
        any("locked", &TEXT),
    ]
}

/// Once all columns of servers were taken.
static ANY_SORT_KEY: Schema = one_of(&with_all());

static SORT_KEY: Schema = one_of(&with_locked());

const fn with_all() -> [Literal; SORT_KEYS.len() + OTHER_COLUMNS.len()] {
    let mut all = [Literal::Text(""); SORT_KEYS.len() + OTHER_COLUMNS.len()];
    let mut index = 0;
    while index < all.len() {
        all[index] = Literal::Text(if index < SORT_KEYS.len() {
            SORT_KEYS[index]
        } else {
            OTHER_COLUMNS[index - SORT_KEYS.len()]
        });
        index += 1;
    }
    all
}

const fn with_locked() -> [Literal; SORT_KEYS.len() + 1] {
    let mut keys = [Literal::Text("locked"); SORT_KEYS.len() + 1];
    let mut index = 0;
    while index < SORT_KEYS.len() {
        keys[index] = Literal::Text(SORT_KEYS[index]);
        index += 1;
    }
    keys
}

const SORT_KEYS: [&str; 29] = [
    "access_ip_v4",
    "access_ip_v6",
    "auto_disk_config",
    "availability_zone",
    "config_drive",
    "created_at",
    "display_description",
    "display_name",
    "host",
    "hostname",
    "image_ref",
    "instance_type_id",
    "kernel_id",
    "key_name",
    "launch_index",
    "launched_at",
    "locked_by",
    "node",
    "power_state",
    "progress",
    "project_id",
    "ramdisk_id",
    "root_device_name",
    "task_state",
    "terminated_at",
    "updated_at",
    "user_id",
    "uuid",
    "vm_state",
];

/// Columns that were taken, too. Only `locked` ever counted for anything.
pub(crate) const OTHER_COLUMNS: [&str; 22] = [
    "architecture",
    "cell_name",
    "cleaned",
    "default_ephemeral_device",
    "default_swap_device",
    "deleted",
    "deleted_at",
    "disable_terminate",
    "ephemeral_gb",
    "ephemeral_key_uuid",
    "id",
    "key_data",
    "launched_on",
    "locked",
    "memory_mb",
    "os_type",
    "reservation_id",
    "root_gb",
    "shutdown_terminate",
    "user_data",
    "vcpus",
    "vm_mode",
];
