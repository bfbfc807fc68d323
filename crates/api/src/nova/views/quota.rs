//! The quotas of a project: whatever Nova limits is unlimited here, and some of it is counted.

use godwit_store::ProjectUsage;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::nova::microversion::{Microversion, milestone};

/// Nova's number for "as much as you like".
pub(super) const UNLIMITED: i64 = -1;

/// Something that may be limited.
struct Resource {
    name: &'static str,
    /// The first version that no longer shows it.
    gone: Option<Microversion>,
}

const fn always(name: &'static str) -> Resource {
    Resource { name, gone: None }
}

const fn before(gone: Microversion, name: &'static str) -> Resource {
    Resource {
        name,
        gone: Some(gone),
    }
}

/// All of it, in the order of its names.
static RESOURCES: [Resource; 14] = [
    always("cores"),
    before(milestone::NO_NETWORK_LIMITS, "fixed_ips"),
    before(milestone::NO_NETWORK_LIMITS, "floating_ips"),
    before(milestone::NO_PERSONALITY, "injected_file_content_bytes"),
    before(milestone::NO_PERSONALITY, "injected_file_path_bytes"),
    before(milestone::NO_PERSONALITY, "injected_files"),
    always("instances"),
    always("key_pairs"),
    always("metadata_items"),
    always("ram"),
    before(milestone::NO_NETWORK_LIMITS, "security_group_rules"),
    before(milestone::NO_NETWORK_LIMITS, "security_groups"),
    always("server_group_members"),
    always("server_groups"),
];

fn shown(version: Microversion) -> impl Iterator<Item = &'static str> {
    let shown = RESOURCES.iter();
    let shown = shown.filter(move |it| it.gone.is_none_or(|gone| version < gone));
    shown.map(|it| it.name)
}

#[derive(Debug, Serialize)]
pub struct QuotaSet(Map<String, Value>);

/// A limit with what is used of it.
#[derive(Clone, Copy, Debug, Serialize)]
struct Detail {
    limit: i64,
    in_use: i64,
    /// Nothing is set aside before it is used.
    reserved: i64,
}

impl QuotaSet {
    pub fn limits(project: &str, version: Microversion) -> Self {
        Self::new(project, version, |_| UNLIMITED.into())
    }

    /// The limits of `project`, which uses `usage`.
    pub fn details(project: &str, usage: ProjectUsage, version: Microversion) -> Self {
        Self::new(project, version, |name| {
            let in_use = match name {
                "instances" => usage.servers,
                "cores" => usage.vcpus,
                "ram" => usage.memory_mb,
                _ => 0,
            };
            serde_json::json!(Detail {
                limit: UNLIMITED,
                in_use,
                reserved: 0,
            })
        })
    }

    fn new(project: &str, version: Microversion, value: impl Fn(&str) -> Value) -> Self {
        let id = ("id".to_owned(), project.into());
        let resources = shown(version).map(|name| (name.to_owned(), value(name)));
        Self(std::iter::once(id).chain(resources).collect())
    }
}
