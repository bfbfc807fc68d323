//! Services as `os-services` lists them: one `nova-compute` per agent, one `nova-conductor`
//! per conductor.

mod control;
mod fence;
mod silence;

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{Bool, Nullable, Text, Timestamp as SqlTimestamp};
use godwit_core::host::event::Declared;
use godwit_core::host::scope::Switch;
use godwit_core::ids::HostName;
use godwit_core::requester::Requester;
use godwit_core::time::Timestamp;
use godwit_core::words;
use uuid::Uuid;

pub use self::control::{ServiceChange, ServiceError, ServiceKey, ServiceStatus, ServiceUse};
pub use self::fence::Fencing;
use crate::aggregates::zones;
use crate::columns::{instant, instants, text};
use crate::connection::Database;
use crate::import::NOVAS;
use crate::prepared::Prepare as _;
use crate::schema::services;
use crate::{Store, StoreError};

/// The zone of all that is no compute host.
pub(crate) const INTERNAL_ZONE: &str = "internal";

words!(
    /// What a service is.
    ServiceBinary, "service binary", {
        /// A host's agent.
        Compute = "nova-compute",
        /// A conductor.
        Conductor = "nova-conductor",
        /// Nova's scheduler: Godwit has none, but a database that was imported may.
        Scheduler = "nova-scheduler",
    }
);

/// A service.
#[derive(Clone, PartialEq, Eq, Debug, Queryable, Selectable)]
#[diesel(table_name = services)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Service {
    pub id: i64,
    #[diesel(deserialize_as = String)]
    pub uuid: Uuid,
    /// What it is.
    pub binary: ServiceBinary,
    pub host: HostName,
    pub zone: String,
    /// Not to be used as a destination.
    pub disabled: bool,
    pub disabled_reason: Option<String>,
    /// Declared dead by an operator.
    pub forced_down: bool,
    pub last_seen_up: Option<Timestamp>,
    /// How many heartbeats there were.
    pub report_count: i64,
    /// The version of the program.
    pub version: String,
    pub created_at: Timestamp,
    /// When the row last changed, heartbeats included.
    pub updated_at: Option<Timestamp>,
    /// When it was last heard before its silence was told; `None` unless that was told.
    pub silent_since: Option<Timestamp>,
    /// When it was declared dead, if it is.
    pub forced_down_at: Option<Timestamp>,
    /// Who declared it dead, where that was written down.
    pub forced_down_by: Option<Requester>,
    /// Who said last whether it is to be used, where that was written down.
    pub disabled_by: Option<Requester>,
    /// Since when it is so, where that was written down.
    pub disabled_since: Option<Timestamp>,
    /// How it is known that it is dead, where whoever declared it so said that.
    pub forced_down_reason: Option<String>,
}

impl Service {
    /// Whether its host is to be used, as far as the host itself goes.
    pub fn switch(&self) -> Switch {
        Switch {
            disabled: self.disabled,
            reason: self.disabled_reason.clone(),
            by: self.disabled_by.clone(),
            since: self.disabled_since,
        }
    }

    /// Nova's rule: not declared dead, and heard within `down_time`.
    pub fn is_up(&self, now: Timestamp, down_time: Duration) -> bool {
        !self.forced_down
            && self
                .last_seen_up
                .is_some_and(|seen| now.since(seen) <= down_time)
    }

    /// Is its agent heard, as far as is known and was told?
    pub fn is_heard(&self, now: Timestamp, down_time: Duration) -> bool {
        self.is_up(now, down_time) && !self.is_told_silent()
    }

    /// Was it told that it is silent, and has it not been heard since?
    pub fn is_told_silent(&self) -> bool {
        self.silent_since.is_some() && self.silent_since >= self.last_seen_up
    }

    /// What operators say of its host.
    pub(crate) fn declared(&self) -> Declared<'_> {
        Declared {
            disabled: self.disabled,
            reason: self.disabled_reason.as_deref(),
            forced_down: self.forced_down,
            forced_down_reason: self.forced_down_reason.as_deref(),
        }
    }
}

/// A conductor's sign of life.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConductorBeat {
    /// For the service's row, should it be new.
    pub uuid: Uuid,
    /// The conductor's name.
    pub host: HostName,
    /// The version of the program.
    pub version: String,
    /// The present.
    pub at: Timestamp,
}

/// A service that gives a sign of life.
pub(crate) struct Beat<'a> {
    pub(crate) uuid: Uuid,
    pub(crate) binary: ServiceBinary,
    pub(crate) host: &'a HostName,
    /// Where it belongs as long as no aggregate says otherwise.
    pub(crate) zone: &'a str,
    pub(crate) version: &'a str,
    pub(crate) at: Timestamp,
    /// How it begins, should it be new.
    pub(crate) switch: Switch,
}

