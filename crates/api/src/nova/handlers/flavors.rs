//! Flavors, read-only: what clients look up beside a server.

use std::cmp::Ordering;

use godwit_store::Flavor;
use regex::Regex;
use serde::Serialize;

use super::paging::{limit, next, no_such_marker, unstorable};
use super::{Answer, ApiError, Call, Reply, rules};
use crate::http::query::boolean;
use crate::nova::views::flavor::{FlavorEntry, FlavorView};

pub async fn index(call: &Call) -> Answer {
    let page = page(call).await?;
    answer(call, "flavors", &page, |flavor| {
        FlavorEntry::new(flavor, call.version, &call.links)
    })
}

pub async fn detail(call: &Call) -> Answer {
    let page = page(call).await?;
    let specs = call.caller.permits_own(rules::FLAVOR_EXTRA_SPECS_INDEX);
    answer(call, "flavors/detail", &page, |flavor| {
        FlavorView::new(flavor, call.version, specs, &call.links)
    })
}

pub async fn show(call: &Call) -> Answer {
    let flavor = named(call).await?;
    let specs = call.caller.permits_own(rules::FLAVOR_EXTRA_SPECS_INDEX);
    let flavor = FlavorView::new(&flavor, call.version, specs, &call.links);
    Reply::document("flavor", &flavor)
}

pub(super) async fn named(call: &Call) -> Result<Flavor, ApiError> {
    let id = &call.ids.id;
    let found = match unstorable(id) {
        true => None,
        false => call.state.store.flavor_find(id).await?,
    };
    let gone = || ApiError::NotFound(format!("Flavor {id} could not be found."));
    found.ok_or_else(gone)
}

fn answer<'a, T: Serialize>(
    call: &'a Call,
    collection: &str,
    page: &'a [Flavor],
    view: impl Fn(&'a Flavor) -> T,
) -> Result<Reply, ApiError> {
    let last = page.last().map(|flavor| flavor.flavorid.clone());
    let next = next(call, collection, page.len(), last);
    Reply::page("flavors", page.iter().map(view), next)
}

/// Flavors are few: they are read all at once, and cut here.
async fn page(call: &Call) -> Result<Vec<Flavor>, ApiError> {
    let filter = FlavorFilter::read(call)?;
    let mut flavors = call.state.store.flavor_list().await?;
    sort(call, &mut flavors);
    let begin = match call.query.last("marker") {
        None => 0,
        Some(marker) => {
            let at = flavors.iter().position(|flavor| flavor.flavorid == marker);
            at.ok_or_else(|| no_such_marker(marker))?.saturating_add(1)
        }
    };
    let limit = usize::try_from(limit(call)).unwrap_or(usize::MAX);
    Ok(flavors
        .into_iter()
        .skip(begin)
        .filter(|flavor| filter.matches(flavor))
        .take(limit)
        .collect())
}

/// What a list of flavors is about.
struct FlavorFilter {
    ram: i64,
    disk: i64,
    name: Option<Regex>,
    /// All flavors are public, so an administrator who asks for the others gets none.
    private: bool,
}

impl FlavorFilter {
    fn read(call: &Call) -> Result<Self, ApiError> {
        let name = call.query.last("name").map(|text| {
            let invalid = |_| ApiError::BadRequest(format!("Invalid name filter [{text}]"));
            Regex::new(text).map_err(invalid)
        });
        Ok(Self {
            ram: least(call, "minRam")?,
            disk: least(call, "minDisk")?,
            name: name.transpose()?,
            private: call.caller.is_admin() && private(call)?,
        })
    }

    fn matches(&self, flavor: &Flavor) -> bool {
        let name = self.name.as_ref();
        !self.private
            && flavor.spec.memory_mb >= self.ram
            && flavor.spec.root_gb >= self.disk
            && name.is_none_or(|name| name.is_match(&flavor.spec.name))
    }
}

/// `none` asks for flavors of either kind.
fn private(call: &Call) -> Result<bool, ApiError> {
    let Some(text) = call.query.last("is_public") else {
        return Ok(false);
    };
    if text.eq_ignore_ascii_case("none") {
        return Ok(false);
    }
    let public = boolean(text)
        .ok_or_else(|| ApiError::BadRequest(format!("Invalid is_public filter [{text}]")))?;
    Ok(!public)
}

/// What all flavors have the same of orders nothing.
fn sort(call: &Call, flavors: &mut [Flavor]) {
    let compare: fn(&Flavor, &Flavor) -> Ordering =
        match call.query.last("sort_key").unwrap_or("flavorid") {
            "flavorid" => |a, b| a.flavorid.cmp(&b.flavorid),
            "name" => |a, b| a.spec.name.cmp(&b.spec.name),
            "memory_mb" => |a, b| a.spec.memory_mb.cmp(&b.spec.memory_mb),
            "vcpus" => |a, b| a.spec.vcpus.cmp(&b.spec.vcpus),
            "root_gb" => |a, b| a.spec.root_gb.cmp(&b.spec.root_gb),
            "ephemeral_gb" => |a, b| a.spec.ephemeral_gb.cmp(&b.spec.ephemeral_gb),
            "swap" => |a, b| a.spec.swap_mb.cmp(&b.spec.swap_mb),
            _ => |_, _| Ordering::Equal,
        };
    flavors.sort_by(|a, b| compare(a, b).then(a.id.cmp(&b.id)));
    if call.query.last("sort_dir") == Some("desc") {
        flavors.reverse();
    }
}

fn least(call: &Call, name: &str) -> Result<i64, ApiError> {
    let Some(text) = call.query.last(name) else {
        return Ok(i64::MIN);
    };
    let invalid = |_| ApiError::BadRequest(format!("Invalid {name} filter [{text}]"));
    text.parse().map_err(invalid)
}
