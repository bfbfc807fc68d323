//! Webhooks: who wants to be called when something happens, and what each is told.
//!
//! ```text
//!   events ──► looked through, in order ──► deliveries ──► claimed, called ──► delivered, dead
//!                 position of the webhook      in one transaction
//! ```
//!
//! A delivery is made in the transaction that moves its webhook's position on, so each event is
//! delivered once at least, and made into a delivery once. Those about one subject come one after
//! the other.

mod delivery;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::time::Timestamp;
use uuid::Uuid;

pub(crate) use self::delivery::waiting_since;
pub use self::delivery::{ClaimedDelivery, Delivery, NewDelivery};
use crate::columns::{Json, PlainUuid, instant, json, storable, text};
use crate::connection::Database;
use crate::prepared::Prepare as _;
use crate::schema::webhooks;
use crate::{Store, StoreError, dialect, events};

/// Somebody who wants to be called.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Webhook {
    /// Its integer id: unique in this database only.
    pub id: i64,
    /// Its uuid.
    pub uuid: Uuid,
    /// Whose it is.
    pub project_id: String,
    /// Who made it.
    pub user_id: Option<String>,
    /// By which request; `None` where nobody wrote it down.
    pub request_id: Option<String>,
    /// Where it is called.
    pub url: String,
    /// Patterns of the types that are wanted.
    pub types: Vec<String>,
    /// What calls are signed with, sealed.
    pub secret: String,
    /// May it be told of hosts by name?
    pub sees_hosts: bool,
    /// The one project whose events it is told; `None`: every project's.
    pub sees_project: Option<String>,
    /// Everything up to it was looked at.
    pub position: i64,
    /// When it was made.
    pub created_at: Timestamp,
}

/// A webhook to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewWebhook {
    /// Its uuid.
    pub uuid: Uuid,
    /// Whose it is.
    pub project_id: String,
    /// Who makes it.
    pub user_id: Option<String>,
    /// By which request.
    pub request_id: Option<String>,
    /// Where it is called.
    pub url: String,
    /// Patterns of the types that are wanted.
    pub types: Vec<String>,
    /// What calls are signed with, sealed.
    pub secret: String,
    /// May it be told of hosts by name?
    pub sees_hosts: bool,
    /// The one project whose events it is told; `None`: every project's.
    pub sees_project: Option<String>,
    /// The present.
    pub at: Timestamp,
}

#[derive(Queryable, Selectable)]
#[diesel(table_name = webhooks)]
struct WebhookRow {
    id: i64,
    uuid: PlainUuid,
    project_id: String,
    user_id: Option<String>,
    request_id: Option<String>,
    url: String,
    types: Json<Vec<String>>,
    secret: String,
    sees_hosts: bool,
    sees_project: Option<String>,
    position: i64,
    created_at: Timestamp,
}

impl From<WebhookRow> for Webhook {
    fn from(row: WebhookRow) -> Self {
        Self {
            id: row.id,
            uuid: row.uuid.0,
            project_id: row.project_id,
            user_id: row.user_id,
            request_id: row.request_id,
            url: row.url,
            types: row.types.0,
            secret: row.secret,
            sees_hosts: row.sees_hosts,
            sees_project: row.sees_project,
            position: row.position,
            created_at: row.created_at,
        }
    }
}

fn load(connection: &mut Database, uuid: Uuid) -> Result<Option<WebhookRow>, StoreError> {
    Ok(webhooks::table
        .filter(webhooks::uuid.eq(text(uuid)))
        .select(WebhookRow::as_select())
        .first(connection)
        .optional()?)
}

/// Makes one, unless the project has `most`.
fn create(
    connection: &mut Database,
    new: &NewWebhook,
    most: i64,
) -> Result<Option<Webhook>, StoreError> {
    dialect::lock_webhooks(connection)?;
    let has: i64 = webhooks::table
        .filter(webhooks::project_id.eq(&new.project_id))
        .count()
        .get_result(connection)?;
    if has >= most {
        return Ok(None);
    }
    let position = events::end(connection)?;
    sql_query(
        "INSERT INTO webhooks (uuid, project_id, user_id, url, types, secret, sees_hosts,
                               sees_project, position, created_at, request_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind::<Text, _>(text(new.uuid))
    .bind::<Text, _>(&new.project_id)
    .bind::<Nullable<Text>, _>(&new.user_id)
    .bind::<Text, _>(&new.url)
    .bind::<Text, _>(json(&new.types))
    .bind::<Text, _>(&new.secret)
    .bind::<Bool, _>(new.sees_hosts)
    .bind::<Nullable<Text>, _>(&new.sees_project)
    .bind::<BigInt, _>(position)
    .bind::<SqlTimestamp, _>(instant(new.at))
    .bind::<Nullable<Text>, _>(&new.request_id)
    .prepared()
    .execute(connection)?;
    Ok(load(connection, new.uuid)?.map(Webhook::from))
}

impl Store {
    /// Makes a webhook, which is told what is yet to come; `None` where its project has `most`
    /// already.
    pub async fn webhook_create(
        &self,
        new: NewWebhook,
        most: i64,
    ) -> Result<Option<Webhook>, StoreError> {
        self.write_some(move |connection| create(connection, &new, most))
            .await
    }

    /// A webhook, unless (where `project` is given) it is another project's.
    pub async fn webhook_find(
        &self,
        uuid: Uuid,
        project: Option<&str>,
    ) -> Result<Option<Webhook>, StoreError> {
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let visible =
                |row: &WebhookRow| project.as_ref().is_none_or(|it| *it == row.project_id);
            Ok(load(connection, uuid)?.filter(visible).map(Webhook::from))
        })
        .await
    }

    /// Webhooks, oldest first; where `project` is given, those of that project. Only what follows
    /// the integer id `after`, at most `limit`.
    pub async fn webhook_list(
        &self,
        project: Option<&str>,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Webhook>, StoreError> {
        if project.is_some_and(|project| !storable(project)) {
            return Ok(Vec::new());
        }
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let mut rows = webhooks::table
                .filter(webhooks::id.gt(after))
                .select(WebhookRow::as_select())
                .order(webhooks::id)
                .limit(limit)
                .into_boxed();
            if let Some(project) = &project {
                rows = rows.filter(webhooks::project_id.eq(project));
            }
            let rows: Vec<WebhookRow> = rows.load(connection)?;
            Ok(rows.into_iter().map(Webhook::from).collect())
        })
        .await
    }

    /// How many webhooks there are, of `project` or of all.
    pub async fn webhook_count(&self, project: Option<&str>) -> Result<i64, StoreError> {
        if project.is_some_and(|project| !storable(project)) {
            return Ok(0);
        }
        let project = project.map(str::to_owned);
        self.read(move |connection| {
            let mut rows = webhooks::table.select(webhooks::id).into_boxed();
            if let Some(project) = &project {
                rows = rows.filter(webhooks::project_id.eq(project));
            }
            Ok(rows.count().get_result(connection)?)
        })
        .await
    }

    /// Deletes a webhook and what it was to be told. `false`: there is none.
    pub async fn webhook_delete(&self, uuid: Uuid) -> Result<bool, StoreError> {
        let deleted = self.write_some(move |connection| {
            let it = webhooks::uuid.eq(text(uuid));
            let deleted = diesel::delete(webhooks::table.filter(it))
                .prepared()
                .execute(connection)?;
            Ok((deleted == 1).then_some(()))
        });
        Ok(deleted.await?.is_some())
    }
}
