//! All that follows from a transition, written.

use diesel::prelude::*;
use godwit_core::discrepancy::DiscrepancySubject;
use godwit_core::event::Event;
use godwit_core::failure::Failure;
use godwit_core::ids::HostName;
use godwit_core::instance_action;
use godwit_core::migration::{Intent, Migration, Settling};
use godwit_core::server::{cleaned_host, patch};
use godwit_core::status::MigrationKind;
use godwit_core::time::Timestamp;
use godwit_core::transition::{Reservation, Transition};

use super::commit::Locked;
use super::row::ProgressRow;
use super::{CommitError, CommitNote, MigrationRecord, Progress, progress};
use crate::columns::{instant, instants, json, stored};
use crate::connection::Database;
use crate::dialect::{self, ZoneLock};
use crate::prepared::Prepare as _;
use crate::schema::{hosts, migrations};
use crate::{
    MigrationEvent, StoreError, discrepancies, effects, events, instance_actions, links,
    maintenance, reservations, scopes, server_groups, servers,
};

/// The line with the reason that is new with it, so that the log says why, whoever wrote it.
fn with_reason(
    detail: &serde_json::Value,
    before: Option<&Failure>,
    next: &Migration,
) -> serde_json::Value {
    let new = next
        .failure
        .as_ref()
        .filter(|failure| before != Some(*failure));
    let Some(failure) = new else {
        return detail.clone();
    };
    let mut fields = match detail {
        serde_json::Value::Object(fields) => fields.clone(),
        serde_json::Value::Null => serde_json::Map::new(),
        other => serde_json::Map::from_iter([("detail".to_owned(), other.clone())]),
    };
    let failure = serde_json::json!({"code": failure.code, "message": failure.message});
    fields.insert("failure".to_owned(), failure);
    serde_json::Value::Object(fields)
}

/// Writes all that follows from a transition.
pub(super) fn write(
    connection: &mut Database,
    locked: &Locked,
    event: &Event,
    transition: &Transition,
    note: &CommitNote,
) -> Result<MigrationRecord, CommitError> {
    let id = locked.record.id;
    let next = &transition.next;
    if let Reservation::Claims(_) | Reservation::TakesSlots(..) = transition.reservation(event) {
        // What is found of the hosts below holds until the commit. Taken before the event has its
        // number, so that in the log, too, nothing arrives between a host's being disabled and its
        // being enabled.
        dialect::lock_zones(connection, ZoneLock::Read).map_err(StoreError::from)?;
    }
    // What has ended keeps its last figures.
    let progress = note.progress.filter(|_| locked.record.ended_at.is_none());
    let record = after(connection, locked, next, (progress, note.at))?;
    write_row(connection, locked, &record, progress)?;
    if let Some(progress) = progress {
        progress::write_server(connection, locked.server.id, &progress, note.at)?;
    }
    let line = MigrationEvent {
        sequence: locked.event_sequence.saturating_add(1),
        at: note.at,
        name: event.name().to_owned(),
        from_status: Some(locked.record.migration.status()),
        to_status: next.status(),
        actor: note.actor.to_string(),
        request_id: note.request_id.clone(),
        user_id: note.action.as_ref().and_then(|it| it.user_id.clone()),
        project_id: note.action.as_ref().and_then(|it| it.project_id.clone()),
        detail: with_reason(&note.detail, locked.record.migration.failure.as_ref(), next),
    };
    events::append(connection, id, &line)?;

    if transition.supersedes {
        effects::supersede(connection, id, note.performed, note.at)?;
    } else if let Some(lease) = note.performed {
        effects::done(connection, lease, note.at)?;
    }
    let trace = note.action.as_ref().and_then(|it| it.trace);
    for numbered in transition.numbered_effects() {
        effects::insert(connection, id, numbered, trace, note.at)?;
    }

    write_server(connection, locked, transition, note.at)?;
    tell(connection, locked, event, &record, note)?;
    // Last, for others wait for the hosts until the commit.
    reserve(connection, locked, (event, transition), note)?;
    Ok(record)
}

