//! Server groups: what their owners see of them, who is in them, and what they say to a
//! placement.

mod change;
mod membership;
mod observe;

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::ids::{ServerGroupUuid, ServerUuid};
use godwit_core::requester::Requester;
use godwit_core::server_group::Policy;
use godwit_core::time::Timestamp;
use godwit_core::words;

pub use self::change::MembershipError;
pub(crate) use self::membership::check;
pub(crate) use self::observe::observe;
use crate::columns::{instant, json, storable, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{server_group_members, server_groups, servers};
use crate::{Store, StoreError};

words!(
    /// How a server came to be in its group.
    Origin, "origin of a group's member", {
        /// The records say so: Nova's database did, or somebody asked for it. Called after the
        /// former, which came first.
        Recorded = "imported",
        /// Its domain says so; without its saying so, it is in the group no longer.
        Observed = "observed",
    }
);

/// A server group.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct ServerGroup {
    pub uuid: ServerGroupUuid,
    /// What its owner calls it.
    pub name: String,
    pub project_id: String,
    pub user_id: String,
    /// What it asks of the hosts of its servers.
    pub policy: Policy,
    /// How many of them one host may have, where somebody said so.
    pub max_server_per_host: Option<u32>,
    /// The servers in it that are there, in the order in which they came.
    pub members: Vec<ServerUuid>,
}

/// A server group to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct NewServerGroup {
    /// Its uuid, made by the caller.
    pub uuid: ServerGroupUuid,
    /// What its owner calls it.
    pub name: String,
    pub project_id: String,
    pub user_id: String,
    /// What it asks of the hosts of its servers.
    pub policy: Policy,
    /// How many of them one host may have, where somebody says so.
    pub max_server_per_host: Option<u32>,
    /// Who asks for it; `None` where nobody does.
    pub by: Option<Requester>,
    pub at: Timestamp,
}

#[derive(Clone, Queryable, Selectable)]
#[diesel(table_name = server_groups)]
struct GroupRow {
    id: i64,
    uuid: ServerGroupUuid,
    name: String,
    project_id: String,
    user_id: String,
    policy: Policy,
    max_server_per_host: Option<i64>,
}

impl GroupRow {
    fn with(self, members: Vec<ServerUuid>) -> ServerGroup {
        ServerGroup {
            uuid: self.uuid,
            name: self.name,
            project_id: self.project_id,
            user_id: self.user_id,
            policy: self.policy,
            max_server_per_host: count(self.max_server_per_host),
            members,
        }
    }
}

/// What stands in the column, as a count.
fn count(stored: Option<i64>) -> Option<u32> {
    stored.map(|most| u32::try_from(most.max(0)).unwrap_or(u32::MAX))
}

/// Makes a group, unless there is or was one of this uuid; returns whether it did.
pub(crate) fn insert(connection: &mut Database, new: &NewServerGroup) -> Result<bool, StoreError> {
    // Another transaction may be making the same group.
    let made = sql_query(
        "INSERT INTO server_groups (uuid, name, project_id, user_id, policy,
                                    max_server_per_host, created_at, changed_by)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
         ON CONFLICT (uuid) DO NOTHING",
    )
    .bind::<Text, _>(text(new.uuid))
    .bind::<Text, _>(&new.name)
    .bind::<Text, _>(&new.project_id)
    .bind::<Text, _>(&new.user_id)
    .bind::<Text, _>(new.policy.as_str())
    .bind::<Nullable<BigInt>, _>(new.max_server_per_host.map(i64::from))
    .bind::<SqlTimestamp, _>(instant(new.at))
    .bind::<Nullable<Text>, _>(new.by.as_ref().map(json))
    .prepared()
    .execute(connection)?;
    Ok(made == 1)
}

/// Puts a server into a group, and out of any other.
pub(crate) fn put_member(
    connection: &mut Database,
    group: i64,
    server: ServerUuid,
    origin: Origin,
    at: Timestamp,
) -> Result<(), StoreError> {
    take_out(connection, server)?;
    diesel::insert_into(server_group_members::table)
        .values((
            server_group_members::group_id.eq(group),
            server_group_members::server_uuid.eq(text(server)),
            server_group_members::origin.eq(origin.as_str()),
            server_group_members::created_at.eq(instant(at)),
        ))
        .prepared()
        .execute(connection)?;
    Ok(())
}

fn take_out(connection: &mut Database, server: ServerUuid) -> Result<(), StoreError> {
    let member = server_group_members::server_uuid.eq(text(server));
    diesel::delete(server_group_members::table.filter(member))
        .prepared()
        .execute(connection)?;
    Ok(())
}