/// Notes a sign of life; makes the row if need be. What operators set stays, also where they
/// deleted the service meanwhile, and the zone that they made of a host.
pub(crate) fn beat(connection: &mut Database, beat: &Beat<'_>) -> Result<(), StoreError> {
    let zone = match beat.binary {
        ServiceBinary::Compute => zones::of_aggregates(connection, beat.host)?,
        ServiceBinary::Conductor | ServiceBinary::Scheduler => None,
    };
    // What was said of one that was deleted goes before how a new one begins.
    sql_query(
        "INSERT INTO services (uuid, \"binary\", host, zone, version, last_seen_up, created_at,
                               report_count, registered_zone,
                               disabled, disabled_reason, disabled_by, disabled_since,
                               forced_down, forced_down_at, forced_down_by, forced_down_reason)
         SELECT $1, $2, $3, $4, $5, $6, $6, 1, $7,
                COALESCE(d.disabled, $8),
                CASE WHEN d.host IS NULL THEN $9 ELSE d.disabled_reason END,
                d.disabled_by,
                CASE WHEN d.host IS NULL THEN $10 ELSE d.disabled_since END,
                COALESCE(d.forced_down, FALSE), d.forced_down_at, d.forced_down_by,
                d.forced_down_reason
         FROM (SELECT 1 AS one) AS beat
         LEFT JOIN deleted_services d ON d.host = $3 AND d.\"binary\" = $2
         WHERE TRUE
         ON CONFLICT (host, \"binary\") DO UPDATE SET
             zone = excluded.zone, version = excluded.version,
             registered_zone = excluded.registered_zone,
             last_seen_up = excluded.last_seen_up, updated_at = excluded.last_seen_up,
             report_count = services.report_count + 1",
    )
    .bind::<Text, _>(text(beat.uuid))
    .bind::<Text, _>(beat.binary.as_str())
    .bind::<Text, _>(beat.host.as_str())
    .bind::<Text, _>(zone.as_deref().unwrap_or(beat.zone))
    .bind::<Text, _>(beat.version)
    .bind::<SqlTimestamp, _>(instant(beat.at))
    .bind::<Text, _>(beat.zone)
    .bind::<Bool, _>(beat.switch.disabled)
    .bind::<Nullable<Text>, _>(&beat.switch.reason)
    .bind::<Nullable<SqlTimestamp>, _>(instants(beat.switch.since))
    .prepared()
    .execute(connection)?;
    Ok(())
}

/// The conductors that were heard last, in words, for whoever has to stop them.
pub(crate) fn conductors_heard(connection: &mut Database) -> Result<Vec<String>, StoreError> {
    const MOST: i64 = 5;
    let heard: Vec<(HostName, Option<Timestamp>)> = services::table
        .filter(services::binary.eq(ServiceBinary::Conductor.as_str()))
        .filter(services::last_seen_up.is_not_null())
        .filter(services::version.ne(NOVAS))
        .order(services::last_seen_up.desc())
        .limit(MOST)
        .select((services::host, services::last_seen_up))
        .load(connection)?;
    let told = heard
        .into_iter()
        .filter_map(|(host, at)| Some(format!("perhaps conductor {host}, heard at {}", at?)));
    Ok(told.collect())
}

impl Store {
    /// Notes that a conductor lives; makes its row if need be.
    pub async fn conductor_heartbeat(&self, sign: ConductorBeat) -> Result<(), StoreError> {
        self.write(move |connection| {
            let sign = Beat {
                uuid: sign.uuid,
                binary: ServiceBinary::Conductor,
                host: &sign.host,
                zone: INTERNAL_ZONE,
                version: &sign.version,
                at: sign.at,
                switch: Switch::default(),
            };
            beat(connection, &sign)
        })
        .await
    }

    /// The hosts whose operators have declared them dead, by forcing their services down.
    pub async fn hosts_declared_dead(&self) -> Result<BTreeSet<HostName>, StoreError> {
        self.read(|connection| {
            let hosts: Vec<HostName> = services::table
                .filter(services::forced_down)
                .filter(services::binary.eq(ServiceBinary::Compute.as_str()))
                .select(services::host)
                .load(connection)?;
            Ok(hosts.into_iter().collect())
        })
        .await
    }

    /// All services, by id.
    pub async fn service_list(&self) -> Result<Vec<Service>, StoreError> {
        self.read(|connection| {
            Ok(services::table
                .select(Service::as_select())
                .order(services::id)
                .load(connection)?)
        })
        .await
    }
}
