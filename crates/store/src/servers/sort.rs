//! Orders of a list of servers, and what "after this one" means in each.

use chrono::{DateTime, NaiveDateTime};
use diesel::dsl::{InnerJoin, InnerJoinQuerySource, IntoBoxed};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text, Timestamp};

use super::Server;
use crate::columns::{instant, text};
use crate::connection::MultiBackend;
use crate::schema::{flavors, servers};

/// What a list is ordered by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub enum ServerSortKey {
    CreatedAt,
    /// When it last changed; never changed counts as created.
    UpdatedAt,
    Name,
    Uuid,
    /// Its host; none comes first.
    Host,
    /// Its hypervisor; none comes first.
    Node,
    VmState,
    /// Its task_state; none comes first.
    TaskState,
    /// Its power state's number.
    PowerState,
    ProjectId,
    UserId,
    Hostname,
    /// What its user says of it; nothing comes first.
    Description,
    /// The key that it was given; none comes first.
    KeyName,
    /// Where it was asked to be; nowhere comes first.
    AvailabilityZone,
    /// Whether it has a configuration drive.
    ConfigDrive,
    /// Its image; none comes first.
    Image,
    /// Its flavor, by the database's id.
    Flavor,
    /// How far something that is done to it is.
    Progress,
    /// Who holds its lock; nobody comes first.
    LockedBy,
    /// Whether anybody does; nobody comes first.
    Locked,
    /// When it first ran; never comes first.
    LaunchedAt,
    /// When it ended; never comes first.
    TerminatedAt,
}

/// One way or the other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortDirection {
    /// Smallest first.
    Ascending,
    /// Greatest first.
    Descending,
}

pub(super) type Rows<'a> = IntoBoxed<'a, InnerJoin<servers::table, flavors::table>, MultiBackend>;

/// Something that is true of a server or not.
pub(super) type Condition = Box<
    dyn BoxableExpression<
            InnerJoinQuerySource<servers::table, flavors::table>,
            MultiBackend,
            SqlType = Bool,
        >,
>;

#[diesel::declare_sql_function]
extern "SQL" {
    /// The first that is not null. The databases sort nulls to different ends, so what a list
    /// is sorted by never is.
    #[sql_name = "COALESCE"]
    fn text_or(value: Nullable<Text>, otherwise: Text) -> Text;

    /// The first, with another word for some of it.
    #[sql_name = "REPLACE"]
    fn in_other_words(value: Nullable<Text>, word: Text, other: Text) -> Nullable<Text>;

    #[sql_name = "COALESCE"]
    fn instant_or(value: Nullable<Timestamp>, otherwise: Timestamp) -> Timestamp;
}

/// Who holds a lock, and what both kinds of holders count as where only a lock counts.
const OWNER: &str = "owner";
const ANYBODY: &str = "admin";

const NEVER: NaiveDateTime = DateTime::UNIX_EPOCH.naive_utc();

/// How a row's key compares with a given row's.
#[derive(Clone, Copy)]
enum Relation {
    Equal,
    Beyond,
    NotBefore,
}

/// Keys, the last of which is unique.
pub(super) struct Order {
    keys: Vec<(Key, SortDirection)>,
}

#[derive(Clone, Copy)]
enum Key {
    Named(ServerSortKey),
    Id,
}