/// What instance actions say of it.
fn tell(
    connection: &mut Database,
    locked: &Locked,
    event: &Event,
    record: &MigrationRecord,
    note: &CommitNote,
) -> Result<(), StoreError> {
    if let (Some(action), Some(note)) = (instance_action::requested(event), &note.action) {
        instance_actions::began(connection, record.migration.server, action, note)?;
    }
    let steps = instance_action::changes(&locked.record.migration, event, &record.migration);
    instance_actions::apply(connection, record, steps, note.at)
}

/// The row as it shall be. Nobody else changes it meanwhile, so it is what would be read again.
fn after(
    connection: &mut Database,
    locked: &Locked,
    next: &Migration,
    (progress, at): (Option<Progress>, Timestamp),
) -> Result<MigrationRecord, StoreError> {
    let before = &locked.record;
    let stays = next.status() == before.migration.status();
    let placement = next.placement.as_ref();
    let placed_from = placement.and(locked.server.node.as_ref());
    let started = before.started_at.or(next.is_moving().then_some(at));
    let ended = before.ended_at.or(Some(at));
    // A row that is not placed goes on showing a host that was forced, or imported.
    let placed_at = placement.map(|it| &it.host);
    Ok(MigrationRecord {
        migration: Migration {
            deadline: next.deadline.map(stored),
            ..next.clone()
        },
        source_node: before.source_node.as_ref().or(placed_from).cloned(),
        dest_compute: placed_at.or(before.dest_compute.as_ref()).cloned(),
        dest_node: placement
            .map(|it| &it.node)
            .or(before.dest_node.as_ref())
            .cloned(),
        dest_host: address(connection, before, next)?,
        progress: progress.unwrap_or(before.progress),
        updated_at: Some(at),
        status_since: if stays { before.status_since } else { at },
        started_at: started,
        ended_at: ended.filter(|_| next.status().has_ended()),
        ..before.clone()
    })
}

/// The row itself, by compare-and-swap.
fn write_row(
    connection: &mut Database,
    locked: &Locked,
    after: &MigrationRecord,
    progress: Option<Progress>,
) -> Result<(), CommitError> {
    let record = &locked.record;
    let next = &after.migration;
    let failure = next.failure.as_ref();
    let written = diesel::update(migrations::table.find(record.id))
        .filter(migrations::generation.eq(record.migration.generation))
        .set((
            migrations::status.eq(next.status().as_str()),
            migrations::intent.eq(next.intent.map(Intent::as_str)),
            migrations::settling.eq(next.phase.settling().map(Settling::as_str)),
            next.placement.as_ref().map(|it| {
                (
                    migrations::storage.eq(it.storage.as_str()),
                    migrations::dest_compute.eq(it.host.as_str()),
                    migrations::dest_node.eq(it.node.as_str()),
                )
            }),
            progress.map(ProgressRow::from),
            migrations::limits.eq(json(&next.limits)),
            migrations::source_node.eq(&after.source_node),
            migrations::dest_host.eq(&after.dest_host),
            migrations::deadline.eq(instants(next.deadline)),
            migrations::failure_code.eq(failure.map(|failure| failure.code.as_str())),
            migrations::failure_message.eq(failure.map(|failure| &failure.message)),
            migrations::generation.eq(next.generation),
            migrations::effect_sequence.eq(next.effect_sequence),
            migrations::event_sequence.eq(locked.event_sequence.saturating_add(1)),
            migrations::updated_at.eq(instants(after.updated_at)),
            migrations::status_since.eq(instant(after.status_since)),
            migrations::started_at.eq(instants(after.started_at)),
            migrations::ended_at.eq(instants(after.ended_at)),
        ))
        .prepared()
        .execute(connection)
        .map_err(StoreError::from)?;
    if written == 1 {
        Ok(())
    } else {
        Err(CommitError::Lost)
    }
}

