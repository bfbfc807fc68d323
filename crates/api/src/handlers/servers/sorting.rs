//! The order of a list of servers.

use godwit_store::{ServerSortKey, SortDirection};

use crate::call::Call;
use crate::error::ApiError;

/// Where one of a list of keys has no direction, the last one given counts.
pub(super) fn read(call: &Call) -> Result<Vec<(ServerSortKey, SortDirection)>, ApiError> {
    let directions: Vec<_> = call.query.all("sort_dir").map(direction).collect();
    let last = directions
        .last()
        .copied()
        .unwrap_or(SortDirection::Descending);
    let keys = call.query.all("sort_key").enumerate();
    let keys = keys.map(|(index, name)| {
        if matches!(name, "host" | "node") && !call.is_admin() {
            let text = format!("Only administrators can sort servers by {name}");
            return Err(ApiError::Forbidden(text));
        }
        let direction = directions.get(index).copied().unwrap_or(last);
        Ok(key(name)?.map(|key| (key, direction)))
    });
    keys.filter_map(Result::transpose).collect()
}

fn direction(word: &str) -> SortDirection {
    match word {
        "asc" => SortDirection::Ascending,
        _ => SortDirection::Descending,
    }
}

/// `None` for what all servers have the same of, so that it orders nothing.
fn key(name: &str) -> Result<Option<ServerSortKey>, ApiError> {
    Ok(Some(match name {
        "created_at" => ServerSortKey::CreatedAt,
        "updated_at" => ServerSortKey::UpdatedAt,
        "display_name" => ServerSortKey::Name,
        "uuid" => ServerSortKey::Uuid,
        "host" => ServerSortKey::Host,
        "node" => ServerSortKey::Node,
        "vm_state" => ServerSortKey::VmState,
        "task_state" => ServerSortKey::TaskState,
        "power_state" => ServerSortKey::PowerState,
        "project_id" => ServerSortKey::ProjectId,
        "user_id" => ServerSortKey::UserId,
        "access_ip_v4" | "access_ip_v6" | "auto_disk_config" | "kernel_id" | "launch_index"
        | "ramdisk_id" | "root_device_name" => return Ok(None),
        other => {
            let text = format!("Servers cannot be sorted by {other}.");
            return Err(ApiError::BadRequest(text));
        }
    }))
}