/// Runs `$body` with `$column` standing for a key's expression, and `$value` for what tells its value
/// of a server.
macro_rules! with_key {
    ($key:expr, |$column:ident, $value:ident| $body:expr) => {{
        use Key::{Id, Named};
        use ServerSortKey as S;
        macro_rules! run {
            ($c:expr, $v:expr) => {{
                let $column = $c;
                let $value: fn(&Server) -> _ = $v;
                $body
            }};
        }
        macro_rules! run_text {
            ($c:expr, |$it:ident| $v:expr) => {
                run!(text_or($c, ""), |$it| $v.unwrap_or_default())
            };
        }
        match $key {
            Id => run!(servers::id, |it| it.id),
            Named(S::CreatedAt) => run!(servers::created_at, |it| instant(it.created_at)),
            Named(S::UpdatedAt) => {
                run!(instant_or(servers::updated_at, servers::created_at), |it| {
                    instant(it.updated_at.unwrap_or(it.created_at))
                })
            }
            Named(S::Name) => run!(servers::name, |it| it.name.clone()),
            Named(S::Uuid) => run!(servers::uuid, |it| text(it.uuid)),
            Named(S::Host) => run_text!(servers::host, |it| it.host.as_ref().map(text)),
            Named(S::Node) => run_text!(servers::node, |it| it.node.clone()),
            Named(S::VmState) => run!(servers::vm_state, |it| text(it.vm_state)),
            Named(S::TaskState) => run_text!(servers::task_state, |it| it.task_state.map(text)),
            Named(S::PowerState) => {
                run!(servers::power_state, |it| i64::from(
                    it.power_state.as_i32()
                ))
            }
            Named(S::ProjectId) => run!(servers::project_id, |it| it.project_id.clone()),
            Named(S::UserId) => run!(servers::user_id, |it| it.user_id.clone()),
            Named(S::Hostname) => run!(servers::hostname, |it| it.hostname.clone()),
            Named(S::Description) => run_text!(servers::description, |it| it.description.clone()),
            Named(S::KeyName) => run_text!(servers::key_name, |it| it.key_name.clone()),
            Named(S::AvailabilityZone) => {
                run_text!(servers::availability_zone, |it| it
                    .availability_zone
                    .clone())
            }
            Named(S::ConfigDrive) => run!(servers::config_drive, |it| it.config_drive),
            Named(S::Image) => run_text!(servers::image_ref, |it| it.image_ref.clone()),
            Named(S::Flavor) => run!(servers::flavor_id, |it| it.flavor.id),
            Named(S::Progress) => run!(servers::progress, |it| i64::from(it.progress)),
            Named(S::LockedBy) => {
                run_text!(servers::locked_by, |it| it
                    .lock
                    .as_ref()
                    .map(|lock| text(lock.by)))
            }
            Named(S::Locked) => {
                run_text!(in_other_words(servers::locked_by, OWNER, ANYBODY), |it| it
                    .lock
                    .as_ref()
                    .map(|_| ANYBODY.to_owned()))
            }
            Named(S::LaunchedAt) => run!(instant_or(servers::launched_at, NEVER), |it| it
                .launched_at
                .map_or(NEVER, instant)),
            Named(S::TerminatedAt) => run!(instant_or(servers::terminated_at, NEVER), |it| it
                .terminated_at
                .map_or(NEVER, instant)),
        }
    }};
}

impl Order {
    /// The order asked for, newest first if none is, made total by the id where it is not.
    pub(super) fn new(sort: &[(ServerSortKey, SortDirection)]) -> Self {
        let mut keys: Vec<(Key, SortDirection)> = sort
            .iter()
            .map(|(key, direction)| (Key::Named(*key), *direction))
            .collect();
        if keys.is_empty() {
            let newest = Key::Named(ServerSortKey::CreatedAt);
            keys.push((newest, SortDirection::Descending));
        }
        // Nothing is left to be ordered behind a uuid, and no index would help to.
        let unique = sort.iter().position(|(key, _)| *key == ServerSortKey::Uuid);
        match unique {
            Some(unique) => keys.truncate(unique + 1),
            None => {
                let last = keys.last().map_or(SortDirection::Descending, |key| key.1);
                keys.push((Key::Id, last));
            }
        }
        Self { keys }
    }

    pub(super) fn apply<'a>(&self, mut rows: Rows<'a>) -> Rows<'a> {
        for (key, direction) in &self.keys {
            rows = sorted(rows, *key, *direction);
        }
        rows
    }

    /// What comes after `server`: beyond it in the first key that differs.
    pub(super) fn follows(&self, server: &Server) -> Condition {
        let mut follows: Option<Condition> = None;
        for (key, direction) in self.keys.iter().rev() {
            let beyond = compare(*key, *direction, Relation::Beyond, server);
            follows = Some(match follows {
                None => beyond,
                Some(rest) => {
                    let equal = compare(*key, *direction, Relation::Equal, server);
                    Box::new(beyond.or(equal.and(rest)))
                }
            });
        }
        let follows = follows.unwrap_or_else(|| Box::new(true.into_sql::<Bool>()));
        // Implied by the above, and the one condition that an index can use.
        match self.keys.first() {
            Some((key, direction)) => {
                let bound = compare(*key, *direction, Relation::NotBefore, server);
                Box::new(bound.and(follows))
            }
            None => follows,
        }
    }
}

fn compare(key: Key, direction: SortDirection, relation: Relation, server: &Server) -> Condition {
    with_key!(key, |column, value| {
        let value = value(server);
        match (relation, direction) {
            (Relation::Equal, _) => Box::new(column.eq(value)) as Condition,
            (Relation::Beyond, SortDirection::Ascending) => Box::new(column.gt(value)),
            (Relation::Beyond, SortDirection::Descending) => Box::new(column.lt(value)),
            (Relation::NotBefore, SortDirection::Ascending) => Box::new(column.ge(value)),
            (Relation::NotBefore, SortDirection::Descending) => Box::new(column.le(value)),
        }
    })
}

fn sorted(rows: Rows<'_>, key: Key, direction: SortDirection) -> Rows<'_> {
    with_key!(key, |column, _value| match direction {
        SortDirection::Ascending => rows.then_order_by(column.asc()),
        SortDirection::Descending => rows.then_order_by(column.desc()),
    })
}
