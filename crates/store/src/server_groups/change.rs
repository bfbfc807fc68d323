//! Who is in a server group, as somebody asks for it.
//!
//! A rule is asked of the place where the server is, in the transaction that lets it in, while nobody
//! else places a server of the group: so no group is made to break its rule. What hosts say of their
//! domains counts more than what anybody asks for; see `observe`.

use diesel::prelude::*;
use godwit_core::ids::{HostName, ServerGroupUuid, ServerUuid};
use godwit_core::requester::Requester;
use godwit_core::server_group::{Membership, Violation};
use godwit_core::time::Timestamp;

use super::membership::{joining, membership};
use super::{GroupRow, Origin, ServerGroup, put_member, take_out, with_members};
use crate::columns::{json, text};
use crate::connection::Database;
use crate::dialect;
use crate::prepared::Prepare as _;
use crate::schema::{server_group_members, server_groups, servers};
use crate::{Store, StoreError};

/// Why a server is in a group, or is not, as before.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// There is none, or it was deleted.
    #[error("there is no such server group")]
    NoSuchGroup,
    /// There is none, or it was deleted.
    #[error("there is no such server")]
    NoSuchServer,
    /// A group is for servers of its own project.
    #[error("the server is of another project than the group")]
    OfAnotherProject,
    /// A server is in one group at most.
    #[error("the server is in server group {0}")]
    InAnotherGroup(ServerGroupUuid),
    /// The group's rule would be broken where the server is, or where it goes.
    #[error("the rule of server group {} does not allow the server on {host}", .group.name)]
    Rule {
        /// The group, without the server.
        group: Box<Membership>,
        /// Where the server is or may come to be.
        host: HostName,
        /// What is wrong there.
        violation: Violation,
    },
    /// Its domain says that it is in the group, and will say so again.
    #[error("the server's own domain says that it is in the group")]
    Declared,
    /// It is not in the group.
    #[error("the server is not in the group")]
    NoMember,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<diesel::result::Error> for MembershipError {
    fn from(error: diesel::result::Error) -> Self {
        Self::Store(error.into())
    }
}

/// A group, locked: nobody else changes who is in it, or places a server of it.
fn locked(connection: &mut Database, group: ServerGroupUuid) -> Result<GroupRow, MembershipError> {
    let find = |connection: &mut Database| {
        let group = server_groups::table
            .filter(server_groups::uuid.eq(text(group)))
            .filter(server_groups::deleted_at.is_null())
            .select(GroupRow::as_select());
        group.first(connection).optional()
    };
    let row: Option<GroupRow> = find(connection)?;
    let row = row.ok_or(MembershipError::NoSuchGroup)?;
    dialect::lock_server_group(connection, row.id)?;
    // It may have been deleted meanwhile.
    find(connection)?.ok_or(MembershipError::NoSuchGroup)
}

/// The group that a server is in, and how it came there.
fn present(
    connection: &mut Database,
    server: ServerUuid,
) -> Result<Option<(ServerGroupUuid, Origin)>, StoreError> {
    Ok(server_group_members::table
        .inner_join(server_groups::table)
        .filter(server_group_members::server_uuid.eq(text(server)))
        .select((server_groups::uuid, server_group_members::origin))
        .first(connection)
        .optional()?)
}

/// Notes who changed a group last.
fn note(connection: &mut Database, group: i64, by: &Requester) -> Result<(), StoreError> {
    diesel::update(server_groups::table.find(group))
        .set(server_groups::changed_by.eq(json(by)))
        .prepared()
        .execute(connection)?;
    Ok(())
}

fn join(
    connection: &mut Database,
    group: ServerGroupUuid,
    server: ServerUuid,
    (by, at): (&Requester, Timestamp),
) -> Result<ServerGroup, MembershipError> {
    // In this order, as whoever places a server locks it before its group.
    dialect::lock_servers(connection, &[text(server)])?;
    let row = locked(connection, group)?;
    let owner: Option<String> = servers::table
        .filter(servers::uuid.eq(text(server)))
        .filter(servers::deleted_at.is_null())
        .select(servers::project_id)
        .first(connection)
        .optional()?;
    if owner.ok_or(MembershipError::NoSuchServer)? != row.project_id {
        return Err(MembershipError::OfAnotherProject);
    }
    match present(connection, server)? {
        Some((now, _)) if now == group => {}
        Some((other, _)) => return Err(MembershipError::InAnotherGroup(other)),
        None => {
            let itself = joining(connection, server)?;
            let membership = membership(connection, row.clone(), server)?;
            if let Some((host, violation)) = membership.conflict(&itself) {
                return Err(MembershipError::Rule {
                    group: Box::new(membership),
                    host,
                    violation,
                });
            }
            put_member(connection, row.id, server, Origin::Recorded, at)?;
            note(connection, row.id, by)?;
        }
    }
    let group = with_members(connection, vec![row])?.pop();
    group.ok_or(MembershipError::NoSuchGroup)
}

fn leave(
    connection: &mut Database,
    group: ServerGroupUuid,
    server: ServerUuid,
    by: &Requester,
) -> Result<(), MembershipError> {
    let row = locked(connection, group)?;
    match present(connection, server)? {
        Some((now, Origin::Recorded)) if now == group => {}
        Some((now, Origin::Observed)) if now == group => return Err(MembershipError::Declared),
        Some(_) | None => return Err(MembershipError::NoMember),
    }
    take_out(connection, server)?;
    Ok(note(connection, row.id, by)?)
}

impl Store {
    /// Puts a server into a group, and returns the group as it is then. A server that is in it
    /// already stays there as it came.
    ///
    /// # Errors
    /// [`MembershipError`]; nothing has changed then.
    pub async fn server_group_join(
        &self,
        group: ServerGroupUuid,
        server: ServerUuid,
        by: Requester,
        at: Timestamp,
    ) -> Result<ServerGroup, MembershipError> {
        self.write(move |connection| join(connection, group, server, (&by, at)))
            .await
    }

    /// Takes a server out of a group. What is there of it stays where it is.
    ///
    /// # Errors
    /// [`MembershipError`]; nothing has changed then.
    pub async fn server_group_leave(
        &self,
        group: ServerGroupUuid,
        server: ServerUuid,
        by: Requester,
    ) -> Result<(), MembershipError> {
        self.write(move |connection| leave(connection, group, server, &by))
            .await
    }
}
