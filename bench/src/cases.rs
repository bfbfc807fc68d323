//! What the API is asked for. Of a list every request wants another page or another filter, as
//! many dashboards would; all of these answers are full pages.

use crate::fleet::{self, Fleet};

/// Requests of one kind.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// Asked for in turn.
    pub(crate) paths: Vec<String>,
    /// What each answer tells of.
    pub(crate) rows: u64,
}

/// Who looks at a list.
const DASHBOARDS: u64 = 64;

/// Every case there is.
pub(crate) fn all(fleet: &Fleet) -> Vec<Case> {
    let mut in_progress = Vec::new();
    let mut one = Vec::new();
    for (server, id) in &fleet.moving {
        in_progress.push(format!("/v2.1/servers/{server}/migrations"));
        one.push(format!("/v2.1/servers/{server}/migrations/{id}"));
    }
    vec![
        Case {
            name: "`/servers/{id}/migrations`",
            paths: in_progress,
            rows: 1,
        },
        Case {
            name: "`/servers/{id}/migrations/{mid}`",
            paths: one,
            rows: 1,
        },
        Case {
            name: "`/os-migrations?limit=50`",
            paths: migrations(fleet, 50),
            rows: 50,
        },
        Case {
            name: "`/os-migrations?limit=1000`",
            paths: migrations(fleet, 1_000),
            rows: 1_000,
        },
        Case {
            name: "`/servers/detail?limit=100`",
            paths: servers(100),
            rows: 100,
        },
    ]
}

fn migrations(fleet: &Fleet, limit: u64) -> Vec<String> {
    let path = |dashboard: u64| {
        let filter = match dashboard % 8 {
            0 => format!("&host={}", fleet::host_name(dashboard / 8)),
            1 => format!("&project_id={}", fleet::project(dashboard / 8)),
            2 => "&status=completed".to_owned(),
            3 => "&migration_type=live-migration".to_owned(),
            _ => String::new(),
        };
        // The same way back into a long history as into a short one, which has enough left.
        let marker = fleet::migration_uuid(fleet.migrations - 1 - 50 * dashboard);
        format!("/v2.1/os-migrations?limit={limit}&marker={marker}{filter}")
    };
    (0..DASHBOARDS).map(path).collect()
}

fn servers(limit: u64) -> Vec<String> {
    let path = |dashboard: u64| {
        let filter = match dashboard % 8 {
            // A host has few more than a page, so that is all that is asked for.
            0 => format!("&host={}", fleet::host_name(dashboard / 8)),
            1 => {
                let project = fleet::project(dashboard / 8);
                format!("&project_id={project}&marker={}", after(5 * dashboard))
            }
            2 => format!("&status=ACTIVE&marker={}", after(10 * dashboard)),
            _ => format!("&marker={}", after(10 * dashboard)),
        };
        format!("/v2.1/servers/detail?limit={limit}&all_tenants=1{filter}")
    };
    (0..DASHBOARDS).map(path).collect()
}

/// The server behind which the newest but `count` come.
fn after(count: u64) -> godwit_core::ids::ServerUuid {
    fleet::server_uuid(fleet::SERVERS - 1 - count)
}
