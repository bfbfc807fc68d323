//! What a server's group says to a placement, asked twice: when a destination is searched, and
//! in the transaction that places the migration there.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use godwit_core::ids::{HostName, ServerUuid};
use godwit_core::migration::Settling;
use godwit_core::server_group::{Member, MemberMove, Membership, Policy};
use godwit_core::status::{MigrationKind, MigrationStatus};

use super::{GroupRow, count};
use crate::among::{among, load_all};
use crate::columns::text;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::{migrations, server_group_members, server_groups};
use crate::{CommitError, MigrationRecord, Store, StoreError, dialect};

#[derive(QueryableByName)]
struct MemberRow {
    #[diesel(sql_type = Nullable<Text>)]
    host: Option<HostName>,
    #[diesel(sql_type = Nullable<Text>)]
    source: Option<HostName>,
    #[diesel(sql_type = Nullable<Text>)]
    destination: Option<HostName>,
    #[diesel(sql_type = Nullable<Text>)]
    status: Option<MigrationStatus>,
    #[diesel(sql_type = Nullable<Text>)]
    settling: Option<Settling>,
}

impl From<MemberRow> for Member {
    fn from(row: MemberRow) -> Self {
        let (destination, settling) = (row.destination, row.settling);
        let moving = row.source.zip(row.status);
        Self {
            host: row.host,
            moving: moving.map(|(source, status)| MemberMove {
                source,
                destination,
                status,
                settling,
            }),
        }
    }
}

/// What matters of servers `s` with their unfinished migrations. One that was imported is history, and
/// one that is not placed leads nowhere yet, whatever host it names.
const PLACES: &str = "s.host AS host, m.source_compute AS source,
     CASE WHEN m.storage IS NULL THEN NULL ELSE m.dest_compute END AS destination,
     m.status AS status, m.settling AS settling";
const UNFINISHED: &str = "LEFT JOIN migrations m ON m.instance_uuid = s.uuid
     AND m.ended_at IS NULL AND NOT m.imported";

/// The other servers of a group.
fn others(
    connection: &mut Database,
    group: i64,
    server: ServerUuid,
) -> Result<Vec<Member>, StoreError> {
    let statement = format!(
        "SELECT {PLACES}
         FROM server_group_members gm
         JOIN servers s ON s.uuid = gm.server_uuid AND s.deleted_at IS NULL
         {UNFINISHED}
         WHERE gm.group_id = $1 AND gm.server_uuid <> $2
         ORDER BY gm.id"
    );
    let rows: Vec<MemberRow> = sql_query(statement)
        .bind::<BigInt, _>(group)
        .bind::<Text, _>(text(server))
        .prepared()
        .load(connection)?;
    Ok(rows.into_iter().map(Member::from).collect())
}

/// A server that would come in.
pub(super) fn joining(connection: &mut Database, server: ServerUuid) -> Result<Member, StoreError> {
    let statement = format!("SELECT {PLACES} FROM servers s {UNFINISHED} WHERE s.uuid = $1");
    let row: MemberRow = sql_query(statement)
        .bind::<Text, _>(text(server))
        .prepared()
        .get_result(connection)?;
    Ok(row.into())
}

#[derive(QueryableByName)]
struct GroupMemberRow {
    #[diesel(sql_type = BigInt)]
    group_id: i64,
    #[diesel(sql_type = Text)]
    server: ServerUuid,
    #[diesel(embed)]
    member: MemberRow,
}

/// The servers of all groups that servers on `host` are in, each with its group.
fn mates(
    connection: &mut Database,
    host: &HostName,
) -> Result<Vec<(i64, ServerUuid, Member)>, StoreError> {
    let statement = format!(
        "SELECT gm.group_id AS group_id, s.uuid AS server, {PLACES}
         FROM server_group_members gm
         JOIN servers s ON s.uuid = gm.server_uuid AND s.deleted_at IS NULL
         {UNFINISHED}
         WHERE gm.group_id IN (
             SELECT own.group_id FROM server_group_members own
             JOIN servers here ON here.uuid = own.server_uuid AND here.deleted_at IS NULL
             WHERE here.host = $1)
         ORDER BY gm.id"
    );
    let rows: Vec<GroupMemberRow> = sql_query(statement)
        .bind::<Text, _>(text(host))
        .prepared()
        .load(connection)?;
    let row = |it: GroupMemberRow| (it.group_id, it.server, it.member.into());
    Ok(rows.into_iter().map(row).collect())
}

