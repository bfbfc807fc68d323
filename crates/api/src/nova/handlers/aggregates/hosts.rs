//! Hosts that come into aggregates and leave them.

use godwit_core::ids::HostName;
use godwit_store::{Aggregate, AggregateChange, AggregateUse, ServiceBinary, ServiceKey};
use serde_json::Value;

use super::zone::{AggregateAction, conflict, servers_would_move};
use super::{apply, document, id};
use crate::nova::handlers::{Answer, ApiError, Call, rules};

/// `POST /os-aggregates/{id}/action`, `add_host`.
pub async fn add_host(call: &Call) -> Answer {
    let value = &call.body;
    let id = id(call, rules::AGGREGATES_ADD_HOST)?;
    let name = named(value);
    let unknown = || ApiError::NotFound(format!("Compute host {name} could not be found."));
    let host = find(call, name).await?.ok_or_else(unknown)?;
    let added = host.clone();
    let check = move |used: &AggregateUse| may_come(used, &added);
    let changed = apply(
        call,
        id,
        AggregateChange::AddHost(host),
        AggregateAction::Add,
        check,
    )
    .await?;
    document(call, &changed)
}

/// `POST /os-aggregates/{id}/action`, `remove_host`.
pub async fn remove_host(call: &Call) -> Answer {
    let value = &call.body;
    let id = id(call, rules::AGGREGATES_REMOVE_HOST)?;
    let (name, aggregate) = (named(value), &call.ids.id);
    let text = format!("Cannot remove host {name} in aggregate {aggregate}");
    let unknown = || ApiError::NotFound(text.clone());
    let host = find(call, name).await?.ok_or_else(unknown)?;
    let (removed, not_there) = (host.clone(), text.clone());
    let check = move |used: &AggregateUse| {
        may_leave(used, &removed)?;
        match used.aggregate.hosts.contains(&removed) {
            true => Ok(()),
            false => Err(ApiError::NotFound(not_there.clone())),
        }
    };
    let changed = apply(
        call,
        id,
        AggregateChange::RemoveHost(host),
        AggregateAction::Remove,
        check,
    )
    .await;
    // No such aggregate is told in the same words.
    let changed = changed.map_err(|error| match error {
        ApiError::NotFound(_) => unknown(),
        error => error,
    });
    document(call, &changed?)
}

fn named(value: &Value) -> &str {
    value["host"].as_str().unwrap_or_default()
}

/// The host of this name, if an agent ever ran there.
async fn find(call: &Call, name: &str) -> Result<Option<HostName>, ApiError> {
    let Ok(host) = HostName::new(name) else {
        return Ok(None);
    };
    let key = ServiceKey::On(host.clone(), ServiceBinary::Compute);
    let found = call.state.store.service_find(key).await?;
    Ok(found.map(|_| host))
}

/// The zone that some of the aggregates make of a host.
fn zone_of<'a>(
    aggregates: impl IntoIterator<Item = &'a Aggregate>,
    host: &HostName,
) -> Option<&'a str> {
    let of_host = aggregates.into_iter().filter(|it| it.hosts.contains(host));
    of_host
        .filter_map(|it| it.availability_zone.as_deref())
        .next()
}

fn may_come(used: &AggregateUse, host: &HostName) -> Result<(), ApiError> {
    let AggregateUse {
        aggregate, others, ..
    } = used;
    let id = aggregate.id;
    let refused = |reason: &str| Err(ApiError::Conflict(AggregateAction::Add.refusal(id, reason)));
    if let Some(zone) = aggregate.availability_zone.as_deref() {
        if let Some(reason) = conflict(used, zone, std::slice::from_ref(host)) {
            return refused(&reason);
        }
        let all = others.iter().chain([aggregate]);
        let before = zone_of(all, host);
        if let Some(servers) = used.servers.get(host).filter(|_| before != Some(zone)) {
            let reason = servers_would_move("added to", before, Some(zone), *servers);
            return refused(&reason);
        }
    }
    if aggregate.hosts.contains(host) {
        let text = format!("Aggregate {id} already has host {host}.");
        return Err(ApiError::Conflict(text));
    }
    Ok(())
}

fn may_leave(used: &AggregateUse, host: &HostName) -> Result<(), ApiError> {
    let aggregate = &used.aggregate;
    let zone = aggregate.availability_zone.as_deref();
    let after = zone_of(&used.others, host);
    match used.servers.get(host) {
        Some(servers) if zone.is_some() && after != zone => {
            let reason = servers_would_move("removed from", zone, after, *servers);
            let text = AggregateAction::Remove.refusal(aggregate.id, &reason);
            Err(ApiError::Conflict(text))
        }
        Some(_) | None => Ok(()),
    }
}