/// The destination's address, which Nova shows of all but live migrations.
fn address(
    connection: &mut Database,
    record: &MigrationRecord,
    next: &Migration,
) -> Result<Option<String>, StoreError> {
    if next.kind == MigrationKind::LiveMigration {
        return Ok(record.dest_host.clone());
    }
    let Some(destination) = next.destination() else {
        return Ok(record.dest_host.clone());
    };
    let found: Option<Option<String>> = hosts::table
        .filter(hosts::name.eq(destination.as_str()))
        .select(hosts::host_ip)
        .first(connection)
        .optional()?;
    Ok(found.flatten().or_else(|| record.dest_host.clone()))
}

/// Lets nobody else count what is taken of a migration's hosts.
fn lock_ends(connection: &mut Database, next: &Migration) -> Result<(), StoreError> {
    let ends = [Some(&next.source_compute), next.destination()];
    let ends: Vec<&str> = ends.into_iter().flatten().map(HostName::as_str).collect();
    Ok(dialect::lock_hosts(connection, &ends)?)
}

/// Takes what the transition needs of its hosts, or gives it back. Nobody else may be counting
/// meanwhile.
fn reserve(
    connection: &mut Database,
    locked: &Locked,
    (event, transition): (&Event, &Transition),
    note: &CommitNote,
) -> Result<(), CommitError> {
    let (id, next) = (locked.record.id, &transition.next);
    match (transition.reservation(event), &note.claim, note.slots) {
        (Reservation::Claims(destination), Some(claim), _) => {
            // Before the hosts, as everybody locks.
            server_groups::check(connection, &locked.record, destination)?;
            lock_ends(connection, next)?;
            scopes::management::check(connection, [&next.source_compute, destination])?;
            // Nova puts a server on a disabled host where it is forced to.
            if !next.request.is_forced() {
                scopes::check(connection, destination)?;
            }
            maintenance::check(connection, destination)?;
            reservations::claim(connection, id, (destination, claim), note.at)
        }
        (Reservation::TakesSlots(source, destination), _, Some(limits)) => {
            lock_ends(connection, next)?;
            scopes::management::check(connection, [source, destination])?;
            let ends = (source, destination);
            links::take(connection, id, ends, (limits, note.share), note.at)
        }
        (Reservation::ClaimsWayBack(source), ..) => {
            lock_ends(connection, next)?;
            let left = (source, locked.server.room);
            Ok(reservations::keep_way_back(connection, id, left, note.at)?)
        }
        (Reservation::Ends, ..) => {
            lock_ends(connection, next)?;
            Ok(reservations::release(connection, id)?)
        }
        (Reservation::Stays | Reservation::Claims(_) | Reservation::TakesSlots(..), ..) => Ok(()),
    }
}

/// What the transition means for the server, and for open questions about it.
fn write_server(
    connection: &mut Database,
    locked: &Locked,
    transition: &Transition,
    at: Timestamp,
) -> Result<(), StoreError> {
    let (before, next) = (&locked.record.migration, &transition.next);
    let server = locked.server.state();
    if let Some(change) = transition.server {
        let patch = patch(&server, next, change);
        servers::write_patch(connection, &locked.server, &patch, at)?;
    }
    if let Some(host) = cleaned_host(&server, transition) {
        servers::forget_host(connection, next.server, host, at)?;
    }
    if (before.status(), before.phase.settling()) != (next.status(), next.phase.settling()) {
        let because = format!("the migration went on: {}", next.status());
        discrepancies::close_of_migration(connection, next.server, next.uuid, &because, at)?;
    }
    let kind = transition.discrepancy;
    if let Some(subject) = kind.and_then(|kind| DiscrepancySubject::of_migration(kind, next)) {
        let detail = format!("migration {} is {}", next.uuid, next.status());
        discrepancies::open(connection, &subject, &detail, at)?;
    }
    Ok(())
}
