//! How far events were made into notifications, and who makes them.
//!
//! ```text
//!   events ──► who holds the lease sends what follows the cursor ──► the broker has it ──► cursor
//! ```
//!
//! The cursor is moved by who holds the lease, and only from where it was: of two processes that both
//! believe to hold it, one moves it, and the other finds out. What is sent before that is sent again
//! by whoever comes next, so a notification arrives once at least.

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Text, Timestamp as SqlTimestamp};
use godwit_core::time::Timestamp;

use crate::columns::instant;
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::notification_cursors;
use crate::{Store, StoreError, events};

/// How far one kind of reader was told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotificationCursor {
    /// All up to this position was told.
    pub position: i64,
    /// Who tells what follows.
    pub holder: Option<String>,
    /// Until when nobody else does.
    pub lease_until: Option<Timestamp>,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = notification_cursors)]
struct CursorRow {
    position: i64,
    holder: Option<String>,
    lease_until: Option<Timestamp>,
}

impl From<CursorRow> for NotificationCursor {
    fn from(row: CursorRow) -> Self {
        Self {
            position: row.position,
            holder: row.holder,
            lease_until: row.lease_until,
        }
    }
}

fn load(connection: &mut Database, reader: &str) -> Result<Option<NotificationCursor>, StoreError> {
    let row: Option<CursorRow> = notification_cursors::table
        .filter(notification_cursors::reader.eq(reader))
        .select(CursorRow::as_select())
        .first(connection)
        .optional()?;
    Ok(row.map(NotificationCursor::from))
}

/// Takes or renews the lease; returns the position, or `None` where it is another one's.
fn take(
    connection: &mut Database,
    reader: &str,
    holder: &str,
    (now, until): (Timestamp, Timestamp),
) -> Result<Option<i64>, StoreError> {
    if load(connection, reader)?.is_none() {
        // Who is new is told what is yet to come. Another one may make the row at the same time.
        let end = events::end(connection)?;
        sql_query(
            "INSERT INTO notification_cursors (reader, position) VALUES ($1, $2)
             ON CONFLICT (reader) DO NOTHING",
        )
        .bind::<Text, _>(reader)
        .bind::<BigInt, _>(end)
        .prepared()
        .execute(connection)?;
    }
    let taken = sql_query(
        "UPDATE notification_cursors SET holder = $1, lease_until = $2
         WHERE reader = $3 AND (holder = $1 OR lease_until IS NULL OR lease_until <= $4)",
    )
    .bind::<Text, _>(holder)
    .bind::<SqlTimestamp, _>(instant(until))
    .bind::<Text, _>(reader)
    .bind::<SqlTimestamp, _>(instant(now))
    .prepared()
    .execute(connection)?;
    if taken == 0 {
        return Ok(None);
    }
    Ok(load(connection, reader)?.map(|cursor| cursor.position))
}

/// What a lease says to `holder`, without changing it.
enum Standing {
    /// It is held for longer than until `renew_at`; what follows this position is to be told.
    Held(i64),
    Elsewhere,
    /// It has to be taken, or renewed.
    Open,
}

fn standing(
    cursor: Option<NotificationCursor>,
    holder: &str,
    now: Timestamp,
    renew_at: Timestamp,
) -> Standing {
    let Some(cursor) = cursor else {
        return Standing::Open;
    };
    let Some(until) = cursor.lease_until else {
        return Standing::Open;
    };
    match cursor.holder.as_deref() == Some(holder) {
        true if until > renew_at => Standing::Held(cursor.position),
        false if until > now => Standing::Elsewhere,
        true | false => Standing::Open,
    }
}

impl Store {
    /// How far `reader` was told; `None` before anybody began.
    pub async fn notification_cursor(
        &self,
        reader: &'static str,
    ) -> Result<Option<NotificationCursor>, StoreError> {
        self.read(move |connection| load(connection, reader)).await
    }

    /// Has `holder` be the one who tells `reader`, until `until`; returns the position behind which
    /// that goes on, or `None` where another one does it. A lease that lasts beyond `renew_at` is
    /// left as it is, so that asking often costs a read. A reader that is new is told what comes
    /// from now on.
    pub async fn notification_lease(
        &self,
        reader: &'static str,
        holder: &str,
        now: Timestamp,
        (renew_at, until): (Timestamp, Timestamp),
    ) -> Result<Option<i64>, StoreError> {
        match standing(
            self.notification_cursor(reader).await?,
            holder,
            now,
            renew_at,
        ) {
            Standing::Held(position) => return Ok(Some(position)),
            Standing::Elsewhere => return Ok(None),
            Standing::Open => {}
        }
        let holder = holder.to_owned();
        self.write(move |connection| take(connection, reader, &holder, (now, until)))
            .await
    }

    /// Moves a cursor from `from` on to `to`. `false`, and nothing is changed: `holder` does not hold
    /// it any more, or it is somewhere else.
    pub async fn notification_advance(
        &self,
        reader: &'static str,
        holder: &str,
        from: i64,
        to: i64,
    ) -> Result<bool, StoreError> {
        let holder = holder.to_owned();
        self.write(move |connection| {
            let moved = sql_query(
                "UPDATE notification_cursors SET position = $1
                 WHERE reader = $2 AND holder = $3 AND position = $4",
            )
            .bind::<BigInt, _>(to)
            .bind::<Text, _>(reader)
            .bind::<Text, _>(&holder)
            .bind::<BigInt, _>(from)
            .prepared()
            .execute(connection)?;
            Ok(moved == 1)
        })
        .await
    }

    /// Lets another one tell `reader`, if it was `holder` who did.
    pub async fn notification_release(
        &self,
        reader: &'static str,
        holder: &str,
    ) -> Result<(), StoreError> {
        let holder = holder.to_owned();
        self.write(move |connection| {
            sql_query(
                "UPDATE notification_cursors SET holder = NULL, lease_until = NULL
                 WHERE reader = $1 AND holder = $2",
            )
            .bind::<Text, _>(reader)
            .bind::<Text, _>(&holder)
            .prepared()
            .execute(connection)?;
            Ok(())
        })
        .await
    }
}