fn memberships(
    connection: &mut Database,
    host: &HostName,
) -> Result<HashMap<ServerUuid, Membership>, StoreError> {
    let mut members: HashMap<i64, Vec<(ServerUuid, Member)>> = HashMap::new();
    for (group, server, member) in mates(connection, host)? {
        members.entry(group).or_default().push((server, member));
    }
    let ids: Vec<i64> = members.keys().copied().collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let groups: Vec<GroupRow> = load_all!(connection, ids, |ids| {
        server_groups::table
            .filter(among(server_groups::id, ids))
            .select(GroupRow::as_select())
    });
    let mut found = HashMap::new();
    for group in groups {
        let members = members.remove(&group.id).unwrap_or_default();
        let here = members
            .iter()
            .filter(|(_, it)| it.host.as_ref() == Some(host));
        for (server, _) in here {
            let others = members.iter().filter(|(other, _)| other != server);
            let others = others.map(|(_, member)| member.clone()).collect();
            found.insert(*server, group.clone().beside(others));
        }
    }
    Ok(found)
}

fn group_of(connection: &mut Database, server: ServerUuid) -> Result<Option<GroupRow>, StoreError> {
    Ok(server_group_members::table
        .inner_join(server_groups::table)
        .filter(server_group_members::server_uuid.eq(text(server)))
        .select(GroupRow::as_select())
        .first(connection)
        .optional()?)
}

pub(super) fn membership(
    connection: &mut Database,
    group: GroupRow,
    server: ServerUuid,
) -> Result<Membership, StoreError> {
    let others = others(connection, group.id, server)?;
    Ok(group.beside(others))
}

impl GroupRow {
    /// As one of its servers sees it.
    fn beside(self, others: Vec<Member>) -> Membership {
        let most = count(self.max_server_per_host);
        Membership {
            group: self.uuid,
            name: self.name,
            policy: self.policy,
            max_server_per_host: most.filter(|_| self.policy == Policy::AntiAffinity),
            others,
        }
    }
}

/// Refuses unless the group of a migration's server allows `host`, as everything is now, as far as
/// the migration's request is bound by it. Nobody
/// else places a server of the group until the transaction ends, so that two placements never
/// miss each other.
pub(crate) fn check(
    connection: &mut Database,
    record: &MigrationRecord,
    host: &HostName,
) -> Result<(), CommitError> {
    let migration = &record.migration;
    let affinity = migration.request.affinity();
    let is_hard = |group: &GroupRow| group.policy.bound_by(affinity).is_hard();
    let hard = group_of(connection, migration.server)?.filter(is_hard);
    let Some(group) = hard else {
        return Ok(());
    };
    let id = group.id;
    dialect::lock_server_group(connection, id).map_err(StoreError::from)?;
    let membership = membership(connection, group, migration.server)?;
    let dead = match migration.kind {
        MigrationKind::Evacuation => Some(&migration.source_compute),
        MigrationKind::LiveMigration | MigrationKind::Migration | MigrationKind::Resize => None,
    };
    if let Some(violation) = membership.violation(host, dead) {
        let host = host.clone();
        return Err(CommitError::GroupPolicy { host, violation });
    }
    diesel::update(migrations::table.find(record.id))
        .set(migrations::placed_in_group.eq(id))
        .prepared()
        .execute(connection)
        .map_err(StoreError::from)?;
    Ok(())
}

impl Store {
    /// The group of a server with all that matters to where the server may go; `None`: it is in
    /// none.
    pub async fn server_group_membership(
        &self,
        server: ServerUuid,
    ) -> Result<Option<Membership>, StoreError> {
        self.read(move |connection| {
            let group = group_of(connection, server)?;
            group
                .map(|group| membership(connection, group, server))
                .transpose()
        })
        .await
    }

    /// The same of every server on a host that is in a group, in as many statements as for one.
    pub async fn server_group_memberships_on(
        &self,
        host: HostName,
    ) -> Result<HashMap<ServerUuid, Membership>, StoreError> {
        self.read_snapshot(move |connection| memberships(connection, &host))
            .await
    }
}