/// With their members, in the same order.
fn with_members(
    connection: &mut Database,
    rows: Vec<GroupRow>,
) -> Result<Vec<ServerGroup>, StoreError> {
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let found: Vec<(i64, ServerUuid)> = server_group_members::table
        .inner_join(servers::table.on(servers::uuid.eq(server_group_members::server_uuid)))
        .filter(server_group_members::group_id.eq_any(&ids))
        .filter(servers::deleted_at.is_null())
        .order(server_group_members::id)
        .select((
            server_group_members::group_id,
            server_group_members::server_uuid,
        ))
        .load(connection)?;
    let mut members: HashMap<i64, Vec<ServerUuid>> = HashMap::new();
    for (group, server) in found {
        members.entry(group).or_default().push(server);
    }
    let with = |row: GroupRow| {
        let members = members.remove(&row.id).unwrap_or_default();
        row.with(members)
    };
    Ok(rows.into_iter().map(with).collect())
}

impl Store {
    /// Makes a server group. One of this uuid must never have been.
    pub async fn server_group_create(
        &self,
        new: NewServerGroup,
    ) -> Result<ServerGroup, StoreError> {
        self.write(move |connection| {
            insert(connection, &new)?;
            Ok(ServerGroup {
                uuid: new.uuid,
                name: new.name.clone(),
                project_id: new.project_id.clone(),
                user_id: new.user_id.clone(),
                policy: new.policy,
                max_server_per_host: new.max_server_per_host,
                members: Vec::new(),
            })
        })
        .await
    }

    /// A server group, unless (where `project` is given) it is another project's.
    pub async fn server_group_find(
        &self,
        uuid: ServerGroupUuid,
        project: Option<&str>,
    ) -> Result<Option<ServerGroup>, StoreError> {
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let row: Option<GroupRow> = server_groups::table
                .filter(server_groups::uuid.eq(text(uuid)))
                .filter(server_groups::deleted_at.is_null())
                .select(GroupRow::as_select())
                .first(connection)
                .optional()?;
            let visible = |row: &GroupRow| project.as_ref().is_none_or(|it| *it == row.project_id);
            let rows = row.filter(visible).into_iter().collect();
            Ok(with_members(connection, rows)?.pop())
        })
        .await
    }

    /// Server groups, oldest first; where `project` is given, those of that project. The first
    /// `offset` are left out, and at most `limit` are returned.
    pub async fn server_group_list(
        &self,
        project: Option<&str>,
        offset: i64,
        limit: i64,
    ) -> Result<Vec<ServerGroup>, StoreError> {
        if project.is_some_and(|project| !storable(project)) {
            return Ok(Vec::new());
        }
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let mut rows = server_groups::table
                .filter(server_groups::deleted_at.is_null())
                .select(GroupRow::as_select())
                .order(server_groups::id)
                .offset(offset)
                .limit(limit)
                .into_boxed();
            if let Some(project) = &project {
                rows = rows.filter(server_groups::project_id.eq(project));
            }
            let rows = rows.load(connection)?;
            with_members(connection, rows)
        })
        .await
    }

    /// Deletes a server group, as `by` asks; its servers are in none then. `false`: there is none.
    pub async fn server_group_delete(
        &self,
        uuid: ServerGroupUuid,
        by: Requester,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            let id: Option<i64> = server_groups::table
                .filter(server_groups::uuid.eq(text(uuid)))
                .select(server_groups::id)
                .first(connection)
                .optional()?;
            let Some(id) = id else {
                return Ok(false);
            };
            let deleted = diesel::update(server_groups::table.find(id))
                .filter(server_groups::deleted_at.is_null())
                .set((
                    server_groups::deleted_at.eq(instant(at)),
                    server_groups::changed_by.eq(json(&by)),
                ))
                .prepared()
                .execute(connection)?;
            let members = server_group_members::group_id.eq(id);
            diesel::delete(server_group_members::table.filter(members))
                .prepared()
                .execute(connection)?;
            Ok(deleted == 1)
        })
        .await
    }

    /// The group that a server is in.
    pub async fn server_group_of(
        &self,
        server: ServerUuid,
    ) -> Result<Option<ServerGroupUuid>, StoreError> {
        self.read(move |connection| {
            Ok(server_group_members::table
                .inner_join(server_groups::table)
                .filter(server_group_members::server_uuid.eq(text(server)))
                .select(server_groups::uuid)
                .first(connection)
                .optional()?)
        })
        .await
    }
}
