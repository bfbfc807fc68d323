//! Open questions: what the rows and the hypervisors disagree about, until it is resolved.

mod prune;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::discrepancy::{DiscrepancyEvent, DiscrepancyKind, DiscrepancySubject};
use godwit_core::ids::{HostName, MigrationUuid, ServerUuid};
use godwit_core::time::Timestamp;

use crate::among::{among, load_all};
use crate::columns::{instant, text};
use crate::connection::Database;
use crate::events::{self, Actor, Cause, OfDiscrepancy};
use crate::prepared::Prepare as _;
use crate::schema::discrepancies;
use crate::{Lease, Store, StoreError, effects};

/// A discrepancy.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Discrepancy {
    pub id: i64,
    pub subject: DiscrepancySubject,
    pub detail: String,
    pub opened_at: Timestamp,
    /// Until when; `None` while open.
    pub closed_at: Option<Timestamp>,
    pub closed_because: Option<String>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = discrepancies)]
struct DiscrepancyRow {
    id: i64,
    kind: DiscrepancyKind,
    server_uuid: Option<ServerUuid>,
    migration_uuid: Option<MigrationUuid>,
    host: Option<HostName>,
    detail: String,
    opened_at: Timestamp,
    closed_at: Option<Timestamp>,
    closed_because: Option<String>,
}

impl From<DiscrepancyRow> for Discrepancy {
    fn from(row: DiscrepancyRow) -> Self {
        Self {
            id: row.id,
            subject: DiscrepancySubject {
                kind: row.kind,
                server: row.server_uuid,
                migration: row.migration_uuid,
                host: row.host,
            },
            detail: row.detail,
            opened_at: row.opened_at,
            closed_at: row.closed_at,
            closed_because: row.closed_because,
        }
    }
}

/// Opens a discrepancy, unless one is open for the subject.
pub(crate) fn open(
    connection: &mut Database,
    subject: &DiscrepancySubject,
    detail: &str,
    at: Timestamp,
) -> Result<Option<Discrepancy>, StoreError> {
    let key = subject.key();
    let opened = sql_query(
        "INSERT INTO discrepancies (kind, subject, server_uuid, migration_uuid, host, detail,
                                    opened_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (subject) WHERE closed_at IS NULL DO NOTHING",
    )
    .bind::<Text, _>(subject.kind.as_str())
    .bind::<Text, _>(&key)
    .bind::<Nullable<Text>, _>(subject.server.map(text))
    .bind::<Nullable<Text>, _>(subject.migration.map(text))
    .bind::<Nullable<Text>, _>(subject.host.as_ref().map(HostName::as_str))
    .bind::<Text, _>(detail)
    .bind::<SqlTimestamp, _>(instant(at))
    .prepared()
    .execute(connection)?;
    if opened == 0 {
        return Ok(None);
    }
    let row: DiscrepancyRow = discrepancies::table
        .filter(discrepancies::subject.eq(&key))
        .filter(discrepancies::closed_at.is_null())
        .select(DiscrepancyRow::as_select())
        .first(connection)?;
    let opened = Discrepancy::from(row);
    let told = OfDiscrepancy {
        id: opened.id,
        subject,
        text: detail,
    };
    let cause = Cause::by(Actor::Conductor, at);
    events::append_of_discrepancy(connection, &told, DiscrepancyEvent::Opened, &cause)?;
    Ok(Some(opened))
}

fn is_any_open(connection: &mut Database, subjects: &[String]) -> Result<bool, StoreError> {
    let open: Vec<i64> = load_all!(connection, subjects, |subjects| {
        discrepancies::table
            .filter(among(discrepancies::subject, subjects))
            .filter(discrepancies::closed_at.is_null())
            .select(discrepancies::id)
    });
    Ok(!open.is_empty())
}

/// Closes the open discrepancy of a subject; `false` if there is none.
pub(crate) fn close(
    connection: &mut Database,
    subject: &DiscrepancySubject,
    because: &str,
    at: Timestamp,
) -> Result<bool, StoreError> {
    close_by(
        connection,
        subject,
        because,
        &Cause::by(Actor::Conductor, at),
    )
}

/// [`close`], by somebody.
pub(crate) fn close_by(
    connection: &mut Database,
    subject: &DiscrepancySubject,
    because: &str,
    cause: &Cause,
) -> Result<bool, StoreError> {
    #[derive(QueryableByName)]
    struct Closed {
        #[diesel(sql_type = BigInt)]
        id: i64,
    }
    let closed: Vec<Closed> = sql_query(
        "UPDATE discrepancies SET closed_at = $1, closed_because = $2
         WHERE subject = $3 AND closed_at IS NULL
         RETURNING id",
    )
    .bind::<SqlTimestamp, _>(instant(cause.at))
    .bind::<Text, _>(because)
    .bind::<Text, _>(subject.key())
    .prepared()
    .load(connection)?;
    for Closed { id } in &closed {
        let told = OfDiscrepancy {
            id: *id,
            subject,
            text: because,
        };
        events::append_of_discrepancy(connection, &told, DiscrepancyEvent::Closed, cause)?;
    }
    Ok(!closed.is_empty())
}

