//! Flavors, read-only: what clients look up beside a server.

use godwit_store::Flavor;
use serde::Serialize;

use super::paging::{limit, next, unstorable};
use crate::call::Call;
use crate::error::ApiError;
use crate::reply::Reply;
use crate::routes::Answer;
use crate::rules;
use crate::views::flavor::{FlavorDocument, FlavorEntry, FlavorList, FlavorView};

/// `GET /flavors`.
pub fn index(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        let page = page(call).await?;
        answer(call, "flavors", &page, |flavor| {
            FlavorEntry::new(flavor, call.version, &call.links)
        })
    })
}

/// `GET /flavors/detail`.
pub fn detail(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        let page = page(call).await?;
        let specs = call.permits_own(rules::FLAVOR_EXTRA_SPECS);
        answer(call, "flavors/detail", &page, |flavor| {
            FlavorView::new(flavor, call.version, specs, &call.links)
        })
    })
}

/// `GET /flavors/{id}`.
pub fn show(call: &Call) -> Answer<'_> {
    Box::pin(async move {
        let id = &call.ids.id;
        let found = match unstorable(id) {
            true => None,
            false => call.state.store.flavor_find(id).await?,
        };
        let gone = || ApiError::NotFound(format!("Flavor {id} could not be found."));
        let flavor = found.ok_or_else(gone)?;
        let specs = call.permits_own(rules::FLAVOR_EXTRA_SPECS);
        let flavor = FlavorView::new(&flavor, call.version, specs, &call.links);
        Reply::json(&FlavorDocument { flavor })
    })
}

fn answer<'a, T: Serialize>(
    call: &'a Call,
    collection: &str,
    page: &'a [Flavor],
    view: impl Fn(&'a Flavor) -> T,
) -> Result<Reply, ApiError> {
    let last = page.last().map(|flavor| flavor.flavorid.clone());
    Reply::json(&FlavorList {
        flavors: page.iter().map(view).collect(),
        flavors_links: next(call, collection, page.len(), last),
    })
}

/// Flavors are few: they are read all at once, and cut here.
async fn page(call: &Call) -> Result<Vec<Flavor>, ApiError> {
    let mut flavors = call.state.store.flavor_list().await?;
    sort(call, &mut flavors)?;
    let begin = match call.query.last("marker") {
        None => 0,
        Some(marker) => {
            let at = flavors.iter().position(|flavor| flavor.flavorid == marker);
            let gone = || ApiError::BadRequest(format!("marker [{marker}] not found"));
            at.ok_or_else(gone)?.saturating_add(1)
        }
    };
    let (ram, disk) = (least(call, "minRam")?, least(call, "minDisk")?);
    // All flavors are public, so an administrator who asks for the others gets none.
    let private = call.is_admin() && call.query.last("is_public").is_some_and(is_no);
    let fits =
        |flavor: &Flavor| !private && flavor.spec.memory_mb >= ram && flavor.spec.root_gb >= disk;
    let limit = usize::try_from(limit(call)).unwrap_or(usize::MAX);
    Ok(flavors
        .into_iter()
        .skip(begin)
        .filter(fits)
        .take(limit)
        .collect())
}

fn sort(call: &Call, flavors: &mut [Flavor]) -> Result<(), ApiError> {
    match call.query.last("sort_key").unwrap_or("flavorid") {
        "flavorid" => flavors.sort_by(|a, b| a.flavorid.cmp(&b.flavorid)),
        "id" => flavors.sort_by_key(|flavor| flavor.id),
        "name" => flavors.sort_by(|a, b| a.spec.name.cmp(&b.spec.name)),
        "memory_mb" => flavors.sort_by_key(|flavor| flavor.spec.memory_mb),
        "vcpus" => flavors.sort_by_key(|flavor| flavor.spec.vcpus),
        "root_gb" => flavors.sort_by_key(|flavor| flavor.spec.root_gb),
        "ephemeral_gb" => flavors.sort_by_key(|flavor| flavor.spec.ephemeral_gb),
        "swap" => flavors.sort_by_key(|flavor| flavor.spec.swap_mb),
        _ => {
            let text = "Sort key supplied was not valid.".to_owned();
            return Err(ApiError::BadRequest(text));
        }
    }
    if call.query.last("sort_dir") == Some("desc") {
        flavors.reverse();
    }
    Ok(())
}

fn least(call: &Call, name: &str) -> Result<i64, ApiError> {
    let Some(text) = call.query.last(name) else {
        return Ok(i64::MIN);
    };
    let invalid = |_| ApiError::BadRequest(format!("Invalid {name} filter [{text}]"));
    text.parse().map_err(invalid)
}

fn is_no(text: &str) -> bool {
    let no = ["0", "f", "false", "off", "n", "no"];
    no.iter().any(|word| text.eq_ignore_ascii_case(word))
}
