//! Microversions: a pair of integers, and the names of the ones where something changes.
//!
//! Code asks `version >= milestone::OWNER_FIELDS`, never `>= (2, 80)`, so that each gate says
//! what it gates.

use std::fmt;

/// A version of Nova's API, such as 2.80.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Microversion {
    major: u32,
    minor: u32,
}

impl Microversion {
    pub const MIN: Self = v(1);
    pub const MAX: Self = v(104);

    pub const fn new(major: u32, minor: u32) -> Self {
        Self { major, minor }
    }

    /// The number behind the point.
    pub const fn minor(self) -> u32 {
        self.minor
    }

    pub(crate) const fn previous(self) -> Self {
        Self::new(self.major, self.minor - 1)
    }

    pub fn all() -> impl Iterator<Item = Self> {
        (Self::MIN.minor..=Self::MAX.minor).map(v)
    }
}

impl fmt::Display for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl fmt::Debug for Microversion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const fn v(minor: u32) -> Microversion {
    Microversion::new(2, minor)
}

/// The versions at which something changes on this surface (`contract: http.md §14`).
pub mod milestone {
    use super::{Microversion, v};

    /// More `OS-EXT-SRV-ATTR:*` fields.
    pub const EXTENDED_ATTRIBUTES: Microversion = v(3);
    /// Everybody may filter servers by `ip6`.
    pub const IPV6_FILTER: Microversion = v(5);
    pub const LOCKED: Microversion = v(9);
    pub const FORCED_DOWN: Microversion = v(11);
    /// `project_id` and `user_id` of server groups.
    pub const GROUP_OWNERS: Microversion = v(13);
    /// An evacuation finds out itself whether storage is shared, and gives no password.
    pub const EVACUATE_WITHOUT_PASSWORD: Microversion = v(14);
    /// Server groups may be soft.
    pub const SOFT_GROUPS: Microversion = v(15);
    pub const HOST_STATUS: Microversion = v(16);
    /// `description` on servers.
    pub const DESCRIPTION: Microversion = v(19);
    /// What was done to a server can still be read when the server is deleted.
    pub const ACTIONS_OF_DELETED: Microversion = v(21);
    /// A running live migration can be completed by force.
    pub const FORCE_COMPLETE: Microversion = v(22);
    /// Server migrations can be listed and shown; os-migrations gets types and links.
    pub const SERVER_MIGRATIONS: Microversion = v(23);
    /// A running live migration can be aborted.
    pub const ABORT: Microversion = v(24);
    /// `block_migration` may be "auto"; `disk_over_commit` is gone.
    pub const BLOCK_MIGRATION_AUTO: Microversion = v(25);
    /// `tags` on servers, and filters by them.
    pub const TAGS: Microversion = v(26);
    /// A hypervisor's `cpu_info` is an object.
    pub const CPU_INFO_OBJECT: Microversion = v(28);
    /// The named destination of an evacuation is checked by the scheduler, unless `force` says
    /// otherwise.
    pub const FORCE_EVACUATION: Microversion = v(29);
    /// A named destination is checked by the scheduler, unless `force` says otherwise.
    pub const FORCE_DESTINATION: Microversion = v(30);
    pub const HYPERVISOR_PAGES: Microversion = v(33);
    /// The pre-checks of a live migration no longer hold up the answer.
    pub const ASYNCHRONOUS_PRECHECKS: Microversion = v(34);
    pub const NO_NETWORK_LIMITS: Microversion = v(36);
    /// An unknown `status` filter of servers is refused.
    pub const STRICT_SERVER_STATUS: Microversion = v(38);
    /// No limit of an image's metadata any more.
    pub const NO_IMAGE_LIMIT: Microversion = v(39);
    pub const USAGE_PAGES: Microversion = v(40);
    pub const AGGREGATE_UUID: Microversion = v(41);
    pub const EMBEDDED_FLAVOR: Microversion = v(47);
    /// Services and hypervisors are named by uuids, services changed by theirs, and lists of
    /// hypervisors search and show servers.
    pub const UUID_IDS: Microversion = v(53);
    /// The events of a server's actions for everybody, without tracebacks.
    pub const ACTION_EVENTS: Microversion = v(51);
    pub const FLAVOR_DESCRIPTION: Microversion = v(55);
    /// No limits of injected files any more.
    pub const NO_PERSONALITY: Microversion = v(57);
    /// A cold migration can name its destination.
    pub const MIGRATE_HOST: Microversion = v(56);
    /// A server's actions in pages, by time, with `updated_at`, and strict about their query.
    pub const ACTION_PAGES: Microversion = v(58);
    /// os-migrations in pages, by time, with `uuid`, and strict about its query.
    pub const MIGRATION_PAGES: Microversion = v(59);
    pub const FLAVOR_EXTRA_SPECS: Microversion = v(61);
    /// The events of a server's actions say where.
    pub const ACTION_EVENT_HOSTS: Microversion = v(62);
    pub const TRUSTED_CERTIFICATES: Microversion = v(63);
    /// A server group has one `policy`, and `rules` for it.
    pub const GROUP_RULES: Microversion = v(64);
    /// Queued and preparing live migrations can be aborted, too.
    pub const ABORT_EARLY: Microversion = v(65);
    pub const CHANGES_BEFORE: Microversion = v(66);
    /// `force` is gone, from live migrations and evacuations.
    pub const NO_FORCE: Microversion = v(68);
    /// `tag` of attached volumes and ports.
    pub const ATTACHMENT_TAGS: Microversion = v(70);
    /// `server_groups` when one server is shown.
    pub const SERVER_GROUPS: Microversion = v(71);
    /// `locked_reason` on servers and when locking, and a `locked` filter.
    pub const LOCKED_REASON: Microversion = v(73);
    /// Lists of servers, services, flavors and server groups, and limits, are strict about their
    /// query; a flavor without swap has 0; a hypervisor without servers says so.
    pub const STRICT_SERVERS: Microversion = v(75);
    /// `delete_on_termination` of attached volumes.
    pub const ATTACHMENT_FATE: Microversion = v(79);
    /// `user_id` and `project_id` of a migration's requester, and filters by them.
    pub const OWNER_FIELDS: Microversion = v(80);
    /// More filters of servers for everybody.
    pub const MORE_FILTERS: Microversion = v(83);
    /// Hypervisors no longer say how full they are, but since when they run.
    pub const HYPERVISOR_UPTIME: Microversion = v(88);
    /// The events of a server's actions say why they failed.
    pub const ACTION_EVENT_DETAILS: Microversion = v(84);
    /// Attached volumes have `attachment_id` and `bdm_uuid`, and no `id`.
    pub const ATTACHMENT_IDS: Microversion = v(89);
    /// A server's `hostname` for everybody, to be filtered by, too.
    pub const HOSTNAME: Microversion = v(90);
    /// An evacuated server is left stopped.
    pub const EVACUATE_STOPPED: Microversion = v(95);
    pub const PINNED_ZONE: Microversion = v(96);
    /// `properties` of a server's image.
    pub const IMAGE_PROPERTIES: Microversion = v(98);
    pub const SCHEDULER_HINTS: Microversion = v(100);
    /// Unknown query parameters are refused everywhere; flavors lose two fields and can be
    /// listed by name.
    pub const STRICT_QUERIES: Microversion = v(102);
}