/// Closes what was open because a migration did not get on.
pub(crate) fn close_of_migration(
    connection: &mut Database,
    server: ServerUuid,
    migration: MigrationUuid,
    because: &str,
    at: Timestamp,
) -> Result<(), StoreError> {
    let overdue = discrepancies::kind.eq(DiscrepancyKind::Overdue.as_str());
    let silent = discrepancies::kind.eq(DiscrepancyKind::HostSilent.as_str());
    let open: Vec<DiscrepancyRow> = discrepancies::table
        .filter(discrepancies::server_uuid.eq(text(server)))
        .filter(discrepancies::migration_uuid.eq(text(migration)))
        .filter(overdue.or(silent))
        .filter(discrepancies::closed_at.is_null())
        .order(discrepancies::id)
        .select(DiscrepancyRow::as_select())
        .load(connection)?;
    for row in open {
        close(connection, &Discrepancy::from(row).subject, because, at)?;
    }
    Ok(())
}

pub(crate) fn load_open(connection: &mut Database) -> Result<Vec<Discrepancy>, StoreError> {
    let rows: Vec<DiscrepancyRow> = discrepancies::table
        .filter(discrepancies::closed_at.is_null())
        .order(discrepancies::id)
        .select(DiscrepancyRow::as_select())
        .load(connection)?;
    Ok(rows.into_iter().map(Discrepancy::from).collect())
}

/// The open ones about some servers, oldest first.
pub(crate) fn load_open_of(
    connection: &mut Database,
    servers: &[String],
) -> Result<Vec<Discrepancy>, StoreError> {
    let rows: Vec<DiscrepancyRow> = load_all!(connection, servers, |servers| {
        discrepancies::table
            .filter(discrepancies::closed_at.is_null())
            .filter(among(discrepancies::server_uuid.assume_not_null(), servers))
            .order(discrepancies::id)
            .select(DiscrepancyRow::as_select())
    });
    Ok(rows.into_iter().map(Discrepancy::from).collect())
}

/// What hosts still have to clean, oldest first: all of it, or of one server.
pub(crate) fn load_leftovers(
    connection: &mut Database,
    server: Option<ServerUuid>,
) -> Result<Vec<Discrepancy>, StoreError> {
    let source = discrepancies::kind.eq(DiscrepancyKind::SourceNotClean.as_str());
    let destination = discrepancies::kind.eq(DiscrepancyKind::DestinationNotClean.as_str());
    let rows = discrepancies::table
        .filter(discrepancies::closed_at.is_null())
        .filter(source.or(destination))
        .order(discrepancies::id)
        .select(DiscrepancyRow::as_select())
        .into_boxed();
    let rows = match server {
        Some(server) => rows.filter(discrepancies::server_uuid.eq(text(server))),
        None => rows,
    };
    let rows: Vec<DiscrepancyRow> = rows.load(connection)?;
    Ok(rows.into_iter().map(Discrepancy::from).collect())
}

/// Is a server seen on a host that is not its own, so that nobody may start it on its own?
pub(crate) fn seen_elsewhere(
    connection: &mut Database,
    server: ServerUuid,
) -> Result<bool, StoreError> {
    let kinds = [DiscrepancyKind::SeenTwice, DiscrepancyKind::SeenElsewhere];
    let open: Option<i64> = discrepancies::table
        .filter(discrepancies::server_uuid.eq(text(server)))
        .filter(discrepancies::kind.eq_any(kinds.map(DiscrepancyKind::as_str)))
        .filter(discrepancies::closed_at.is_null())
        .select(discrepancies::id)
        .first(connection)
        .optional()?;
    Ok(open.is_some())
}

impl Store {
    /// What moves have left on hosts and is not cleaned yet, oldest first: of one server, or of
    /// all.
    pub async fn leftovers(
        &self,
        server: Option<ServerUuid>,
    ) -> Result<Vec<Discrepancy>, StoreError> {
        self.read(move |connection| load_leftovers(connection, server))
            .await
    }

    /// Opens a discrepancy that the holder of `lease` came upon; `false` if one is open for the
    /// subject already, or if the lease is lost: what its holder came upon may be settled by
    /// now, and nobody would close it again.
    pub async fn discrepancy_open(
        &self,
        subject: DiscrepancySubject,
        lease: Lease,
        detail: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.write(move |connection| {
            if !effects::is_held(connection, lease)? {
                return Ok(false);
            }
            Ok(open(connection, &subject, &detail, at)?.is_some())
        })
        .await
    }

    /// Closes the open discrepancies of subjects; `false` if there is none.
    pub async fn discrepancies_close(
        &self,
        subjects: Vec<DiscrepancySubject>,
        because: String,
        at: Timestamp,
    ) -> Result<bool, StoreError> {
        let keys: Vec<String> = subjects.iter().map(DiscrepancySubject::key).collect();
        // Most of the time none is open, and then nobody needs the writer.
        if !self
            .read(move |connection| is_any_open(connection, &keys))
            .await?
        {
            return Ok(false);
        }
        self.write(move |connection| {
            let mut closed = false;
            for subject in &subjects {
                closed |= close(connection, subject, &because, at)?;
            }
            Ok(closed)
        })
        .await
    }

    /// Open discrepancies, oldest first.
    pub async fn discrepancy_list_open(&self) -> Result<Vec<Discrepancy>, StoreError> {
        self.read(load_open).await
    }
}
