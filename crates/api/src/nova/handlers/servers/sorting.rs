//! The order of a list of servers.

use godwit_store::{ServerSortKey, SortDirection};

use crate::nova::handlers::{ApiError, Call, milestone};
use crate::nova::schemas::servers::OTHER_COLUMNS;

/// Keys, each with its direction; where there are too few of those, the first one given counts.
/// What two servers have in common is ordered by their uuids.
pub(super) fn read(call: &Call) -> Result<Vec<(ServerSortKey, SortDirection)>, ApiError> {
    let directions = call.query.all("sort_dir").map(str::trim);
    let mut directions: Vec<&str> = directions.collect();
    let mut keys: Vec<&str> = call.query.all("sort_key").collect();
    let mut index = 0;
    while let Some(name) = keys.get(index).copied() {
        if matches!(name, "host" | "node") && !call.caller.is_admin() {
            let text = format!("Only administrators can sort servers by {name}");
            return Err(ApiError::Forbidden(text));
        }
        if is_ignored(call, name) {
            keys.remove(index);
            if index < directions.len() {
                directions.remove(index);
            }
        } else {
            index += 1;
        }
    }
    if keys.is_empty() {
        keys.push("created_at");
    }
    order(&keys, &directions)
}

fn order(
    keys: &[&str],
    directions: &[&str],
) -> Result<Vec<(ServerSortKey, SortDirection)>, ApiError> {
    let directions = directions.iter().copied().map(direction);
    let directions: Vec<_> = directions.collect::<Result<_, _>>()?;
    if directions.len() > keys.len() {
        return Err(invalid("Sort direction size exceeds sort key size"));
    }
    let first = directions.first().copied();
    let first = first.unwrap_or(SortDirection::Descending);
    let sorted = keys
        .iter()
        .copied()
        .enumerate()
        .filter_map(|(index, name)| {
            let direction = directions.get(index).copied().unwrap_or(first);
            Some((key(name)?, direction))
        });
    let mut sorted: Vec<_> = sorted.collect();
    if sorted.iter().all(|(key, _)| *key != ServerSortKey::Uuid) {
        sorted.push((ServerSortKey::Uuid, SortDirection::Ascending));
    }
    Ok(sorted)
}

fn invalid(reason: &str) -> ApiError {
    ApiError::BadRequest(format!("Invalid input received: {reason}"))
}

fn direction(word: &str) -> Result<SortDirection, ApiError> {
    match word {
        "asc" => Ok(SortDirection::Ascending),
        "desc" => Ok(SortDirection::Descending),
        _ => Err(invalid("Unknown sort direction, must be 'desc' or 'asc'")),
    }
}

/// Keys that may be given and count for nothing, nor do their directions.
fn is_ignored(call: &Call, name: &str) -> bool {
    let counts = name == "locked" && call.version >= milestone::LOCKED_REASON;
    OTHER_COLUMNS.contains(&name) && !counts
}

/// `None` for what orders nothing: all servers but imported ones have the same of it.
fn key(name: &str) -> Option<ServerSortKey> {
    Some(match name {
        "availability_zone" => ServerSortKey::AvailabilityZone,
        "config_drive" => ServerSortKey::ConfigDrive,
        "created_at" => ServerSortKey::CreatedAt,
        "display_description" => ServerSortKey::Description,
        "display_name" => ServerSortKey::Name,
        "host" => ServerSortKey::Host,
        "hostname" => ServerSortKey::Hostname,
        "image_ref" => ServerSortKey::Image,
        "instance_type_id" => ServerSortKey::Flavor,
        "key_name" => ServerSortKey::KeyName,
        "launched_at" => ServerSortKey::LaunchedAt,
        "locked" => ServerSortKey::Locked,
        "locked_by" => ServerSortKey::LockedBy,
        "node" => ServerSortKey::Node,
        "power_state" => ServerSortKey::PowerState,
        "progress" => ServerSortKey::Progress,
        "project_id" => ServerSortKey::ProjectId,
        "task_state" => ServerSortKey::TaskState,
        "terminated_at" => ServerSortKey::TerminatedAt,
        "updated_at" => ServerSortKey::UpdatedAt,
        "user_id" => ServerSortKey::UserId,
        "uuid" => ServerSortKey::Uuid,
        "vm_state" => ServerSortKey::VmState,
        _ => return None,
    })
}
