//! What dashboards and exporters ask for around servers; nothing of it is moved here.

use actix_web::http::Method;

use super::{Answer, Does, Route, Versions};
use crate::nova::call::Call;
use crate::nova::handlers::{
    availability_zones, extensions, quotas, server_parts, tenant_usage, volume_attachments,
};
use crate::nova::microversion::milestone;
use crate::nova::rules;
use crate::nova::schema::query::QuerySchema;
use crate::nova::schemas;

const STRICT: Option<&QuerySchema> = Some(&QuerySchema::NONE);
/// Queries of these routes are never looked at, in no version.
const UNREAD: Option<&QuerySchema> = None;

/// A route that reads.
const fn get(
    path: &'static str,
    rules: &'static [&'static str],
    query: Option<&'static QuerySchema>,
    handler: for<'a> fn(&'a Call) -> Answer<'a>,
) -> Route {
    within(Versions::ALL, path, rules, query, handler)
}

/// The same, of some versions only.
const fn within(
    versions: Versions,
    path: &'static str,
    rules: &'static [&'static str],
    query: Option<&'static QuerySchema>,
    handler: for<'a> fn(&'a Call) -> Answer<'a>,
) -> Route {
    Route {
        method: Method::GET,
        path,
        rules,
        soft_rules: &[],
        does: Does::Handle {
            versions,
            query,
            handler,
        },
    }
}

pub(super) const ZONES: Route = get(
    "/os-availability-zone",
    &[rules::ZONES_LIST],
    STRICT,
    availability_zones::index,
);

pub(super) const ZONES_DETAIL: Route = get(
    "/os-availability-zone/detail",
    &[rules::ZONES_DETAIL],
    STRICT,
    availability_zones::detail,
);

pub(super) const VOLUMES: Route = get(
    "/servers/{server_id}/os-volume_attachments",
    &[rules::VOLUMES_INDEX],
    Some(&schemas::volume_attachments::LIST),
    volume_attachments::index,
);

pub(super) const VOLUME: Route = get(
    "/servers/{server_id}/os-volume_attachments/{id}",
    &[rules::VOLUMES_SHOW],
    UNREAD,
    volume_attachments::show,
);

pub(super) const INTERFACES: Route = get(
    "/servers/{server_id}/os-interface",
    &[rules::INTERFACES_LIST],
    STRICT,
    server_parts::interfaces,
);

pub(super) const SERVER_SECURITY_GROUPS: Route = get(
    "/servers/{server_id}/os-security-groups",
    &[rules::SECURITY_GROUPS_LIST],
    STRICT,
    server_parts::security_groups_of_server,
);

pub(super) const ADDRESSES: Route = get(
    "/servers/{server_id}/ips",
    &[rules::ADDRESSES_INDEX],
    STRICT,
    server_parts::addresses,
);

pub(super) const TAGS: Route = within(
    Versions::since(milestone::TAGS),
    "/servers/{server_id}/tags",
    &[rules::TAGS_INDEX],
    UNREAD,
    server_parts::tags,
);

pub(super) const METADATA: Route = get(
    "/servers/{server_id}/metadata",
    &[rules::METADATA_INDEX],
    STRICT,
    server_parts::metadata,
);

pub(super) const METADATA_ITEM: Route = get(
    "/servers/{server_id}/metadata/{key}",
    &[rules::METADATA_SHOW],
    STRICT,
    server_parts::metadata_item,
);

pub(super) const SECURITY_GROUPS: Route = within(
    Versions::before(milestone::NO_NETWORK_LIMITS),
    "/os-security-groups",
    &[rules::SECURITY_GROUPS_GET],
    UNREAD,
    server_parts::security_groups,
);

pub(super) const QUOTAS: Route = get(
    "/os-quota-sets/{id}",
    &[rules::QUOTAS_SHOW],
    Some(&schemas::quotas::SHOW),
    quotas::show,
);

pub(super) const QUOTAS_DETAIL: Route = get(
    "/os-quota-sets/{id}/detail",
    &[rules::QUOTAS_DETAIL],
    Some(&schemas::quotas::SHOW),
    quotas::detail,
);

pub(super) const QUOTAS_DEFAULTS: Route = get(
    "/os-quota-sets/{id}/defaults",
    &[rules::QUOTAS_DEFAULTS],
    UNREAD,
    quotas::defaults,
);

pub(super) const USAGES: Route = get(
    "/os-simple-tenant-usage",
    &[rules::USAGE_LIST],
    Some(&schemas::tenant_usage::LIST),
    tenant_usage::index,
);

pub(super) const USAGE: Route = get(
    "/os-simple-tenant-usage/{id}",
    &[rules::USAGE_SHOW],
    Some(&schemas::tenant_usage::SHOW),
    tenant_usage::show,
);

pub(super) const EXTENSIONS: Route = get(
    "/extensions",
    &[rules::EXTENSIONS],
    STRICT,
    extensions::index,
);

pub(super) const EXTENSION: Route = get(
    "/extensions/{id}",
    &[rules::EXTENSIONS],
    STRICT,
    extensions::show,
);
