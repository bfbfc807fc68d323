//! The extra specs of a flavor, read-only: clients ask for them where the flavor itself shows none.

use godwit_policy::Target;
use serde_json::json;

use super::flavors::named;
use super::{Answer, ApiError, Call, Reply, rules};

pub async fn index(call: &Call) -> Answer {
    call.caller
        .enforce(rules::FLAVOR_EXTRA_SPECS_INDEX, &own_project(call))?;
    let flavor = named(call).await?;
    Reply::json(&json!({ "extra_specs": flavor.extra_specs }))
}

pub async fn show(call: &Call) -> Answer {
    call.caller
        .enforce(rules::FLAVOR_EXTRA_SPECS_SHOW, &own_project(call))?;
    let flavor = named(call).await?;
    let (id, key) = (&call.ids.id, &call.ids.key);
    let gone = || ApiError::NotFound(format!("Flavor {id} has no extra specs with key {key}."));
    let value = flavor.extra_specs.get(key).ok_or_else(gone)?;
    Reply::json(&json!({ key: value }))
}

/// Nova names no user here, unlike elsewhere, so a rule that asks for one does not hold.
fn own_project(call: &Call) -> Target {
    Target::of_project(call.caller.project_id())
}
