//! Host aggregates: groups of hosts, of which some are availability zones
//! (`contract: actions.md §11`).

mod hosts;
mod zone;

use std::collections::BTreeMap;

use godwit_core::host::scope::Misplaced;
use godwit_store::{Aggregate, AggregateChange, AggregateError, AggregateUse, NewAggregate};
use serde_json::Value;

pub use self::hosts::{add_host, remove_host};
use self::zone::AggregateAction;
use super::{Answer, ApiError, Call, Reply, rules};
use crate::nova::views::aggregate::{AggregateView, ZONE_KEY};

pub async fn index(call: &Call) -> Answer {
    call.caller.enforce_global(rules::AGGREGATES_INDEX)?;
    let all = call.state.store.aggregate_list().await?;
    let view = |aggregate| AggregateView::new(aggregate, call.version);
    Reply::list("aggregates", all.iter().map(view))
}

pub async fn show(call: &Call) -> Answer {
    let id = id(call, rules::AGGREGATES_SHOW)?;
    let found = match id {
        Some(id) => call.state.store.aggregate_find(id).await?,
        None => None,
    };
    document(call, &found.ok_or_else(|| no_such_aggregate(call))?)
}

pub async fn create(call: &Call) -> Answer {
    let body = &call.body;
    call.caller.enforce_global(rules::AGGREGATES_CREATE)?;
    let member = |name| body["aggregate"][name].as_str().map(str::trim);
    let name = member("name").unwrap_or_default();
    let new = NewAggregate {
        uuid: call.state.ids.uuid(),
        name: name.to_owned(),
        availability_zone: member(ZONE_KEY).map(str::to_owned),
        by: call.requester(),
        at: call.state.clock.now(),
    };
    let made = call.state.store.aggregate_create(new).await?;
    let made = made.ok_or_else(|| name_exists(name))?;
    Reply::document("aggregate", &AggregateView::made(&made, call.version))
}

pub async fn update(call: &Call) -> Answer {
    let body = &call.body;
    let id = id(call, rules::AGGREGATES_UPDATE)?;
    let name = body["aggregate"]["name"].as_str().map(str::trim);
    let name = name.map(str::to_owned);
    // Here the zone is taken with the spaces around it, as far as there may be any.
    let zone = body["aggregate"].get(ZONE_KEY).map(Value::as_str);
    let zone = zone.map(|zone| zone.map(str::to_owned));
    let change = AggregateChange::Update {
        name: name.clone(),
        availability_zone: zone.clone().flatten(),
    };
    let check = move |used: &AggregateUse| {
        if let Some(name) = &name
            && used.others.iter().any(|other| other.name == *name)
        {
            return Err(name_exists(name));
        }
        let known_as = name.as_deref().unwrap_or(&used.aggregate.name);
        zone::check(AggregateAction::Update, used, known_as, zone.as_ref())
    };
    document(
        call,
        &apply(call, id, change, AggregateAction::Update, check).await?,
    )
}

pub async fn delete(call: &Call) -> Answer {
    let id = id(call, rules::AGGREGATES_DELETE)?;
    let empty = |used: &AggregateUse| match used.aggregate.hosts.is_empty() {
        true => Ok(()),
        false => {
            let reason =
                AggregateAction::Remove.refusal(used.aggregate.id, "Host aggregate is not empty");
            Err(ApiError::BadRequest(reason))
        }
    };
    let action = AggregateAction::Remove;
    apply(call, id, AggregateChange::Delete, action, empty).await?;
    Ok(Reply::empty(actix_web::http::StatusCode::OK))
}

/// `POST /os-aggregates/{id}/action`, `set_metadata`.
pub async fn set_metadata(call: &Call) -> Answer {
    let value = &call.body;
    let id = id(call, rules::AGGREGATES_SET_METADATA)?;
    let members = value["metadata"].as_object().into_iter().flatten();
    let owned = |(name, value): (&String, &Value)| {
        let value = value.as_str().map(str::to_owned);
        (name.clone(), value)
    };
    let mut others: BTreeMap<String, Option<String>> = members.map(owned).collect();
    let zone = others.remove(ZONE_KEY);
    let change = AggregateChange::Metadata {
        availability_zone: zone.clone().flatten(),
        others,
    };
    let check = move |used: &AggregateUse| {
        zone::check(
            AggregateAction::Metadata,
            used,
            &used.aggregate.name,
            zone.as_ref(),
        )
    };
    document(
        call,
        &apply(call, id, change, AggregateAction::Metadata, check).await?,
    )
}

/// The id that the path names, once `rule` allows it; `None`: too great for one.
fn id(call: &Call, rule: &'static str) -> Result<Option<i64>, ApiError> {
    call.caller.enforce_global(rule)?;
    let text = call.ids.id.as_str();
    match text.parse() {
        Ok(id) => Ok(Some(id)),
        Err(_) if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(None),
        Err(_) => {
            let text = "Invalid input received: id must be an integer";
            Err(ApiError::BadRequest(text.to_owned()))
        }
    }
}

async fn apply(
    call: &Call,
    id: Option<i64>,
    change: AggregateChange,
    action: AggregateAction,
    check: impl Fn(&AggregateUse) -> Result<(), ApiError> + Send + 'static,
) -> Result<Aggregate, ApiError> {
    let id = id.ok_or_else(|| no_such_aggregate(call))?;
    let misplaced = |it: &Misplaced| action.refused(id, &it.to_string());
    let (store, now) = (&call.state.store, call.state.clock.now());
    let changed = store.aggregate_change(id, change, call.requester(), now, check);
    changed.await.map_err(|error| match error {
        AggregateError::NoSuchAggregate => no_such_aggregate(call),
        // The check looks for names; somebody else was faster.
        AggregateError::NameExists => {
            ApiError::Conflict("An aggregate of this name already exists.".to_owned())
        }
        AggregateError::Misplaced(it) => misplaced(&it),
        AggregateError::Refused(error) => error,
        AggregateError::Store(error) => error.into(),
    })
}

fn document(call: &Call, aggregate: &Aggregate) -> Result<Reply, ApiError> {
    Reply::document("aggregate", &AggregateView::new(aggregate, call.version))
}

fn no_such_aggregate(call: &Call) -> ApiError {
    ApiError::NotFound(format!("Aggregate {} could not be found.", call.ids.id))
}

fn name_exists(name: &str) -> ApiError {
    ApiError::Conflict(format!("Aggregate {name} already exists."))
}
